/**
 * The write side of everything that is sent: an intent is stored before what it speaks of is written, and names that
 * row in `ref`. Sending, retrying and giving up are the worker's.
 */
import Type from 'typebox';
import { DAY, inSeconds } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { defineCollection } from '../resource/collection.ts';
import { OneOf, Timestamp } from '../resource/define.ts';

/** How long an intent is kept, sent or not. */
const RETENTION_SECONDS = 8 * DAY;
/** How long the row that an intent speaks of may take to be written. */
const LEAD_SECONDS = 2;

export const outbox = defineCollection({
  name: 'outbox',
  title: 'Outbox',
  permission: 'outbox',
  collection: 'outbox',
  row: Type.Object({
    type: Type.String({ description: 'Which message: `team_invite`' }),
    to: Type.String({ description: 'Address of whoever gets it' }),
    data: Type.String({ description: 'What the message says, as JSON' }),
    ref: Type.String({ description: 'Id of the row that has to be there when it is sent' }),
    state: OneOf(['queued']),
    due: Timestamp(),
    expires_at: Timestamp(),
  }),
  // No route shows the rows: links in `data` are as good as the secrets in them.
  sealed: { data: 'never' },
  defaults: () => ({ state: 'queued' as const }),
  filter: [],
});
outbox.model.schema.index({ state: 1, due: 1 });
outbox.model.schema.index({ expires_at: 1 });

export type Intent = { type: string; to: string; data: Record<string, unknown>; ref: string };

export async function add(tenant: Tenant, { data, ...intent }: Intent): Promise<void> {
  await outbox.create(tenant, {
    ...intent,
    data: JSON.stringify(data),
    due: inSeconds(LEAD_SECONDS),
    expires_at: inSeconds(RETENTION_SECONDS),
  });
}
