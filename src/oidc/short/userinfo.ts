/**
 * The short way to the answer of the userinfo endpoint (OIDC Core §5.3) that nearly every request gets: a plain bearer
 * token from a server, and claims as JSON. It knows no refusals: whatever is not plainly in order is the engine's to
 * answer, which says the same of what is.
 */
import type { FastifyRequest } from 'fastify';
import { users } from '../../domain/user/user.ts';
import { bearerOf } from '../../kernel/authorization.ts';
import { type ClientExtras, rowMetadata } from '../client/client-metadata.ts';
import { type LiveToken, liveToken } from '../token/access-token.ts';
import { CLAIMS, isActive, userClaims } from '../token/claims.ts';
import { groupsAtUserinfo } from '../token/groups.ts';
import { isPlain } from './client.ts';
import { type GrantPayload, openGrant } from './grant.ts';

const claimsOf: Record<string, string[]> = CLAIMS;

/** Scopes that both the token and its grant hold; nothing where the grant does not plainly stand behind the token. */
function grantedScopes(live: LiveToken): string[] | undefined {
  const { rejected, openid }: GrantPayload = openGrant(live) ?? {};
  if (rejected || !openid?.scope || openid.claims) return undefined;
  const granted = openid.scope.split(' ');
  return live.payload.scope!.split(' ').filter((scope) => granted.includes(scope));
}

export async function userinfo(request: FastifyRequest): Promise<object | undefined> {
  const { tenant, headers } = request;
  const value = isPlain(request) ? bearerOf(headers.authorization) : undefined;
  if (!value) return undefined;
  const live = await liveToken(tenant, 'AccessToken', value);
  if (!live) return undefined;
  const { payload: token } = live;
  if (token.aud !== undefined || token.jkt || token.claims || !token.scope) return undefined;
  const client = await rowMetadata(tenant, token.clientId!);
  if (!client || client.userinfo_signed_response_alg) return undefined;
  const scopes = grantedScopes(live);
  if (!scopes?.includes('openid')) return undefined;
  const user = await users.recent(tenant, token.accountId!);
  if (!isActive(user)) return undefined;
  const claims: Record<string, unknown> = userClaims(user);
  const released = scopes
    .flatMap((scope) => claimsOf[scope] ?? [])
    .flatMap((claim) => (claims[claim] === undefined ? [] : [[claim, claims[claim]]]));
  return { ...Object.fromEntries(released), ...(await groupsAtUserinfo(tenant, client as ClientExtras, user.id)) };
}
