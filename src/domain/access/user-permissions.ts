/** What the roles that a user holds account-wide are worth at an Api: what tokens go by, and what administrators are shown. */
import type { Tenant } from '../../kernel/context.ts';
import { type Api, permissionsOf } from '../api/api.ts';
import { type Role, roles } from './role.ts';
import { rolesOf } from './role-member.ts';

export async function heldRoles(tenant: Tenant, user: string): Promise<Role[]> {
  return [...(await roles.many(tenant, await rolesOf(tenant, user))).values()];
}

/** Permissions of an Api that roles grant. */
export const grantedBy = (roles: readonly Role[], api: Api): Set<string> =>
  new Set(roles.flatMap((role) => role.permissions.filter((p) => p.api === api.id).map((p) => p.value)));

export type EffectivePermission = { value: string; description?: string; roles: string[] };

/** By Api and permission the roles that grant it. */
type Granted = Map<string, Map<string, string[]>>;

/** One look at the roles, however many Apis they are about. */
export function grantsOf(held: readonly Role[]): Granted {
  const granted: Granted = new Map();
  for (const { id, permissions } of held)
    for (const { api, value } of permissions) {
      const ofApi = granted.get(api) ?? new Map<string, string[]>();
      granted.set(api, ofApi.set(value, [...(ofApi.get(value) ?? []), id]));
    }
  return granted;
}

/** All that a token for an Api can carry of a user with these grants; of each permission, which roles grant it. */
export function effectivePermissions(api: Api, granted: Granted): EffectivePermission[] {
  const ofApi = granted.get(api.id) ?? new Map<string, string[]>();
  const listed = permissionsOf(api);
  const known = new Set(listed.map(({ value }) => value));
  const beyond = api.enforce_policies ? [] : [...ofApi.keys()].filter((value) => !known.has(value));
  return [...listed, ...beyond.map((value) => ({ value }))]
    .filter(({ value }) => !api.rbac || ofApi.has(value))
    .map((permission) => ({ ...permission, roles: ofApi.get(permission.value)?.toSorted() ?? [] }));
}
