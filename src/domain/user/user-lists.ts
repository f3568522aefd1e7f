/** What there is about one user, for administrators: roles, what these are worth, sessions, and the trail. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type, { type TObject } from 'typebox';
import { Fault } from '../../kernel/fault.ts';
import { mountMembers } from '../../resource/members.ts';
import { may, requireSight } from '../../resource/presentation.ts';
import { type ListQuery, listOptions, pageSchema, pagingParameters } from '../../resource/schemas.ts';
import { roleMembers } from '../access/role-member.ts';
import { effectivePermissions, grantsOf, heldRoles } from '../access/user-permissions.ts';
import { type Api, apis } from '../api/api.ts';
import { sessionsOf, type UserSession } from '../protocol/session.ts';
import { logs } from '../trail/log.ts';
import { users } from './user.ts';

const Time = Type.String({ format: 'date-time' });

const ApiPermissions = Type.Object({
  api: Type.String({ description: 'Id of the Api' }),
  name: Type.String(),
  identifier: Type.String({ description: 'The audience' }),
  rbac: Type.Boolean({ description: 'False: every user may have all of them, whatever the roles' }),
  permissions: Type.Array(
    Type.Object({
      value: Type.String(),
      description: Type.Optional(Type.String()),
      roles: Type.Array(Type.String(), { description: 'Ids of the roles of the user that grant it' }),
    }),
  ),
});

const Session = Type.Object({
  id: Type.String(),
  logged_in_at: Time,
  last_used_at: Time,
  ip: Type.Union([Type.String(), Type.Null()], { description: 'Where it was last used from' }),
  user_agent: Type.Union([Type.String(), Type.Null()]),
  amr: Type.Array(Type.String(), { description: 'How the login was proven (RFC 8176)' }),
  clients: Type.Array(Type.String(), { description: 'Ids of the clients that it was used for' }),
});

const idOf = (request: FastifyRequest) => (request.params as { user_id: string }).user_id;

/** Where a page ended: sessions are few, have no ids that are ordered, and end while somebody pages. */
const placeOf = ({ lastUsed, uid }: UserSession): string => `${lastUsed.getTime()}.${uid}`;

function afterCursor(cursor: string): (session: UserSession) => boolean {
  const [, time, uid = ''] = /^(\d{1,15})\.([\w-]+)$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (time === undefined) throw new Fault('invalid_cursor');
  return (session) =>
    session.lastUsed.getTime() < Number(time) || (session.lastUsed.getTime() === Number(time) && session.uid > uid);
}

const wireOfSession = ({ uid, since, lastUsed, seen, amr, clients }: UserSession) => ({
  id: uid,
  logged_in_at: since,
  last_used_at: lastUsed,
  ip: seen?.ip ?? null,
  user_agent: seen?.agent ?? null,
  amr,
  clients,
});

export function mount(app: FastifyInstance): void {
  const route = (permission: string, operationId: string, summary: string, description: string, item: TObject) => ({
    config: { access: { permission } },
    schema: {
      operationId,
      tags: ['user'],
      summary,
      description,
      security: [{ bearerAuth: [] }],
      params: Type.Object({ user_id: Type.String({ maxLength: 100 }) }),
      querystring: Type.Object(pagingParameters, { additionalProperties: false }),
      response: { 200: pageSchema(item) },
    },
  });

  mountMembers(app, users, roleMembers, {
    path: '/user/:user_id/roles',
    operationId: 'user/roles',
    summary: 'List the roles that a user holds account-wide, the newest grant first',
  });

  app.get(
    '/user/:user_id/permissions',
    route(
      'read:rolemembers',
      'user/permissions',
      'List what a user may do, Api by Api',
      'All that an access token of the user for the Api can carry, by the roles that the user holds account-wide; roles within a team are in no token. Needs `read:roles` and `read:apis` too.',
      ApiPermissions,
    ),
    async (request) => {
      const { id } = await users.get(request.tenant, idOf(request));
      for (const permission of ['read:roles', 'read:apis']) requireSight(may(request.actor), permission);
      const [held, page] = await Promise.all([
        heldRoles(request.tenant, id),
        apis.list(request.tenant, listOptions(request.query as ListQuery)),
      ]);
      const granted = grantsOf(held);
      const results = page.results.map((api: Api) => ({
        api: api.id,
        name: api.name,
        identifier: api.identifier,
        rbac: api.rbac,
        permissions: effectivePermissions(api, granted),
      }));
      return { results, next: page.next };
    },
  );

  app.get(
    '/user/:user_id/sessions',
    route(
      'read:users',
      'user/sessions',
      "List a user's login sessions, the last used first",
      'Those that are alive, of more than 200 those that last the longest. Suspending the user ends all of them.',
      Session,
    ),
    async (request) => {
      const { id } = await users.get(request.tenant, idOf(request));
      const { cursor, pageSize = 30 } = listOptions(request.query as ListQuery);
      const { sessions } = await sessionsOf(request.tenant, id);
      sessions.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime() || (a.uid < b.uid ? -1 : 1));
      const rest = cursor === undefined ? sessions : sessions.filter(afterCursor(cursor));
      const results = rest.slice(0, pageSize);
      const last = rest.length > pageSize ? results.at(-1) : undefined;
      return {
        results: results.map(wireOfSession),
        next: last ? Buffer.from(placeOf(last)).toString('base64url') : null,
      };
    },
  );

  mountMembers(app, users, logs, {
    path: '/user/:user_id/logs',
    operationId: 'user/logs',
    summary: "List a user's trail, the newest row first",
  });
}
