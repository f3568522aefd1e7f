/**
 * Access tokens as RFC 9068 JWTs: made here for every audience, and read back by verifying the signature, so that none
 * is ever stored. Without an audience a token is for the userinfo endpoint.
 */
import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { AdapterPayload } from 'oidc-provider';
import { LONGEST_TOKEN_SECONDS, TOKEN_TYPES, type TokenTyp } from '../../domain/api/api.ts';
import { userinfoAudience } from '../../domain/api/audience.ts';
import { tokenAlg } from '../../domain/client/sender-constraint.ts';
import { accountKeys, lateSigner } from '../../domain/key/account-keys.ts';
import type { Signer, SigningAlg, SigningKey } from '../../domain/key/signing-key.ts';
import { denyToken, type ProtocolRow, standingOf } from '../../domain/protocol/protocol-row.ts';
import { inSeconds, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import type { AuthorizationDetail } from '../request/authorization-details.ts';
import { asClaimsRequest, userinfoClaims } from '../request/requested-claims.ts';
import { type GrantLife, outlive } from '../storage/grant-life.ts';
import { apiClaims } from './api-claims.ts';
import { groupsInToken } from './groups.ts';
import { type Login, loginClaims } from './login-claims.ts';
import { signWith, verifyWith } from './signing.ts';

type Claims = {
  iss: string;
  sub: string;
  aud: string;
  client_id: string;
  account: string;
  iat: number;
  exp: number;
  jti: string;
  scope?: string;
  permissions?: string[];
  roles?: string[];
  teams?: string[];
  /** The grant behind a user's token: what revocation looks at. */
  grant_id?: string;
  sid?: string;
  /** What the user decided on in detail (RFC 9396 §9.1). */
  authorization_details?: AuthorizationDetail[];
  /** Names of the claims that the client asked of the userinfo endpoint beyond its scopes (OIDC Core §5.5). */
  userinfo_claims?: string[];
  cnf?: { jkt?: string };
  /** Of a token whose header does not tell it from an ID token: its own mark, which nothing else of ours that is signed has. */
  token_use?: 'access';
  /** How the client came by it, where that bounds what it may do (scope-now.ts). */
  gty?: string;
};

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs claims as an RFC 9068 §2 access token. */
async function signAccessToken(signer: Signer, typ: TokenTyp, claims: Claims): Promise<string> {
  const input = `${encode({ alg: signer.alg, typ, kid: signer.kid })}.${encode(claims)}`;
  const signature = await signWith(signer, Buffer.from(input));
  return `${input}.${signature.toString('base64url')}`;
}

/** What a token is made from. */
export type TokenSource = {
  clientId?: string;
  aud?: string | string[];
  /** Seconds. */
  expiration: number;
  scope?: string;
  /** The part of the scope that is the Api's. */
  permissions?: string;
  /** The Api's own; resource-server.ts says which. */
  alg?: SigningAlg;
  /** Likewise. */
  typ?: TokenTyp;
  accountId?: string;
  /** The login behind a user's token, as far as it is known. */
  login?: Login;
  grantId?: string;
  /** The grant of that id, which has to outlive the token. */
  grant?: GrantLife;
  sid?: string;
  /** Thumbprint of the key that the token is bound to (RFC 9449 §6.1). */
  jkt?: string;
  rar?: AuthorizationDetail[];
  /** That of `clientId`: it may want a claim of its own in the tokens of its users, and a signature of its own in all. */
  client?: ClientExtras;
  claims?: unknown;
  /** Claims that a grant adds; ours win over them. */
  extra?: Record<string, unknown>;
};

export async function issueAccessToken(tenant: Tenant, token: TokenSource): Promise<string> {
  const { accountId, clientId, aud, scope, permissions, grantId, sid, rar, jkt, typ = 'at+jwt' } = token;
  const iat = nowSeconds();
  const ofUser = accountId !== undefined;
  const audience = typeof aud === 'string' ? aud : undefined;
  const claims: Claims = {
    ...token.extra,
    // Who has no grant is nobody of ours.
    ...(ofUser && grantId && (await groupsInToken(tenant, token.client ?? {}, accountId))),
    iss: tenant.origin,
    sub: accountId ?? clientId!,
    aud: audience ?? userinfoAudience(tenant),
    client_id: clientId!,
    account: tenant.id,
    iat,
    exp: iat + token.expiration,
    jti: randomUUID(),
    ...(ofUser && loginClaims(token.login)),
    ...(scope && { scope }),
    ...(audience && (await apiClaims(tenant, { audience, accountId, permissions }))),
    ...(grantId && { grant_id: grantId }),
    ...(sid && { sid }),
    ...(rar && { authorization_details: rar }),
    ...(token.claims !== undefined && { userinfo_claims: userinfoClaims(token.claims) }),
    ...(jkt && { cnf: { jkt } }),
    ...(typ === 'JWT' && { token_use: 'access' }),
  };
  await outlive(tenant, token.grant, { grantId, exp: claims.exp });
  const alg = tokenAlg(token.alg, token.client?.sender_constrained);
  const { signers } = await accountKeys(tenant);
  return signAccessToken(signers[alg] ?? (await lateSigner(tenant, alg)), typ, claims);
}

export type VerifiedToken = Claims & { kid: string };

type VerificationKey = Pick<SigningKey, 'alg' | 'publicKey'>;

const TYPES: readonly unknown[] = TOKEN_TYPES;

/**
 * Checks form, type, algorithm and signature; not issuer, audience or expiry. The algorithm is the key's, and the header
 * may but agree (RFC 8725 §3.1). `undefined` for anything that is not ours.
 */
export function openAccessToken(
  token: string,
  keyOf: (kid: string) => VerificationKey | undefined,
): VerifiedToken | undefined {
  const parts = token.split('.');
  if (parts.length !== 3 || token.length > 16_384) return undefined;
  try {
    const header = JSON.parse(Buffer.from(parts[0]!, 'base64url').toString());
    if (!TYPES.includes(header.typ) || typeof header.kid !== 'string' || header.crit) return undefined;
    const key = keyOf(header.kid);
    if (!key || header.alg !== key.alg) return undefined;
    const input = Buffer.from(`${parts[0]}.${parts[1]}`);
    if (!verifyWith(key, input, Buffer.from(parts[2]!, 'base64url'))) return undefined;
    const claims = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString());
    // RFC 8725 §3.12: what the type does not tell apart, its mark does.
    return header.typ === 'JWT' && claims.token_use !== 'access' ? undefined : { ...claims, kid: header.kid };
  } catch {
    return undefined;
  }
}

/** Signatures that were checked a moment ago, with the key that they were checked with. */
const checked = new LRUCache<string, { key: VerificationKey; claims: VerifiedToken }>({ max: 2000 });

/** As `openAccessToken`, for tokens that come again and again: one request in a row checks the signature. */
function openAgain(token: string, keyOf: (kid: string) => VerificationKey | undefined): VerifiedToken | undefined {
  const known = checked.get(token);
  // A key that is not published any more verifies nothing, whenever it was that it did.
  if (known && keyOf(known.claims.kid) === known.key) return known.claims;
  checked.delete(token);
  const claims = openAccessToken(token, keyOf);
  const key = claims && keyOf(claims.kid);
  if (!key) return undefined;
  checked.set(token, { key, claims });
  return claims;
}

/** RFC 7009: the token stops working here at once; whoever verifies signatures alone sees it expire. */
export const denyAccessToken = (tenant: Tenant, jti: string): Promise<void> =>
  denyToken(tenant, jti, inSeconds(LONGEST_TOKEN_SECONDS));

/** An access token as the engine's revocation and introspection take it: they refuse what looks like a JWT. */
export const opaqueForm = (token: string): string => token.replaceAll('.', '~');

export type LiveToken = { payload: AdapterPayload; grant?: ProtocolRow };

/** One of the tenant's own access tokens as the engine has its payload, and the grant that it hangs on; or nothing. */
export async function liveToken(tenant: Tenant, kind: string, value: string): Promise<LiveToken | undefined> {
  const token = value.replaceAll('~', '.');
  if (!token.includes('.')) return undefined;
  const { published } = await accountKeys(tenant);
  const claims = openAgain(token, (kid) => published.find((key) => key.kid === kid));
  if (!claims || claims.iss !== tenant.origin || claims.account !== tenant.id) return undefined;
  // What has no end, or one that is no number, is not later than now.
  if (typeof claims.exp !== 'number' || !(claims.exp > nowSeconds())) return undefined;
  const ofUser = claims.sub !== claims.client_id;
  if (ofUser !== (kind === 'AccessToken')) return undefined;
  const standing = await standingOf(tenant, { jti: claims.jti, grant_id: claims.grant_id });
  return standing && { payload: payloadOf(tenant, kind, claims), grant: standing.grant };
}

export const verifyAccessToken = async (tenant: Tenant, kind: string, value: string) =>
  (await liveToken(tenant, kind, value))?.payload;

function payloadOf(tenant: Tenant, kind: string, claims: VerifiedToken): AdapterPayload {
  const ofUser = kind === 'AccessToken';
  return {
    kind,
    jti: claims.jti,
    iat: claims.iat,
    exp: claims.exp,
    clientId: claims.client_id,
    // A machine is its own subject (RFC 9068 §2.2), which the engine says of nobody but users.
    ...(ofUser ? { accountId: claims.sub, grantId: claims.grant_id } : { extra: { sub: claims.sub } }),
    ...(claims.sid && { sid: claims.sid }),
    ...(claims.scope && { scope: claims.scope }),
    ...(claims.aud !== userinfoAudience(tenant) && { aud: claims.aud }),
    ...(claims.authorization_details && { rar: claims.authorization_details }),
    ...(claims.userinfo_claims && { claims: asClaimsRequest(claims.userinfo_claims) }),
    ...(claims.cnf?.jkt && { jkt: claims.cnf.jkt }),
    ...(claims.gty && { gty: claims.gty }),
  };
}
