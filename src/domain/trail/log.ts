/**
 * The tenant's audit trail. What happens leaves a row that is never changed; what is refused is counted in one, since
 * whoever is refused may come back without end. Rows vanish at `expires_at`.
 */

import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { siteOf } from '../../kernel/network.ts';
import { defineCollection } from '../../resource/collection.ts';
import { OneOf, Timestamp } from '../../resource/define.ts';
import { mountResource } from '../../resource/routes.ts';
import { isTaken } from '../fields.ts';
import { LOGGED } from './events.ts';

const RETENTION_SECONDS = 90 * DAY;

const LogRow = Type.Object({
  type: Type.String({ description: 'Log type, e.g. auth.login' }),
  status: OneOf(['success', 'failed', 'skipped', 'info'], 'Log status'),
  message: Type.Optional(Type.String({ description: 'Optional log message' })),
  data: Type.Optional(
    Type.Unknown({
      description:
        'Type-specific structured payload. Refusals of one kind and reason, from one network and about the same user and client, are one row for a quarter of an hour: `count`, `first_at` and `last_at` say how many and when, `references` which of the last pages told of it',
    }),
  ),
  user: Type.Optional(Type.String()),
  client: Type.Optional(Type.String()),
  connection: Type.Optional(Type.String()),
  team: Type.Optional(Type.String()),
  identity: Type.Optional(Type.String()),
  ticket: Type.Optional(Type.String()),
  expires_at: Type.Optional(Timestamp('When this row is deleted')),
});

export const logs = defineCollection({
  name: 'log',
  title: 'Log',
  tag: { title: 'Logs', description: 'What happened: logins, changes, refusals. Written by the system.' },
  permission: 'logs',
  permissions: { of: 'the audit log', verbs: ['read'] },
  collection: 'logs',
  row: LogRow,
  stored: Type.Object({ tally: Type.Optional(Type.String()) }),
  unique: [['tally']],
  defaults: () => ({ status: 'info' as const }),
  filter: ['type', 'status', 'user', 'client', 'connection', 'team'],
  search: ['type', 'message'],
  references: {
    user: { to: 'user', gone: 'keep', expand: true },
    client: { to: 'client', gone: 'keep', expand: true },
    connection: { to: 'connection', gone: 'keep', expand: true },
    team: { to: 'team', gone: 'keep', expand: true },
    identity: { to: 'identity', gone: 'keep', expand: true },
  },
  expires: 'expires_at',
  events: {
    names: LOGGED,
    of: (before, after) => (!before && after && LOGGED.includes(after.type) ? [after.type] : []),
  },
});

export type LogEntry = {
  /** Dotted and stable: `auth.login.failed`. */
  type: string;
  status?: 'success' | 'failed' | 'skipped' | 'info';
  message?: string;
  /** Ids, outcomes and field names; never a secret. */
  data?: Record<string, unknown>;
  user?: string;
  client?: string;
  connection?: string;
  team?: string;
  ticket?: string;
};

export async function append(tenant: Tenant, entry: LogEntry): Promise<void> {
  await logs.create(tenant, { ...entry, expires_at: inSeconds(RETENTION_SECONDS) });
}

/** For how long refusals go into one row. */
const TALLY_SECONDS = 15 * MINUTE;
/** So many rows of refusals an account has in that time; after that they are counted by their kind alone. */
const MOST_TALLIES = 1000;

/** So many references of pages a row of refusals has. */
const REFERENCES = 20;

type Refusal = Omit<LogEntry, 'status' | 'data'> & {
  /** One of few words. */
  reason: string;
  ip: string | null;
  /** What the caller was told to mention; the last few are kept. */
  reference?: string;
  /** Of the first: what would mend it. */
  more?: Record<string, unknown>;
};

/** How many rows of refusals were made in the interval, by account. */
const made = { interval: 0, rows: new Map<string, number>() };

/**
 * Refusals of one kind and reason, about the same user, client and connection, from one network and within a quarter of an
 * hour are one row: `data` says how many, when the first and the last. Message and address are those of the first.
 */
export async function appendRefusal(tenant: Tenant, { reason, ip, reference, more, ...entry }: Refusal): Promise<void> {
  const time = now().toISOString();
  const interval = Math.floor(Date.now() / 1000 / TALLY_SECONDS);
  if (made.interval !== interval) Object.assign(made, { interval, rows: new Map() });
  const { type, user, client, connection } = entry;
  const crowded = (made.rows.get(tenant.id) ?? 0) >= MOST_TALLIES;
  const about = crowded ? {} : { user, client, connection, site: siteOf(ip) };
  const tally = createHash('sha256')
    .update(JSON.stringify([interval, type, reason, about]))
    .digest('base64url');
  const count = () =>
    logs.changeWhere(
      tenant,
      { tally: { $eq: tally } },
      {
        $inc: { 'data.count': 1 },
        $set: { 'data.last_at': time, updatedAt: now() },
        ...(reference && { $push: { 'data.references': { $each: [reference], $slice: -REFERENCES } } }),
      },
    );
  if (await count()) return;
  try {
    await logs.create(tenant, {
      ...(crowded ? { type } : entry),
      status: 'failed',
      data: {
        reason,
        ip: crowded ? null : ip,
        count: 1,
        first_at: time,
        last_at: time,
        ...(reference && { references: [reference] }),
        ...(!crowded && more),
      },
      expires_at: inSeconds(RETENTION_SECONDS),
      tally,
    });
    made.rows.set(tenant.id, (made.rows.get(tenant.id) ?? 0) + 1);
  } catch (error) {
    if (!isTaken(error, 'tally')) throw error;
    await count();
  }
}

export function mount(app: FastifyInstance): void {
  mountResource(app, logs, {});
}
