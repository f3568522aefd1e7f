/** What the installation as a whole knows and no tenant owns: for now the operator's client, where nobody configured one. */
import mongoose from 'mongoose';
import { mintToken } from '../../kernel/secret/random.ts';
import { seal, unseal } from '../../kernel/secret/seal.ts';

type Fact = { _id: string; sealed: string };

const schema = new mongoose.Schema<Fact>(
  { _id: { type: String, required: true }, sealed: { type: String, required: true } },
  { collection: 'installation', strict: 'throw', versionKey: false, autoIndex: false },
);
const model = mongoose.model<Fact>('Installation', schema);

export type Operator = { id: string; secret: string };
const KEY = 'operator';

/**
 * The operator's client of this installation, the same on every instance: made by whichever starts first.
 * @returns `fresh` for the one instance that made it, which prints it this once.
 */
export async function installedOperator(): Promise<{ operator: Operator; fresh: boolean }> {
  const made: Operator = { id: `operator_${mintToken(9).replace(/[^a-zA-Z0-9]/g, '0')}`, secret: mintToken(36) };
  const { upsertedCount } = await model.updateOne(
    { _id: { $eq: KEY } },
    { $setOnInsert: { sealed: seal(JSON.stringify(made), KEY) } },
    { upsert: true },
  );
  if (upsertedCount === 1) return { operator: made, fresh: true };
  const stored = await model.findOne({ _id: { $eq: KEY } }).lean<Fact>();
  return { operator: JSON.parse(unseal(stored!.sealed, KEY)) as Operator, fresh: false };
}
