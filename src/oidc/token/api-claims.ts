/** Claims that an Api's settings add to tokens of logins for it. What a setting needs is read only where it is on. */
import type { Api } from '../../domain/api/api.ts';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import { apiOf } from '../request/resource-server.ts';
import { roleNames, teamSlugs } from './groups.ts';

type Claims = { permissions?: string[]; roles?: string[]; teams?: string[] };
type Include = { roles: boolean; teams: boolean };

async function memberships(tenant: Tenant, user: string, include: Include): Promise<Claims> {
  const [roles, slugs] = await Promise.all([
    include.roles ? roleNames(tenant, user) : undefined,
    include.teams ? teamSlugs(tenant, user) : undefined,
  ]);
  return { ...(roles && { roles }), ...(slugs && { teams: slugs }) };
}

const inAccessToken = (api: Api): Include => ({
  roles: api.include_roles_in_access_token,
  teams: api.include_teams_in_access_token,
});
const inIdToken = (api: Api): Include => ({
  roles: api.include_roles_in_id_token,
  teams: api.include_teams_in_id_token,
});

export async function apiClaims(
  tenant: Tenant,
  token: { audience: string; accountId?: string; permissions?: string },
): Promise<Claims> {
  const api = await apiOf(tenant, token.audience);
  if (!api) return {};
  return {
    ...(api.token_dialect === 'access_token_authz' && {
      permissions: scopeWords(token.permissions),
    }),
    ...(token.accountId && (await memberships(tenant, token.accountId, inAccessToken(api)))),
  };
}

/** What the Api that an access token is for wants said in the id token beside it. */
export async function idTokenClaims(
  tenant: Tenant,
  { audience, user }: { audience: string; user: string },
): Promise<Claims> {
  const api = await apiOf(tenant, audience);
  return api ? memberships(tenant, user, inIdToken(api)) : {};
}
