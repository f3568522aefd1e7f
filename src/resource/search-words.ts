/** Rows of an earlier release that were found by the beginnings of words alone get what they are found by now. */
import { collections } from './registry.ts';
import { wordsOf } from './search.ts';

const BATCH = 500;

type Row = { _id: string; _q?: string[] } & Record<string, unknown>;

const same = (a: readonly string[] | undefined, b: readonly string[]) =>
  a?.length === b.length && a.every((word, index) => word === b[index]);

export const searchWords = {
  name: 'search-words',
  whileServing: true,
  async run() {
    const changed: Record<string, number> = {};
    for (const { spec, model } of collections()) {
      const { search } = spec as { search?: readonly string[] };
      if (!search) continue;
      for (let after = ''; ; ) {
        const rows: Row[] = await model
          .find({ _id: { $gt: after } })
          .select(['_q', ...search])
          .sort({ _id: 1 })
          .limit(BATCH)
          .lean();
        const last = rows.at(-1);
        if (!last) break;
        after = last._id;
        const updates = rows.flatMap((row) => {
          const _q = wordsOf({ search }, row);
          if (same(row._q, _q)) return [];
          // Who changes a field meanwhile writes the words of that.
          const asRead = Object.fromEntries(search.map((field) => [field, { $eq: row[field] ?? null }]));
          return [{ updateOne: { filter: { _id: row._id, ...asRead }, update: { $set: { _q } } } }];
        });
        if (updates.length) await model.collection.bulkWrite(updates as never, { ordered: false });
        if (updates.length) changed[spec.name] = (changed[spec.name] ?? 0) + updates.length;
      }
    }
    return Object.keys(changed).length ? { changed } : undefined;
  },
} as const;
