/**
 * The write side of everything that is sent: an intent is stored before what it speaks of is written, and names that
 * row in `ref`. Sending, retrying and giving up are the worker's.
 */
import Type from 'typebox';
import { DAY, inSeconds, now } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { idOfKey } from '../kernel/id.ts';
import { mintToken } from '../kernel/secret/random.ts';
import { emailAddress } from '../kernel/text/email.ts';
import type { TextKind } from '../kernel/text/kind.ts';
import { dialledNumber } from '../kernel/text/phone.ts';
import { defineCollection } from '../resource/collection.ts';
import { OneOf, type Row, Timestamp } from '../resource/define.ts';
import type { Address, MessageKind } from './message.ts';

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
    to: Type.String({ description: 'Whoever gets it: an address, or the id of a client' }),
    data: Type.String({ description: 'What the message says, as JSON' }),
    ref: Type.String({ description: 'Id of the row that has to be there, or gone, when it is sent' }),
    origin: Type.Optional(Type.String({ description: 'Where the account was served to whom it concerns' })),
    /** `failed` is to be tried again when it is due, `abandoned` never. */
    state: OneOf(['queued', 'sending', 'sent', 'failed', 'abandoned']),
    /** When it may be taken: for the first time, again after a failure, or because whoever took it never came back. */
    due: Timestamp(),
    send_count: Type.Integer(),
    last_error: Type.Optional(Type.String({ description: 'In our words: no secret and nothing that was answered' })),
    expires_at: Timestamp(),
  }),
  stored: Type.Object({
    /** Of the worker that is sending it; who lost it may not settle the row any more. */
    lease: Type.Optional(Type.String()),
  }),
  // No route shows the rows: links in `data` are as good as the secrets in them.
  sealed: { data: 'never' },
  defaults: () => ({ state: 'queued' as const, send_count: 0 }),
  filter: [],
  // The one question that is asked across accounts. The type leads: what no channel sends is never looked at.
  indexes: [{ keys: { type: 1, state: 1, due: 1 } }],
  expires: 'expires_at',
});

export type OutboxRow = Row<typeof outbox.spec.row, NonNullable<typeof outbox.spec.stored>>;

type Intent<D> = Address & {
  data: D;
  /** Default: the tenant's. */
  origin?: string;
};

/**
 * @returns the id of the row, for `release`.
 * @throws Fault `no_transport` where nothing leaves by the kind's channel, Error for data that is not the kind's; nothing
 *   is written then.
 */
export async function add<D>(
  tenant: Tenant,
  kind: MessageKind<string, string, D>,
  { data, ...intent }: Intent<NoInfer<D>>,
): Promise<string> {
  return store(tenant, kind, { ...intent, data: kind.write(data) });
}

/**
 * As `add`, of what has happened already: once for a key, however often at once.
 * @returns false where it was added before.
 */
export async function addOnce<D>(
  tenant: Tenant,
  kind: MessageKind<string, string, D>,
  { data, ...intent }: Intent<NoInfer<D>>,
  key: string,
): Promise<boolean> {
  requireChannel(kind);
  const row = rowOf(tenant, kind, { ...intent, data: kind.write(data) });
  const id = idOfKey('outbox', `${tenant.id} ${kind.type} ${key}`);
  if ((await outbox.createMany(tenant, [{ ...row, id, due: now() }])).size > 0) return false;
  nudge();
  return true;
}

/**
 * The same work for a message that nobody is to get: it says nothing, and what it waits for never comes. The worker drops
 * it.
 */
export async function addDecoy(tenant: Tenant, kind: MessageKind, to: string): Promise<string> {
  return store(tenant, kind, { to, ref: `never ${mintToken(12)}`, data: '{}' });
}

/** What is said where a channel is not the one for mails. */
const WITHOUT: Readonly<Record<string, string>> = {
  sms: 'This server cannot send text messages. Whoever runs it has to set up an SMS transport.',
};

let unserved: ReadonlySet<string> = new Set();
/** Says by which channels nothing can leave: whoever adds a message for one is told so. */
export function serveWithout(channels: readonly string[]): void {
  unserved = new Set(channels);
}

/** Whether anything can leave by a channel. */
export const isServed = (channel: string): boolean => !unserved.has(channel);

/** For who counts or writes something before the message. @throws Fault `no_transport` */
export function requireChannel({ channel }: MessageKind): void {
  if (!isServed(channel)) throw new Fault('no_transport', WITHOUT[channel], { detail: { channel } });
}

async function store(tenant: Tenant, kind: MessageKind, intent: Intent<string>): Promise<string> {
  requireChannel(kind);
  const { id } = await outbox.create(tenant, rowOf(tenant, kind, intent));
  return id;
}

/** What a channel sends to, where that is no id. */
const ADDRESSES: Readonly<Record<string, TextKind>> = { mail: emailAddress, sms: dialledNumber };

function rowOf(tenant: Tenant, { type, channel }: MessageKind, intent: Intent<string>): Partial<OutboxRow> {
  // One that was kept before addresses were judged, and that a mailer may read as two.
  const kind = ADDRESSES[channel];
  const unsendable = kind && kind.canonical(intent.to) !== intent.to;
  return {
    type,
    origin: tenant.origin,
    ...intent,
    ...(unsendable && { state: 'abandoned' as const, last_error: `not ${kind.what}` }),
    due: inSeconds(LEAD_SECONDS),
    expires_at: inSeconds(RETENTION_SECONDS),
  };
}

/** An intent that is to be stored with others. */
export type Prepared = Partial<OutboxRow> & { id: string };

/** As `add`, for one of many that `addAll` stores. @throws Error for data that is not the kind's. */
export const prepared = <D>(
  tenant: Tenant,
  kind: MessageKind<string, string, D>,
  { data, ...intent }: Intent<NoInfer<D>>,
): Prepared => ({ ...rowOf(tenant, kind, { ...intent, data: kind.write(data) }), id: outbox.mintId() });

export const addAll = (tenant: Tenant, rows: readonly Prepared[]): Promise<unknown> => outbox.createMany(tenant, rows);

/** What the intents speak of was not done. One that a worker has looked at in vain meanwhile goes too. */
export const withdraw = (tenant: Tenant, ids: readonly string[]): Promise<unknown> =>
  outbox.removeWhere(tenant, { _id: { $in: [...ids] }, state: 'queued' });

/** What an intent speaks of was done, and is known to be so: in these words. */
export const confirm = (tenant: Tenant, id: string, to: { ref: string; data: string }): Promise<unknown> =>
  outbox.updateWhere(tenant, id, to, { state: 'queued' });

/** The same of many, in the words that they have. */
export const confirmAll = (tenant: Tenant, ids: readonly string[], ref: string): Promise<unknown> =>
  outbox.changeWhere(tenant, { _id: { $in: [...ids] }, state: 'queued' }, { $set: { ref } });

/**
 * Sends a message once more, from the first attempt on: one that was given up, that waits, or that arrived.
 * @returns false where there is none such, or a worker has it.
 */
export async function resend(tenant: Tenant, id: string, to: string): Promise<boolean> {
  const fresh = { state: 'queued' as const, send_count: 0, due: now(), expires_at: inSeconds(RETENTION_SECONDS) };
  const again = await outbox.updateWhere(tenant, id, fresh, {
    to: { $eq: to },
    state: { $in: ['failed', 'abandoned', 'sent'] },
  });
  if (again) nudge();
  return again !== undefined;
}

const listeners = new Set<() => void>();
/** Calls the listener when something in this process may be sent at once. @returns how to stop that. */
export function onRelease(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** What the intents speak of is written: nothing has to be waited for. Optional; without it they are sent a moment later. */
export async function release(tenant: Tenant, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await outbox.model.updateMany(
    { _id: { $in: [...ids] }, account: { $eq: tenant.id }, state: 'queued' },
    { $set: { due: now() } },
  );
  nudge();
}

function nudge(): void {
  for (const listener of listeners) listener();
}
