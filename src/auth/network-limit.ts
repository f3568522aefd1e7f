/**
 * Limits by where somebody is, for those who prove nothing: a network is counted with the wider ones that it is in, since
 * whoever has one address of those may have them all.
 */
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networksOf } from '../kernel/network.ts';
import { type Limiter, limiter } from '../store/limiter.ts';

export type NetworkLimit = {
  /** Counts one in each; answers how many seconds to wait when that was one too many, else null. */
  consume(tenant: Tenant, ip: string | null): Promise<number | null>;
  /** The same for each of them, the narrowest first. */
  consumeEach(tenant: Tenant, ip: string | null): Promise<(number | null)[]>;
  /** Counts one. @throws Fault `too_many_requests` when that was one too many. */
  spend(tenant: Tenant, ip: string | null): Promise<void>;
  /** What was counted and turned out to be harmless. */
  giveBack(tenant: Tenant, ip: string | null): Promise<void>;
};

/** In seconds; null where there is none. */
export const longestOf = (waits: readonly (number | null)[]): number | null =>
  waits.reduce((longest, wait) => (wait === null ? longest : Math.max(longest ?? 0, wait)), null);

/** @param points how many are free within `seconds` of the first, for the narrowest network. */
export function networkLimit(name: string, points: number, seconds: number, make = limiter): NetworkLimit {
  const limits = new Map<number, Limiter>();
  const limitOf = (times: number): Limiter => {
    const known = limits.get(times) ?? make(times === 1 ? name : `${name} x${times}`, points * times, seconds);
    limits.set(times, known);
    return known;
  };
  const each = <T>(tenant: Tenant, ip: string | null, act: (limit: Limiter, key: string) => Promise<T>) =>
    Promise.all(networksOf(ip).map(({ network, times }) => act(limitOf(times), `${tenant.id} ${network}`)));

  const limit: NetworkLimit = {
    consume: async (tenant, ip) => longestOf(await limit.consumeEach(tenant, ip)),
    consumeEach: (tenant, ip) => each(tenant, ip, (one, key) => one.consume(key)),
    async spend(tenant, ip) {
      const retryAfterSeconds = await limit.consume(tenant, ip);
      if (retryAfterSeconds !== null) throw new Fault('too_many_requests', undefined, { retryAfterSeconds });
    },
    async giveBack(tenant, ip) {
      await each(tenant, ip, (one, key) => one.giveBack(key));
    },
  };
  return limit;
}
