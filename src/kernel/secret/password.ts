/** Passwords: hashed, verified, and known to be worth another hash. Each asks for a turn of the queue, one whatever is there. */

import { createHmac } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import bcrypt from 'bcrypt';
import { hashWork, isForeignHash, isOwnHash, verifyForeign } from './foreign-hash.ts';
import { type Asker, type HashingQueue, NODE_THREADS, queueFor } from './hashing-queue.ts';
import { mintToken } from './random.ts';

/** Loaded when the first hash asks for it: most installations never have one. */
const argon2 = () => import('@node-rs/argon2');

export type PasswordAlgorithm = 'bcrypt' | 'argon2id';

const BCRYPT_COST = 10;
// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

let algorithm: PasswordAlgorithm = 'bcrypt';
let queue: HashingQueue = queueFor(NODE_THREADS);

/** How this process hashes, and with how many threads; as it starts. */
export function useHashing(settings: { passwordHash: PasswordAlgorithm; threads: number }): void {
  algorithm = settings.passwordHash;
  queue = queueFor(settings.threads);
}

/** bcrypt reads 72 bytes and stops at NUL: what it would cut is hashed first, so that every byte counts. */
function bcryptInput(password: string): string {
  const bytes = Buffer.from(password.normalize('NFC'));
  if (bytes.length <= 72 && !bytes.includes(0)) return bytes.toString();
  return createHmac('sha384', 'cardea bcrypt').update(bytes).digest('base64');
}

/** Runs in the thread pool: about 50 ms of one core, 10 for argon2id. */
const hash = async (password: string): Promise<string> =>
  algorithm === 'argon2id'
    ? (await argon2()).hash(password.normalize('NFC'), ARGON2)
    : bcrypt.hash(bcryptInput(password), BCRYPT_COST);

/** @throws Fault `unavailable` when too many wait to hash. */
export const hashPassword = (asker: Asker, password: string): Promise<string> =>
  queue.turn(asker, () => hash(password));

/** How long whoever is sent away is kept first: a flood that comes again at once would be refused at the cost of all others. */
const HELD_BACK_MS = 1_000;

/**
 * For who would do other work first, only to be sent away.
 * @throws Fault `unavailable`, a second later, when too many of the tenant wait.
 */
export async function checkHashingRoom(tenant: string): Promise<void> {
  try {
    queue.checkRoom(tenant);
  } catch (full) {
    await setTimeout(HELD_BACK_MS);
    throw full;
  }
}

/** False too for a stored hash that would not be taken today: it may ask for more work than a login is worth, or fit anything. */
async function verify(password: string, stored: string): Promise<boolean> {
  if (isForeignHash(stored)) return verifyForeign(password, stored);
  if (!isOwnHash(stored)) return false;
  if (stored.startsWith('$argon2')) return (await argon2()).verify(stored, password.normalize('NFC'));
  return bcrypt.compare(bcryptInput(password), stored);
}

/** True when a stored hash should be replaced at the next successful login. */
function isOutdated(stored: string): boolean {
  if (algorithm === 'argon2id') return !stored.startsWith('$argon2id$v=19$m=19456,t=2,p=1$');
  return !stored.startsWith('$2') || bcrypt.getRounds(stored) < BCRYPT_COST;
}

/**
 * What a wrong password costs at least, whatever is stored, as powers of two as bcrypt's costs are: as much as a bcrypt
 * hash of ours, which is there under the other setting too until its user comes back.
 */
const WORK = 2 ** BCRYPT_COST;
/** bcrypt's least is 4. */
const [LEAST_COST, SALT] = [4, 'CardeaFillsTheTimeUp..'];

/** Spends the work that a look at a hash was short of: as a sum of powers of two, each of which is a cost of bcrypt's. */
async function fillUp(password: string, spent: number): Promise<void> {
  for (let left = WORK - spent, cost = BCRYPT_COST; cost >= LEAST_COST; cost -= 1) {
    if (left < 2 ** cost) continue;
    left -= 2 ** cost;
    await bcrypt.hash(bcryptInput(password), `$2b$${String(cost).padStart(2, '0')}$${SALT}`);
    tally.work += 2 ** cost;
  }
}

const tally = { turns: 0, work: 0 };
/** Of the checks since the start, which tests compare: in how many turns, and with how much work (1024: bcrypt's cost 10). */
export const hashingTally = (): Readonly<typeof tally> => ({ ...tally });

const decoys = new Map<PasswordAlgorithm, Promise<string>>();
/** To look at when there is nothing to verify, so that absence cannot be timed. */
function decoy(): Promise<string> {
  const known = decoys.get(algorithm) ?? hash(mintToken());
  decoys.set(algorithm, known);
  return known;
}

/** `fresh`: a hash to store in place of the one that was right. */
export type Checked = { right: boolean; fresh?: string };

/**
 * Looks at a password in one turn. Wrong ones take the same work whether there is a hash or none, however cheap it is; one
 * that costs more than ours shows until its user comes back and it is replaced.
 * @throws Fault `unavailable` when too many wait to hash.
 */
export function checkPassword(asker: Asker, password: string, stored: string | undefined): Promise<Checked> {
  return queue.turn(asker, async () => {
    tally.turns += 1;
    const looked = stored ?? (await decoy());
    const spent = hashWork(looked);
    const right = await verify(password, looked);
    tally.work += spent;
    if (right && stored) return { right, ...(isOutdated(stored) && { fresh: await hash(password) }) };
    await fillUp(password, spent);
    return { right: false };
  });
}
