/**
 * Brings the database to the code: the indexes of every model, and steps that rewrite rows of earlier releases. Idempotent,
 * and safe on several instances at once.
 */
import { setTimeout } from 'node:timers/promises';
import mongoose, { type mongo } from 'mongoose';
import { CHANGES_COLLECTION } from './changes.ts';
import { isUnavailable, type Store } from './connect.ts';
import { LIMITER_COLLECTION } from './limiter.ts';

/** A new index on a large collection takes longer than a request may: the server goes on building while we ask again. */
const RETRY_SECONDS = 2;

type Index = mongo.IndexDescription;

export async function migrate(store: Pick<Store, 'healthy'>): Promise<void> {
  const db = mongoose.connection.db!;
  const wanted: [collection: string, indexes: Index[]][] = [
    ...Object.values(mongoose.models).map(({ schema, collection }): [string, Index[]] => [
      collection.collectionName,
      schema.indexes().map(([key, { background: _, ...options }]) => ({ ...options, key }) as Index),
    ]),
    [LIMITER_COLLECTION, [{ key: { key: 1 }, unique: true }, { key: { expire: 1 } }]],
    [CHANGES_COLLECTION, [{ key: { at: 1 } }, { key: { expires_at: 1 } }]],
  ];
  const steps = wanted.map(
    ([name, indexes]) =>
      () =>
        ensureIndexes(db.collection(name), indexes),
  );
  await Promise.all(steps.map((step) => untilDone(step, store)));
}

/** Rows of earlier releases in the form of this one. Repeating it, or half of it, changes nothing more. */
export type DataStep = {
  /** Names it in the database, for ever. */
  name: string;
  /** Nothing waits for it: the server answers meanwhile. */
  whileServing?: true;
  /** @returns what it did, for the log; nothing where there was nothing to do. */
  run(): Promise<Record<string, unknown> | undefined>;
};

const STEPS_COLLECTION = 'data_steps';

/** Takes each step once. One that a crash cut short is taken again from its beginning, and says then what was left to do. */
export async function takeDataSteps(
  steps: readonly DataStep[],
  tell: (did: Record<string, unknown>, name: string) => void,
): Promise<void> {
  const taken = mongoose.connection.db!.collection<{ _id: string; at: Date }>(STEPS_COLLECTION);
  for (const { name, run } of steps) {
    if (await taken.findOne({ _id: { $eq: name } })) continue;
    const did = await run();
    if (did) tell(did, name);
    await taken.updateOne({ _id: { $eq: name } }, { $setOnInsert: { at: new Date() } }, { upsert: true });
  }
}

/** IndexOptionsConflict, IndexKeySpecsConflict. */
const DIFFERENT = new Set<unknown>([85, 86]);

/** An index that an earlier release made otherwise is made anew: nothing but its name can stay. */
async function ensureIndexes(collection: mongo.Collection, indexes: Index[]): Promise<void> {
  if (indexes.length === 0) return;
  try {
    await collection.createIndexes(indexes);
  } catch (error) {
    if (!DIFFERENT.has((error as { code?: unknown }).code)) throw error;
    if (indexes.length > 1) {
      for (const index of indexes) await ensureIndexes(collection, [index]);
      return;
    }
    await collection.dropIndex(Object.entries(indexes[0]!.key).flat().join('_'));
    await collection.createIndexes(indexes);
  }
}

async function untilDone(step: () => Promise<unknown>, store: Pick<Store, 'healthy'>): Promise<void> {
  for (;;) {
    try {
      await step();
      return;
    } catch (error) {
      if (!isUnavailable(error) || !store.healthy()) throw error;
      await setTimeout(RETRY_SECONDS * 1000);
    }
  }
}
