/**
 * Signing keys of an account: per algorithm one signs and one waits published in the queue; older ones stay published so
 * that live tokens verify. Which is which is decided by fields of the account row (account-keys.ts), so that promotion is
 * one atomic update.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import mongoose from 'mongoose';
import { now } from '../../kernel/clock.ts';
import { seal, sealerOf, unseal } from '../../kernel/secret/seal.ts';
import { wherePresent } from '../../resource/partial-index.ts';

/** JWA algorithms that tokens may be signed with (RFC 7518 §3.1, RFC 8037 §3.1). */
export const SIGNING_ALGS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;
export type SigningAlg = (typeof SIGNING_ALGS)[number];

type StoredKey = {
  _id: string;
  account: string;
  alg: SigningAlg;
  public_jwk: JWK;
  /** Gone as soon as the key does not sign any more. */
  private_sealed?: string;
  createdAt: Date;
  /** When it stopped signing, or was about to: the account row has the last word. */
  retired_at?: Date;
};

const schema = new mongoose.Schema<StoredKey>(
  {
    _id: { type: String, required: true },
    account: { type: String, required: true },
    alg: { type: String, required: true },
    public_jwk: { type: mongoose.Schema.Types.Mixed, required: true },
    private_sealed: String,
    createdAt: { type: Date, required: true },
    retired_at: Date,
  },
  { collection: 'signing_keys', strict: 'throw', versionKey: false, autoIndex: false },
);
schema.index({ account: 1, createdAt: 1 });
schema.index({ retired_at: 1 }, wherePresent('retired_at'));
export const signingKeyModel = mongoose.model<StoredKey>('SigningKey', schema);

export type SigningKey = {
  kid: string;
  account: string;
  alg: SigningAlg;
  publicJwk: JWK;
  publicKey: KeyObject;
  privateKey?: KeyObject;
};
/** A key that still has its private part. */
export type Signer = SigningKey & { privateKey: KeyObject };

const generate = promisify(generateKeyPair);

/** PS256 has an RSA key of its own: a key published for RS256 is refused for anything else by strict verifiers (RFC 7517 §4.4). */
const GENERATORS = {
  RS256: () => generate('rsa', { modulusLength: 2048 }),
  PS256: () => generate('rsa', { modulusLength: 2048 }),
  ES256: () => generate('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generate('ed25519'),
} satisfies Record<SigningAlg, () => Promise<{ publicKey: KeyObject; privateKey: KeyObject }>>;

/** Makes and stores a key. Its kid is its thumbprint (RFC 7638), hence globally unique. */
export async function mintSigningKey(account: string, alg: SigningAlg = 'RS256'): Promise<string> {
  const { publicKey, privateKey } = await GENERATORS[alg]();
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  await signingKeyModel.insertOne({
    _id: kid,
    account,
    alg,
    public_jwk: { ...jwk, kid, alg, use: 'sig' },
    private_sealed: seal(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), contextOf(kid)),
    createdAt: now(),
  });
  return kid;
}

const contextOf = (kid: string): string => `signing_key:${kid}`;

/** What is sealed here, for who seals it anew. */
export const SEALED_KEYS = {
  collection: signingKeyModel.collection.collectionName,
  field: 'private_sealed',
  contextOf,
};

/**
 * By which secret one of the private keys was sealed, of those that are known.
 * @returns nothing where it is none of them; null where there is no key yet.
 */
export async function sealerOfKeys(): Promise<string | undefined | null> {
  const stored = await signingKeyModel.findOne({ private_sealed: { $exists: true } }).lean<StoredKey>();
  return stored ? sealerOf(stored.private_sealed!, contextOf(stored._id)) : null;
}

const opened = new LRUCache<string, SigningKey>({ max: 4000 });

function open(stored: StoredKey): SigningKey {
  const known = opened.get(stored._id);
  if (known && !known.privateKey === !stored.private_sealed) return known;
  const key: SigningKey = {
    kid: stored._id,
    account: stored.account,
    alg: stored.alg,
    publicJwk: stored.public_jwk,
    publicKey: createPublicKey({ key: stored.public_jwk as never, format: 'jwk' }),
    ...(stored.private_sealed && {
      privateKey: createPrivateKey(unseal(stored.private_sealed, contextOf(stored._id))),
    }),
  };
  opened.set(stored._id, key);
  return key;
}

/** Every key of the account, oldest first. */
export async function signingKeysOf(account: string): Promise<SigningKey[]> {
  const stored = await signingKeyModel
    .find({ account: { $eq: account } })
    .sort({ createdAt: 1 })
    .lean<StoredKey[]>();
  return stored.map(open);
}

/** By kid, of whichever account, and published or not: a verifier has to look both up. */
export async function signingKey(kid: string): Promise<SigningKey | undefined> {
  const known = opened.get(kid);
  if (known) return known;
  if (!/^[\w-]{43}$/.test(kid)) return undefined;
  const stored = await signingKeyModel.findOne({ _id: { $eq: kid } }).lean<StoredKey>();
  return stored ? open(stored) : undefined;
}

/** Notes when keys stopped signing; one that did so before keeps its time. */
export async function retireSigningKeys(kids: readonly string[]): Promise<void> {
  await signingKeyModel.updateMany({ _id: { $in: [...kids] }, retired_at: null }, { $set: { retired_at: now() } });
}

export async function unretireSigningKey(kid: string): Promise<void> {
  await signingKeyModel.updateOne({ _id: { $eq: kid } }, { $unset: { retired_at: 1 } });
}

export type RetiredKey = { kid: string; account: string; retiredAt: Date };

/** Keys of all accounts that are said to have stopped signing by then, account by account. */
export async function retiredBy(time: Date): Promise<RetiredKey[]> {
  const stored = await signingKeyModel
    .find({ retired_at: { $lte: time } }, { account: 1, retired_at: 1 })
    .sort({ account: 1 })
    .lean<Required<Pick<StoredKey, '_id' | 'account' | 'retired_at'>>[]>();
  return stored.map(({ _id, account, retired_at }) => ({ kid: _id, account, retiredAt: retired_at }));
}

/** From here on the keys verify, and sign nothing. */
export async function destroyPrivateParts(kids: readonly string[]): Promise<void> {
  const held = { _id: { $in: [...kids] }, private_sealed: { $exists: true } };
  for (const kid of kids) if (opened.get(kid)?.privateKey) opened.delete(kid);
  await signingKeyModel.updateMany(held, { $unset: { private_sealed: 1 } });
}

/** For a key that nothing has to be verified with. */
export async function removeSigningKey(kid: string): Promise<void> {
  opened.delete(kid);
  await signingKeyModel.deleteOne({ _id: { $eq: kid } });
}

export async function removeSigningKeys(account: string): Promise<void> {
  for (const [kid, key] of opened.entries()) if (key.account === account) opened.delete(kid);
  await signingKeyModel.deleteMany({ account: { $eq: account } });
}
