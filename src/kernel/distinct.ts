/** Lists in which nothing comes twice. */

/** Of the entries with one key the first. */
export function distinct<T>(entries: readonly T[], key: (entry: T) => string): T[] {
  const seen = new Set<string>();
  return entries.filter((entry) => seen.size < seen.add(key(entry)).size);
}
