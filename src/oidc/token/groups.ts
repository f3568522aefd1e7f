/**
 * What a user belongs to, as tokens name it, and the claim that a client reads it from (domain/client/groups-claim.ts).
 * Nothing is read where nobody wants it.
 */
import { teams } from '../../domain/access/team.ts';
import { teamsOf } from '../../domain/access/team-member.ts';
import { heldRoles } from '../../domain/access/user-permissions.ts';
import { apiByIdentifier } from '../../domain/api/api.ts';
import { managementAudience } from '../../domain/api/permission.ts';
import type { GroupsClaim } from '../../domain/client/groups-claim.ts';
import type { Tenant } from '../../kernel/context.ts';

/** Names of the user's account-wide roles. */
export const roleNames = async (tenant: Tenant, user: string): Promise<string[]> =>
  inOrder((await heldRoles(tenant, user)).map(({ name }) => name));

export async function teamSlugs(tenant: Tenant, user: string): Promise<string[]> {
  const held = await teams.many(tenant, await teamsOf(tenant, user));
  return inOrder([...held.values()].map(({ slug }) => slug));
}

/** Of whichever Api, but none of the management API's: those are no business of an app, and there are many. */
async function permissionValues(tenant: Tenant, user: string): Promise<string[]> {
  const [held, management] = await Promise.all([
    heldRoles(tenant, user),
    apiByIdentifier(tenant, managementAudience(tenant.id)),
  ]);
  const granted = held.flatMap(({ permissions }) => permissions);
  return inOrder(granted.filter(({ api }) => api !== management?.id).map(({ value }) => value));
}

const inOrder = (names: string[]): string[] => [...new Set(names)].sort();

const SOURCES: Record<GroupsClaim['from'], (tenant: Tenant, user: string) => Promise<string[]>> = {
  roles: roleNames,
  teams: teamSlugs,
  permissions: permissionValues,
};

/** A token has to fit into a header, of which many servers take 8 KB. */
const MAX_BYTES_IN_TOKEN = 4096;

type Wanting = { groups_claim?: GroupsClaim; first_party?: boolean };

/** The claim, for whoever asks userinfo: all of it, however much that is. */
export async function groupsAtUserinfo(
  tenant: Tenant,
  { groups_claim: claim, first_party }: Wanting,
  user: string,
): Promise<Record<string, string[]>> {
  return claim && first_party ? { [claim.name]: await SOURCES[claim.from](tenant, user) } : {};
}

/** The claim of a token. More than fits is left out as a whole: a part would be taken for all of it. */
export async function groupsInToken(tenant: Tenant, client: Wanting, user: string): Promise<Record<string, string[]>> {
  const claim = await groupsAtUserinfo(tenant, client, user);
  return Buffer.byteLength(JSON.stringify(claim)) > MAX_BYTES_IN_TOKEN ? {} : claim;
}
