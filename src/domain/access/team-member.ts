/** Who is in which team, and with which roles there. Being added twice is one row. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection } from '../../resource/collection.ts';
import type { Row } from '../../resource/define.ts';
import { mountMembers } from '../../resource/members.ts';
import { present } from '../../resource/presentation.ts';
import { requireRows, requireStill } from '../../resource/references.ts';
import type { Gives } from '../../resource/request.ts';
import { mountResource } from '../../resource/routes.ts';
import { pagingParameters } from '../../resource/schemas.ts';
import { isTaken, Reference } from '../fields.ts';
import { lifecycle } from '../trail/events.ts';
import { byRoles } from './ceiling.ts';
import { teams } from './team.ts';

export const teamMembers = defineCollection({
  name: 'teammember',
  title: 'TeamMember',
  tag: { title: 'Team members', description: 'Who is in which team, and with which roles.' },
  permission: 'teammembers',
  permissions: { of: 'team members and invitations', verbs: ['read', 'create', 'delete'] },
  collection: 'teammembers',
  row: Type.Object({
    user: Type.String({ description: 'User that belongs to the team; an id, or the User with `?expand=user`' }),
    team: Type.String({ description: 'Team the user belongs to; an id, or the Team with `?expand=team`' }),
    roles: Type.Array(Type.String(), {
      description: 'Roles of the user within this team; ids, or Roles with `?expand=roles`',
    }),
  }),
  defaults: () => ({ roles: [] }),
  filter: ['user', 'team', 'roles'],
  unique: [['team', 'user']],
  events: lifecycle({ created: 'team.member.added', deleted: 'team.member.removed' }),
  references: {
    user: { to: 'user', gone: 'remove', expand: true },
    team: { to: 'team', gone: 'remove', expand: true },
    roles: { to: 'role', gone: 'forget', expand: true },
  },
});

export type TeamMember = Row<typeof teamMembers.spec.row>;

/**
 * Adds users to a team: all of them or, when a user or a role does not exist, none. Who is in it already stays as is.
 * @returns one row per user.
 */
export async function addMembers(
  tenant: Tenant,
  team: string,
  userIds: readonly string[],
  roleIds: readonly string[] = [],
): Promise<TeamMember[]> {
  await requireRows(tenant, 'user', userIds, 'users');
  await requireRows(tenant, 'role', roleIds, 'roles');
  const members: TeamMember[] = [];
  const made: string[] = [];
  for (const user of new Set(userIds)) {
    try {
      const member = await teamMembers.create(tenant, { team, user, roles: [...new Set(roleIds)] });
      made.push(member.id);
      members.push(member);
    } catch (error) {
      if (!isTaken(error, 'user')) throw error;
      const existing = await memberOf(tenant, team, user);
      if (existing) members.push(existing);
    }
  }
  await requireStill(teamMembers, tenant, { team, user: userIds, roles: roleIds }, made);
  return members;
}

const memberOf = (tenant: Tenant, team: string, user: string): Promise<TeamMember | undefined> =>
  teamMembers.findOne(tenant, { team: { $eq: team }, user: { $eq: user } });

export const isMember = async (tenant: Tenant, team: string, user: string): Promise<boolean> =>
  (await memberOf(tenant, team, user)) !== undefined;

/** Ids of the teams that a user is in. */
export async function teamsOf(tenant: Tenant, user: string): Promise<string[]> {
  const members = await teamMembers.all(tenant, { user: { $eq: user } });
  return members.map(({ team }) => team);
}

const Users = Type.Array(Type.String({ maxLength: 100 }), {
  minItems: 1,
  maxItems: 1000,
  description: 'User ids to add as members of the team. Users already in the team are skipped.',
});
export const Roles = Type.Optional(
  Type.Array(Type.String({ maxLength: 100 }), {
    maxItems: 100,
    description: 'Role ids to grant within the scope of this team.',
  }),
);
type Addition = { users: string[]; roles?: string[]; team?: string };

/** What the roles give that a body names. */
export const givesRoles: Gives = ({ tenant, body }) => byRoles(tenant, (body as { roles?: string[] }).roles);

async function createTeamMember(tenant: Tenant, { users, roles, team }: Addition): Promise<TeamMember> {
  // The contract's body has no team, but members of nothing mean nothing.
  if (team === undefined)
    throw new Fault('validation', '"team" is required.', { details: [{ path: '/team', message: 'is required' }] });
  await requireRows(tenant, 'team', [team], 'team');
  const [first] = await addMembers(tenant, team, users, roles);
  return first!;
}

export function mount(app: FastifyInstance): void {
  mountResource(app, teamMembers, {
    create: {
      body: Type.Object(
        { users: Users, roles: Roles, team: Type.Optional(Reference('Team', 'Team to add them to (required)')) },
        { additionalProperties: false },
      ),
      run: createTeamMember,
      gives: (tenant, { roles }: Addition) => byRoles(tenant, roles),
    },
    remove: true,
  });

  const id = Type.String({ maxLength: 100 });
  const params = Type.Object({ team_id: id });
  const describe = { tags: ['team'], security: [{ bearerAuth: [] }] };
  mountMembers(app, teams, teamMembers, {
    path: '/team/:team_id/member',
    operationId: 'team/listMembers',
    summary: 'List Team Members',
  });
  app.post(
    '/team/:team_id/member',
    {
      config: { access: { permission: 'create:teammembers', gives: givesRoles } },
      schema: {
        ...describe,
        params,
        operationId: 'team/addMembers',
        summary: 'Add Users to a Team',
        description: 'Adds all of the users or none, and answers the row of the first.',
        body: Type.Object({ users: Users, roles: Roles }, { additionalProperties: false }),
        response: { 201: Type.Ref('TeamMember') },
      },
    },
    async (request, reply) => {
      const { team_id } = request.params as { team_id: string };
      const { users, roles } = request.body as Addition;
      await teams.get(request.tenant, team_id);
      const members = await addMembers(request.tenant, team_id, users, roles);
      const fields = Object.keys(request.body as object);
      await request.audit({ type: 'admin.team.members_added', subject: team_id, fields, refs: { team: team_id } });
      const [first] = await present(request, teamMembers, members.slice(0, 1));
      return reply.code(201).send(first);
    },
  );
  app.get(
    '/team/:team_id/member/check/:user_id',
    {
      config: { access: { permission: 'read:teammembers' } },
      schema: {
        ...describe,
        params: Type.Object({ team_id: id, user_id: id }),
        operationId: 'team/checkMember',
        summary: 'Check User is member of a Team',
        description:
          'The TeamMember if the User belongs to the Team, else 404. The paging parameters mean nothing here.',
        querystring: Type.Object(pagingParameters, { additionalProperties: false }),
        response: { 200: Type.Ref('TeamMember') },
      },
    },
    async (request) => {
      const { team_id, user_id } = request.params as { team_id: string; user_id: string };
      const member = await memberOf(request.tenant, team_id, user_id);
      if (!member) throw new Fault('not_found', 'TeamMember not found.');
      return (await present(request, teamMembers, [member]))[0];
    },
  );
}
