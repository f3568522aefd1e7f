/**
 * Whose an outbox row is: taken by one worker of however many, for a while, and settled by the one that holds it. Every
 * step is one conditional update.
 */
import { inSeconds, now } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { mintToken } from '../kernel/secret/random.ts';
import { type OutboxRow, outbox } from './outbox.ts';

/** How long a worker may be silent about a row before another takes it; many times what a channel may take. */
export const LEASE_SECONDS = 60;

type Stored = Omit<OutboxRow, 'id'> & { _id: string };

/**
 * The row that has been due the longest, of the types named and for nobody who is busy. A row whose worker died is due
 * when its lease ends.
 */
export async function takeDue(
  types: readonly string[],
  busy: { accounts: readonly string[]; to: readonly string[] },
): Promise<OutboxRow | undefined> {
  const stored = await outbox.model
    .findOneAndUpdate(
      {
        type: { $in: [...types] },
        state: { $in: ['queued', 'failed', 'sending'] },
        due: { $lte: now() },
        ...(busy.accounts.length && { account: { $nin: [...busy.accounts] } }),
        ...(busy.to.length && { to: { $nin: [...busy.to] } }),
      },
      {
        $set: { state: 'sending', lease: mintToken(12), due: inSeconds(LEASE_SECONDS), updatedAt: now() },
        $inc: { send_count: 1 },
      },
      { sort: { due: 1 }, returnDocument: 'after' },
    )
    .lean<Stored>();
  if (!stored) return undefined;
  const { _id, ...rest } = stored;
  return { ...rest, id: _id } as OutboxRow;
}

const held = (lease: string | undefined) => ({ lease: { $eq: lease }, state: 'sending' });

type Settled =
  | { state: 'sent' }
  | { state: 'failed'; due: Date; last_error: string }
  | { state: 'abandoned'; last_error: string };

/** @returns false when the lease had ended, and the row is somebody else's. */
export async function settle(tenant: Tenant, { id, lease }: OutboxRow, settled: Settled): Promise<boolean> {
  return (await outbox.updateWhere(tenant, id, settled, held(lease))) !== undefined;
}

/** Puts a row back that could not be tried: that was no attempt. */
export const postpone = (tenant: Tenant, { id, lease, send_count }: OutboxRow, seconds: number): Promise<unknown> =>
  outbox.updateWhere(tenant, id, { state: 'queued', due: inSeconds(seconds), send_count: send_count - 1 }, held(lease));

export const drop = (tenant: Tenant, { id, lease }: OutboxRow): Promise<number> =>
  outbox.removeWhere(tenant, { _id: { $eq: id }, ...held(lease) });
