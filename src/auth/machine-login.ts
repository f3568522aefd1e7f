/**
 * Machine clients in the audit trail. Their tokens are the hot path, which writes nothing: the first of a client from an
 * address leaves a row at once, in the background, and those that follow are counted and told when the window is over.
 */
import { LRUCache } from 'lru-cache';
import { append } from '../domain/trail/log.ts';
import { MINUTE, nowSeconds } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';

const WINDOW_SECONDS = 15 * MINUTE;

type Login = { client: string; ip: string; audience?: string };
type Tally = Login & { tenant: Tenant; since: number; more: number };

/** Windows that are over and not told yet. */
const over: Tally[] = [];
/** Bounded: beyond it the window that was opened first ends early. */
const open = new LRUCache<string, Tally>({
  max: 10_000,
  dispose: (tally) => {
    if (tally.more) over.push(tally);
  },
});
const isOver = ({ since }: Tally): boolean => since <= nowSeconds() - WINDOW_SECONDS;

const rowOf = ({ client, ip, audience }: Login, more: object = {}) => ({
  type: 'oauth.client.authenticated',
  status: 'success' as const,
  client,
  data: { grant_type: 'client_credentials', ip, audience, ...more },
});

/** @returns a promise only where something is written; nobody waits for it. */
export function recordMachineLogin(tenant: Tenant, login: Login): Promise<void> | undefined {
  const key = `${tenant.id} ${login.client} ${login.ip} ${login.audience}`;
  // Looking is no use of it: a busy client's window ends in its turn.
  const known = open.peek(key);
  if (known && !isOver(known)) {
    known.more += 1;
    return undefined;
  }
  open.set(key, { ...login, tenant, since: nowSeconds(), more: 0 });
  return writeAll(append(tenant, rowOf(login)));
}

async function writeAll(...others: Promise<void>[]): Promise<void> {
  const rows = over
    .splice(0)
    .map((tally) =>
      append(tally.tenant, rowOf(tally, { more: tally.more, since: new Date(tally.since * 1000).toISOString() })),
    );
  await Promise.all([...rows, ...others]);
}

/** Tells what was counted in windows that are over; at the end of the process in all of them. */
export async function closeMachineLogins(all = false): Promise<void> {
  for (const [key, tally] of [...open.entries()]) if (all || isOver(tally)) open.delete(key);
  await writeAll();
}
