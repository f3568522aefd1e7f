/** Deletes rows whose time is over, in small batches. Readers never depend on it: they check expiry themselves. */
import mongoose from 'mongoose';
import { now } from '../kernel/clock.ts';
import { CHANGES_COLLECTION } from './changes.ts';
import { LIMITER_COLLECTION } from './limiter.ts';

const BATCH = 500;

/** Every collection that expires, with the field that says when. */
const EXPIRING: readonly [collection: string, field: string][] = [
  ['protocol', 'expires_at'],
  ['logs', 'expires_at'],
  ['device_codes', 'expires_at'],
  ['passwordless', 'forget_at'],
  ['tickets', 'forget_at'],
  ['outbox', 'expires_at'],
  ['initial_access_tokens', 'expires_at'],
  [LIMITER_COLLECTION, 'expire'],
  [CHANGES_COLLECTION, 'expires_at'],
];

/** @returns how many rows were deleted. */
export async function sweep(): Promise<number> {
  let deleted = 0;
  for (const [name, field] of EXPIRING) {
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

/** Sweeps every `seconds` until stopped; a failure waits for the next turn. */
export function startSweeper(
  seconds: number,
  extra: () => Promise<void>,
  onError: (error: unknown) => void,
): () => void {
  const timer = setInterval(() => void sweep().then(extra).catch(onError), seconds * 1000);
  timer.unref();
  return () => clearInterval(timer);
}
