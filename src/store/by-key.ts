/** Reading one row by its key, which is most of what a login reads. */
import mongoose, { type mongo } from 'mongoose';

/**
 * The row, or null. As a bare command with nothing but the key in its filter: half of what the driver's cursor costs here,
 * and the server answers it past its planner. Whatever else must hold is the caller's to look at.
 */
export async function byKey<T extends { _id: string }>(
  { collectionName }: { collectionName: string },
  id: string,
): Promise<T | null> {
  const db = mongoose.connection.db as mongo.Db;
  const filter = { _id: id };
  try {
    const { cursor } = await db.command({ find: collectionName, filter, limit: 1, singleBatch: true });
    return cursor.firstBatch[0] ?? null;
  } catch {
    // The driver's own way waits for another server where it must, and says what is wrong.
    return db.collection<T>(collectionName).findOne(filter as mongo.Filter<T>) as Promise<T | null>;
  }
}
