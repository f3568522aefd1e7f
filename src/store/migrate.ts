/** Brings the database to the code: creates the indexes of every model. Idempotent, and safe on several instances at once. */
import mongoose from 'mongoose';
import { LIMITER_COLLECTION } from './limiter.ts';

export async function migrate(): Promise<void> {
  const db = mongoose.connection.db!;
  await Promise.all([
    ...Object.values(mongoose.models).map((model) => model.createIndexes()),
    db.collection(LIMITER_COLLECTION).createIndex({ key: 1 }, { unique: true }),
    db.collection(LIMITER_COLLECTION).createIndex({ expire: 1 }),
  ]);
}
