/**
 * A resource's rows: list, get, many, create, update, remove. Every call is scoped by its Tenant, and a foreign id is as
 * absent as a missing one. Rules of a particular resource live in domain/; HTTP lives in routes.ts.
 */
import mongoose, { type Model } from 'mongoose';
import type { Static, TObject } from 'typebox';
import { now } from '../kernel/clock.ts';
import type { Root, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { idFloor, isId, mintId } from '../kernel/id.ts';
import { seal, unseal } from '../kernel/secrets.ts';
import { foldWords } from '../kernel/text.ts';
import type { Nothing, ResourceSpec, Row } from './define.ts';
import { parseQuery, type Term } from './faableql.ts';
import { storageSchema } from './storage.ts';

export type Filter = Record<string, unknown>;
export type ListOptions = { cursor?: string; pageSize?: number; query?: string; q?: string };
export type Page<T> = { results: T[]; next: string | null };
type Scope = Tenant | Root;
type Stored = Record<string, unknown> & { _id: string };

/** Shown instead of a sealed value to a caller without the permission to see it. */
export const MASK = '********';
const DEFAULT_PAGE_SIZE = 30;

export type Collection<R extends TObject = TObject, S extends TObject = TObject> = {
  readonly spec: ResourceSpec<R, S>;
  readonly model: Model<Stored>;
  mintId(): string;
  list(scope: Scope, options: ListOptions, extra?: Filter): Promise<Page<Row<R, S>>>;
  /** @throws Fault `not_found` for an id that is malformed, absent or another tenant's. */
  get(scope: Scope, id: string): Promise<Row<R, S>>;
  find(scope: Scope, id: string): Promise<Row<R, S> | undefined>;
  findOne(scope: Scope, filter: Filter): Promise<Row<R, S> | undefined>;
  /** Bounded by the caller's filter: for rows that hang on one other row. */
  all(scope: Scope, filter: Filter): Promise<Row<R, S>[]>;
  many(scope: Scope, ids: readonly string[]): Promise<Map<string, Row<R, S>>>;
  exists(scope: Scope, filter: Filter): Promise<boolean>;
  /** @throws Fault `conflict` naming the field that is taken. */
  create(scope: Scope, input: Partial<Row<R, S>>): Promise<Row<R, S>>;
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

  const scoped = (scope: Scope): Filter => (scopeKind === 'root' ? {} : { account: { $eq: (scope as Tenant).id } });

  const fromStored = (stored: Stored): R1 => {
    const { _id, _q, _v, ...rest } = stored;
    return { id: _id, ...rest } as unknown as R1;
  };

  const sealContext = (id: string, field: string) => `${spec.collection}.${field}:${id}`;
  const sealInput = (id: string, input: Record<string, unknown>): Record<string, unknown> => {
    for (const field of sealedFields) {
      const value = input[field];
      if (typeof value === 'string') input[field] = seal(value, sealContext(id, field));
    }
    return input;
  };

  const words = (row: Record<string, unknown>): string[] => [
    ...new Set((spec.search ?? []).flatMap((field) => (typeof row[field] === 'string' ? foldWords(row[field]) : []))),
  ];

  const wordsFilter = (text: string): Filter[] => {
    if (!spec.search) throw new Fault('invalid_query', `${spec.title} rows have no full-text fields.`);
    const folded = foldWords(text);
    // Text without a letter or a digit matches nothing, and must not match everything.
    if (folded.length === 0) return [{ _id: { $eq: '' } }];
    return folded.map((word) => ({ _q: { $regex: `^${word}` } }));
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
      const time = /^\d+$/.test(value) ? new Date(Number(value)) : new Date(`${value}T00:00:00.000Z`);
      if (!(/^\d{1,15}$/.test(value) || /^\d{4}-\d{2}-\d{2}$/.test(value)) || Number.isNaN(time.getTime()))
        refuse('takes unix milliseconds or YYYY-MM-DD');
      // The id carries the second of creation, so the bound is a range of the list's own index.
      return field === 'since'
        ? { _id: { $gte: idFloor(kind, time) }, createdAt: { $gte: time } }
        : { _id: { $lt: idFloor(kind, new Date(time.getTime() + 1000)) }, createdAt: { $lte: time } };
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

  const listFilter = (scope: Scope, list: ListOptions, extra: Filter): Filter => {
    const parts: Filter[] = [scoped(scope), extra];
    if (list.query) {
      const query = parseQuery(list.query);
      parts.push(...query.terms.map(termFilter));
      if (query.words.length) parts.push(...wordsFilter(query.words.join(' ')));
    }
    if (list.q) parts.push(...wordsFilter(list.q));
    if (list.cursor) {
      const after = Buffer.from(list.cursor, 'base64url').toString();
      if (!isId(kind, after)) throw new Fault('invalid_cursor');
      parts.push({ _id: { $lt: after } });
    }
    return { $and: parts.filter((part) => Object.keys(part).length > 0) };
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

  const collection: Collection<R, S> = {
    spec,
    model,
    mintId: () => mintId(kind),

    async list(scope, list, extra = {}) {
      const filter = listFilter(scope, list, extra);
      const pageSize = list.pageSize ?? DEFAULT_PAGE_SIZE;
      const filterOrAll = (filter.$and as Filter[]).length ? filter : {};
      const rows = await model
        .find(filterOrAll)
        .sort({ _id: -1 })
        .limit(pageSize + 1)
        .lean<Stored[]>();
      const results = rows.slice(0, pageSize).map(fromStored);
      const last = rows.length > pageSize ? results.at(-1) : undefined;
      return { results, next: last ? Buffer.from(last.id).toString('base64url') : null };
    },

    async find(scope, id) {
      if (!isId(kind, id)) return undefined;
      return collection.findOne(scope, { _id: { $eq: id } });
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
      const { id = mintId(kind), ...fields } = input as Record<string, unknown> & { id?: string };
      const time = now();
      const row = { metadata: {}, ...spec.defaults(), ...fields };
      const stored = {
        ...sealInput(id, { ...row }),
        _id: id,
        ...(scopeKind === 'account' && { account: (scope as Tenant).id }),
        createdAt: time,
        updatedAt: time,
        _v: 0,
        ...(spec.search && { _q: words(row) }),
      };
      try {
        await new model(stored).save();
      } catch (error) {
        duplicate(error);
      }
      return fromStored(stored as Stored);
    },

    async updateWhere(scope, id, patch, where) {
      if (!isId(kind, id)) return undefined;
      const base = { ...where, _id: { $eq: id }, ...scoped(scope) };
      const set: Record<string, unknown> = sealInput(id, { ...(patch as Record<string, unknown>) });
      for (const field of Object.keys(set)) if (set[field] === undefined) delete set[field];
      const touchesSearch = spec.search?.some((field) => field in set) ?? false;
      set.updatedAt = now();
      for (let attempt = 0; ; attempt += 1) {
        let guard: Filter = {};
        if (touchesSearch) {
          // The search words come from several fields: made from the row as read, written only if it is still that row.
          const current = await model.findOne(base).lean<Stored>();
          if (!current) return undefined;
          set._q = words({ ...current, ...set });
          guard = { _v: current._v ?? 0 };
        }
        try {
          const stored = await model
            .findOneAndUpdate({ ...base, ...guard }, { $set: set, $inc: { _v: 1 } }, { returnDocument: 'after' })
            .lean<Stored>();
          if (stored) return fromStored(stored);
        } catch (error) {
          duplicate(error);
        }
        if (!touchesSearch || attempt === 9) return undefined;
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
      if (!stored) throw new Fault('not_found', `${spec.title} not found.`);
      return fromStored(stored);
    },

    async removeWhere(scope, filter) {
      const { deletedCount } = await model.deleteMany({ ...filter, ...scoped(scope) });
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
  return Object.assign(wire, { metadata: row.metadata ?? {}, createdAt: row.createdAt, updatedAt: row.updatedAt });
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
    const target = collection.spec.expand?.[path]?.();
    if (!target) {
      throw new Fault('validation', `"expand" does not take "${path}".`, {
        details: [
          {
            path: '/expand',
            message: `must be one of ${Object.keys(collection.spec.expand ?? {}).join(', ') || 'nothing'}`,
          },
        ],
      });
    }
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
