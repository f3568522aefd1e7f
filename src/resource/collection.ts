/**
 * A resource's rows: list, get, many, create, update, remove. Every call is scoped by its Tenant, and a foreign id is as
 * absent as a missing one. Rules of a particular resource live in domain/; HTTP lives in routes.ts.
 */
import mongoose, { type Model } from 'mongoose';
import type { Static, TObject, TSchema } from 'typebox';
import { now } from '../kernel/clock.ts';
import type { Root, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { idFloor, isId, mintId } from '../kernel/id.ts';
import { recent } from '../kernel/recent.ts';
import { mac, sameSecret, seal, unseal } from '../kernel/secrets.ts';
import { foldWords } from '../kernel/text.ts';
import { byKey } from '../store/by-key.ts';
import { accountOfKey, noteChange, watched } from '../store/changes.ts';
import type { Nothing, ResourceSpec, Row } from './define.ts';
import { parseQuery, type Term } from './faableql.ts';
import { allowsNull, storageSchema } from './storage.ts';

export type Filter = Record<string, unknown>;
export type ListOptions = { cursor?: string; pageSize?: number; query?: string; q?: string };
export type Page<T> = { results: T[]; next: string | null };
type Scope = Tenant | Root;
type IndexKeys = Record<string, 1 | -1>;
type Stored = Record<string, unknown> & { _id: string };

/** Shown instead of a sealed value to a caller without the permission to see it. */
export const MASK = '********';
const DEFAULT_PAGE_SIZE = 30;
/** So many matches of a word are few enough to be sorted for a page. */
const FEW_MATCHES = 500;
/** How much older than its `createdAt` an id may be: whoever makes a row may mint its id first. */
const ID_LEAD_SECONDS = 5;

export type Collection<R extends TObject = TObject, S extends TObject = TObject> = {
  readonly spec: ResourceSpec<R, S>;
  readonly model: Model<Stored>;
  mintId(): string;
  list(scope: Scope, options: ListOptions, extra?: Filter): Promise<Page<Row<R, S>>>;
  /** @throws Fault `not_found` for an id that is malformed, absent or another tenant's. */
  get(scope: Scope, id: string): Promise<Row<R, S>>;
  find(scope: Scope, id: string): Promise<Row<R, S> | undefined>;
  /** As `find`, seconds old at most: to look at, not to change. What this process changes is seen at once. */
  recent(scope: Tenant, id: string): Row<R, S> | undefined | Promise<Row<R, S> | undefined>;
  /** As `find`, and what `recent` answers from then on. */
  reread(scope: Tenant, id: string): Promise<Row<R, S> | undefined>;
  findOne(scope: Scope, filter: Filter): Promise<Row<R, S> | undefined>;
  /** Bounded by the caller's filter: for rows that hang on one other row. */
  all(scope: Scope, filter: Filter): Promise<Row<R, S>[]>;
  many(scope: Scope, ids: readonly string[]): Promise<Map<string, Row<R, S>>>;
  exists(scope: Scope, filter: Filter): Promise<boolean>;
  /** @throws Fault `conflict` naming the field that is taken. */
  create(scope: Scope, input: Partial<Row<R, S>>): Promise<Row<R, S>>;
  /** Inserts what it can. @returns the positions of the inputs that met a row that was there already. */
  createMany(scope: Scope, inputs: readonly Partial<Row<R, S>>[]): Promise<Set<number>>;
  /** Changes only the fields given. `where` narrows: when it does not hold any more, `undefined` comes back. */
  updateWhere(scope: Scope, id: string, patch: Partial<Row<R, S>>, where: Filter): Promise<Row<R, S> | undefined>;
  update(scope: Scope, id: string, patch: Partial<Row<R, S>>): Promise<Row<R, S>>;
  remove(scope: Scope, id: string): Promise<Row<R, S>>;
  removeWhere(scope: Scope, filter: Filter): Promise<number>;
  /** Opens a sealed field; null when it holds nothing. */
  reveal(row: Row<R, S>, field: keyof Static<R> & string): string | null;
};

export function defineCollection<R extends TObject, S extends TObject = Nothing>(
  spec: ResourceSpec<R, S>,
  options: { scope?: 'account' | 'root' } = {},
): Collection<R, S> {
  const scopeKind = options.scope ?? 'account';
  const kind = spec.idPrefix ?? spec.name;
  const schema = storageSchema(spec as unknown as ResourceSpec, scopeKind);
  const model = mongoose.model<Stored>(spec.title, schema as mongoose.Schema<Stored>);
  const sealedFields = Object.keys(spec.sealed ?? {});
  type R1 = Row<R, S>;
  const held = spec.watched ? watched<R1 | undefined>(20_000, accountOfKey) : recent<R1 | undefined>(20_000);
  const changed = async (scope: Scope): Promise<void> => {
    if (spec.watched && scopeKind === 'account') await noteChange((scope as Tenant).id);
  };
  const heldKey = (scope: Scope, id: string) => (scopeKind === 'root' ? id : `${(scope as Tenant).id} ${id}`);

  const scoped = (scope: Scope): Filter => (scopeKind === 'root' ? {} : { account: { $eq: (scope as Tenant).id } });

  const fromStored = (stored: Stored): R1 => {
    const { _id, _q, ...rest } = stored;
    // A row is older than its newest field.
    return { id: _id, ...spec.defaults(), ...rest } as unknown as R1;
  };

  const sealContext = (id: string, field: string) => `${spec.collection}.${field}:${id}`;
  const fields: Record<string, TSchema> = { ...spec.row.properties, ...spec.stored?.properties };

  /** As the database keeps it: secrets sealed, and absent what is null although its schema has no null. */
  const toStored = (id: string, input: Record<string, unknown>): Record<string, unknown> => {
    const stored: Record<string, unknown> = {};
    for (const [field, value] of Object.entries(input)) {
      const absent = value === undefined || (value === null && fields[field] && !allowsNull(fields[field]));
      if (absent) continue;
      const secret = sealedFields.includes(field) && typeof value === 'string';
      stored[field] = secret ? seal(value, sealContext(id, field)) : value;
    }
    return stored;
  };

  /** Binds a cursor to its list, so that another list's or tenant's is refused and not silently a place in this one. */
  const cursorMac = (scope: Scope, id: string): string => {
    const owner = scopeKind === 'root' ? 'root' : (scope as Tenant).id;
    return mac('cursor', `${spec.collection} ${owner} ${id}`).slice(0, 16);
  };
  const cursorAt = (scope: Scope, id: string): string =>
    Buffer.from(`${id}.${cursorMac(scope, id)}`).toString('base64url');
  const cursorId = (scope: Scope, cursor: string): string => {
    const [id = '', proof = ''] = Buffer.from(cursor, 'base64url').toString().split('.');
    if (!isId(kind, id) || !sameSecret(proof, cursorMac(scope, id))) throw new Fault('invalid_cursor');
    return id;
  };

  const words = (row: Record<string, unknown>): string[] => [
    ...new Set((spec.search ?? []).flatMap((field) => (typeof row[field] === 'string' ? foldWords(row[field]) : []))),
  ];

  const searchWords = (text: string): string[] => {
    if (!spec.search) throw new Fault('invalid_query', `${spec.title} rows have no full-text fields.`);
    const folded = foldWords(text);
    // Text without a letter or a digit matches nothing, and must not match everything.
    return folded.length ? folded : [''];
  };

  const orderIndex: IndexKeys = scopeKind === 'account' ? { account: 1, _id: -1 } : { _id: 1 };
  const searchIndex: IndexKeys = { ...(scopeKind === 'account' && { account: 1 }), _q: 1, _id: -1 };
  const hasWord = (word: string): Filter => ({ _q: word ? { $regex: `^${word}` } : { $in: [] } });
  /** The same, in a form that the planner takes no index bounds from. */
  const alsoHasWord = (word: string): Filter => ({ $nor: [{ _q: { $not: { $regex: `^${word}` } } }] });

  /**
   * Which index a search walks is decided here: the words' when one of them is rare, since its few matches are quickly
   * sorted; the list's own when all are frequent, since a page of matches is then quickly met. The planner, left alone,
   * tries both to the end on a large tenant.
   */
  const searchPlan = async (
    scope: Scope,
    wanted: readonly string[],
  ): Promise<{ filters: Filter[]; hint: IndexKeys }> => {
    const counts = await Promise.all(
      wanted.map((word) =>
        model.countDocuments({ ...scoped(scope), ...hasWord(word) }, { limit: FEW_MATCHES, hint: searchIndex }),
      ),
    );
    const rarest = counts.indexOf(Math.min(...counts));
    if (counts[rarest] === FEW_MATCHES) return { filters: wanted.map(alsoHasWord), hint: orderIndex };
    const others = wanted.filter((_word, index) => index !== rarest);
    return { filters: [hasWord(wanted[rarest]!), ...others.map(alsoHasWord)], hint: searchIndex };
  };

  const termFilter = (term: Term): Filter => {
    const { field, value, negated, position } = term;
    const refuse = (why: string): never => {
      throw new Fault('invalid_query', `The query's term "${field}" at position ${position} ${why}.`, {
        details: { position, term: field },
      });
    };
    if (field === 'since' || field === 'until') {
      if (negated) refuse('cannot be negated');
      const time = timeOf(value) ?? refuse('takes unix milliseconds or YYYY-MM-DD');
      const shifted = (seconds: number) => idFloor(kind, new Date(time.getTime() + seconds * 1000));
      // The id carries the second of creation, so the bound is a range of the list's own index.
      return field === 'since'
        ? { _id: { $gte: shifted(-ID_LEAD_SECONDS) }, createdAt: { $gte: time } }
        : { _id: { $lt: shifted(1) }, createdAt: { $lte: time } };
    }
    if (field !== 'id' && !spec.filter.includes(field)) refuse('is not a field of this list');
    const path = field === 'id' ? '_id' : field;
    const type = schema.path(path)?.instance;
    let operand: unknown = spec.normalize?.[field]?.(value) ?? value;
    if (type === 'Boolean')
      operand = value === 'true' ? true : value === 'false' ? false : refuse('takes true or false');
    if (type === 'Number') operand = Number.isFinite(Number(value)) ? Number(value) : refuse('takes a number');
    return { [path]: negated ? { $ne: operand } : { $eq: operand } };
  };

  /** The list's filter, and the index that it is to walk where that is not the planner's to choose. */
  const listPlan = async (
    scope: Scope,
    list: ListOptions,
    extra: Filter,
  ): Promise<{ filter: Filter; hint?: IndexKeys }> => {
    const parts: Filter[] = [scoped(scope), extra];
    const query = list.query ? parseQuery(list.query) : { terms: [], words: [] };
    parts.push(...query.terms.map(termFilter));
    if (list.cursor) parts.push({ _id: { $lt: cursorId(scope, list.cursor) } });
    const text = [...query.words, list.q ?? ''].join(' ').trim();
    const search = text || list.q ? await searchPlan(scope, searchWords(text)) : undefined;
    const filters = [...parts, ...(search?.filters ?? [])].filter((part) => Object.keys(part).length > 0);
    return { filter: filters.length ? { $and: filters } : {}, hint: search?.hint };
  };

  const duplicate = (error: unknown): never => {
    const { code, keyPattern } = error as { code?: number; keyPattern?: Record<string, unknown> };
    if (code !== 11000) throw error;
    const fields = Object.keys(keyPattern ?? {}).filter((field) => field !== 'account');
    throw new Fault('conflict', `A ${spec.title.toLowerCase()} with this ${fields.join(' and ')} already exists.`, {
      details: { fields },
      cause: error,
    });
  };

  const newRow = (scope: Scope, input: Partial<R1>): Stored => {
    const { id = mintId(kind), ...fields } = input as Record<string, unknown> & { id?: string };
    const time = now();
    const row = { metadata: {}, ...spec.defaults(), ...fields };
    return {
      ...toStored(id, row),
      _id: id,
      ...(scopeKind === 'account' && { account: (scope as Tenant).id }),
      createdAt: time,
      updatedAt: time,
      ...(spec.search && { _q: words(row) }),
    };
  };

  const collection: Collection<R, S> = {
    spec,
    model,
    mintId: () => mintId(kind),

    async list(scope, list, extra = {}) {
      const { filter, hint } = await listPlan(scope, list, extra);
      const pageSize = list.pageSize ?? DEFAULT_PAGE_SIZE;
      const rows = await model
        .find(filter, null, { ...(hint && { hint }) })
        .sort({ _id: -1 })
        .limit(pageSize + 1)
        .lean<Stored[]>();
      const results = rows.slice(0, pageSize).map(fromStored);
      const last = rows.length > pageSize ? results.at(-1) : undefined;
      return { results, next: last ? cursorAt(scope, last.id) : null };
    },

    async find(scope, id) {
      const stored = isId(kind, id) ? await byKey<Stored>(model.collection, id) : null;
      const own = stored && (scopeKind === 'root' || stored.account === (scope as Tenant).id);
      return own ? fromStored(stored) : undefined;
    },

    recent: (tenant, id) => held.get(heldKey(tenant, id), () => collection.find(tenant, id)),

    async reread(tenant, id) {
      held.forget(heldKey(tenant, id));
      return collection.recent(tenant, id);
    },

    async get(scope, id) {
      const row = await collection.find(scope, id);
      if (!row) throw new Fault('not_found', `${spec.title} not found.`);
      return row;
    },

    async findOne(scope, filter) {
      const stored = await model.findOne({ ...filter, ...scoped(scope) }).lean<Stored>();
      return stored ? fromStored(stored) : undefined;
    },

    async all(scope, filter) {
      const rows = await model.find({ ...filter, ...scoped(scope) }).lean<Stored[]>();
      return rows.map(fromStored);
    },

    async many(scope, ids) {
      const wanted = [...new Set(ids.filter((id) => isId(kind, id)))];
      if (wanted.length === 0) return new Map();
      const rows = await collection.all(scope, { _id: { $in: wanted } });
      return new Map(rows.map((row) => [row.id, row]));
    },

    async exists(scope, filter) {
      return (await model.exists({ ...filter, ...scoped(scope) })) !== null;
    },

    async create(scope, input) {
      const stored = newRow(scope, input);
      try {
        await new model(stored).save();
      } catch (error) {
        duplicate(error);
      }
      await changed(scope);
      return fromStored(stored);
    },

    async createMany(scope, inputs) {
      if (inputs.length === 0) return new Set();
      try {
        // Past mongoose, whose casting is most of the time that a large import takes.
        await model.collection.insertMany(inputs.map((input) => newRow(scope, input)) as never, {
          ordered: false,
          forceServerObjectId: true,
        });
        return new Set();
      } catch (error) {
        const { writeErrors = [] } = error as { writeErrors?: { code: number; index: number }[] };
        if (writeErrors.length === 0 || writeErrors.some(({ code }) => code !== 11000)) throw error;
        return new Set(writeErrors.map(({ index }) => index));
      }
    },

    async updateWhere(scope, id, patch, where) {
      if (!isId(kind, id)) return undefined;
      const base = { ...where, _id: { $eq: id }, ...scoped(scope) };
      const given = Object.fromEntries(
        Object.entries(patch).filter(
          ([field, value]) => value !== undefined && !(value === MASK && sealedFields.includes(field)),
        ),
      );
      const set: Record<string, unknown> = { ...toStored(id, given), updatedAt: now() };
      const unset = Object.fromEntries(Object.keys(given).flatMap((field) => (field in set ? [] : [[field, 1]])));
      const untouched = spec.search?.filter((field) => !(field in given)) ?? [];
      const touchesSearch = untouched.length < (spec.search?.length ?? 0);
      for (;;) {
        let guard: Filter = {};
        if (touchesSearch) {
          // The search words come from several fields: made from the row as read, written only if those are still so.
          const current = await model.findOne(base).lean<Stored>();
          if (!current) return undefined;
          set._q = words({ ...current, ...given });
          guard = Object.fromEntries(untouched.map((field) => [field, { $eq: current[field] ?? null }]));
        }
        try {
          const stored = await model
            .findOneAndUpdate({ $and: [base, guard] }, { $set: set, $unset: unset }, { returnDocument: 'after' })
            .lean<Stored>();
          held.forget(heldKey(scope, id));
          if (stored) {
            await changed(scope);
            return fromStored(stored);
          }
        } catch (error) {
          duplicate(error);
        }
        if (!touchesSearch) return undefined;
      }
    },

    async update(scope, id, patch) {
      const row = await collection.updateWhere(scope, id, patch, {});
      if (!row) throw new Fault('not_found', `${spec.title} not found.`);
      return row;
    },

    async remove(scope, id) {
      const stored = isId(kind, id)
        ? await model.findOneAndDelete({ _id: { $eq: id }, ...scoped(scope) }).lean<Stored>()
        : null;
      held.forget(heldKey(scope, id));
      if (!stored) throw new Fault('not_found', `${spec.title} not found.`);
      await changed(scope);
      return fromStored(stored);
    },

    async removeWhere(scope, filter) {
      const { deletedCount } = await model.deleteMany({ ...filter, ...scoped(scope) });
      held.forgetWhere((row) => row?.account === (scope as Tenant).id);
      await changed(scope);
      return deletedCount;
    },

    reveal(row, field) {
      const value = (row as Record<string, unknown>)[field];
      return typeof value === 'string' ? unseal(value, sealContext(row.id, field)) : null;
    },
  };
  registered.push(collection as unknown as Collection);
  return collection;
}

/** Unix milliseconds, or the first moment (UTC) of a day that exists. */
function timeOf(value: string): Date | undefined {
  if (/^\d{1,15}$/.test(value)) return new Date(Number(value));
  if (!/^\d{4}-\d{2}-\d{2}$/.test(value)) return undefined;
  const time = new Date(`${value}T00:00:00.000Z`);
  const exists = !Number.isNaN(time.getTime()) && time.toISOString().startsWith(value);
  return exists ? time : undefined;
}

const registered: Collection[] = [];
/** Every collection defined so far: what migrate.ts indexes and account deletion empties. */
export const collections = (): readonly Collection[] => registered;

/** The row as the wire has it; sealed fields are opened for a viewer who may see them and masked for others. */
export function toWire<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  row: Row<R, S>,
  may: (permission: string) => boolean,
): Record<string, unknown> {
  const { spec } = collection;
  const source = row as unknown as Record<string, unknown>;
  const wire: Record<string, unknown> = { id: row.id };
  for (const field of Object.keys(spec.row.properties)) {
    const permission = spec.sealed?.[field];
    if (source[field] === undefined) continue;
    wire[field] =
      permission && source[field] !== null ? (may(permission) ? collection.reveal(row, field) : MASK) : source[field];
  }
  if (row.account !== undefined) wire.account = row.account;
  Object.assign(wire, spec.wire?.(row, may));
  return Object.assign(wire, { metadata: row.metadata ?? {}, createdAt: row.createdAt, updatedAt: row.updatedAt });
}

/** The rows that a path inlines. @throws Fault `validation` for a path that the resource does not expand. */
export function expansion<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  path: string,
): Collection {
  const { expand = {} } = collection.spec;
  if (Object.hasOwn(expand, path)) return expand[path]!();
  throw new Fault('validation', `"expand" does not take "${path}".`, {
    details: [{ path: '?/expand', message: `must be one of ${Object.keys(expand).join(', ') || 'nothing'}` }],
  });
}

/**
 * Rows with the named id fields inlined: one query per path. An id whose row is gone, or is another tenant's, stays an id.
 * @throws Fault `validation` for a path that the resource does not expand.
 */
export async function expandWire<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  tenant: Scope,
  rows: readonly Row<R, S>[],
  paths: readonly string[],
  may: (permission: string) => boolean,
): Promise<Record<string, unknown>[]> {
  const wires = rows.map((row) => toWire(collection, row, may));
  for (const path of new Set(paths)) {
    const target = expansion(collection, path);
    const ids = wires.flatMap((wire) => wire[path] as string | string[]).filter((id) => typeof id === 'string');
    const found = await target.many(tenant, ids);
    const inline = (id: string) => {
      const row = found.get(id);
      return row ? toWire(target, row, may) : id;
    };
    for (const wire of wires) {
      const value = wire[path];
      if (typeof value === 'string') wire[path] = inline(value);
      else if (Array.isArray(value)) wire[path] = value.map(inline);
    }
  }
  return wires;
}
