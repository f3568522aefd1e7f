/** Which of an account's keys signs, which waits, which are published; signing-key.ts holds the keys themselves. */
import { LRUCache } from 'lru-cache';
import { now } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { accounts, everything, writeAccount } from './account.ts';
import { mintSigningKey, removeSigningKey, type SigningKey, signingKeysOf } from './signing-key.ts';

export type AccountKeys = { production: SigningKey; next: SigningKey; published: SigningKey[] };
const keyCache = new LRUCache<string, AccountKeys>({ max: 5000 });

/** The account's keys as of its revision; opened once per revision. */
export async function accountKeys(tenant: Tenant): Promise<AccountKeys> {
  const cacheKey = `${tenant.id}:${tenant.account.revision}`;
  const known = keyCache.get(cacheKey);
  if (known) return known;
  const [account, held] = await Promise.all([accounts.get(everything, tenant.id), signingKeysOf(tenant.id)]);
  const published = held.filter(({ kid }) => account.keys_published.includes(kid));
  const byKid = (kid: string | null) => published.find((key) => key.kid === kid);
  const production = byKid(account.key_production);
  const next = byKid(account.key_next);
  if (!production || !next) throw new Fault('internal', undefined, { detail: `account ${tenant.id} has no keys` });
  const keys = { production, next, published };
  // A revision that moved on while this was read must not be remembered under its old number.
  if (account.revision === tenant.account.revision) keyCache.set(cacheKey, keys);
  return keys;
}

export const keysView = (keys: AccountKeys) => ({
  production_kid: keys.production.kid,
  next_in_queue_kid: keys.next.kid,
  kids_active: keys.published.map(({ kid }) => kid),
});

/** Promotes the queued key. Of several rotations at once exactly one happens; the others are conflicts. */
export async function rotateKeys(tenant: Tenant) {
  const account = await accounts.get(everything, tenant.id);
  const queued = await mintSigningKey(tenant.id);
  const kids = [...account.keys_published, queued];
  const promoted = await writeAccount(
    tenant.id,
    { key_production: account.key_next, key_next: queued, keys_published: kids },
    { key_next: { $eq: account.key_next } },
  );
  if (!promoted) {
    await removeSigningKey(queued);
    throw new Fault('conflict', 'The keys were rotated by somebody else a moment ago.');
  }
  return {
    rotated_at: now().toISOString(),
    previous_production_kid: account.key_production!,
    production_kid: account.key_next!,
    next_in_queue_kid: queued,
    kids_active: kids,
  };
}
