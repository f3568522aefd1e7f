/**
 * Which rows a list shows, and by which index they are found: terms of FaableQL, words, and the place where the page before
 * ended.
 */
import type { Model } from 'mongoose';
import { Fault } from '../kernel/fault.ts';
import { idFloor } from '../kernel/id.ts';
import { compared } from '../kernel/text/kind.ts';
import { foldWords, searchTokens } from '../kernel/text.ts';
import { readCursor } from './cursor.ts';
import type { Filter, ResourceSpec } from './define.ts';
import { parseQuery, type Term } from './faableql.ts';
import { type Scope, scopeFilter } from './scope.ts';

export type ListOptions = { cursor?: string; pageSize?: number; query?: string; q?: string };
type IndexKeys = Record<string, 1 | -1>;
/** The list's filter, and the index that it is to walk where that is not the planner's to choose. */
export type ListPlan = { filter: Filter; hint?: IndexKeys };

/** So many matches of a word are few enough to be sorted for a page. */
const FEW_MATCHES = 500;
/** How much older than its `createdAt` an id may be: whoever makes a row may mint its id first. */
const ID_LEAD_SECONDS = 5;

/** What a row is found by. */
export const wordsOf = ({ search = [] }: Pick<ResourceSpec, 'search'>, row: Record<string, unknown>): string[] =>
  searchTokens(search.flatMap((field) => (typeof row[field] === 'string' ? row[field] : [])));

const hasWord = (word: string): Filter => ({ _q: word ? { $regex: `^${word}` } : { $in: [] } });
/** The same, in a form that the planner takes no index bounds from. */
const alsoHasWord = (word: string): Filter => ({ $nor: [{ _q: { $not: { $regex: `^${word}` } } }] });

function searchWords({ search, title }: ResourceSpec, text: string): string[] {
  if (!search) throw new Fault('invalid_query', `${title} rows have no full-text fields.`);
  const folded = foldWords(text);
  // Text without a letter or a digit matches nothing, and must not match everything.
  return folded.length ? folded : [''];
}

/** @param kind prefix of the resource's ids. */
export function lister(spec: ResourceSpec, kind: string, model: Pick<Model<never>, 'countDocuments' | 'schema'>) {
  const account: IndexKeys = spec.scope === 'root' ? {} : { account: 1 };
  const orderIndex: IndexKeys = spec.scope === 'root' ? { _id: 1 } : { account: 1, _id: -1 };
  const searchIndex: IndexKeys = { ...account, _q: 1, _id: -1 };

  /**
   * Which index a search walks is decided here: the words' when one of them is rare, since its few matches are quickly
   * sorted; the list's own when all are frequent, since a page of matches is then quickly met. The planner, left alone,
   * tries both to the end on a large tenant.
   */
  async function searchPlan(scope: Scope, wanted: readonly string[]): Promise<{ filters: Filter[]; hint: IndexKeys }> {
    const counts = await Promise.all(
      wanted.map((word) =>
        model.countDocuments({ ...scopeFilter(spec, scope), ...hasWord(word) } as never, {
          limit: FEW_MATCHES,
          hint: searchIndex,
        }),
      ),
    );
    const rarest = counts.indexOf(Math.min(...counts));
    if (counts[rarest] === FEW_MATCHES) return { filters: wanted.map(alsoHasWord), hint: orderIndex };
    const others = wanted.filter((_word, index) => index !== rarest);
    return { filters: [hasWord(wanted[rarest]!), ...others.map(alsoHasWord)], hint: searchIndex };
  }

  function termFilter({ field, value, negated, position }: Term): Filter {
    const refuse = (why: string): never => {
      throw new Fault('invalid_query', `The query's term "${field}" at position ${position} ${why}.`, {
        details: { position, term: field },
      });
    };
    if (field === 'since' || field === 'until') {
      if (negated) refuse('cannot be negated');
      return created(kind, field, timeOf(value) ?? refuse('takes unix milliseconds or YYYY-MM-DD'));
    }
    if (field !== 'id' && !spec.filter.includes(field)) refuse('is not a field of this list');
    const path = field === 'id' ? '_id' : field;
    const type = model.schema.path(path)?.instance;
    const text = spec.texts?.[field];
    let operand: unknown = text ? compared(text, value) : value;
    if (type === 'Boolean')
      operand = value === 'true' ? true : value === 'false' ? false : refuse('takes true or false');
    if (type === 'Number') operand = Number.isFinite(Number(value)) ? Number(value) : refuse('takes a number');
    return { [path]: negated ? { $ne: operand } : { $eq: operand } };
  }

  /** @throws Fault `invalid_query`, `invalid_cursor` */
  return async function plan(scope: Scope, list: ListOptions, extra: Filter): Promise<ListPlan> {
    const parts: Filter[] = [scopeFilter(spec, scope), extra];
    const query = list.query ? parseQuery(list.query) : { terms: [], words: [] };
    parts.push(...query.terms.map(termFilter));
    if (list.cursor) parts.push({ _id: { $lt: readCursor(spec, kind, scope, list.cursor) } });
    const text = [...query.words, list.q ?? ''].join(' ').trim();
    const search = text || list.q ? await searchPlan(scope, searchWords(spec, text)) : undefined;
    const filters = [...parts, ...(search?.filters ?? [])].filter((part) => Object.keys(part).length > 0);
    return { filter: filters.length ? { $and: filters } : {}, hint: search?.hint };
  };
}

/** The id carries the second of creation, so the bound is a range of the list's own index. */
function created(kind: string, bound: 'since' | 'until', time: Date): Filter {
  const shifted = (seconds: number) => idFloor(kind, new Date(time.getTime() + seconds * 1000));
  return bound === 'since'
    ? { _id: { $gte: shifted(-ID_LEAD_SECONDS) }, createdAt: { $gte: time } }
    : { _id: { $lt: shifted(1) }, createdAt: { $lte: time } };
}

/** Unix milliseconds, or the first moment (UTC) of a day that exists. */
function timeOf(value: string): Date | undefined {
  if (/^\d{1,15}$/.test(value)) return new Date(Number(value));
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return undefined;
  const time = new Date(`${value}T00:00:00.000Z`);
  const exists = !Number.isNaN(time.getTime()) && time.toISOString().startsWith(value);
  return exists ? time : undefined;
}
