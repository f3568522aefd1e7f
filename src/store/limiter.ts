/** Counters with a window, shared by all instances through the database: rate limits and lockouts stand on them. */
import { createHash } from 'node:crypto';
import mongoose from 'mongoose';
import { RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible';

export type Limiter = {
  /** Counts one; answers how many seconds to wait when that was one too many, else null. */
  consume(key: string): Promise<number | null>;
  /** Seconds until the key may try again; null when it may now. Counts nothing. */
  blockedFor(key: string): Promise<number | null>;
  reset(key: string): Promise<void>;
};

export const LIMITER_COLLECTION = 'limits';

/** @param points how many are free within `seconds` of the first; after the last the key waits for the window's end. */
export function limiter(name: string, points: number, seconds: number): Limiter {
  let backend: RateLimiterMongo | undefined;
  // Made at first use: the connection is not there when modules load.
  const open = () =>
    (backend ??= new RateLimiterMongo({
      storeClient: mongoose.connection.db,
      keyPrefix: name,
      tableName: LIMITER_COLLECTION,
      points,
      duration: seconds,
      disableIndexesCreation: true,
    }));
  // Keys hold addresses and emails; the database needs neither.
  const digest = (key: string) => createHash('sha256').update(key).digest('base64url');
  const wait = (state: RateLimiterRes) => Math.max(1, Math.ceil(state.msBeforeNext / 1000));
  return {
    async consume(key) {
      try {
        await open().consume(digest(key));
        return null;
      } catch (state) {
        if (state instanceof RateLimiterRes) return wait(state);
        throw state;
      }
    },
    async blockedFor(key) {
      const state = await open().get(digest(key));
      return state && state.consumedPoints >= points ? wait(state) : null;
    },
    async reset(key) {
      await open().delete(digest(key));
    },
  };
}
