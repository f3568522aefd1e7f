/** Deletes rows whose time is over, in small batches. Readers never depend on it: they check expiry themselves. */
import mongoose from 'mongoose';
import { now } from '../kernel/clock.ts';

const BATCH = 500;

/** A collection, and the field that says when a row of it ends. */
export type Expiring = readonly [collection: string, field: string];

/** @returns how many rows were deleted. */
export async function sweep(expiring: readonly Expiring[]): Promise<number> {
  let deleted = 0;
  for (const [name, field] of expiring) {
    const collection = mongoose.connection.db!.collection(name);
    for (;;) {
      const due = await collection
        .find({ [field]: { $lte: now() } }, { projection: { _id: 1 }, limit: BATCH })
        .toArray();
      if (due.length === 0) break;
      const result = await collection.deleteMany({ _id: { $in: due.map(({ _id }) => _id) } });
      deleted += result.deletedCount;
      if (due.length < BATCH) break;
    }
  }
  return deleted;
}
