/**
 * Signatures by the account's keys: made in the thread pool, for us and for the engine, which asks for them. How is
 * decided by the key and never by what a token says about itself (RFC 8725 §3.1).
 */
import { constants, type KeyObject, type SignKeyObjectInput, sign, verify } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import type { Signer, SigningAlg, SigningKey } from '../../domain/key/signing-key.ts';

type Way = { digest: string | null; options?: Omit<SignKeyObjectInput, 'key'> };

/** RFC 7518 §3.3 to §3.5, RFC 8037 §3.1. */
const WAYS: Record<SigningAlg, Way> = {
  RS256: { digest: 'sha256' },
  PS256: { digest: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } },
  // The two numbers side by side, not as DER.
  ES256: { digest: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  EdDSA: { digest: null },
};

const withOptions = (key: KeyObject, { options }: Way) => (options ? { key, ...options } : key);

/** Off the main thread. */
export const signWith = ({ alg, privateKey }: Pick<Signer, 'alg' | 'privateKey'>, data: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const way = WAYS[alg];
    sign(way.digest, data, withOptions(privateKey, way), (error, signature) =>
      error ? reject(error) : resolve(signature),
    );
  });

export const verifyWith = (
  { alg, publicKey }: Pick<SigningKey, 'alg' | 'publicKey'>,
  data: Buffer,
  signature: Buffer,
): boolean => {
  const way = WAYS[alg];
  return verify(way.digest, data, withOptions(publicKey, way), signature);
};

// A class because the engine asks for one.
class AccountKey extends ExternalSigningKey {
  #key: SigningKey;

  constructor(key: SigningKey) {
    super();
    this.#key = key;
    Object.assign(this, { kid: key.kid, alg: key.alg });
  }

  override keyObject(): KeyObject {
    return this.#key.publicKey;
  }

  override async sign(data: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await signWith(this.#key as Signer, Buffer.from(data)));
  }
}

export const engineKey = (key: SigningKey): ExternalSigningKey => new AccountKey(key);
