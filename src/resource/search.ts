/**
 * Which rows a list shows, and by which index they are found: terms of FaableQL, words, and the place where the page before
 * ended.
 */
import type { Model } from 'mongoose';
import { Fault } from '../kernel/fault.ts';
import { idFloor } from '../kernel/id.ts';
import { compared } from '../kernel/text/kind.ts';
import { foldWords, searchTokens } from '../kernel/text.ts';
import { type Place, readCursor } from './cursor.ts';
import type { Filter, ResourceSpec } from './define.ts';
import { type Comparison, parseQuery, type Term } from './faableql.ts';
import { memberFilter } from './json-members.ts';
import { type Scope, scopeFilter } from './scope.ts';
import { type Order, orderOf } from './sort.ts';

export type ListOptions = {
  cursor?: string;
  pageSize?: number;
  query?: string;
  q?: string;
  /** A field, after a hyphen where the highest is wanted first. */
  sort?: string;
  /** Whether to count as well. */
  totals?: boolean;
};
type IndexKeys = Record<string, 1 | -1>;
/** The list's filter and order, and the index that it is to walk where that is not the planner's to choose. */
export type ListPlan = {
  filter: Filter;
  /** The same wherever the page begins, and the index to count by. */
  whole: { filter: Filter; hint?: IndexKeys };
  order: Order;
  walk: { hint?: IndexKeys; min?: Filter; max?: Filter };
};

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

  function termFilter(term: Term): Filter {
    const { field, value, negated, position, prefix, comparison, name, path: members } = term;
    const refuse = (why: string): never => {
      throw new Fault('invalid_query', `The query's term "${name}" at position ${position} ${why}.`, {
        details: { position, term: name },
      });
    };
    if (negated && (prefix || comparison)) refuse('cannot be negated');
    if (members.length > 0)
      return spec.freeForm?.includes(field) ? memberFilter(term, refuse) : refuse('is not a field of this list');
    if (field === 'since' || field === 'until') {
      if (negated) refuse('cannot be negated');
      if (prefix || comparison) refuse(A_TIME);
      return created(kind, field, timeOf(value) ?? refuse(A_TIME));
    }
    const isTime = field === 'createdAt' || spec.times?.includes(field);
    if (isTime && !comparison) refuse('takes >, >=, < or <= before a time');
    if (comparison && field === 'createdAt') return createdBeside(kind, comparison, timeOf(value) ?? refuse(A_TIME));
    if (field !== 'id' && !spec.filter.includes(field)) refuse('is not a field of this list');
    const path = field === 'id' ? '_id' : field;
    const type = model.schema.path(path)?.instance;
    const isText = type === 'String' && field !== 'id';
    if (prefix) {
      if (!isText) refuse('takes no beginning of a value');
      return { [path]: { $in: beginnings(value) } };
    }
    if (comparison) {
      const bound = isTime
        ? (timeOf(value) ?? refuse(A_TIME)).toISOString()
        : type === 'Number' && Number.isFinite(Number(value))
          ? Number(value)
          : refuse(type === 'Number' ? 'takes a number' : 'cannot be compared so');
      return { [path]: { [OPERATORS[comparison]]: bound } };
    }
    const text = spec.texts?.[field];
    let operand: unknown = text ? compared(text, value) : value;
    if (type === 'Boolean')
      operand = value === 'true' ? true : value === 'false' ? false : refuse('takes true or false');
    if (type === 'Number') operand = Number.isFinite(Number(value)) ? Number(value) : refuse('takes a number');
    return { [path]: negated ? { $ne: operand } : { $eq: operand } };
  }

  /**
   * In another order than by age a list walks the index of that field where many rows match, since a page of them is
   * quickly met; few are sorted as they are found.
   */
  async function isWalk(filters: readonly Filter[], search: { hint: IndexKeys } | undefined): Promise<boolean> {
    if (search) return search.hint !== searchIndex;
    if (filters.length === 0) return true;
    return (await model.countDocuments({ $and: filters } as never, { limit: FEW_MATCHES })) === FEW_MATCHES;
  }

  /** @throws Fault `invalid_query`, `invalid_cursor`, `validation` */
  return async function plan(scope: Scope, list: ListOptions, extra: Filter): Promise<ListPlan> {
    const order = orderOf(spec, scope, list.sort);
    const query = list.query ? parseQuery(list.query) : { terms: [], words: [] };
    const place = list.cursor ? readCursor(spec, kind, scope, list.cursor, order.by) : undefined;
    const text = [...query.words, list.q ?? ''].join(' ').trim();
    const search = text || list.q ? await searchPlan(scope, searchWords(spec, text)) : undefined;
    const asked = [extra, ...query.terms.map(termFilter), ...(search?.filters ?? [])].filter(isSomething);
    const own = [scopeFilter(spec, scope)].filter(isSomething);
    const whole = { filter: all([...own, ...asked]), hint: search?.hint };
    if (order.field === '_id')
      return { filter: all([...own, ...asked, ...after(order, place)]), whole, order, walk: { hint: search?.hint } };
    if (await isWalk(asked.length ? [...own, ...asked] : [], search)) {
      const others = place ? [{ _id: { $ne: place.id } }] : [];
      const walk = { hint: order.hint, ...order.bounds(place) };
      return { filter: all([...own, ...asked, ...others]), whole, order, walk };
    }
    return { filter: all([...own, ...asked, ...after(order, place)]), whole, order, walk: { hint: search?.hint } };
  };
}

const isSomething = (part: Filter): boolean => Object.keys(part).length > 0;
const all = (parts: readonly Filter[]): Filter => (parts.length ? { $and: parts } : {});
const after = (order: Order, place: Place | undefined): Filter[] => (place ? [order.after(place)] : []);

const OPERATORS: Record<Comparison, string> = { '>': '$gt', '>=': '$gte', '<': '$lt', '<=': '$lte' };

/** As it is written and, since much is kept so, in lower case: each is a range of the index. */
const beginnings = (value: string): RegExp[] =>
  [...new Set([value, value.toLowerCase()])].map(
    (one) => new RegExp(`^${one.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')}`),
  );

/** Whole milliseconds beside the time where that itself is not meant. */
function createdBeside(kind: string, comparison: Comparison, time: Date): Filter {
  const shift = comparison === '>' ? 1 : comparison === '<' ? -1 : 0;
  return created(kind, comparison.startsWith('>') ? 'since' : 'until', new Date(time.getTime() + shift));
}

/** The id carries the second of creation, so the bound is a range of the list's own index. */
function created(kind: string, bound: 'since' | 'until', time: Date): Filter {
  const shifted = (seconds: number) => idFloor(kind, new Date(time.getTime() + seconds * 1000));
  return bound === 'since'
    ? { _id: { $gte: shifted(-ID_LEAD_SECONDS) }, createdAt: { $gte: time } }
    : { _id: { $lt: shifted(1) }, createdAt: { $lte: time } };
}

const A_TIME = 'takes unix milliseconds, YYYY-MM-DD, or a time as the answers have it in quotes';

/** Unix milliseconds, the first moment (UTC) of a day that exists, or a moment as rows show it (ISO 8601, UTC). */
function timeOf(value: string): Date | undefined {
  if (/^\d{1,15}$/.test(value)) return new Date(Number(value));
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z)?$/.test(value)) return undefined;
  const time = new Date(value);
  // A day that no month has is taken for one of the next.
  const exists = !Number.isNaN(time.getTime()) && time.toISOString().startsWith(value.slice(0, 10));
  return exists ? time : undefined;
}
