/**
 * Which of an account's keys sign, which wait, which are published; signing-key.ts holds the keys themselves. Every
 * change is one update of the account row, made only if no key came or went since it was read.
 */
import { LRUCache } from 'lru-cache';
import { HOUR, inSeconds, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { type Account, accounts, everything, writeAccount } from '../account/account.ts';
import {
  mintSigningKey,
  removeSigningKey,
  retireSigningKeys,
  type Signer,
  type SigningAlg,
  type SigningKey,
  signingKeysOf,
} from './signing-key.ts';

export type AccountKeys = {
  /** RS256, which every account has. */
  production: Signer;
  next: Signer;
  /** What signs, per algorithm: those that an Api or a client has asked for. */
  signers: { RS256: Signer } & { [A in SigningAlg]?: Signer };
  queued: { RS256: Signer } & { [A in SigningAlg]?: Signer };
  /** Everything that tokens verify with, oldest first. */
  published: SigningKey[];
};
const keyCache = new LRUCache<string, Promise<AccountKeys>>({ max: 5000 });

/** The account's keys as of its revision; opened once per revision. */
export function accountKeys(tenant: Tenant): Promise<AccountKeys> {
  const cacheKey = `${tenant.id}:${tenant.account.revision}`;
  const known = keyCache.get(cacheKey);
  if (known) return known;
  const opening = openKeys(tenant, () => keyCache.delete(cacheKey));
  keyCache.set(cacheKey, opening);
  return opening;
}

/** @param forget is told when what comes, or does not come, is not to be remembered. */
async function openKeys(tenant: Tenant, forget: () => void): Promise<AccountKeys> {
  try {
    const { account, keys } = (await readKeys(tenant)) ?? (await readKeys(tenant)) ?? noKeys(tenant);
    // A revision that moved on while this was read must not be remembered under its old number.
    if (account.revision !== tenant.account.revision) forget();
    return keys;
  } catch (error) {
    forget();
    throw error;
  }
}

/** What signs with an algorithm, for an instance that has not heard of its first key yet. */
export async function lateSigner(tenant: Tenant, alg: SigningAlg): Promise<Signer> {
  await ensureSigningKeys(tenant, alg);
  return (await readKeys(tenant))?.keys.signers[alg] ?? noKeys(tenant);
}

const noKeys = (tenant: Tenant): never => {
  throw new Fault('internal', undefined, { detail: `account ${tenant.id} has no keys` });
};

/** `undefined` where a key that the account names is gone: it was read between two changes. */
async function readKeys(tenant: Tenant): Promise<{ account: Account; keys: AccountKeys } | undefined> {
  const [account, held] = await Promise.all([accounts.get(everything, tenant.id), signingKeysOf(tenant.id)]);
  const published = held.filter(({ kid }) => account.keys_published.includes(kid));
  const signers: Partial<Record<SigningAlg, Signer>> = {};
  const queued: Partial<Record<SigningAlg, Signer>> = {};
  const canSign = (kid: string) => published.find((key): key is Signer => key.kid === kid && !!key.privateKey);
  for (const [alg, { production, next }] of pairsOf(account)) {
    signers[alg] = canSign(production);
    queued[alg] = canSign(next);
    if (!signers[alg] || !queued[alg]) return undefined;
  }
  if (!signers.RS256 || !queued.RS256) return undefined;
  const keys = { production: signers.RS256, next: queued.RS256, signers, queued, published } as AccountKeys;
  return { account, keys };
}

type Pair = { production: string; next: string };

/** The keys that sign and wait, algorithm by algorithm. */
function pairsOf({ key_production, key_next, keys_more }: Account): [SigningAlg, Pair][] {
  const rs256 = key_production && key_next ? { RS256: { production: key_production, next: key_next } } : {};
  return Object.entries({ ...rs256, ...keys_more }) as [SigningAlg, Pair][];
}

/** Whether a key signs or waits to. */
export const isKeyInUse = (account: Account, kid: string): boolean =>
  pairsOf(account).some(([, { production, next }]) => production === kid || next === kid);

type Change = { pairs: [SigningAlg, Pair][]; published: string[]; rotated?: true; queued?: true };

/** @returns false when some key came or went since the account was read. */
function writeKeys(account: Account, { pairs, published, rotated, queued = rotated }: Change): Promise<boolean> {
  const { RS256, ...more } = Object.fromEntries(pairs) as Record<SigningAlg, Pair>;
  return writeAccount(
    account.id,
    {
      key_production: RS256.production,
      key_next: RS256.next,
      keys_more: more,
      keys_published: published,
      ...(rotated && { keys_rotated_at: now() }),
      ...(queued && { keys_queued_at: now() }),
    },
    // Every change adds a kid or takes one away, and no kid comes back.
    { keys_published: { $eq: account.keys_published } },
  );
}

const view = (pairs: readonly [SigningAlg, Pair][], published: readonly string[]) => {
  const { RS256 } = Object.fromEntries(pairs) as Record<SigningAlg, Pair>;
  return { production_kid: RS256.production, next_in_queue_kid: RS256.next, kids_active: [...published] };
};

/** The contract's answer, which knows of one algorithm. */
export const keysView = ({ production, next, published }: AccountKeys) => ({
  production_kid: production.kid,
  next_in_queue_kid: next.kid,
  kids_active: published.map(({ kid }) => kid),
});

/** Every published key, oldest first, and what it is for. */
export const keyStates = ({ signers, queued, published }: AccountKeys) =>
  published.map(({ kid, alg }) => ({
    kid,
    alg,
    state: signers[alg]?.kid === kid ? 'production' : queued[alg]?.kid === kid ? 'queued' : 'retired',
  }));

/**
 * Sees to it that the account can sign with an algorithm: called before anything that asks for it is written, so that
 * the keys are published before the first token is signed.
 */
export async function ensureSigningKeys(tenant: Tenant, alg: SigningAlg | null | undefined): Promise<void> {
  if (!alg || alg === 'RS256') return;
  for (;;) {
    const account = await accounts.get(everything, tenant.id);
    const pairs = pairsOf(account);
    if (pairs.some(([known]) => known === alg)) return;
    const [production, next] = await Promise.all([mintSigningKey(tenant.id, alg), mintSigningKey(tenant.id, alg)]);
    const published = [...account.keys_published, production, next];
    if (await writeKeys(account, { pairs: [...pairs, [alg, { production, next }]], published })) return;
    await Promise.all([production, next].map(removeSigningKey));
  }
}

/** So long may somebody who verifies remember a key set before looking again: what it does not hold must not sign yet. */
const PROPAGATION_SECONDS = HOUR;

/** @throws Fault `rotated_recently` while the key that waits may be news to somebody. */
function checkPropagated({ keys_queued_at, keys_rotated_at }: Account): void {
  const queuedAt = keys_queued_at ?? keys_rotated_at;
  if (!queuedAt || queuedAt <= inSeconds(-PROPAGATION_SECONDS)) return;
  const retryAt = new Date(queuedAt.getTime() + PROPAGATION_SECONDS * 1000);
  throw new Fault(
    'rotated_recently',
    `The key that waits was published at ${queuedAt.toISOString()}, and signs from ${retryAt.toISOString()} at the earliest: by then everybody who remembers the key set knows it. A key that somebody else may have is revoked instead.`,
    {
      details: { retry_at: retryAt.toISOString() },
      retryAfterSeconds: Math.ceil((retryAt.getTime() - Date.now()) / 1000),
    },
  );
}

/**
 * Promotes the queued key of every algorithm and queues new ones. Of several rotations at once exactly one happens.
 * @throws Fault `conflict` for the others; `rotated_recently` for one that comes too soon after another.
 */
export async function rotateKeys(tenant: Tenant) {
  const before = await accounts.get(everything, tenant.id);
  checkPropagated(before);
  for (let account = before; ; account = await accounts.get(everything, tenant.id)) {
    if (account.key_next !== before.key_next)
      throw new Fault('conflict', 'The keys were rotated by somebody else a moment ago.');
    const pairs = await Promise.all(
      pairsOf(account).map(
        async ([alg, { next }]): Promise<[SigningAlg, Pair]> => [
          alg,
          { production: next, next: await mintSigningKey(tenant.id, alg) },
        ],
      ),
    );
    const minted = pairs.map(([, { next }]) => next);
    const published = [...account.keys_published, ...minted];
    const used = new Set(pairs.flatMap(([, { production, next }]) => [production, next]));
    // Noted first: after a crash in between, who reads the note sees in the account that it does not hold (yet).
    await retireSigningKeys(published.filter((kid) => !used.has(kid)));
    if (await writeKeys(account, { pairs, published, rotated: true }))
      return {
        rotated_at: now().toISOString(),
        previous_production_kid: account.key_production!,
        ...view(pairs, published),
      };
    await Promise.all(minted.map(removeSigningKey));
  }
}

/**
 * A key that somebody else may have: nothing verifies with it any more, here at once and on other instances within the
 * seconds that they remember an account for. The queued key takes the place of one that signs, and a new one that of a
 * queued one. The private part is gone with the row.
 * @throws Fault `not_found` for a kid that the account does not publish; also for the second of two at once.
 */
export async function revokeKey(tenant: Tenant, kid: string) {
  for (;;) {
    const account = await accounts.get(everything, tenant.id);
    if (!account.keys_published.includes(kid)) throw new Fault('not_found', 'Key not found.');
    const [alg] = pairsOf(account).find(([, pair]) => Object.values(pair).includes(kid)) ?? [];
    const minted = alg && (await mintSigningKey(tenant.id, alg));
    const pairs = pairsOf(account).map(([each, { production, next }]): [SigningAlg, Pair] => [
      each,
      each === alg ? { production: production === kid ? next : production, next: minted! } : { production, next },
    ]);
    const published = [...account.keys_published.filter((other) => other !== kid), ...(minted ? [minted] : [])];
    if (await writeKeys(account, { pairs, published, ...(minted && { queued: true }) })) {
      await removeSigningKey(kid);
      return {
        revoked_at: now().toISOString(),
        revoked_kid: kid,
        ...view(pairs, published),
      };
    }
    if (minted) await removeSigningKey(minted);
  }
}

/** Takes a key out of the published set that neither signs nor waits. @returns whether it is out. */
export async function unpublishKey(account: Account, kid: string): Promise<boolean> {
  if (!account.keys_published.includes(kid)) return true;
  const published = account.keys_published.filter((other) => other !== kid);
  return writeKeys(account, { pairs: pairsOf(account), published });
}
