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
  /** Counts so many at once; answers how many of them are free, and whether these are the first that were not all. */
  take(key: string, many: number): Promise<{ free: number; isFirstOver: boolean }>;
  reset(key: string): Promise<void>;
  /** Takes back what was counted: one, unless it says how many. */
  giveBack(key: string, many?: number): Promise<void>;
};

export const LIMITER_COLLECTION = 'limits';

/** @param points how many are free within `seconds` of the first; after the last the key waits for the window's end. */
export const limiter = (name: string, points: number, seconds: number): Limiter =>
  over(stored(name, points, seconds), points);

/** Made at first use: the connection is not there when modules load. */
function stored(keyPrefix: string, points: number, duration: number): () => RateLimiterMongo {
  let backend: RateLimiterMongo | undefined;
  const storeClient = () => mongoose.connection.db;
  return () => {
    backend ??= new RateLimiterMongo({
      storeClient: storeClient(),
      keyPrefix,
      tableName: LIMITER_COLLECTION,
      points,
      duration,
      disableIndexesCreation: true,
    });
    return backend;
  };
}

/** The same counted by each instance for itself: where counting may not cost what it protects from. */
export function localLimiter(_name: string, points: number, seconds: number): Limiter {
  const backend = new RateLimiterMemory({ points, duration: seconds });
  return over(() => backend, points);
}

/** Keys that were seen, for so many seconds after the last time. */
export function marks(name: string, seconds: number) {
  const open = stored(name, 1, seconds);
  return {
    async set(key: string): Promise<void> {
      await open().set(digest(key), 1, seconds);
    },
    has: async (key: string): Promise<boolean> => (await open().get(digest(key))) !== null,
  };
}

// Keys hold addresses and emails; the database needs neither.
const digest = (key: string) => createHash('sha256').update(key).digest('base64url');
const wait = (state: RateLimiterRes) => Math.max(1, Math.ceil(state.msBeforeNext / 1000));

function over(open: () => RateLimiterMongo | RateLimiterMemory, points: number): Limiter {
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
    async take(key, many) {
      const { consumedPoints } = await open()
        .consume(digest(key), many)
        .catch((state: unknown) => {
          if (state instanceof RateLimiterRes) return state;
          throw state;
        });
      const before = consumedPoints - many;
      return {
        free: Math.max(0, Math.min(many, points - before)),
        isFirstOver: before <= points && consumedPoints > points,
      };
    },
    async reset(key) {
      await open().delete(digest(key));
    },
    async giveBack(key, many = 1) {
      await open().reward(digest(key), many);
    },
  };
  return limit;
}
