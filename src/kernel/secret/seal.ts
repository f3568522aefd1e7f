/**
 * What is kept so that only this installation can read or make it. The keys are set once at start; using them before is a
 * bug and throws. While the secret is being changed for another there are several: the first seals, all of them open.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { sameSecret } from './random.ts';

type Keys = { id: string; sealing: Buffer; mac: Buffer };
let keys: readonly Keys[] = [];

/** HKDF (RFC 5869). The id tells which secret it was and nothing else about it. */
function keysOf(secret: string): Keys {
  const derive = (purpose: string, bytes = 32) => Buffer.from(hkdfSync('sha256', secret, 'cardea', purpose, bytes));
  return { id: derive('id v1', 6).toString('base64url'), sealing: derive('seal v1'), mac: derive('mac v1') };
}

/**
 * Derives the process's keys from CARDEA_SECRET.
 * @param others that things may have been sealed and made with, or soon are by another process.
 */
export function useSecret(secret: string, others: readonly string[] = []): void {
  const all = [secret, ...others].map(keysOf);
  keys = all.filter(({ id }, n) => all.findIndex((other) => other.id === id) === n);
}

function current(): Keys {
  if (!keys[0]) throw new Error('useSecret() was not called');
  return keys[0];
}

/** Of the key that seals, and of every key that opens, that one first. */
export const currentKeyId = (): string => current().id;
export const knownKeyIds = (): string[] => keys.map(({ id }) => id);

const macWith = (key: Buffer, purpose: string, value: string): string =>
  createHmac('sha256', key).update(purpose).update('\0').update(value).digest('base64url');

/** HMAC-SHA-256 under the installation's key, base64url, bound to a purpose. */
export const mac = (purpose: string, value: string): string => macWith(current().mac, purpose, value);

/** What `mac` has answered under any of the keys: to look something up by. */
export const macs = (purpose: string, value: string): string[] =>
  keys.map((known) => macWith(known.mac, purpose, value));

/** Whether it is one of those. @param letters of them that count, from the start. */
export const isMac = (purpose: string, value: string, shown: string, letters?: number): boolean =>
  macs(purpose, value)
    .map((made) => sameSecret(shown, made.slice(0, letters)))
    .includes(true);

/**
 * AES-256-GCM. `context` (the account and the field) is authenticated with it, so that a sealed value moved to another
 * account or field does not open.
 */
export function seal(plain: string, context: string): string {
  const { id, sealing } = current();
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealing, iv).setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return `${sealedBy(id)}${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
}

/** What every value begins with that was sealed by the key of that id. */
export const sealedBy = (id: string): string => `s2.${id}.`;

/** @throws Error when the value was sealed under a secret that is not known, or for another context. */
export function unseal(sealed: string, context: string): string {
  const { plain, failure } = tryAll(sealed, context);
  if (plain === undefined) throw failure;
  return plain;
}

/** The id of the key that a value was sealed with; nothing where that is not known. */
export const sealerOf = (sealed: string, context: string): string | undefined => tryAll(sealed, context).id;

function tryAll(sealed: string, context: string): { plain?: string; id?: string; failure?: unknown } {
  const [form, named, body = named] = sealed.split('.') as [string, string, string?];
  // One from before values named their key may be any key's.
  const candidates = form === 's2' ? keys.filter(({ id }) => id === named) : keys;
  let failure: unknown = new Error('the value was sealed with a secret that is not known here');
  for (const { id, sealing } of candidates) {
    try {
      return { plain: open(Buffer.from(body, 'base64url'), context, sealing), id };
    } catch (error) {
      failure = error;
    }
  }
  return { failure };
}

function open(raw: Buffer, context: string, sealing: Buffer): string {
  const decipher = createDecipheriv('aes-256-gcm', sealing, raw.subarray(0, 12), { authTagLength: 16 })
    .setAAD(Buffer.from(context))
    .setAuthTag(raw.subarray(12, 28));
  return Buffer.concat([decipher.update(raw.subarray(28)), decipher.final()]).toString('utf8');
}
