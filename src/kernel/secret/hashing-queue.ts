/**
 * Who may hash a password now. Hashing is slow on purpose, so few do it at once, tenants take turns, and so many may wait
 * and no more. What is hashed, and how, is password.ts's.
 */
import { availableParallelism } from 'node:os';
import type { WhenGone } from '../context.ts';
import { Fault } from '../fault.ts';

/** Whose turn it is to be, and who is told when nobody waits for it any more. */
export type Asker = { tenant: string; whenGone?: WhenGone };

type Waiting = { start(): void; refuse(): void };

export type HashingQueue = {
  /**
   * Does the work when its turn comes.
   * @throws Fault `unavailable` when too many wait, for a tenant or in all, and to whoever is not there any more.
   */
  turn<T>(asker: Asker, work: () => Promise<T>): Promise<T>;
  /** Refuses as `turn` would where as many of the tenant wait as may. @throws Fault `unavailable` */
  checkRoom(tenant: string): void;
};

type Limits = {
  /** How many hash at once. */
  slots: number;
  /** How many of one tenant wait. */
  perTenant: number;
  /** How many wait in all. The longest line makes room for a shorter one. */
  inAll: number;
};

const tooMany = () => new Fault('unavailable', undefined, { detail: 'too many passwords wait' });

export function hashingQueue({ slots, perTenant, inAll }: Limits): HashingQueue {
  /** By tenant, the one whose turn is next first. No line is empty. */
  const lines = new Map<string, Waiting[]>();
  let [busy, waiting] = [0, 0];

  function callNext(): void {
    for (const [tenant, line] of lines) {
      if (busy === slots) return;
      lines.delete(tenant);
      const { start } = line.shift()!;
      // Whoever had a turn is behind all others, who come up in this loop first.
      if (line.length) lines.set(tenant, line);
      waiting -= 1;
      busy += 1;
      start();
    }
  }

  function leave(tenant: string, who: Waiting): void {
    const line = lines.get(tenant);
    const at = line?.indexOf(who) ?? -1;
    if (!line || at < 0) return;
    line.splice(at, 1);
    if (line.length === 0) lines.delete(tenant);
    waiting -= 1;
    who.refuse();
  }

  /** Whether one more of the tenant may wait; the last of the longest line goes where that is longer than its own. */
  function makeRoom(tenant: string): boolean {
    const own = lines.get(tenant)?.length ?? 0;
    if (own >= perTenant) return false;
    if (waiting < inAll) return true;
    const [longest, line] = [...lines].reduce((most, one) => (one[1].length > most[1].length ? one : most));
    if (line.length <= own + 1) return false;
    leave(longest, line.at(-1)!);
    return true;
  }

  function wait({ tenant, whenGone }: Asker): Promise<void> {
    return new Promise((resolve, reject) => {
      let stay = () => {};
      const who: Waiting = {
        start() {
          stay();
          resolve();
        },
        refuse() {
          stay();
          reject(tooMany());
        },
      };
      if (!makeRoom(tenant)) return who.refuse();
      const line = lines.get(tenant) ?? [];
      line.push(who);
      lines.set(tenant, line);
      waiting += 1;
      stay = whenGone?.(() => leave(tenant, who)) ?? stay;
      callNext();
    });
  }

  return {
    checkRoom(tenant) {
      if ((lines.get(tenant)?.length ?? 0) >= perTenant) throw tooMany();
    },
    async turn(asker, work) {
      await wait(asker);
      try {
        return await work();
      } finally {
        busy -= 1;
        callNext();
      }
    },
  };
}

/** A hash of ours may take 19 MiB of memory, and a thread some more. */
const MOST_AT_ONCE = 16;

/** As many as there are processors to spare: with all of them, answers would wait where threads have no priorities. */
export const hashingSlots = (processors: number): number => Math.min(Math.max(1, processors - 1), MOST_AT_ONCE);

/** A hash takes some 50 ms: a tenant's last waits for three seconds, which is longer than people like and better than no answer. */
export function queueFor(processors = availableParallelism()): HashingQueue {
  const slots = hashingSlots(processors);
  return hashingQueue({ slots, perTenant: 60 * slots, inAll: 240 * slots });
}
