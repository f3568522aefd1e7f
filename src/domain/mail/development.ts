/**
 * What would have left, kept for a developer to read in the browser: the development outbox. The rows are sealed like all
 * that carries links, and go after a week.
 */
import Type from 'typebox';
import { DAY, inSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { defineCollection } from '../../resource/collection.ts';
import { OneOf, type Row, Timestamp } from '../../resource/define.ts';
import { nullable } from '../fields.ts';

const RETENTION_SECONDS = 7 * DAY;
/** How many are shown. */
const SHOWN = 200;

const kept = defineCollection({
  name: 'keptmessage',
  title: 'KeptMessage',
  permission: 'keptmessages',
  collection: 'keptmessages',
  row: Type.Object({
    channel: OneOf(['mail', 'sms']),
    to: Type.String(),
    template: Type.String(),
    subject: nullable(Type.String()),
    text: Type.String(),
    html: nullable(Type.String()),
    expires_at: Timestamp(),
  }),
  sealed: { subject: 'never', text: 'never', html: 'never' },
  defaults: () => ({}),
  filter: ['to'],
  expires: 'expires_at',
});

type Kept = Row<typeof kept.spec.row>;
type Message = Pick<Kept, 'channel' | 'to' | 'template' | 'text'> & Partial<Pick<Kept, 'subject' | 'html'>>;

export type ReadMessage = {
  id: string;
  channel: 'mail' | 'sms';
  to: string;
  subject: string | null;
  text: string;
  html: string | null;
  template: string;
  created_at: Date;
};

export const keepMessage = (tenant: Tenant, message: Message): Promise<unknown> =>
  kept.create(tenant, { ...message, expires_at: inSeconds(RETENTION_SECONDS) });

const read = (row: Kept): ReadMessage => ({
  id: row.id,
  channel: row.channel,
  to: row.to,
  subject: kept.reveal(row, 'subject'),
  text: kept.reveal(row, 'text') ?? '',
  html: kept.reveal(row, 'html'),
  template: row.template,
  created_at: row.createdAt,
});

/** Newest first. */
export async function keptMessages(tenant: Tenant, to?: string): Promise<ReadMessage[]> {
  const { results } = await kept.list(tenant, { pageSize: SHOWN }, to === undefined ? {} : { to: { $eq: to } });
  return results.map(read);
}

/** @throws Fault `not_found` */
export const keptMessage = async (tenant: Tenant, id: string): Promise<ReadMessage> => read(await kept.get(tenant, id));
