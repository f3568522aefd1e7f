/**
 * Nobody gives what they do not have: which permissions of the management API somebody gets by being granted something, or
 * by having a client or a user in hand. Routes say by these what they give, and whoever calls them needs it too
 * (http/actor.ts). Other Apis' permissions are the administrators' to give, who have none of them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Tenant } from '../../kernel/context.ts';
import { collectionNamed } from '../../resource/registry.ts';
import { recentApi } from '../api/api.ts';
import { managementAudience, managementPermissions } from '../api/permission.ts';

/** A permission of some Api. */
export type ApiPermission = { api: string; value: string };
type Grants = readonly { api: string; scope: readonly string[] }[] | null | undefined;
type RoleRow = { id: string; permissions: ApiPermission[] };
type Membership = { user: string; role?: string; roles?: string[] };

const NONE: ReadonlySet<string> = new Set();

/** Of some Apis' permissions those of the management API; one that it does not have opens nothing. */
export async function byPermissions(tenant: Tenant, permissions: readonly ApiPermission[] = []): Promise<Set<string>> {
  const management = permissions.length ? await recentApi(tenant, managementAudience(tenant.id)) : undefined;
  const named = new Set(permissions.filter(({ api }) => api === management?.id).map(({ value }) => value));
  return new Set(managementPermissions().map(({ value }) => value)).intersection(named);
}

/** What a client is granted by name, which is what a machine may do. */
export const byGrants = (tenant: Tenant, grants: Grants): Promise<Set<string>> =>
  byPermissions(
    tenant,
    (grants ?? []).flatMap(({ api, scope }) => scope.map((value) => ({ api, value }))),
  );

/** What whoever holds these roles may do. */
export async function byRoles(tenant: Tenant, ids: readonly string[] = []): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const roles = (await collectionNamed('role').many(tenant, ids)) as Map<string, unknown> as Map<string, RoleRow>;
  return byPermissions(
    tenant,
    [...roles.values()].flatMap(({ permissions }) => permissions),
  );
}

/** Roles that say anything about the management API: few, whoever holds them. */
async function administratorRoles(tenant: Tenant): Promise<RoleRow[]> {
  const management = await recentApi(tenant, managementAudience(tenant.id));
  if (!management) return [];
  const named = { 'permissions.api': { $eq: management.id } };
  return (await collectionNamed('role').all(tenant, named)) as unknown[] as RoleRow[];
}

/** What some user or other may do: whoever comes between users and their logins does it in their place. */
export async function byEverybody(tenant: Tenant): Promise<Set<string>> {
  const roles = await administratorRoles(tenant);
  return byPermissions(
    tenant,
    roles.flatMap(({ permissions }) => permissions),
  );
}

/** What each of some users may do, by roles that they hold account-wide or in a team; nothing of those who may nothing. */
export async function byUsers(tenant: Tenant, users: readonly string[]): Promise<Map<string, Set<string>>> {
  const held = new Map<string, Set<string>>();
  const roles = await administratorRoles(tenant);
  if (roles.length === 0) return held;
  const gives = new Map<string, Set<string>>();
  for (const { id, permissions } of roles) gives.set(id, await byPermissions(tenant, permissions));
  const [user, role] = [{ $in: users }, { $in: [...gives.keys()] }];
  const memberships = await Promise.all([
    collectionNamed('rolemember').all(tenant, { user, role }),
    collectionNamed('teammember').all(tenant, { user, roles: role }),
  ]);
  for (const { user, role, roles = [role!] } of memberships.flat() as unknown as Membership[])
    for (const id of roles) held.set(user, (held.get(user) ?? new Set()).union(gives.get(id) ?? NONE));
  return held;
}

/** What a user may do, who is as good as whoever can log in as that user. */
export const byUser = async (tenant: Tenant, user: string): Promise<ReadonlySet<string>> =>
  (await byUsers(tenant, [user])).get(user) ?? NONE;

/** Of what a patch says the fields that it changes. */
export const changedBy = (patch: object, current: object): string[] =>
  Object.entries(patch)
    .filter(([field, value]) => !isDeepStrictEqual(value ?? null, (current as Record<string, unknown>)[field] ?? null))
    .map(([field]) => field);
