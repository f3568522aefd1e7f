/** Keys of clients, and the request objects that they sign. */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { epochSeconds } from './clock.ts';
import type { Client } from './tenant.ts';

/** A key pair as a client has it: the private half to sign with, the public one to register. */
export async function clientKey(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const kid = randomUUID();
  return { alg, kid, privateKey, publicKey, jwks: { keys: [{ ...(await exportJWK(publicKey)), kid, use: 'sig' }] } };
}
export type ClientKey = Awaited<ReturnType<typeof clientKey>>;

/** A request object (RFC 9101) with the claims that it needs, unless they are given otherwise. */
export function requestObject(
  t: { origin: string },
  client: Client,
  key: ClientKey,
  claims: JWTPayload,
  header: Record<string, unknown> = {},
): Promise<string> {
  const now = epochSeconds();
  const payload = { iss: client.client_id, aud: t.origin, iat: now, nbf: now, exp: now + 60, ...claims };
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'oauth-authz-req+jwt', ...header } as never)
    .sign(key.privateKey);
}
