/** The public keys of a client: by value or by address, never both, and strong enough to stand for it. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import Type, { type Static } from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { isLoopbackHost } from '../../kernel/loopback.ts';
import { OneOf } from '../../resource/define.ts';
import { validatorOf } from '../../resource/validation.ts';

/**
 * How clients may sign, requests as well as assertions of who they are. Asymmetric, so that it proves who did: no secret
 * that both sides know, and never `none`. `Ed25519` is the newer name of what `EdDSA` stands for here (RFC 9864).
 */
export const CLIENT_ALGS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'] as const;

const member = Type.Optional(Type.String({ minLength: 1, maxLength: 4096 }));
/** Public keys, and of them the members that are used (RFC 7518 §6.2, §6.3; RFC 8037 §2). */
const Jwk = Type.Object({
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
});
/** As it is kept. */
export const JwkSet = Type.Object(
  { keys: Type.Array(Jwk, { minItems: 1, maxItems: 20 }) },
  { description: 'Public keys of the client (RFC 7517), for `private_key_jwt` and signed requests' },
);
type Jwk = Static<typeof Jwk>;
/** As it is written: what of it is kept is for `knownKeys` to say. */
export const WrittenJwkSet = Type.Object(
  { keys: Type.Array(Type.Object({ kty: Type.String() }), { minItems: 1, maxItems: 20 }) },
  {
    description:
      'Public keys of the client (RFC 7517), for `private_key_jwt` and signed requests. Members and keys that are not known here are ignored',
  },
);

const refuse = (field: string, message: string): never => {
  throw new Fault('validation', `"${field}" ${message}.`, { details: [{ path: `/${field}`, message }] });
};

const MEMBERS = new Set(Object.keys(Jwk.properties));
const SECRET_MEMBERS = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']);
const NEEDED: { [kty: string]: readonly string[] | undefined } = {
  RSA: ['n', 'e'],
  EC: ['crv', 'x', 'y'],
  OKP: ['crv', 'x'],
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const CURVES: Record<string, readonly unknown[]> = {
  RSA: [undefined],
  EC: ['P-256', 'P-384', 'P-521'],
  OKP: ['Ed25519', 'Ed448', 'X25519', 'X448'],
};
const USES: readonly unknown[] = [undefined, 'sig', 'enc'];

function isKnown(key: unknown): key is Record<string, unknown> {
  if (!isObject(key) || typeof key.kty !== 'string') return false;
  const complete = NEEDED[key.kty]?.every((name) => typeof key[name] === 'string') ?? false;
  return complete && CURVES[key.kty]!.includes(key.crv) && USES.includes(key.use);
}

const isJwkSet = validatorOf(JwkSet);

/**
 * What is kept of a set of keys. RFC 7517 §4, §5: what a key has besides, a set besides its keys, and keys of a kind that is
 * not known here, or without what makes one, are ignored. A secret is not: its owner must hear of it.
 * @throws Fault `validation` for one, and for a set without a key that is known.
 */
export function knownKeys(set: unknown): Static<typeof JwkSet> {
  const keys: unknown[] = isObject(set) && Array.isArray(set.keys) ? set.keys : refuse('jwks', 'is not a set of keys');
  const secret = keys.findIndex((key) => isObject(key) && Object.keys(key).some((name) => SECRET_MEMBERS.has(name)));
  if (secret >= 0) refuse(`jwks/keys/${secret}`, 'is not known here as a public key: it holds a secret');
  const jwks = { keys: keys.filter(isKnown).map(publicPart) };
  if (jwks.keys.length === 0) refuse('jwks', 'holds no key that is known here');
  if (isJwkSet(jwks)) return jwks;
  const [fault] = isJwkSet.errors ?? [];
  return refuse(`jwks${fault?.instancePath ?? ''}`, fault?.message ?? 'is malformed');
}

const publicPart = (key: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(key).filter(([name]) => MEMBERS.has(name)));

type KeyFields = {
  token_endpoint_auth_method?: string;
  jwks?: Static<typeof JwkSet> | null;
  jwks_uri?: string | null;
};

/** Bits of an RSA modulus: less is weak (RFC 7518 §3.3), more costs us a request's worth of time to verify. */
const [RSA_LEAST, RSA_MOST] = [2048, 8192];

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
