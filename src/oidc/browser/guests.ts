/**
 * Who is a guest in a browser: a client that nobody at the tenant vouches for, and through which no person has logged in
 * there. The one rule of it, and how the browser remembers such logins: in a sealed cookie, of so many apps, for so long.
 */
import type { FastifyRequest } from 'fastify';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { DAY, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { hashToken } from '../../kernel/secret/random.ts';
import { seal, unseal } from '../../kernel/secret/seal.ts';
import { isUnverified } from '../client/client-metadata.ts';
import { sessionCookie } from '../storage/session.ts';
import { requestOf } from '../wire/hand-over.ts';

const COOKIE = 'cardea_apps';
const APPS = 20;
const REMEMBERED_SECONDS = 180 * DAY;

/** The latest first. */
type Remembered = [app: string, untilSeconds: number][];

type App = { clientId: string };

const contextOf = (tenant: Tenant): string => `${tenant.id} apps of a browser`;
const markOf = ({ clientId }: App): string => hashToken(clientId).slice(0, 16);

function rememberedBy({ tenant, cookies }: FastifyRequest): Remembered {
  try {
    const all = JSON.parse(unseal(cookies[COOKIE] ?? '', contextOf(tenant))) as Remembered;
    return all.filter(([, until]) => until > nowSeconds());
  } catch {
    // None, or not from here: a cookie that proves nothing.
    return [];
  }
}

/** Whether a person has yet to log in through it in this browser before it may have the browser sent anywhere. */
export const isGuest = (request: FastifyRequest, client: App): boolean =>
  isUnverified(client) && !rememberedBy(request).some(([app]) => app === markOf(client));

/** A person has logged in through it. It goes along wherever the session does, so that it may renew silently. */
export function rememberApp(ctx: KoaContextWithOIDC): void {
  const { client } = ctx.oidc;
  if (!client || !isUnverified(client)) return;
  const request = requestOf(ctx.req);
  const { tenant } = request;
  const mark = markOf(client);
  const others = rememberedBy(request).filter(([app]) => app !== mark);
  const all: Remembered = [[mark, nowSeconds() + REMEMBERED_SECONDS], ...others.slice(0, APPS - 1)];
  const value = seal(JSON.stringify(all), contextOf(tenant));
  ctx.cookies.set(COOKIE, value, { ...sessionCookie(tenant), signed: false, maxAge: REMEMBERED_SECONDS * 1000 });
}

/**
 * A guest that asks without a page hears that nobody is logged in, whoever is: no stranger learns of that by asking.
 * @throws LoginRequired
 */
export function refuseSilentGuest({ oidc, req }: KoaContextWithOIDC): void {
  // What is pushed comes from the client's server, and is looked at again in the browser.
  if (oidc.route !== 'authorization' || !oidc.prompts.has('none')) return;
  if (isGuest(requestOf(req), oidc.client!)) throw new errors.LoginRequired();
}
