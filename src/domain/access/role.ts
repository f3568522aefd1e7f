/** Roles: named sets of management and API permissions that users hold account-wide (role-member.ts). */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { distinct } from '../../kernel/distinct.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, type Row } from '../../resource/define.ts';
import { mountMembers } from '../../resource/members.ts';
import { present } from '../../resource/presentation.ts';
import { createRow, updateRow } from '../../resource/references.ts';
import { mountResource } from '../../resource/routes.ts';
import { type Api, requirePermissions } from '../api/api.ts';
import { Name, Text } from '../fields.ts';
import { type ApiPermission, byPermissions, byRoles } from './ceiling.ts';
import { grantRole, roleMembers } from './role-member.ts';

const RolePermission = Type.Object(
  {
    api: Type.String({ maxLength: 100, description: 'Id of the Api' }),
    value: Type.String({ minLength: 1, maxLength: 200, description: 'Permission of that Api' }),
  },
  { additionalProperties: false },
);

const fields = {
  name: Name('Short, human-readable identifier for the role (e.g. `admin`, `editor`).'),
  description: Text('Free-form explanation of what users in this role are expected to do or have access to.'),
  permissions: Type.Array(RolePermission, {
    maxItems: 1000,
    description: 'Permissions that holders of the role get in tokens for these APIs',
  }),
};

export const roles = defineCollection({
  name: 'role',
  title: 'Role',
  tag: { title: 'Roles', description: 'Named sets of permissions that users hold in the whole account.' },
  permission: 'roles',
  permissions: { of: 'roles' },
  collection: 'roles',
  row: Type.Object(fields),
  defaults: () => ({ description: '', permissions: [] }),
  filter: ['name'],
  freeForm: ['metadata'],
  search: ['name', 'description'],
  unique: [['name']],
  references: {
    'permissions.api': {
      to: 'api',
      gone: 'forget',
      accept: (api, permission) =>
        requirePermissions(api as unknown as Api, [(permission as ApiPermission).value], 'permissions'),
    },
  },
});

export type Role = Row<typeof roles.spec.row>;
type RoleInput = Partial<Role>;

const RoleCreate = Type.Object(
  {
    name: fields.name,
    description: Type.Optional(fields.description),
    permissions: Type.Optional(fields.permissions),
    metadata: Type.Optional(Metadata),
  },
  { additionalProperties: false },
);
const RoleUpdate = Type.Object(
  {
    name: Type.Optional(fields.name),
    description: Type.Optional(fields.description),
    permissions: Type.Optional(fields.permissions),
    metadata: Type.Optional(Metadata),
  },
  { additionalProperties: false },
);

/** A permission that is named twice is one. */
const once = (input: RoleInput): RoleInput =>
  input.permissions
    ? { ...input, permissions: distinct(input.permissions, ({ api, value }) => `${api} ${value}`) }
    : input;

export function mount(app: FastifyInstance): void {
  mountResource(app, roles, {
    create: {
      body: RoleCreate,
      run: (tenant, input: RoleInput) => createRow(roles, tenant, once(input)),
      gives: (tenant, { permissions }: RoleInput) => byPermissions(tenant, permissions),
    },
    update: {
      body: RoleUpdate,
      run: (tenant, id, patch: RoleInput, still) => updateRow(roles, tenant, id, once(patch), still),
      weighs: ['permissions'],
      // What it has already is given again to nobody.
      gives: async (tenant, { permissions }: RoleInput, current) =>
        (await byPermissions(tenant, permissions)).difference(await byPermissions(tenant, current.permissions)),
    },
    remove: true,
  });

  const params = Type.Object({ role_id: Type.String({ maxLength: 100 }) });
  const describe = { tags: ['role'], security: [{ bearerAuth: [] }], params };
  mountMembers(app, roles, roleMembers, {
    path: '/role/:role_id/users',
    operationId: 'role/users',
    summary: 'List who holds a role, the newest grant first',
  });
  app.post(
    '/role/:role_id/users',
    {
      config: {
        access: {
          permission: 'create:rolemembers',
          gives: ({ tenant, params }) => byRoles(tenant, [(params as { role_id: string }).role_id]),
        },
      },
      schema: {
        ...describe,
        operationId: 'role/assign_users',
        summary: 'Grant a role to users',
        body: Type.Object(
          { users: Type.Array(Type.String({ maxLength: 100 }), { minItems: 1, maxItems: 1000 }) },
          { additionalProperties: false },
        ),
        response: { 200: Type.Array(Type.Ref('RoleMember')) },
      },
    },
    async (request) => {
      const { role_id } = request.params as { role_id: string };
      await roles.get(request.tenant, role_id);
      const members = await grantRole(request.tenant, role_id, (request.body as { users: string[] }).users);
      await request.audit({ type: 'admin.role.users_assigned', subject: role_id, fields: ['users'] });
      return present(request, roleMembers, members);
    },
  );
}
