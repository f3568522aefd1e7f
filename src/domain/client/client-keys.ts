/** The public keys of a client: by value or by address, never both, and strong enough to stand for it. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import Type, { type Static } from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { isLoopbackHost } from '../../kernel/loopback.ts';
import { OneOf } from '../../resource/define.ts';

const member = Type.Optional(Type.String({ minLength: 1, maxLength: 4096 }));
/** Public keys only: what a private key has besides is an unknown field. */
export const JwkSet = Type.Object(
  {
    keys: Type.Array(
      Type.Object(
        {
          kty: OneOf(['RSA', 'EC', 'OKP']),
          kid: member,
          use: Type.Optional(OneOf(['sig', 'enc'])),
          alg: member,
          key_ops: Type.Optional(Type.Array(Type.String({ maxLength: 50 }), { maxItems: 10 })),
          n: member,
          e: member,
          crv: member,
          x: member,
          y: member,
          x5u: member,
          x5c: Type.Optional(Type.Array(Type.String({ maxLength: 8192 }), { maxItems: 10 })),
          x5t: member,
          'x5t#S256': member,
        },
        { additionalProperties: false },
      ),
      { minItems: 1, maxItems: 20 },
    ),
  },
  {
    additionalProperties: false,
    description: 'Public keys of the client (RFC 7517), for `private_key_jwt` and signed requests',
  },
);
type Jwk = Static<typeof JwkSet>['keys'][number];

type KeyFields = {
  token_endpoint_auth_method?: string;
  jwks?: Static<typeof JwkSet> | null;
  jwks_uri?: string | null;
};

/** Bits of an RSA modulus: less is weak (RFC 7518 §3.3), more costs us a request's worth of time to verify. */
const [RSA_LEAST, RSA_MOST] = [2048, 8192];

const refuse = (field: string, message: string): never => {
  throw new Fault('validation', `"${field}" ${message}.`, { details: [{ path: `/${field}`, message }] });
};

/**
 * OIDC Registration §2: `jwks` and `jwks_uri` exclude each other; `private_key_jwt` needs one.
 * @param current what the patch is laid over.
 */
export function checkClientKeys(tenant: Tenant, patch: KeyFields, current: KeyFields): void {
  if (patch.jwks) patch.jwks.keys.forEach(checkKey);
  if (patch.jwks_uri) checkAddress(tenant, patch.jwks_uri);
  const jwks = patch.jwks === undefined ? current.jwks : patch.jwks;
  const address = patch.jwks_uri === undefined ? current.jwks_uri : patch.jwks_uri;
  if (jwks && address)
    refuse(
      patch.jwks ? 'jwks' : 'jwks_uri',
      'excludes the other: give "jwks" or "jwks_uri", and null for the other one',
    );
  if ((patch.token_endpoint_auth_method ?? current.token_endpoint_auth_method) !== 'private_key_jwt') return;
  if (!jwks && !address) refuse('jwks', 'or "jwks_uri" is needed for private_key_jwt');
  if (jwks && !jwks.keys.some(canSign))
    refuse('jwks', 'holds no key for RS256, PS256, ES256 or EdDSA, which private_key_jwt needs');
}

/** The keys come from where nobody can exchange them on the way; plain http is for a developer's own machine. */
function checkAddress({ origin }: Tenant, address: string): void {
  const url = URL.parse(address) ?? refuse('jwks_uri', 'must be an absolute URL');
  if (url.username || url.password) refuse('jwks_uri', 'may not contain a user name or password');
  const local = !origin.startsWith('https:') && isLoopbackHost(url.hostname);
  if (url.protocol !== 'https:' && !local) refuse('jwks_uri', 'must be an https address');
}

function checkKey(jwk: Jwk, index: number): void {
  const field = `jwks/keys/${index}`;
  let bits: number | undefined;
  try {
    bits = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }).asymmetricKeyDetails?.modulusLength;
  } catch {
    refuse(field, 'is not a public key');
  }
  if (jwk.kty === 'RSA' && (bits === undefined || bits < RSA_LEAST || bits > RSA_MOST))
    refuse(field, `must have a modulus of ${RSA_LEAST} to ${RSA_MOST} bits`);
}

const SIGNING: Record<string, { curve?: string; algs: readonly string[] }> = {
  RSA: { algs: ['RS256', 'PS256'] },
  EC: { curve: 'P-256', algs: ['ES256'] },
  OKP: { curve: 'Ed25519', algs: ['EdDSA'] },
};

function canSign({ kty, crv, use, alg }: Jwk): boolean {
  const { curve, algs } = SIGNING[kty]!;
  return use !== 'enc' && crv === curve && (alg === undefined || algs.includes(alg));
}
