/** Proofs of DPoP (RFC 9449 §4.2) by one key. */
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { epochSeconds } from './clock.ts';

export async function prover(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return {
    jwk,
    privateKey,
    thumbprint: await calculateJwkThumbprint(jwk),
    prove: (
      method: string,
      url: string,
      { token, claims = {}, header = {} }: { token?: string; claims?: JWTPayload; header?: object } = {},
    ) =>
      new SignJWT({
        jti: randomUUID(),
        htm: method,
        htu: url,
        ...(token !== undefined && { ath: createHash('sha256').update(token).digest('base64url') }),
        iat: epochSeconds(),
        ...claims,
      })
        .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk, ...header } as never)
        .sign(privateKey),
  };
}
