/**
 * What is kept so that only this installation can read or make it. The keys are set once at start; using them before is a
 * bug and throws.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

let sealingKey: Buffer | undefined;
let macKey: Buffer | undefined;

/** Derives the process's keys from CARDEA_SECRET (HKDF, RFC 5869). */
export function useSecret(secret: string): void {
  const derive = (purpose: string) => Buffer.from(hkdfSync('sha256', secret, 'cardea', purpose, 32));
  sealingKey = derive('seal v1');
  macKey = derive('mac v1');
}

/** HMAC-SHA-256 under the installation's key, base64url, bound to a purpose. */
export function mac(purpose: string, value: string): string {
  if (!macKey) throw new Error('useSecret() was not called');
  return createHmac('sha256', macKey).update(purpose).update('\0').update(value).digest('base64url');
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
