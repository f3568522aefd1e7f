/**
 * What a browser remembers of the logins that it was shown: which app each was for and where that is, so that a page of one
 * that is over can lead on. In a sealed cookie, of so many logins, for so long; the engine has forgotten them by then.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Client } from 'oidc-provider';
import { DAY, inSeconds, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { seal, unseal } from '../../kernel/secret/seal.ts';
import { type ClientExtras, homeOf, isUnverified, PAGES } from '../client/client-metadata.ts';
import { destinationOf } from '../request/consent.ts';
import { sessionCookie } from '../storage/session.ts';

const COOKIE = 'cardea_recent';
/** Together with the limits of what is kept of each: a cookie that every browser takes. */
const FLOWS = 4;
const NAME_LENGTH = 60;
const ADDRESS_LENGTH = 300;
const REMEMBERED_SECONDS = DAY;

export type RecentFlow = {
  uid: string;
  /** Of the app. */
  name: string;
  /** Where it is, or where a login at it begins. Absent for a native app, which has none. */
  address?: string;
  /** Nobody at the tenant vouches for it: this is where `address` leads, as people are told of it. */
  stranger?: string;
  until: number;
};

const contextOf = (tenant: Tenant): string => `${tenant.id} recent logins of a browser`;

function rememberedBy({ tenant, cookies }: FastifyRequest): RecentFlow[] {
  try {
    const all = JSON.parse(unseal(cookies[COOKIE] ?? '', contextOf(tenant))) as RecentFlow[];
    return all.filter(({ until }) => until > nowSeconds());
  } catch {
    // None, or not from here: a cookie that proves nothing.
    return [];
  }
}

/** The login of that id, if it was shown in this browser. */
export const recentFlow = (request: FastifyRequest, uid: string): RecentFlow | undefined =>
  rememberedBy(request).find((flow) => flow.uid === uid);

/** Keeps a login that the browser is about to be shown; at every other time it is there already. */
export function rememberFlow(
  request: FastifyRequest,
  reply: FastifyReply,
  { uid, client, params }: { uid: string; client: Client; params: Record<string, unknown> },
): void {
  const { tenant } = request;
  const all = rememberedBy(request);
  if (request.method === 'HEAD' || all.some((flow) => flow.uid === uid)) return;
  const address = addressOf(tenant, client, params);
  const flow: RecentFlow = {
    uid,
    name: (client.clientName ?? client.clientId).slice(0, NAME_LENGTH),
    until: nowSeconds() + REMEMBERED_SECONDS,
    ...(address && address.length <= ADDRESS_LENGTH && { address }),
    ...(isUnverified(client) && { stranger: destinationOf(address) }),
  };
  const value = seal(JSON.stringify([flow, ...all.slice(0, FLOWS - 1)]), contextOf(tenant));
  reply.setCookie(COOKIE, value, { ...sessionCookie(tenant), expires: inSeconds(REMEMBERED_SECONDS) });
}

/** A login of a page of ours comes back to that page. */
function pageOf(tenant: Tenant, state: unknown): string | undefined {
  const url = typeof state === 'string' && state ? URL.parse(state, tenant.origin) : null;
  return url?.origin === tenant.origin ? url.href : undefined;
}

/** Where a login at the app begins (OpenID Connect Core §4), else its website, else where it has the browser sent back to. */
function addressOf(tenant: Tenant, client: Client, { redirect_uri, state }: Record<string, unknown>) {
  if (client.clientId === PAGES) return pageOf(tenant, state);
  const callback = typeof redirect_uri === 'string' ? URL.parse(redirect_uri) : null;
  const isSite = /^https?:$/.test(callback?.protocol ?? '') && !(client as unknown as ClientExtras).native;
  const site = isSite ? `${callback!.origin}/` : undefined;
  // Of a stranger only what its logins have shown to people counts.
  if (isUnverified(client)) return site;
  const begins = typeof client.initiateLoginUri === 'string' ? URL.parse(client.initiateLoginUri) : null;
  begins?.searchParams.set('iss', tenant.origin);
  return begins?.href ?? homeOf(client) ?? site;
}
