/**
 * What the installation as a whole knows and no tenant owns: the operator's client, where nobody configured one, and by
 * which secrets its values are sealed.
 */
import mongoose from 'mongoose';
import { mintToken } from '../../kernel/secret/random.ts';
import { currentKeyId, knownKeyIds, seal, unseal } from '../../kernel/secret/seal.ts';
import { sealerOfKeys } from '../key/signing-key.ts';

type Fact = { _id: string; sealed?: string; keys?: string[] };

const schema = new mongoose.Schema<Fact>(
  { _id: { type: String, required: true }, sealed: String, keys: { type: [String], default: undefined } },
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
  return { operator: JSON.parse(unseal(stored!.sealed!, KEY)) as Operator, fresh: false };
}

/** What is sealed here, for who seals it anew: each value is bound to the row that it is in. */
export const SEALED_FACTS = {
  collection: model.collection.collectionName,
  field: 'sealed',
  contextOf: (id: string) => id,
};

const SECRETS = 'secrets';

/**
 * Whether what is sealed in the database opens with the secrets that are given; and notes that from now on this one seals.
 * @returns false where something may be sealed with another one.
 */
export async function fitSecrets(): Promise<boolean> {
  const sealer = await sealerOfKeys();
  if (sealer === undefined) return false;
  try {
    const known = knownKeyIds();
    const allKnown = { keys: { $not: { $elemMatch: { $nin: known } } } };
    await model.updateOne(
      { _id: { $eq: SECRETS }, ...allKnown },
      { $addToSet: { keys: { $each: [currentKeyId(), ...(sealer ? [sealer] : [])] } } },
      { upsert: true },
    );
    return true;
  } catch (error) {
    // It is there and names one that is not known, so that it did not match.
    if ((error as { code?: unknown }).code === 11000) return false;
    throw error;
  }
}

/** Nothing is sealed with any other secret any more. */
export async function forgetOtherSecrets(): Promise<void> {
  await model.updateOne({ _id: { $eq: SECRETS } }, { $set: { keys: [currentKeyId()] } });
}
