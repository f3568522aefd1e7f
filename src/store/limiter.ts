/** Counters with a window: rate limits and lockouts stand on them. Shared by all instances through the database, but one. */
import { createHash } from 'node:crypto';
import mongoose from 'mongoose';
import { RateLimiterMemory, RateLimiterMongo, RateLimiterRes } from 'rate-limiter-flexible';
import { Fault } from '../kernel/fault.ts';

export type Limiter = {
  /** Counts one; answers how many seconds to wait when that was one too many, else null. */
  consume(key: string): Promise<number | null>;
  /** Counts one. @throws Fault `too_many_requests` when that was one too many. */
  spend(key: string): Promise<void>;
  /** Seconds until the key may try again; null when it may now. Counts nothing. */
  blockedFor(key: string): Promise<number | null>;
  reset(key: string): Promise<void>;
  /** Takes back one that was counted. */
  giveBack(key: string): Promise<void>;
};

export const LIMITER_COLLECTION = 'limits';

/** @param points how many are free within `seconds` of the first; after the last the key waits for the window's end. */
export function limiter(name: string, points: number, seconds: number): Limiter {
  let backend: RateLimiterMongo | undefined;
  // Made at first use: the connection is not there when modules load.
  return over(
    () =>
      (backend ??= new RateLimiterMongo({
        storeClient: mongoose.connection.db,
        keyPrefix: name,
        tableName: LIMITER_COLLECTION,
        points,
        duration: seconds,
        disableIndexesCreation: true,
      })),
  );
}

/** The same counted by each instance for itself: where counting may not cost what it protects from. */
export function localLimiter(points: number, seconds: number): Limiter {
  const backend = new RateLimiterMemory({ points, duration: seconds });
  return over(() => backend);
}

// Keys hold addresses and emails; the database needs neither.
const digest = (key: string) => createHash('sha256').update(key).digest('base64url');
const wait = (state: RateLimiterRes) => Math.max(1, Math.ceil(state.msBeforeNext / 1000));

function over(open: () => RateLimiterMongo | RateLimiterMemory): Limiter {
  const limit: Limiter = {
    async consume(key) {
      try {
        await open().consume(digest(key));
        return null;
      } catch (state) {
        if (state instanceof RateLimiterRes) return wait(state);
        throw state;
      }
    },
    async spend(key) {
      const retryAfterSeconds = await limit.consume(key);
      if (retryAfterSeconds !== null) throw new Fault('too_many_requests', undefined, { retryAfterSeconds });
    },
    async blockedFor(key) {
      const backend = open();
      const state = await backend.get(digest(key));
      return state && state.consumedPoints >= backend.points ? wait(state) : null;
    },
    async reset(key) {
      await open().delete(digest(key));
    },
    async giveBack(key) {
      await open().reward(digest(key));
    },
  };
  return limit;
}
