/**
 * What was read a moment ago: remembered for seconds, so that a hot path reads no database, and forgotten at once where
 * the change is made. A change that another instance makes is seen when what is held here has aged, or as soon as this
 * one hears of it (store/changes.ts).
 */
import { LRUCache } from 'lru-cache';

/** How stale another instance's change may be seen here. */
export const RECENT_SECONDS = 5;

export type Recent<V> = {
  /** What is held for the key, else what `load` answers; calls at the same time share one load. A failure is not held. */
  get(key: string, load: () => Promise<V>): V | Promise<V>;
  forget(key: string): void;
  /** Forgets what the predicate takes, and whatever is still being loaded. */
  forgetWhere(predicate: (value: V, key: string) => boolean): void;
};

export type Held<V> = {
  readonly key: string;
  /** When loading it began, in milliseconds. */
  readonly since: number;
  /** When loading it began, as `Currency.order` counts. */
  readonly order: number;
  loading?: Promise<V>;
  value?: V;
  /** What was held before, while this is being loaded. */
  before?: Held<V>;
};

/** Says for how long something held is good. */
export type Currency<V> = {
  order(): number;
  isCurrent(held: Held<V>): boolean;
  /** Whether what is held, though not current, is better than the failure to read it again. */
  standsIn?(held: Held<V>, error: unknown): boolean;
};

export const isYoung = ({ since }: { since: number }, seconds = RECENT_SECONDS): boolean =>
  since + seconds * 1000 > Date.now();
const byAge: Currency<unknown> = { order: () => 0, isCurrent: (held) => isYoung(held) };

/** @param max entries; those that nobody asked for longest make room. */
export function recent<V>(max: number, { order, isCurrent, standsIn }: Currency<V> = byAge): Recent<V> {
  // By size, where each is one: by `max` the library would reserve room for all of them before there are any.
  const entries = new LRUCache<string, Held<V>>({ maxSize: max, sizeCalculation: () => 1 });

  function load(key: string, read: () => Promise<V>, before?: Held<V>): Promise<V> {
    const entry: Held<V> = { key, since: Date.now(), order: order(), before };
    entry.loading = read().then(
      (value) => {
        entry.value = value;
        entry.loading = undefined;
        entry.before = undefined;
        return value;
      },
      (error) => {
        const held = entries.peek(key);
        // Read once more meanwhile, it still stands in; forgotten, something is known to have changed.
        const isStill = before && (held === before || held?.before === before);
        const better = isStill && standsIn?.(before, error) ? before : undefined;
        if (held === entry) {
          if (better) entries.set(key, better);
          else entries.delete(key);
        }
        if (better) return better.value as V;
        throw error;
      },
    );
    entries.set(key, entry);
    return entry.loading;
  }

  return {
    get(key, read) {
      const known = entries.get(key);
      if (known && isCurrent(known)) return known.loading ?? (known.value as V);
      return load(key, read, known?.loading ? known.before : known);
    },
    // A load that is under way when this happens goes to whoever asked for it, and is held no more.
    forget: (key) => void entries.delete(key),
    forgetWhere(predicate) {
      const gone: string[] = [];
      entries.forEach(({ loading, value }, key) => {
        if (loading || predicate(value as V, key)) gone.push(key);
      });
      for (const key of gone) entries.delete(key);
    },
  };
}
