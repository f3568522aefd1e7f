/** What is kept of a user, for the user to take along: their own words and what they did, and no secret of anybody's. */
import { consents } from '../domain/access/consent.ts';
import { rolesOf } from '../domain/access/role-member.ts';
import { teamsOf } from '../domain/access/team-member.ts';
import { sessionsOf } from '../domain/protocol/session.ts';
import { append, logs } from '../domain/trail/log.ts';
import { credentials } from '../domain/user/credential.ts';
import { identities } from '../domain/user/identity.ts';
import { type User, viewOfUser } from '../domain/user/user.ts';
import { now } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import type { Visitor } from './device.ts';

/** The latest rows of the trail; older ones are like them. */
const LOG_ROWS = 500;

export async function ownData(tenant: Tenant, visitor: Visitor, user: User): Promise<Record<string, unknown>> {
  const own = { user: { $eq: user.id } };
  await append(tenant, {
    type: 'user.data_exported',
    status: 'success',
    user: user.id,
    data: { ip: visitor.from.ip },
  });
  const [logins, linked, apps, { sessions, grants }, teams, roles, trail] = await Promise.all([
    credentials.all(tenant, own),
    identities.all(tenant, own),
    consents.all(tenant, own),
    sessionsOf(tenant, user.id, visitor.session),
    teamsOf(tenant, user.id),
    rolesOf(tenant, user.id),
    logs.list(tenant, { pageSize: LOG_ROWS }, own),
  ]);
  return {
    exported_at: now(),
    tenant: tenant.account.name,
    user: viewOfUser(user),
    logins: logins.map(({ connection, email, username, password_hash, password_changed_at, createdAt }) => ({
      connection,
      email,
      username,
      has_password: Boolean(password_hash),
      password_changed_at,
      created_at: createdAt,
    })),
    identities: linked.map(({ connection, identity_id, profile_data, createdAt }) => ({
      connection,
      identity_id,
      profile_data,
      created_at: createdAt,
    })),
    apps: apps.map(({ client, scopes, claims, permissions, destinations, createdAt, last_login_at }) => ({
      client,
      scopes,
      claims,
      permissions,
      destinations,
      since: createdAt,
      last_login_at,
    })),
    sessions: sessions.map(({ since, lastUsed, seen, clients }) => ({ since, last_used: lastUsed, ...seen, clients })),
    connected: grants.map(({ client, since }) => ({ client, since })),
    teams,
    roles,
    activity: trail.results.map(({ type, status, client, connection, data, createdAt }) => ({
      type,
      status,
      at: createdAt,
      client,
      connection,
      ip: ipOf(data, user.id),
    })),
  };
}

/** Where the user, or whoever tried to be, was: where an administrator is, is theirs. */
function ipOf(data: unknown, user: string): unknown {
  const { ip, actor } = (data ?? {}) as { ip?: unknown; actor?: unknown };
  return actor === undefined || actor === user ? ip : undefined;
}
