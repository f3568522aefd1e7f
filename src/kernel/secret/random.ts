/** Random tokens, the form in which they are kept, and comparison that tells nothing by its time. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A URL-safe random token. 32 bytes carry 256 bits. */
export const mintToken = (bytes = 32): string => randomBytes(bytes).toString('base64url');

/** SHA-256 of a high-entropy value, base64url: the form in which tokens and codes are stored and looked up. */
export const hashToken = (value: string): string => createHash('sha256').update(value).digest('base64url');

/** Compares two strings in time that depends on neither's content. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(a), digest(b));
}
