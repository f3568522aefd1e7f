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

const BCRYPT_COST = 10;
// OWASP's first recommendation for argon2id: 19 MiB, two passes, one lane.
const ARGON2 = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** bcrypt reads 72 bytes and stops at NUL: what it would cut is hashed first, so that every byte counts. */
function bcryptInput(password: string): string {
  const bytes = Buffer.from(password.normalize('NFC'));
  if (bytes.length <= 72 && !bytes.includes(0)) return bytes.toString();
  return createHmac('sha384', 'cardea bcrypt').update(bytes).digest('base64');
}

/** About 50 ms of one core, 10 for argon2id. */
export const hash = ({ algorithm, password }: { algorithm: PasswordAlgorithm; password: string }): string =>
  algorithm === 'argon2id'
    ? argon2Hash(password.normalize('NFC'), ARGON2)
    : bcrypt.hashSync(bcryptInput(password), BCRYPT_COST);

/** False too for a stored hash that would not be taken today: it may ask for more work than a login is worth, or fit anything. */
function verify(password: string, stored: string): boolean {
  if (isForeignHash(stored)) return verifyForeign(password, stored);
  if (!isOwnHash(stored)) return false;
  if (stored.startsWith('$argon2')) return argon2Verify(stored, password.normalize('NFC'));
  return bcrypt.compareSync(bcryptInput(password), stored);
}

/** True when a stored hash should be replaced at the next successful login. */
function isOutdated(algorithm: PasswordAlgorithm, stored: string): boolean {
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

/**
 * Spends the work that a look at a hash was short of: as a sum of powers of two, each of which is a cost of bcrypt's.
 * @returns how much that was.
 */
function fillUp(password: string, spent: number): number {
  let filled = 0;
  for (let left = WORK - spent, cost = BCRYPT_COST; cost >= LEAST_COST; cost -= 1) {
    if (left < 2 ** cost) continue;
    left -= 2 ** cost;
    bcrypt.hashSync(bcryptInput(password), `$2b$${String(cost).padStart(2, '0')}$${SALT}`);
    filled += 2 ** cost;
  }
  return filled;
}

const decoys = new Map<PasswordAlgorithm, string>();
/** To look at when there is nothing to verify, so that absence cannot be timed. */
function decoy(algorithm: PasswordAlgorithm): string {
  const known = decoys.get(algorithm) ?? hash({ algorithm, password: mintToken() });
  decoys.set(algorithm, known);
  return known;
}

/** `fresh`: a hash to store in place of the one that was right. `work`: what it took, in rounds of bcrypt. */
export type Checked = { right: boolean; fresh?: string; work: number };

/**
 * Looks at a password. Wrong ones take the same work whether there is a hash or none, however cheap it is; one that costs
 * more than ours shows until its user comes back and it is replaced.
 */
export function check(asked: { algorithm: PasswordAlgorithm; password: string; stored: string | undefined }): Checked {
  const { algorithm, password, stored } = asked;
  const looked = stored ?? decoy(algorithm);
  const work = hashWork(looked);
  const right = verify(password, looked);
  if (!right || !stored) return { right: false, work: work + fillUp(password, work) };
  return { right, work, ...(isOutdated(algorithm, stored) && { fresh: hash({ algorithm, password }) }) };
}
