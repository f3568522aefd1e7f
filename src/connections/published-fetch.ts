/**
 * The engine's way to what clients publish about themselves (their keys, their metadata): the safe fetch as a `fetch`. What comes back
 * may be kept for as long as it says, within bounds; an address that failed is left alone for a while.
 */
import { LRUCache } from 'lru-cache';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { safeAnswer } from './safe-fetch.ts';

/** A key that its owner withdrew is refused after so long at the latest. */
const LONGEST_SECONDS = 10 * MINUTE;
const COOLDOWN_SECONDS = 10 * SECOND;
const MAX_BYTES = 65_536;

/** Seconds for which an answer is fresh by its own word (RFC 9111 §5.2.2, §5.3), 0 for one that says nothing. */
export function freshSeconds(headers: Partial<Record<'cache-control' | 'expires', string>>): number {
  const control = headers['cache-control'] ?? '';
  if (/(?:^|,)\s*no-(?:store|cache)\b/i.test(control)) return 0;
  const maxAge = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})/i.exec(control)?.[1];
  if (maxAge !== undefined) return Number(maxAge);
  const expires = Date.parse(headers.expires ?? '');
  return Number.isNaN(expires) ? 0 : Math.max(0, Math.floor((expires - Date.now()) / 1000));
}

export function publishedFetch({ production }: { production: boolean }) {
  const failedUntil = new LRUCache<string, number>({ max: 10_000 });
  return async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const address = input instanceof Request ? input.url : String(input);
    if ((init.method ?? 'GET') !== 'GET') throw new Error('only GET is supported');
    if ((failedUntil.get(address) ?? 0) > Date.now()) throw new Error(`${address} failed a moment ago`);
    try {
      const { body, headers } = await safeAnswer(address, { production, timeoutSeconds: 3, maxBytes: MAX_BYTES });
      const seconds = Math.min(freshSeconds(headers), LONGEST_SECONDS);
      return new Response(new Uint8Array(body), {
        headers: { 'cache-control': `max-age=${seconds}`, 'content-type': headers['content-type'] ?? '' },
      });
    } catch (error) {
      failedUntil.set(address, Date.now() + COOLDOWN_SECONDS * 1000);
      throw error;
    }
  };
}
