/** Claims that an Api's settings add to tokens of logins for it. What a setting needs is read only where it is on. */
import { teams } from '../../domain/access/team.ts';
import { teamsOf } from '../../domain/access/team-member.ts';
import type { Api } from '../../domain/api/api.ts';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import { apiOf, heldRoles } from '../request/resource-server.ts';

type Claims = { permissions?: string[]; roles?: string[]; teams?: string[] };
type Include = { roles: boolean; teams: boolean };

/** Names of the user's account-wide roles and slugs of their teams, in a stable order. */
async function memberships(tenant: Tenant, user: string, include: Include): Promise<Claims> {
  const [roles, slugs] = await Promise.all([
    include.roles ? heldRoles(tenant, user).then((held) => held.map(({ name }) => name).sort()) : undefined,
    include.teams ? teamSlugs(tenant, user) : undefined,
  ]);
  return { ...(roles && { roles }), ...(slugs && { teams: slugs }) };
}

async function teamSlugs(tenant: Tenant, user: string): Promise<string[]> {
  const held = await teams.many(tenant, await teamsOf(tenant, user));
  return [...held.values()].map(({ slug }) => slug).sort();
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
