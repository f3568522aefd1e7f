/**
 * Machine clients in the audit trail. Their tokens are the hot path, which writes nothing: the first of a client from an
 * address leaves a row at once, in the background, and those that follow are counted and told when the window is over.
 */
import { append } from '../domain/trail/log.ts';
import { MINUTE, nowSeconds } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';

const WINDOW_SECONDS = 15 * MINUTE;

type Login = { client: string; ip: string; audience?: string };
type Tally = Login & { tenant: Tenant; since: number; more: number };

/** Bounded: beyond it the oldest window ends early. */
const MOST_TALLIES = 10_000;
const open = new Map<string, Tally>();

const rowOf = ({ client, ip, audience }: Login, more: object = {}) => ({
  type: 'oauth.client.authenticated',
  status: 'success' as const,
  client,
  data: { grant_type: 'client_credentials', ip, audience, ...more },
});

/** @returns a promise only where something is written; nobody waits for it. */
export function recordMachineLogin(tenant: Tenant, login: Login): Promise<void> | undefined {
  const key = `${tenant.id} ${login.client} ${login.ip} ${login.audience}`;
  const known = open.get(key);
  if (known && known.since > nowSeconds() - WINDOW_SECONDS) {
    known.more += 1;
    return undefined;
  }
  open.delete(key);
  open.set(key, { ...login, tenant, since: nowSeconds(), more: 0 });
  return writeAll([known, evictOldest()], append(tenant, rowOf(login)));
}

function evictOldest(): Tally | undefined {
  const [oldest] = open;
  if (!oldest || open.size <= MOST_TALLIES) return undefined;
  open.delete(oldest[0]);
  return oldest[1];
}

async function writeAll(ended: readonly (Tally | undefined)[], ...others: Promise<void>[]): Promise<void> {
  const rows = ended.flatMap((tally) => {
    if (!tally?.more) return [];
    const { tenant, since, more } = tally;
    return append(tenant, rowOf(tally, { more, since: new Date(since * 1000).toISOString() }));
  });
  await Promise.all([...rows, ...others]);
}

/** Tells what was counted in windows that are over; at the end of the process in all of them. */
export async function closeMachineLogins(all = false): Promise<void> {
  const over = [...open].filter(([, { since }]) => all || since <= nowSeconds() - WINDOW_SECONDS);
  for (const [key] of over) open.delete(key);
  await writeAll(over.map(([, tally]) => tally));
}
