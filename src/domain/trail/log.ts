/** The tenant's audit trail. `append` is the only writer; rows are never changed and vanish at `expires_at`. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { defineCollection } from '../../resource/collection.ts';
import { OneOf, Timestamp } from '../../resource/define.ts';
import { mountResource } from '../../resource/routes.ts';

const RETENTION_SECONDS = 90 * DAY;

const LogRow = Type.Object({
  type: Type.String({ description: 'Log type, e.g. auth.login' }),
  status: OneOf(['success', 'failed', 'skipped', 'info'], 'Log status'),
  message: Type.Optional(Type.String({ description: 'Optional log message' })),
  data: Type.Optional(Type.Unknown({ description: 'Type-specific structured payload' })),
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

export function mount(app: FastifyInstance): void {
  mountResource(app, logs, {});
}
