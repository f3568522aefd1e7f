/** RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): checks the request and ends the browser's session. */
import type { FastifyRequest } from 'fastify';
import { compactVerify, decodeProtectedHeader } from 'jose';
import type { Client, Provider, Session } from 'oidc-provider';
import { clients } from '../../domain/client/client.ts';
import { accountKeys } from '../../domain/key/account-keys.ts';
import { endSession as endStoredSession } from '../../domain/protocol/session-end.ts';
import { users } from '../../domain/user/user.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { compared } from '../../kernel/text/kind.ts';
import { digitsOf } from '../../kernel/text/phone.ts';
import { homeOf } from '../client/client-metadata.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { destinationOf } from '../request/consent.ts';
import { sessionOf } from '../storage/session.ts';
import { requireIdToken } from '../token/id-token.ts';

import { isGuest } from './guests.ts';

export { SESSION_COOKIE, sessionCookie } from '../storage/session.ts';

export const LOGOUT_PARAMETERS = [
  'id_token_hint',
  'logout_hint',
  'client_id',
  'post_logout_redirect_uri',
  'returnTo',
  'state',
  'ui_locales',
] as const;
export type LogoutParams = { [name in (typeof LOGOUT_PARAMETERS)[number]]?: string };

export type LogoutRequest = {
  /** Where to send the browser, the client's `state` included; undefined when the client named nothing. */
  redirectTo?: string;
  /** True when it named an address that nobody vouches for: the person stays with us. */
  refusesReturn: boolean;
  /** Where that is, as people are told of it. */
  destination?: string;
  client?: { id: string; name?: string; uri?: string; guest: boolean };
  session?: Session;
  user?: string;
  /** True when the hint proves that the client means this very session, so that nobody has to be asked (§2). */
  confirmed: boolean;
};

/** @throws Fault `invalid_request` for a parameter that comes twice or is not text (RFC 6749 §3.1). */
export function logoutParams(...sources: unknown[]): LogoutParams {
  const params: LogoutParams = {};
  for (const source of sources) {
    for (const name of LOGOUT_PARAMETERS) {
      const value = (source as Record<string, unknown> | null | undefined)?.[name];
      // What says nothing was left out (RFC 6749 §3.1).
      if (value === undefined || value === null || value === '') continue;
      if (typeof value !== 'string') throw new Fault('invalid_request', `${name} must be given once, as text`);
      params[name] = value;
    }
  }
  return params;
}

type Hint = { iss?: unknown; aud?: unknown; sub?: unknown; sid?: unknown };

/** An id token of ours, expired or not (§2), and signed as the client's were at the time. */
async function openHint(tenant: Tenant, hint: string): Promise<Hint> {
  const { published } = await accountKeys(tenant);
  requireIdToken(hint);
  const { kid, alg } = decodeProtectedHeader(hint);
  const key = published.find((one) => one.kid === kid);
  if (!key || key.alg !== alg) throw new Error('not an id token of ours');
  const { payload } = await compactVerify(hint, key.publicKey, { algorithms: [key.alg] });
  return JSON.parse(Buffer.from(payload).toString()) as Hint;
}

/**
 * What the request proves. A hint that cannot be verified (of a key that was revoked, of a client that is gone) is no
 * hint: nobody is kept logged in for that. One of another client than `client_id` names speaks for neither (§2).
 */
async function partyOf(
  provider: Provider,
  tenant: Tenant,
  { id_token_hint: hint, client_id: clientId }: LogoutParams,
): Promise<{ client?: Client; proof?: Hint }> {
  const opened = hint ? await openHint(tenant, hint).catch(() => undefined) : undefined;
  const proof = opened?.iss === tenant.origin ? opened : undefined;
  const audience = proof ? [proof.aud].flat()[0] : undefined;
  if (proof && clientId && clientId !== audience) return {};
  const id = proof ? audience : clientId;
  const client = typeof id === 'string' ? await provider.Client.find(id) : undefined;
  return { client, ...(client && { proof }) };
}

const LONGEST_HINT = 300;

/** Whether `logout_hint` may mean this user: their id, email, username or phone. */
async function mayMean(tenant: Tenant, hint: string, user: string): Promise<boolean> {
  const row = await users.find(tenant, user);
  const meant = compared(emailAddress, hint.slice(0, LONGEST_HINT));
  if ([row?.id, row?.email, row?.username].includes(meant)) return true;
  return Boolean(row?.phone) && /^\+?[\d ()./-]+$/.test(meant) && digitsOf(row!.phone!) === digitsOf(meant);
}

/**
 * What is asked, as far as it is vouched for. A return address that is not registered, or that nobody vouches for, is not
 * gone to (§3); the person is asked, and logged out all the same.
 */
export async function readLogout(
  providerFor: ProviderFor,
  request: FastifyRequest,
  params: LogoutParams,
): Promise<LogoutRequest> {
  const { tenant } = request;
  const provider = await providerFor(tenant);
  const session = await sessionOf(providerFor, request);
  const { logout_hint: whom, state } = params;
  const target = params.post_logout_redirect_uri ?? params.returnTo;
  const { client, proof } = await partyOf(provider, tenant, params);
  const allowed = target !== undefined && Boolean(client?.postLogoutRedirectUriAllowed(target));
  const onward = state === undefined || target === undefined ? target : withState(target, state);
  const redirectTo = allowed ? onward : undefined;
  const refusesReturn = target !== undefined && !allowed;
  const user = session?.accountId;
  // A hint without `sid` was issued outside of any browser session: to a device, or for a password.
  const meansThis =
    client !== undefined &&
    proof?.sub === user &&
    (proof?.sid === undefined || proof.sid === session?.authorizations?.[client.clientId]?.sid) &&
    (whom === undefined || user === undefined || (await mayMean(tenant, whom, user)));
  return {
    redirectTo,
    refusesReturn,
    destination: destinationOf(redirectTo),
    client: client && {
      id: client.clientId,
      name: client.clientName,
      uri: homeOf(client),
      guest: isGuest(request, client),
    },
    session,
    user,
    confirmed: !user || (meansThis && !refusesReturn),
  };
}

/** Added to the address as registered, to the letter. */
function withState(target: string, state: string): string {
  return `${target}${target.includes('?') ? '&' : '?'}${new URLSearchParams({ state })}`;
}

/** Ends the session, what was granted within it, and the sessions at its clients that can be told from here. */
export const endSession = (tenant: Tenant, session: Session): Promise<void> =>
  endStoredSession(
    tenant,
    { uid: session.uid, user: session.accountId, authorizations: session.authorizations ?? {} },
    () => session.destroy(),
  );

/**
 * Front-Channel Logout 1.0 §3: what the browser has to open for each client of the session that asked for it. The
 * answer is safe to use after the session ended.
 */
export async function frontchannelOf(tenant: Tenant, session: Session): Promise<string[]> {
  const authorizations = Object.entries(session.authorizations ?? {}).filter(([, { sid }]) => sid);
  const known = await clients.many(
    tenant,
    authorizations.map(([id]) => id),
  );
  return authorizations.flatMap(([id, { sid }]) => {
    const { frontchannel_logout_uri: uri, frontchannel_logout_session_required: named } = known.get(id) ?? {};
    const url = uri ? URL.parse(uri) : null;
    if (!url) return [];
    if (named && sid) {
      url.searchParams.set('iss', tenant.origin);
      url.searchParams.set('sid', sid);
    }
    return [url.href];
  });
}
