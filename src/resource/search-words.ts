/** Rows of an earlier release that were found by the beginnings of words alone get what they are found by now. */
import { rederiving } from './rederiving.ts';
import { wordsOf } from './search.ts';

const same = (a: readonly string[] | undefined, b: readonly string[]) =>
  a?.length === b.length && a.every((word, index) => word === b[index]);

export const searchWords = rederiving('search-words', ({ search }) => {
  if (!search) return undefined;
  return {
    reads: ['_q', ...search],
    changes(row) {
      const _q = wordsOf({ search }, row);
      if (same(row._q as string[] | undefined, _q)) return [];
      // Who changes a field meanwhile writes the words of that.
      return [{ set: { _q }, where: Object.fromEntries(search.map((field) => [field, { $eq: row[field] ?? null }])) }];
    },
  };
});
