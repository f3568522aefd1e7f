/** Who holds which role account-wide. A grant is a row; granting twice is one row. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection } from '../../resource/collection.ts';
import type { Row } from '../../resource/define.ts';
import { requireRows, requireStill } from '../../resource/references.ts';
import { mountResource } from '../../resource/routes.ts';
import { Reference } from '../fields.ts';
import { lifecycle } from '../trail/events.ts';
import { byRoles } from './ceiling.ts';

export const roleMembers = defineCollection({
  name: 'rolemember',
  title: 'RoleMember',
  tag: { title: 'Role members', description: 'Who holds which role: one row for a role and a user.' },
  permission: 'rolemembers',
  permissions: { of: 'role members', verbs: ['read', 'create', 'delete'] },
  collection: 'rolemembers',
  row: Type.Object({
    role: Type.String({ description: 'Role granted to the user; an id, or the Role with `?expand=role`' }),
    user: Type.String({ description: 'User the role is granted to; an id, or the User with `?expand=user`' }),
  }),
  defaults: () => ({}),
  filter: ['role', 'user'],
  unique: [['role', 'user']],
  events: lifecycle({ created: 'role.member.added', deleted: 'role.member.removed' }),
  references: {
    role: { to: 'role', gone: 'remove', expand: true },
    user: { to: 'user', gone: 'remove', expand: true },
  },
});

export type RoleMember = Row<typeof roleMembers.spec.row>;

/**
 * Grants a role to users: all of them or, when one does not exist, none.
 * @returns one row per user, the existing one where the user already held the role.
 */
export async function grantRole(tenant: Tenant, role: string, userIds: readonly string[]): Promise<RoleMember[]> {
  await requireRows(tenant, 'role', [role], 'role');
  await requireRows(tenant, 'user', userIds, 'users');
  const members: RoleMember[] = [];
  const made: string[] = [];
  for (const user of new Set(userIds)) {
    try {
      const member = await roleMembers.create(tenant, { role, user });
      made.push(member.id);
      members.push(member);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'conflict')) throw error;
      const existing = await roleMembers.findOne(tenant, { role: { $eq: role }, user: { $eq: user } });
      if (existing) members.push(existing);
    }
  }
  await requireStill(roleMembers, tenant, { role, user: userIds }, made);
  return members;
}

/** Ids of the roles that a user holds account-wide. */
export async function rolesOf(tenant: Tenant, user: string): Promise<string[]> {
  const members = await roleMembers.all(tenant, { user: { $eq: user } });
  return members.map(({ role }) => role);
}

type Grant = { users: string[]; role?: string };

async function createRoleMember(tenant: Tenant, { users: userIds, role }: Grant): Promise<RoleMember> {
  // The contract's body has no role, but a grant of nothing means nothing.
  if (role === undefined)
    throw new Fault('validation', '"role" is required.', { details: [{ path: '/role', message: 'is required' }] });
  const [first] = await grantRole(tenant, role, userIds);
  return first!;
}

export function mount(app: FastifyInstance): void {
  mountResource(app, roleMembers, {
    create: {
      body: Type.Object(
        {
          users: Type.Array(Type.String({ maxLength: 100 }), { minItems: 1, maxItems: 1000 }),
          role: Type.Optional(Reference('Role', 'Role to grant (required)')),
        },
        { additionalProperties: false },
      ),
      run: createRoleMember,
      gives: (tenant, { role }: Grant) => byRoles(tenant, role === undefined ? [] : [role]),
    },
    remove: true,
  });
}
