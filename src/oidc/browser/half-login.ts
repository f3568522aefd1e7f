/**
 * Somebody who is proven outside of any flow, as by a mailed link, and lacks something: the browser carries what was proven,
 * sealed, to the flow that comes next, which keeps it. No session, and nothing to any other client or tenant.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HalfLogin } from '../../auth/conclude-login.ts';
import { MINUTE, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { seal, unseal } from '../../kernel/secret/seal.ts';

const COOKIE = 'cardea_half';
const PATH = '/flow';
const CARRIED_SECONDS = 10 * MINUTE;

const contextOf = (tenant: Tenant, client: string) => `${tenant.id} half login ${client}`;

export function carryHalfLogin({ tenant }: FastifyRequest, reply: FastifyReply, half: HalfLogin, client: string): void {
  reply.setCookie(COOKIE, seal(JSON.stringify(half), contextOf(tenant, client)), {
    path: PATH,
    httpOnly: true,
    secure: tenant.origin.startsWith('https:'),
    sameSite: 'lax',
    maxAge: CARRIED_SECONDS,
  });
}

/** What the browser carries for this client, once. */
export function takeHalfLogin(
  { tenant, cookies }: FastifyRequest,
  reply: FastifyReply,
  client: string,
): HalfLogin | undefined {
  const sealed = cookies[COOKIE];
  if (!sealed) return undefined;
  reply.clearCookie(COOKIE, { path: PATH });
  try {
    const half = JSON.parse(unseal(sealed, contextOf(tenant, client))) as HalfLogin;
    return half.authTime + CARRIED_SECONDS > nowSeconds() ? half : undefined;
  } catch {
    // Of another client, or not from here: a cookie that proves nothing.
    return undefined;
  }
}
