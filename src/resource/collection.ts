/**
 * A resource's rows: list, get, many, create, update, remove. Every call is scoped by its Tenant, and a foreign id is as
 * absent as a missing one. What rows are to each other is references.ts's and removal.ts's, which ones a list shows
 * search.ts's; HTTP lives in routes.ts.
 */
import mongoose, { type Model } from 'mongoose';
import type { Static, TObject } from 'typebox';
import { now } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { isId, mintId, mintRandomId } from '../kernel/id.ts';
import { recent } from '../kernel/recent.ts';
import { mintToken } from '../kernel/secret/random.ts';
import { byKey } from '../store/by-key.ts';
import { accountOfKey, noteChange, watched } from '../store/changes.ts';
import { isHeard, payloadOf, prepare, proofOf, pushTold, type Write } from './announcing.ts';
import { cursorAt } from './cursor.ts';
import type { Filter, Nothing, ResourceSpec, Row } from './define.ts';
import { changedMembers, newMembers } from './json-members.ts';
import { type AnyCollection, type AnyRow, register } from './registry.ts';
import { ownerOf, type Scope, scopeFilter } from './scope.ts';
import { sealing } from './sealing.ts';
import { type ListOptions, lister, wordsOf } from './search.ts';
import { storageSchema } from './storage.ts';
import { canonicalTexts } from './texts.ts';

export type { Filter, ListOptions };
/** `total` counts all pages, and where there are more than are counted, so many. */
export type Page<T> = { results: T[]; next: string | null; total?: number; total_is_more?: boolean };
type Stored = Record<string, unknown> & { _id: string };

/** Whether the id itself is another row's. */
const isTakenId = (error: unknown): boolean => {
  const { code, keyPattern } = error as { code?: number; keyPattern?: object };
  return code === 11000 && Object.keys(keyPattern ?? {}).join() === '_id';
};

const DEFAULT_PAGE_SIZE = 30;
/** So many rows are counted for who asks how many there are. */
const MOST_COUNTED = 10_000;
/** Of many rows that go and are told of one by one, so many go at a time. */
const GOING_AT_A_TIME = 500;

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
  /** @throws Fault `conflict` naming the field that is taken, `validation` for one that is not of its kind of text. */
  create(scope: Scope, input: Partial<Row<R, S>>): Promise<Row<R, S>>;
  /** Inserts what it can. @returns the positions of the inputs that met a row that was there already. */
  createMany(scope: Scope, inputs: readonly Partial<Row<R, S>>[]): Promise<Set<number>>;
  /** Changes only the fields given. `where` narrows: when it does not hold any more, `undefined` comes back. */
  updateWhere(scope: Scope, id: string, patch: Partial<Row<R, S>>, where: Filter): Promise<Row<R, S> | undefined>;
  update(scope: Scope, id: string, patch: Partial<Row<R, S>>): Promise<Row<R, S>>;
  remove(scope: Scope, id: string): Promise<Row<R, S>>;
  removeWhere(scope: Scope, filter: Filter): Promise<number>;
  /** One change of however many rows, as the database spells it. @returns how many. */
  changeWhere(scope: Scope, filter: Filter, change: Record<string, unknown>): Promise<number>;
  /** Opens a sealed field; null when it holds nothing. */
  reveal(row: Row<R, S>, field: keyof Static<R> & string): string | null;
};

export function defineCollection<R extends TObject, S extends TObject = Nothing>(
  spec: ResourceSpec<R, S>,
): Collection<R, S> {
  type R1 = Row<R, S>;
  const kind = spec.idPrefix ?? spec.name;
  const anySpec = spec as unknown as ResourceSpec;
  const schema = storageSchema(anySpec);
  const model = mongoose.model<Stored>(spec.title, schema as mongoose.Schema<Stored>);
  const plan = lister(anySpec, kind, model as never);
  const { toStored, given, reveal } = sealing(anySpec);
  const scoped = (scope: Scope): Filter => scopeFilter(anySpec, scope);
  const isOwn = (scope: Scope, { account }: Stored) => spec.scope === 'root' || account === (scope as Tenant).id;

  const held = spec.watched ? watched<R1 | undefined>(20_000, accountOfKey) : recent<R1 | undefined>(20_000);
  const heldKey = (scope: Scope, id: string) => `${ownerOf(anySpec, scope)} ${id}`;
  const changed = async (scope: Scope): Promise<void> => {
    if (spec.watched) await noteChange((scope as Tenant).id);
  };

  const fromStored = (stored: Stored): R1 => {
    const { _id, _q, _m, _told, ...rest } = stored;
    // A row is older than its newest field.
    return { id: _id, ...spec.defaults(), ...rest } as unknown as R1;
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
    // A row that was somewhere else before is as old as it was there.
    const createdAt = (fields.createdAt as Date | undefined) ?? time;
    const row = { metadata: {}, ...spec.defaults(), ...canonicalTexts(anySpec, fields) };
    return {
      ...toStored(id, row),
      _id: id,
      ...(spec.scope !== 'root' && { account: (scope as Tenant).id }),
      createdAt,
      updatedAt: time,
      ...(spec.search && { _q: wordsOf(anySpec, row) }),
      ...newMembers(anySpec, row),
    };
  };

  /** Only an account's own rows are told of. */
  const isHeardOf = (scope: Scope) => spec.scope !== 'root' && isHeard(anySpec, scope as Tenant);
  const preparing = (scope: Scope, writes: readonly Write[]) =>
    prepare(collection as AnyCollection, scope as Tenant, writes);
  const told = (stored: Stored) => fromStored(stored) as unknown as AnyRow;
  const going = (stored: Stored): Write => ({ before: told(stored), proof: proofOf('gone', anySpec, stored._id) });
  const coming = (stored: Stored): Write => ({ after: told(stored), proof: proofOf('there', anySpec, stored._id) });

  const insert = async (scope: Scope, stored: Stored): Promise<void> => {
    const settle = spec.events && (await preparing(scope, [coming(stored)]));
    try {
      await new model(stored).save();
    } catch (error) {
      // Any other failure may have written: the proof says so.
      if ((error as { code?: number }).code === 11000) await settle?.(() => false);
      throw error;
    }
    await settle?.(() => true);
  };

  const count = async ({ filter, hint }: { filter: Filter; hint?: Record<string, 1 | -1> }) => {
    const counted = await model.countDocuments(filter, { limit: MOST_COUNTED + 1, ...(hint && { hint }) });
    return { total: Math.min(counted, MOST_COUNTED), total_is_more: counted > MOST_COUNTED };
  };

  const collection: Collection<R, S> = {
    spec,
    model,
    mintId: () => mintId(kind),

    async list(scope, list, extra = {}) {
      const { filter, whole, order, walk } = await plan(scope, list, extra);
      const pageSize = list.pageSize ?? DEFAULT_PAGE_SIZE;
      const options = Object.fromEntries(Object.entries(walk).filter(([, value]) => value));
      const [rows, totals] = await Promise.all([
        model
          .find(filter, null, options)
          .sort(order.sort)
          .limit(pageSize + 1)
          .lean<Stored[]>(),
        list.totals ? count(whole) : {},
      ]);
      const results = rows.slice(0, pageSize).map(fromStored);
      const last = rows.length > pageSize ? rows[pageSize - 1] : undefined;
      const place = last && {
        id: last._id,
        by: order.by,
        value: (last[order.field] ?? null) as string | number | null,
      };
      return { results, next: place ? cursorAt(anySpec, scope, place) : null, ...totals };
    },

    async find(scope, id) {
      const stored = isId(kind, id) ? await byKey<Stored>(model.collection, id) : null;
      return stored && isOwn(scope, stored) ? fromStored(stored) : undefined;
    },

    // What is no id is nobody's, and may be as long as anybody likes: it is not held.
    recent: (tenant, id) =>
      isId(kind, id) ? held.get(heldKey(tenant, id), () => collection.find(tenant, id)) : undefined,

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
      let stored = newRow(scope, input);
      try {
        await insert(scope, stored);
      } catch (error) {
        // Who imports users chooses ids, and sees which ones this process gives.
        if (!isTakenId(error) || input.id !== undefined) return duplicate(error);
        stored = newRow(scope, { ...input, id: mintRandomId(kind) });
        await insert(scope, stored);
      }
      await changed(scope);
      return fromStored(stored);
    },

    async createMany(scope, inputs) {
      if (inputs.length === 0) return new Set();
      const rows = inputs.map((input) => newRow(scope, input));
      const settle = spec.events && (await preparing(scope, rows.map(coming)));
      try {
        // Past mongoose, whose casting is most of the time that a large import takes.
        await model.collection.insertMany(rows as never, { ordered: false, forceServerObjectId: true });
        await settle?.(() => true);
        return new Set();
      } catch (error) {
        const { writeErrors = [] } = error as { writeErrors?: { code: number; index: number }[] };
        if (writeErrors.length === 0 || writeErrors.some(({ code }) => code !== 11000)) throw error;
        const met = new Set(writeErrors.map(({ index }) => index));
        await settle?.((position) => !met.has(position));
        return met;
      }
    },

    async updateWhere(scope, id, patch, where) {
      if (!isId(kind, id)) return undefined;
      const base = { ...where, _id: { $eq: id }, ...scoped(scope) };
      const fields = canonicalTexts(anySpec, given(patch as Record<string, unknown>));
      const set: Record<string, unknown> = { ...toStored(id, fields), updatedAt: now() };
      const unset = Object.fromEntries(Object.keys(fields).flatMap((field) => (field in set ? [] : [[field, 1]])));
      const untouched = spec.search?.filter((field) => !(field in fields)) ?? [];
      const touchesSearch = untouched.length < (spec.search?.length ?? 0);
      const before = (await isHeardOf(scope)) ? await model.findOne(base).lean<Stored>() : null;
      const name = before ? mintToken(12) : '';
      const after = Object.fromEntries(Object.entries({ ...before, ...set }).filter(([field]) => !(field in unset)));
      const settle =
        before &&
        (await preparing(scope, [
          { before: told(before), after: told(after as Stored), proof: proofOf('made', anySpec, id, name) },
        ]));
      Object.assign(set, changedMembers(anySpec, fields));
      const change = { $set: set, $unset: unset, ...(settle && { $push: pushTold(name) }) };
      for (;;) {
        let guard: Filter = {};
        if (touchesSearch) {
          // The search words come from several fields: made from the row as read, written only if those are still so.
          const current = await model.findOne(base).lean<Stored>();
          if (!current) {
            await settle?.(() => false);
            return undefined;
          }
          set._q = wordsOf(anySpec, { ...current, ...fields });
          guard = Object.fromEntries(untouched.map((field) => [field, { $eq: current[field] ?? null }]));
        }
        try {
          const stored = await model
            .findOneAndUpdate({ $and: [base, guard] }, change, { returnDocument: 'after' })
            .lean<Stored>();
          held.forget(heldKey(scope, id));
          if (stored) {
            await settle?.(() => payloadOf(collection as AnyCollection, told(stored)));
            await changed(scope);
            return fromStored(stored);
          }
        } catch (error) {
          duplicate(error);
        }
        if (!touchesSearch) {
          await settle?.(() => false);
          return undefined;
        }
      }
    },

    async update(scope, id, patch) {
      const row = await collection.updateWhere(scope, id, patch, {});
      if (!row) throw new Fault('not_found', `${spec.title} not found.`);
      return row;
    },

    async remove(scope, id) {
      const one = { _id: { $eq: id }, ...scoped(scope) };
      const before = isId(kind, id) && (await isHeardOf(scope)) ? await model.findOne(one).lean<Stored>() : null;
      const settle = before && (await preparing(scope, [going(before)]));
      const stored = isId(kind, id) ? await model.findOneAndDelete(one).lean<Stored>() : null;
      held.forget(heldKey(scope, id));
      await settle?.(() => stored !== null);
      if (!stored) throw new Fault('not_found', `${spec.title} not found.`);
      await changed(scope);
      return fromStored(stored);
    },

    async removeWhere(scope, filter) {
      let deletedCount = 0;
      while (await isHeardOf(scope)) {
        const rows = await model
          .find({ ...filter, ...scoped(scope) })
          .limit(GOING_AT_A_TIME)
          .lean<Stored[]>();
        if (rows.length === 0) break;
        const settle = await preparing(scope, rows.map(going));
        const these = { ...filter, _id: { $in: rows.map(({ _id }) => _id) }, ...scoped(scope) };
        deletedCount += (await model.deleteMany(these)).deletedCount;
        await settle?.(() => true);
      }
      deletedCount += (await model.deleteMany({ ...filter, ...scoped(scope) })).deletedCount;
      held.forgetWhere((row) => row?.account === (scope as Tenant).id);
      await changed(scope);
      return deletedCount;
    },

    async changeWhere(scope, filter, change) {
      const { modifiedCount } = await model.updateMany({ ...filter, ...scoped(scope) }, change);
      held.forgetWhere((row) => row?.account === (scope as Tenant).id);
      await changed(scope);
      return modifiedCount;
    },

    reveal,
  };
  register(collection);
  return collection;
}
