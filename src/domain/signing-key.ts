/**
 * Signing keys of an account: one signs, one waits published in the queue, older ones stay published so that live tokens
 * verify. Which is which is decided by fields of the account row, so that promotion is one atomic update.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import mongoose from 'mongoose';
import { now } from '../kernel/clock.ts';
import { seal, unseal } from '../kernel/secrets.ts';

type StoredKey = {
  _id: string;
  account: string;
  alg: string;
  public_jwk: JWK;
  private_sealed: string;
  createdAt: Date;
};

const schema = new mongoose.Schema<StoredKey>(
  {
    _id: { type: String, required: true },
    account: { type: String, required: true },
    alg: { type: String, required: true },
    public_jwk: { type: mongoose.Schema.Types.Mixed, required: true },
    private_sealed: { type: String, required: true },
    createdAt: { type: Date, required: true },
  },
  { collection: 'signing_keys', strict: 'throw', versionKey: false, autoIndex: false },
);
schema.index({ account: 1, createdAt: 1 });
export const signingKeyModel = mongoose.model<StoredKey>('SigningKey', schema);

export type SigningKey = {
  kid: string;
  account: string;
  alg: string;
  publicJwk: JWK;
  publicKey: KeyObject;
  privateKey: KeyObject;
};

const generate = promisify(generateKeyPair);

/** Makes and stores an RSA key (RFC 7518 §3.3). The kid is its thumbprint (RFC 7638), hence globally unique. */
export async function mintSigningKey(account: string): Promise<string> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  await signingKeyModel.insertOne({
    _id: kid,
    account,
    alg: 'RS256',
    public_jwk: { ...jwk, kid, alg: 'RS256', use: 'sig' },
    private_sealed: seal(privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), `signing_key:${kid}`),
    createdAt: now(),
  });
  return kid;
}

const opened = new LRUCache<string, SigningKey>({ max: 4000 });

function open(stored: StoredKey): SigningKey {
  const known = opened.get(stored._id);
  if (known) return known;
  const key: SigningKey = {
    kid: stored._id,
    account: stored.account,
    alg: stored.alg,
    publicJwk: stored.public_jwk,
    publicKey: createPublicKey({ key: stored.public_jwk as never, format: 'jwk' }),
    privateKey: createPrivateKey(unseal(stored.private_sealed, `signing_key:${stored._id}`)),
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

/** By kid, of whichever account: a verifier has to compare `account` itself. */
export async function signingKey(kid: string): Promise<SigningKey | undefined> {
  const known = opened.get(kid);
  if (known) return known;
  if (!/^[\w-]{43}$/.test(kid)) return undefined;
  const stored = await signingKeyModel.findOne({ _id: { $eq: kid } }).lean<StoredKey>();
  return stored ? open(stored) : undefined;
}

/** For a key that never signed: one that did has live tokens to verify. */
export async function removeSigningKey(kid: string): Promise<void> {
  opened.delete(kid);
  await signingKeyModel.deleteOne({ _id: { $eq: kid } });
}

export async function removeSigningKeys(account: string): Promise<void> {
  for (const [kid, key] of opened.entries()) if (key.account === account) opened.delete(kid);
  await signingKeyModel.deleteMany({ account: { $eq: account } });
}
