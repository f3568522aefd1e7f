/**
 * The short way to the answer of the userinfo endpoint (OIDC Core §5.3) that nearly every request gets: a plain bearer
 * token from a server, and claims as JSON. It knows no refusals: whatever is not plainly in order is the engine's to
 * answer, which says the same of what is.
 */
import type { FastifyRequest } from 'fastify';
import type { AdapterPayload } from 'oidc-provider';
import { users } from '../../domain/user/user.ts';
import { bearerOf } from '../../kernel/authorization.ts';
import type { Tenant } from '../../kernel/context.ts';
import { type ClientExtras, rowMetadata } from '../client/client-metadata.ts';
import { verifyAccessToken } from '../token/access-token.ts';
import { CLAIMS, isActive, userClaims } from '../token/claims.ts';
import { groupsAtUserinfo } from '../token/groups.ts';
import { isPlain } from './client.ts';
import { type GrantPayload, openGrant } from './grant.ts';

const claimsOf: Record<string, string[]> = CLAIMS;

/** Scopes that both the token and its grant hold; nothing where the grant does not plainly stand behind the token. */
async function grantedScopes(tenant: Tenant, token: AdapterPayload): Promise<string[] | undefined> {
  const { rejected, openid }: GrantPayload = (await openGrant(tenant, token)) ?? {};
  if (rejected || !openid?.scope || openid.claims) return undefined;
  const granted = openid.scope.split(' ');
  return (token.scope as string).split(' ').filter((scope) => granted.includes(scope));
}

export async function userinfo(request: FastifyRequest): Promise<object | undefined> {
  const { tenant, headers } = request;
  const value = isPlain(request) ? bearerOf(headers.authorization) : undefined;
  if (!value) return undefined;
  const token = await verifyAccessToken(tenant, 'AccessToken', value);
  if (!token || token.aud !== undefined || token.jkt || token.claims || !token.scope) return undefined;
  const client = await rowMetadata(tenant, token.clientId!);
  if (!client || client.userinfo_signed_response_alg) return undefined;
  const scopes = await grantedScopes(tenant, token);
  if (!scopes?.includes('openid')) return undefined;
  const user = await users.recent(tenant, token.accountId!);
  if (!isActive(user)) return undefined;
  const claims: Record<string, unknown> = userClaims(user);
  const released = scopes
    .flatMap((scope) => claimsOf[scope] ?? [])
    .flatMap((claim) => (claims[claim] === undefined ? [] : [[claim, claims[claim]]]));
  return { ...Object.fromEntries(released), ...(await groupsAtUserinfo(tenant, client as ClientExtras, user.id)) };
}
