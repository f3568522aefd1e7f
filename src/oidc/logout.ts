/** RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): checks the request and ends the browser's session. */
import type { FastifyRequest } from 'fastify';
import { decodeJwt } from 'jose';
import type { Client, Provider, Session } from 'oidc-provider';
import { revokeGrant } from '../domain/grant.ts';
import { Fault } from '../kernel/fault.ts';
import type { ProviderFor } from './providers.ts';

export const SESSION_COOKIE = 'cardea_sess';

export type LogoutRequest = {
  /** Where to send the browser, the client's `state` included; undefined when the client named nothing. */
  redirectTo?: string;
  clientName?: string;
  session?: Session;
  user?: string;
  /** True when the hint proves that the client means this very session, so that nobody has to be asked (§2). */
  confirmed: boolean;
};

type Params = Record<string, string | undefined>;

/** The browser's session, if it has a live one. */
export async function sessionOf(providerFor: ProviderFor, request: FastifyRequest): Promise<Session | undefined> {
  const id = request.cookies[SESSION_COOKIE];
  if (!id) return undefined;
  return (await providerFor(request.tenant)).Session.find(id);
}

async function clientOfHint(
  provider: Provider,
  hint: string,
  clientId: string | undefined,
): Promise<{ client: Client; sub?: string; sid?: unknown }> {
  const bad = (why: string): never => {
    throw new Fault('invalid_request', `id_token_hint ${why}`);
  };
  let claims: ReturnType<typeof decodeJwt>;
  try {
    claims = decodeJwt(hint);
  } catch {
    return bad('is not a JWT');
  }
  const audience = [claims.aud].flat()[0];
  if (clientId && clientId !== audience) bad('was not issued to this client_id');
  const client = audience ? await provider.Client.find(audience) : undefined;
  if (!client) return bad('was issued to a client that does not exist');
  try {
    // An expired id token is still a good hint (§2).
    await (provider.IdToken as unknown as { validate(jwt: string, client: Client): Promise<unknown> }).validate(
      hint,
      client,
    );
  } catch {
    bad('is not valid');
  }
  return { client, sub: claims.sub, sid: claims.sid };
}

/** @throws Fault `invalid_request` for a hint that is not ours or a return address that is not registered. */
export async function readLogout(
  providerFor: ProviderFor,
  request: FastifyRequest,
  params: Params,
): Promise<LogoutRequest> {
  const provider = await providerFor(request.tenant);
  const session = await sessionOf(providerFor, request);
  const { id_token_hint: hint, client_id: clientId, state } = params;
  const target = params.post_logout_redirect_uri ?? params.returnTo;
  const hinted = hint ? await clientOfHint(provider, hint, clientId) : undefined;
  const client = hinted?.client ?? (clientId ? await provider.Client.find(clientId) : undefined);
  if (clientId && !client) throw new Fault('invalid_request', 'client_id is unknown');
  let redirectTo: string | undefined;
  if (target !== undefined) {
    if (!client) throw new Fault('invalid_request', 'a return address needs an id_token_hint or a client_id');
    if (!client.postLogoutRedirectUriAllowed(target))
      throw new Fault('invalid_request', 'the return address is not one of the logout URLs of the client');
    const url = new URL(target);
    if (state !== undefined) url.searchParams.set('state', state);
    redirectTo = url.href;
  }
  return {
    redirectTo,
    clientName: client?.clientName,
    session,
    user: session?.accountId,
    confirmed: !session?.accountId || (hinted !== undefined && hinted.sub === session.accountId),
  };
}

/** Ends the session and what was granted within it; grants with offline access outlive it (OIDC Core §11). */
export async function endSession(request: FastifyRequest, session: Session): Promise<void> {
  for (const { grantId, persistsLogout } of Object.values(session.authorizations ?? {})) {
    if (grantId && !persistsLogout) await revokeGrant(request.tenant, grantId);
  }
  await session.destroy();
}
