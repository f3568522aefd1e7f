/** Whom a bearer token speaks for at our own addresses for users; the management API reads its tokens itself. */
import type { FastifyRequest } from 'fastify';
import type { AccessToken } from 'oidc-provider';
import { managementAudiences } from '../../domain/api/permission.ts';
import { bearerOf } from '../../kernel/authorization.ts';
import { Fault } from '../../kernel/fault.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { opaqueForm } from '../token/access-token.ts';

/**
 * The id of the user behind the `Authorization` header, or nothing when there is none. Taken are tokens for userinfo (those
 * without an audience) and for the management API: those for another Api are in the hands of that Api, which must not be
 * able to act as the user here. Neither may a third-party client: what it may know of a user is in its scopes, at userinfo.
 * @throws Fault `unauthorized`, `invalid_token`; `forbidden` for a client that is not the tenant's own.
 */
export async function bearerUser(providerFor: ProviderFor, request: FastifyRequest): Promise<string | undefined> {
  const { headers, tenant } = request;
  if (headers.authorization === undefined) return undefined;
  const value = bearerOf(headers.authorization);
  if (!value) throw new Fault('unauthorized');
  const provider = await providerFor(tenant);
  const token: (AccessToken & { jkt?: string }) | undefined = await provider.AccessToken.find(opaqueForm(value));
  const audience = typeof token?.aud === 'string' ? token.aud : undefined;
  const isForUs = audience === undefined || managementAudiences(tenant.id).includes(audience);
  // RFC 9449 §7.2: one that is bound to a key is worth nothing without the proof.
  if (!token?.accountId || !isForUs || token.jkt) throw new Fault('invalid_token');
  const client = await provider.Client.find(token.clientId!);
  if (!(client as ClientExtras | undefined)?.first_party)
    throw new Fault('forbidden', 'this is for apps of the account’s own; /userinfo says what the token’s scopes allow');
  return token.accountId;
}
