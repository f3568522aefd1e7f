/**
 * One attempt at one row of the outbox: whether it is time, what the channel made of it, what becomes of the row, and the
 * audit row that says so.
 */
import { accountById } from '../domain/account/account.ts';
import type { ChannelName, MessageBy } from '../domain/message/index.ts';
import { append, type LogEntry } from '../domain/trail/log.ts';
import { HOUR, inSeconds, MINUTE } from '../kernel/clock.ts';
import { asTenant, type Tenant } from '../kernel/context.ts';
import { drop, postpone, settle } from '../outbox/lease.ts';
import type { MessageKind } from '../outbox/message.ts';
import { type OutboxRow, outbox } from '../outbox/outbox.ts';
import { type Channel, reasonOf } from './channel.ts';

/** How a row leaves. */
export type Route = { kind: MessageKind; channel: Channel };
export type OnError = (error: unknown, what: string) => void;

/** How long what an intent speaks of may take to be written, and how often it is looked for meanwhile. */
const PATIENCE_SECONDS = MINUTE;
const LOOK_AGAIN_SECONDS = 5;
/** About seven hours, with the pauses between. */
const MAX_ATTEMPTS = 14;

/** 30 seconds, doubling up to an hour; up to a quarter more, so that what failed together does not come back together. */
const pauseSeconds = (attempt: number): number =>
  Math.min(HOUR, 30 * 2 ** Math.min(attempt - 1, 20)) * (1 + Math.random() / 4);

/** One row's failure is its own: never throws. */
export async function deliver(route: Route, row: OutboxRow, onError: OnError): Promise<void> {
  try {
    const account = await accountById(row.account);
    // An account that is going takes its rows along.
    if (account) await attempt(asTenant(account, row.origin ?? ''), route, row, onError);
  } catch (error) {
    // The database: the lease ends, and the row is due again.
    onError(error, 'a message could not be settled');
  }
}

async function attempt(tenant: Tenant, { kind, channel }: Route, row: OutboxRow, onError: OnError): Promise<void> {
  const { id, to, ref, send_count: count } = row;
  const abandon = (last_error: string) => settle(tenant, row, { state: 'abandoned', last_error });
  // Taken that often without an end: whatever it is that kills workers is not tried once more.
  if (count > MAX_ATTEMPTS) return void (await abandon('no outcome'));
  if (!(await kind.happened(tenant, { to, ref }))) {
    const old = row.createdAt < inSeconds(-PATIENCE_SECONDS);
    return void (await (old ? drop(tenant, row) : postpone(tenant, row, LOOK_AGAIN_SECONDS)));
  }
  const read = kind.read(outbox.reveal(row, 'data') ?? '');
  if ('misfit' in read) {
    // Written by another version of us, and no attempt will change it.
    onError(new Error(`${id}: ${read.misfit}`), `a message is none of its kind, ${kind.type}`);
    return void (await abandon(`not what its kind says: ${read.misfit}`));
  }
  const message = { id, type: kind.type, to, ref, data: read.data } as MessageBy<ChannelName>;
  const { outcome, error, final } = await tried(tenant, channel, message, onError);
  const over = final || (outcome === 'failed' && count >= MAX_ATTEMPTS);
  if (error === undefined) await settle(tenant, row, { state: 'sent' });
  else if (over) await abandon(error);
  else await settle(tenant, row, { state: 'failed', due: inSeconds(pauseSeconds(count)), last_error: error });
  const { data: about, ...entry } = channel.audit(message);
  await append(tenant, {
    ...entry,
    status: outcome,
    data: { ...about, message: id, attempt: count, ...(error && { error }), ...(over && { given_up: true }) },
  });
}

type Outcome = { outcome: LogEntry['status']; error?: string; final?: boolean };

async function tried(
  tenant: Tenant,
  channel: Channel,
  message: MessageBy<ChannelName>,
  onError: OnError,
): Promise<Outcome> {
  try {
    const sent = await channel.send(tenant, message);
    return sent === 'sent'
      ? { outcome: 'success' }
      : { outcome: 'skipped', error: 'nobody to send it to', final: true };
  } catch (error) {
    const told = reasonOf(error);
    if (!told) onError(error, 'a message could not be sent');
    return { outcome: 'failed', error: told?.reason ?? 'failed', final: told?.final };
  }
}
