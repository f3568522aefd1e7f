/**
 * Everything secret: random ids and tokens, hashes of tokens, sealing at rest, password hashes and constant-time
 * comparison. The sealing key is set once at start; using it before is a bug and throws.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import bcrypt from 'bcrypt';
import { isForeignHash, verifyForeign } from './foreign-hash.ts';

let sealingKey: Buffer | undefined;
let macKey: Buffer | undefined;

/** Derives the process's keys from CARDEA_SECRET (HKDF, RFC 5869). */
export function useSecret(secret: string): void {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, 'cardea', purpose, 32));
  sealingKey = derive('seal v1');
  macKey = derive('mac v1');
}

/** A URL-safe random token. 32 bytes carry 256 bits. */
export const mintToken = (bytes = 32): string => randomBytes(bytes).toString('base64url');

/** SHA-256 of a high-entropy value, base64url: the form in which tokens and codes are stored and looked up. */
export const hashToken = (value: string): string => createHash('sha256').update(value).digest('base64url');

/** HMAC-SHA-256 under the installation's key, base64url, bound to a purpose. */
export function mac(purpose: string, value: string): string {
  if (!macKey) throw new Error('useSecret() was not called');
  return createHmac('sha256', macKey).update(purpose).update('\0').update(value).digest('base64url');
}

/** Compares two strings in time that depends on neither's content. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/**
 * AES-256-GCM. `context` (the account and the field) is authenticated with it, so that a sealed value moved to another
 * account or field does not open.
 */
export function seal(plain: string, context: string): string {
  if (!sealingKey) throw new Error('useSecret() was not called');
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealingKey, iv).setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return `s1.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
}

/** @throws Error when the value was sealed under another secret or for another context. */
export function unseal(sealed: string, context: string): string {
  if (!sealingKey) throw new Error('useSecret() was not called');
  const raw = Buffer.from(sealed.slice(3), 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', sealingKey, raw.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(context))
    .setAuthTag(raw.subarray(12, 28));
  return Buffer.concat([decipher.update(raw.subarray(28)), decipher.final()]).toString('utf8');
}

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

export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  if (isForeignHash(stored)) return verifyForeign(password, stored);
  if (stored.startsWith('$argon2')) return (await argon2()).verify(stored, password.normalize('NFC'));
  return bcrypt.compare(bcryptInput(password), stored);
}

/** True when a stored hash should be replaced at the next successful login. */
export function isPasswordHashOutdated(stored: string, algorithm: PasswordAlgorithm = 'bcrypt'): boolean {
  if (algorithm === 'argon2id') return !stored.startsWith('$argon2id$v=19$m=19456,t=2,p=1$');
  return !stored.startsWith('$2') || bcrypt.getRounds(stored) < BCRYPT_COST;
}

let decoy: Promise<string> | undefined;
/** Spends the time of a verification when there is nothing to verify, so that absence cannot be timed. */
export async function verifyDecoy(password: string, algorithm: PasswordAlgorithm = 'bcrypt'): Promise<false> {
  decoy ??= hashPassword(mintToken(), algorithm);
  await verifyPassword(password, await decoy);
  return false;
}
