/** The account's keys as the engine uses them: it asks for a signature, the thread pool makes it. */
import { type KeyObject, sign } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import type { SigningKey } from '../domain/signing-key.ts';

/** RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), off the main thread. */
export const signRs256 = (data: Buffer, key: KeyObject): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    sign('sha256', data, key, (error, signature) => (error ? reject(error) : resolve(signature)));
  });

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
    return new Uint8Array(await signRs256(Buffer.from(data), this.#key.privateKey));
  }
}

export const engineKey = (key: SigningKey): ExternalSigningKey => new AccountKey(key);
