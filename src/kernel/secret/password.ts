/** Passwords: hashed, verified, and known to be worth another hash. */
import { createHmac } from 'node:crypto';
import bcrypt from 'bcrypt';
import { isForeignHash, isOwnHash, verifyForeign } from './foreign-hash.ts';
import { mintToken } from './random.ts';

/** Loaded when the first hash asks for it: most installations never have one. */
const argon2 = () => import('@node-rs/argon2');

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

/** Runs in the thread pool: about 50 ms of one core. */
export async function hashPassword(password: string, algorithm: PasswordAlgorithm = 'bcrypt'): Promise<string> {
  return algorithm === 'argon2id'
    ? (await argon2()).hash(password.normalize('NFC'), ARGON2)
    : bcrypt.hash(bcryptInput(password), BCRYPT_COST);
}

/** False too for a stored hash that would not be taken today: it may ask for more work than a login is worth, or fit anything. */
export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  if (isForeignHash(stored)) return verifyForeign(password, stored);
  if (!isOwnHash(stored)) return false;
  if (stored.startsWith('$argon2')) return (await argon2()).verify(stored, password.normalize('NFC'));
  return bcrypt.compare(bcryptInput(password), stored);
}

/** True when a stored hash should be replaced at the next successful login. */
export function isPasswordHashOutdated(stored: string, algorithm: PasswordAlgorithm = 'bcrypt'): boolean {
  if (algorithm === 'argon2id') return !stored.startsWith('$argon2id$v=19$m=19456,t=2,p=1$');
  return !stored.startsWith('$2') || bcrypt.getRounds(stored) < BCRYPT_COST;
}

/** Whether looking at a stored hash costs less than at one of ours, or it is not looked at, which would tell that there is one. */
export const isCheap = (stored: string): boolean =>
  !isOwnHash(stored) || (stored.startsWith('$2') && bcrypt.getRounds(stored) < BCRYPT_COST);

const decoys = new Map<PasswordAlgorithm, Promise<string>>();

/** Spends the time of a verification when there is nothing to verify, so that absence cannot be timed. */
export async function verifyDecoy(password: string, algorithm: PasswordAlgorithm = 'bcrypt'): Promise<false> {
  const decoy = decoys.get(algorithm) ?? hashPassword(mintToken(), algorithm);
  decoys.set(algorithm, decoy);
  await verifyPassword(password, await decoy);
  return false;
}
