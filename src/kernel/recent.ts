/**
 * What was read a moment ago: remembered for seconds, so that a hot path reads no database, and forgotten at once where
 * the change is made. A change that another instance makes is seen when what is held here has aged, or as soon as this
 * one hears of it (store/changes.ts).
 */

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
};

/** Says for how long something held is good. */
export type Currency<V> = { order(): number; isCurrent(held: Held<V>): boolean };

export const isYoung = ({ since }: { since: number }, seconds = RECENT_SECONDS): boolean =>
  since + seconds * 1000 > Date.now();
const byAge: Currency<unknown> = { order: () => 0, isCurrent: (held) => isYoung(held) };

/** @param max entries; the oldest make room. */
export function recent<V>(max: number, { order, isCurrent }: Currency<V> = byAge): Recent<V> {
  // A map keeps the order of insertion, which is that of age.
  const entries = new Map<string, Held<V>>();

  function load(key: string, read: () => Promise<V>): Promise<V> {
    const entry: Held<V> = { key, since: Date.now(), order: order() };
    entry.loading = read().then(
      (value) => {
        entry.value = value;
        entry.loading = undefined;
        return value;
      },
      (error) => {
        if (entries.get(key) === entry) entries.delete(key);
        throw error;
      },
    );
    entries.delete(key);
    entries.set(key, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= max) break;
      entries.delete(oldest);
    }
    return entry.loading;
  }

  return {
    get(key, read) {
      const known = entries.get(key);
      if (known && isCurrent(known)) return known.loading ?? (known.value as V);
      return load(key, read);
    },
    // A load that is under way when this happens goes to whoever asked for it, and is held no more.
    forget: (key) => void entries.delete(key),
    forgetWhere(predicate) {
      for (const [key, { loading, value }] of entries) if (loading || predicate(value as V, key)) entries.delete(key);
    },
  };
}
