/**
 * Sends what waits in the outbox: takes due rows, hands each to the channel of its type, settles it by what came of that.
 * At least once, with growing pauses; any number of workers share the rows. What a message is, and how it goes out, is
 * its channel's.
 */
import { accountById } from '../domain/account/account.ts';
import { append, type LogEntry } from '../domain/trail/log.ts';
import { HOUR, inSeconds, MINUTE } from '../kernel/clock.ts';
import { asTenant, type Tenant } from '../kernel/context.ts';
import { drop, postpone, settle, type Taken, takeDue } from '../outbox/lease.ts';
import { onRelease } from '../outbox/outbox.ts';

export type Message = { id: string; to: string; ref: string; data: Record<string, unknown> };

export type Channel = {
  /** Whether what the message speaks of was written. One that was not after a minute never will be, and is dropped. */
  happened(tenant: Tenant, message: Message): Promise<boolean>;
  /**
   * Sends once. @returns `skipped` when there is nobody to send to any more.
   * @throws Refusal with words that a tenant's administrator may read; any other error is told as "failed".
   */
  send(tenant: Tenant, message: Message): Promise<'sent' | 'skipped'>;
  /** The audit row's type and whom it is about. */
  audit(message: Message): Pick<LogEntry, 'type' | 'user' | 'client'>;
};

/** Why a message did not arrive, in words without secrets and without anything that was answered. */
export const refusal = (reason: string, cause?: unknown): Error =>
  Object.assign(new Error(reason, { cause }), { [REASON]: reason });
const REASON = Symbol('reason');
const reasonOf = (error: unknown): string => (error as { [REASON]?: string } | null)?.[REASON] ?? 'failed';

export type Worker = {
  /** Polls, and listens for what this process adds, until `stop`. */
  start(): void;
  /** Sends what is due now; done when it is settled. */
  run(): Promise<void>;
  /** Takes nothing any more, and waits for what is on its way. */
  stop(): Promise<void>;
};

const POLL_SECONDS = 1;
/** How long what an intent speaks of may take to be written, and how often it is looked for meanwhile. */
const PATIENCE_SECONDS = MINUTE;
const LOOK_AGAIN_SECONDS = 5;
/** About seven hours, with the pauses between. */
const MAX_ATTEMPTS = 14;

/** Sent at a time: by this process, of one account, to one receiver. A dead end holds up itself alone. */
const SLOTS = { total: 200, account: 12, to: 3 };

/** 30 seconds, doubling up to an hour; up to a quarter more, so that what failed together does not come back together. */
const pauseSeconds = (attempt: number): number =>
  Math.min(HOUR, 30 * 2 ** Math.min(attempt - 1, 20)) * (1 + Math.random() / 4);

export function worker(channels: Record<string, Channel>, onError: (error: unknown, what: string) => void): Worker {
  const types = Object.keys(channels);
  const flying = new Set<Promise<void>>();
  const accounts = new Map<string, number>();
  const receivers = new Map<string, number>();
  let stopped = false;

  /** One row's failure is its own: never throws. */
  async function deliver({ row, data }: Taken): Promise<void> {
    try {
      const account = await accountById(row.account);
      // An account that is going takes its rows along.
      if (!account) return;
      const tenant = asTenant(account, row.origin ?? '');
      await attempt(tenant, { row, data });
    } catch (error) {
      // The database: the lease ends, and the row is due again.
      onError(error, 'a message could not be settled');
    }
  }

  async function attempt(tenant: Tenant, { row, data }: Taken): Promise<void> {
    const channel = channels[row.type]!;
    const { id, to, ref, send_count: count } = row;
    const message = { id, to, ref, data };
    // Taken that often without an end: whatever it is that kills workers is not tried once more.
    if (count > MAX_ATTEMPTS) return void (await settle(tenant, row, { state: 'abandoned', last_error: 'no outcome' }));
    if (!(await channel.happened(tenant, message))) {
      const old = row.createdAt < inSeconds(-PATIENCE_SECONDS);
      return void (await (old ? drop(tenant, row) : postpone(tenant, row, LOOK_AGAIN_SECONDS)));
    }
    let outcome: LogEntry['status'] = 'success';
    let last_error: string | undefined;
    try {
      if ((await channel.send(tenant, message)) === 'skipped') {
        outcome = 'skipped';
        last_error = 'nobody to send it to';
      }
    } catch (error) {
      outcome = 'failed';
      last_error = reasonOf(error);
      if (last_error === 'failed') onError(error, 'a message could not be sent');
    }
    const over = outcome === 'skipped' || (outcome === 'failed' && count >= MAX_ATTEMPTS);
    await settle(
      tenant,
      row,
      last_error === undefined
        ? { state: 'sent' }
        : over
          ? { state: 'abandoned', last_error }
          : { state: 'failed', due: inSeconds(pauseSeconds(count)), last_error },
    );
    await append(tenant, {
      ...channel.audit(message),
      status: outcome,
      data: { message: id, attempt: count, ...(last_error && { error: last_error }), ...(over && { given_up: true }) },
    });
  }

  const full = (counts: Map<string, number>, limit: number) =>
    [...counts].filter(([, count]) => count >= limit).map(([key]) => key);
  const count = (counts: Map<string, number>, key: string, by: 1 | -1) => {
    const next = (counts.get(key) ?? 0) + by;
    if (next > 0) counts.set(key, next);
    else counts.delete(key);
  };

  function launch(taken: Taken): void {
    const { account, to } = taken.row;
    count(accounts, account, 1);
    count(receivers, to, 1);
    const flight = deliver(taken).finally(() => {
      count(accounts, account, -1);
      count(receivers, to, -1);
      flying.delete(flight);
      // What waited for this slot need not wait for the next poll.
      if (limited && !stopped) tick();
    });
    flying.add(flight);
  }

  let pumping: Promise<void> | undefined;
  let again = false;
  /** Whether rows may be due that had no slot. */
  let limited = false;
  /** Takes rows while there are any and room for them. Calls that come meanwhile are one more round. */
  function pump(): Promise<void> {
    again = true;
    pumping ??= (async () => {
      try {
        while (again && !stopped) {
          again = false;
          limited = true;
          while (!stopped && flying.size < SLOTS.total) {
            const busy = { accounts: full(accounts, SLOTS.account), to: full(receivers, SLOTS.to) };
            const taken = await takeDue(types, busy);
            limited = taken !== undefined || busy.accounts.length + busy.to.length > 0;
            if (!taken) break;
            launch(taken);
          }
        }
      } finally {
        pumping = undefined;
      }
    })();
    return pumping;
  }

  let failing = false;
  /** Says once that the database is away, not each second. */
  function tick(): void {
    pump().then(
      () => {
        failing = false;
      },
      (error) => {
        if (!failing) onError(error, 'the outbox cannot be read');
        failing = true;
      },
    );
  }

  let quiet = () => {};
  return {
    start() {
      const timer = setInterval(tick, POLL_SECONDS * 1000);
      timer.unref();
      const unlisten = onRelease(tick);
      quiet = () => {
        clearInterval(timer);
        unlisten();
      };
    },
    async run() {
      await pump();
      while (flying.size > 0) {
        await Promise.all(flying);
        await pump();
      }
    },
    async stop() {
      stopped = true;
      quiet();
      await pumping?.catch(() => {});
      await Promise.all(flying);
    },
  };
}
