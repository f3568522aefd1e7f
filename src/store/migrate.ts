/** Brings the database to the code: creates the indexes of every model. Idempotent, and safe on several instances at once. */
import { setTimeout } from 'node:timers/promises';
import mongoose from 'mongoose';
import { isUnavailable, type Store } from './connect.ts';
import { LIMITER_COLLECTION } from './limiter.ts';

/** A new index on a large collection takes longer than a request may: the server goes on building while we ask again. */
const RETRY_SECONDS = 2;

export async function migrate(store: Pick<Store, 'healthy'>): Promise<void> {
  const db = mongoose.connection.db!;
  const limits = db.collection(LIMITER_COLLECTION);
  const steps = [
    ...Object.values(mongoose.models).map((model) => () => model.createIndexes()),
    () => limits.createIndex({ key: 1 }, { unique: true }),
    () => limits.createIndex({ expire: 1 }),
  ];
  await Promise.all(steps.map((step) => untilDone(step, store)));
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
