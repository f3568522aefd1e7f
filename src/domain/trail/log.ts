/** The tenant's audit trail. `append` is the only writer; rows are never changed and vanish at `expires_at`. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { DAY, inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { defineCollection } from '../../resource/collection.ts';
import { OneOf, Timestamp } from '../../resource/define.ts';
import { mountResource } from '../../resource/routes.ts';
import { teams } from '../access/team.ts';
import { clients } from '../client/client.ts';
import { connections } from '../connection/connection.ts';
import { identities } from '../user/identity.ts';
import { users } from '../user/user.ts';

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
  permission: 'logs',
  collection: 'logs',
  row: LogRow,
  defaults: () => ({ status: 'info' as const }),
  filter: ['type', 'status', 'user', 'client', 'connection', 'team'],
  search: ['type', 'message'],
  expand: {
    user: () => users as never,
    client: () => clients as never,
    connection: () => connections as never,
    team: () => teams as never,
    identity: () => identities as never,
  },
});

logs.model.schema.index({ expires_at: 1 });

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
