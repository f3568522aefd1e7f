/**
 * Seals anew, with the secret of now, what was sealed with another one: value by value, each by one conditional update, so
 * that it may be killed and run again, beside servers that are at work.
 */
import mongoose, { type mongo } from 'mongoose';
import { currentKeyId, seal, sealedBy, unseal } from '../kernel/secret/seal.ts';

type Place = { collection: string; field: string; contextOf(id: string): string };
type Row = { _id: string } & Record<string, unknown>;

const BATCH = 500;

/** @returns how many values were sealed anew, and the rows whose value no secret that is known opens. */
export async function reseal({ collection, field, contextOf }: Place): Promise<{ sealed: number; closed: string[] }> {
  const rows = mongoose.connection.db!.collection<Row>(collection);
  const prefix = sealedBy(currentKeyId()).replaceAll('.', '\\.');
  const others = { $type: 'string' as const, $not: new RegExp(`^${prefix}`) };
  const closed: string[] = [];
  let sealed = 0;
  for (let after = ''; ; ) {
    const filter = { _id: { $gt: after }, [field]: others } as mongo.Filter<Row>;
    const batch = await rows
      .find(filter, { projection: { [field]: 1 } })
      .sort({ _id: 1 })
      .limit(BATCH)
      .toArray();
    if (batch.length === 0) return { sealed, closed };
    after = batch.at(-1)!._id;
    const changes = batch.flatMap((row) => {
      const value = row[field] as string;
      const anew = resealed(value, contextOf(row._id));
      if (anew === undefined) closed.push(row._id);
      // What somebody else wrote meanwhile stays.
      return anew
        ? [{ updateOne: { filter: { _id: row._id, [field]: value }, update: { $set: { [field]: anew } } } }]
        : [];
    });
    if (changes.length) sealed += (await rows.bulkWrite(changes as never, { ordered: false })).modifiedCount;
  }
}

function resealed(value: string, context: string): string | undefined {
  try {
    return seal(unseal(value, context), context);
  } catch {
    return undefined;
  }
}
