/**
 * The work of hashing itself, which takes a thread for as long as it takes: in hashing-threads.ts's, never in one that
 * answers. Who has it done, and when, is password.ts's.
 */
import { createHmac } from 'node:crypto';
import { hashSync as argon2Hash, verifySync as argon2Verify } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import { hashWork, isForeignHash, isOwnHash, verifyForeign } from './foreign-hash.ts';
import { mintToken } from './random.ts';

export type PasswordAlgorithm = 'bcrypt' | 'argon2id';

/** How ours are made; of bcrypt's rounds the power of two is its cost. */
export type Hashing = { algorithm: PasswordAlgorithm; bcryptCost: number };

// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** bcrypt reads 72 bytes and stops at NUL: what it would cut is hashed first, so that every byte counts. */
function bcryptInput(password: string): string {
  const bytes = Buffer.from(password.normalize('NFC'));
  if (bytes.length <= 72 && !bytes.includes(0)) return bytes.toString();
  return createHmac('sha384', 'cardea bcrypt').update(bytes).digest('base64');
}

/** About 50 ms of one core with bcrypt's cost 10, 10 for argon2id. */
export const hash = ({ algorithm, bcryptCost, password }: Hashing & { password: string }): string =>
  algorithm === 'argon2id'
    ? argon2Hash(password.normalize('NFC'), ARGON2)
    : bcrypt.hashSync(bcryptInput(password), bcryptCost);

/** False too for a stored hash that would not be taken today: it may ask for more work than a login is worth, or fit anything. */
function verify(password: string, stored: string): boolean {
  if (isForeignHash(stored)) return verifyForeign(password, stored);
  if (!isOwnHash(stored)) return false;
  if (stored.startsWith('$argon2')) return argon2Verify(stored, password.normalize('NFC'));
  return bcrypt.compareSync(bcryptInput(password), stored);
}

/** True when a stored hash should be replaced at the next successful login. */
function isOutdated({ algorithm, bcryptCost }: Hashing, stored: string): boolean {
  if (algorithm === 'argon2id') return !stored.startsWith('$argon2id$v=19$m=19456,t=2,p=1$');
  return !stored.startsWith('$2') || bcrypt.getRounds(stored) < bcryptCost;
}

/** bcrypt's least is 4. */
const [LEAST_COST, SALT] = [4, 'CardeaFillsTheTimeUp..'];

/**
 * Spends the work that a look at a hash was short of what a wrong password costs at least, whatever is stored: as much as
 * a bcrypt hash of ours, which is there under the other setting too until its user comes back. As a sum of powers of two,
 * each of which is a cost of bcrypt's.
 * @returns how much that was.
 */
function fillUp(bcryptCost: number, password: string, spent: number): number {
  let filled = 0;
  for (let left = 2 ** bcryptCost - spent, cost = bcryptCost; cost >= LEAST_COST; cost -= 1) {
    if (left < 2 ** cost) continue;
    left -= 2 ** cost;
    bcrypt.hashSync(bcryptInput(password), `$2b$${String(cost).padStart(2, '0')}$${SALT}`);
    filled += 2 ** cost;
  }
  return filled;
}

const decoys = new Map<string, string>();
/** To look at when there is nothing to verify, so that absence cannot be timed. */
function decoy(hashing: Hashing): string {
  const kind = `${hashing.algorithm} ${hashing.bcryptCost}`;
  const known = decoys.get(kind) ?? hash({ ...hashing, password: mintToken() });
  decoys.set(kind, known);
  return known;
}

/** `fresh`: a hash to store in place of the one that was right. `work`: what it took, in rounds of bcrypt. */
export type Checked = { right: boolean; fresh?: string; work: number };

/**
 * Looks at a password. Wrong ones take the same work whether there is a hash or none, however cheap it is; one that costs
 * more than ours shows until its user comes back and it is replaced.
 */
export function check(asked: Hashing & { password: string; stored: string | undefined }): Checked {
  const { password, stored } = asked;
  const looked = stored ?? decoy(asked);
  const work = hashWork(looked);
  const right = verify(password, looked);
  if (!right || !stored) return { right: false, work: work + fillUp(asked.bcryptCost, password, work) };
  return { right, work, ...(isOutdated(asked, stored) && { fresh: hash(asked) }) };
}
