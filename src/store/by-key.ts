/** Reading rows by their key, which is most of what a login reads. */
import mongoose, { type mongo } from 'mongoose';

type Keyed = { _id: string };
type Place = { collectionName: string };

/**
 * The row, or null. As a bare command with nothing but the key in its filter: half of what the driver's cursor costs here,
 * and the server answers it past its planner. Whatever else must hold is the caller's to look at.
 */
export async function byKey<T extends Keyed>(place: Place, id: string): Promise<T | null> {
  const [row] = await rowsOf<T>(place, { _id: id }, 1);
  return row ?? null;
}

async function rowsOf<T extends Keyed>({ collectionName }: Place, filter: object, limit: number): Promise<T[]> {
  const db = mongoose.connection.db as mongo.Db;
  try {
    const { cursor } = await db.command({ find: collectionName, filter, limit, batchSize: limit, singleBatch: true });
    return cursor.firstBatch;
  } catch {
    // The driver's own way waits for another server where it must, and says what is wrong.
    return db
      .collection<T>(collectionName)
      .find(filter as mongo.Filter<T>)
      .toArray() as Promise<T[]>;
  }
}

/** Keys in one question, and questions under way at the same time. */
const MOST_KEYS = 100;
const MOST_QUESTIONS = 2;

/**
 * As `byKey`, for what nearly every request has to ask: what comes up while answers are awaited is asked together with the
 * next question, so that a busy instance asks seldom. No answer is from before it was asked for.
 */
export function byKeyTogether<T extends Keyed>(place: Place): (id: string) => Promise<T | null> {
  type Asked = { answer: Promise<T | null>; settle: (rows: Map<string, T>) => void; fail: (error: unknown) => void };
  const waiting = new Map<string, Asked>();
  let underWay = 0;
  let isDue = false;

  async function ask(): Promise<void> {
    isDue = false;
    if (underWay >= MOST_QUESTIONS || waiting.size === 0) return;
    const asked = [...waiting].slice(0, MOST_KEYS);
    for (const [id] of asked) waiting.delete(id);
    underWay += 1;
    if (waiting.size) schedule();
    const ids = asked.map(([id]) => id);
    try {
      const rows = await rowsOf<T>(place, { _id: ids.length === 1 ? ids[0] : { $in: ids } }, ids.length);
      const found = new Map(rows.map((row) => [row._id, row]));
      for (const [, { settle }] of asked) settle(found);
    } catch (error) {
      for (const [, { fail }] of asked) fail(error);
    }
    underWay -= 1;
    schedule();
  }

  function schedule(): void {
    if (isDue) return;
    isDue = true;
    // What one request asks for goes along.
    queueMicrotask(ask);
  }

  return (id) => {
    const known = waiting.get(id);
    if (known) return known.answer;
    const { promise, resolve, reject } = Promise.withResolvers<T | null>();
    waiting.set(id, { answer: promise, settle: (rows) => resolve(rows.get(id) ?? null), fail: reject });
    schedule();
    return promise;
  };
}
