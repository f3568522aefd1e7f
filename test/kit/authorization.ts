/** What the tests of authorization requests share: requests with PKCE, keys of clients, and where the browser ends up. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type Agent, agent, type Client, follow, REDIRECT, type TenantHandle, type World } from './world.ts';

export const pkce = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
};

/** Parameters of a code request. */
export const requestOf = (client: Client, parameters: Record<string, string> = {}) => {
  const { verifier, challenge } = pkce();
  return {
    verifier,
    parameters: {
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      scope: 'openid',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...parameters,
    } as Record<string, string>,
  };
};

export const authorizeUrl = (t: { origin: string }, parameters: Record<string, string>): string =>
  `${t.origin}/authorize?${new URLSearchParams(parameters)}`;

/** Where a browser that may not log in ends up: the client's address, or the page that stopped it. */
export const arrive = async (url: string, visit: Agent = agent()) => {
  const at = await follow(visit, await visit(url), REDIRECT);
  const landed = at.location?.startsWith(REDIRECT) ? new URL(at.location).searchParams : undefined;
  return { ...at, error: landed?.get('error') ?? undefined, code: landed?.get('code') ?? undefined };
};

export const tokenRequest = (
  w: World,
  t: { origin: string },
  client: Client,
  form: Record<string, string>,
  headers = {},
) =>
  w.send(`${t.origin}/oauth/token`, {
    method: 'POST',
    headers,
    form: {
      client_id: client.client_id,
      ...(client.token_endpoint_auth_method !== 'none' && { client_secret: client.client_secret }),
      ...form,
    },
  });

export const redeem = (
  w: World,
  t: { origin: string },
  client: Client,
  { code, verifier, ...form }: { code: string; verifier: string; [parameter: string]: string },
  headers = {},
) =>
  tokenRequest(
    w,
    t,
    client,
    { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT, ...form },
    headers,
  );

export const push = (w: World, t: { origin: string }, client: Client, form: Record<string, string>, headers = {}) =>
  w.send(`${t.origin}/oauth/par`, {
    method: 'POST',
    headers,
    form: {
      client_id: client.client_id,
      ...(client.token_endpoint_auth_method !== 'none' && { client_secret: client.client_secret }),
      ...form,
    },
  });

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
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: client.client_id, aud: t.origin, iat: now, nbf: now, exp: now + 60, ...claims };
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'oauth-authz-req+jwt', ...header } as never)
    .sign(key.privateKey);
}

/** Proofs of DPoP (RFC 9449 §4.2) by one key. */
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
        iat: Math.floor(Date.now() / 1000),
        ...claims,
      })
        .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk, ...header } as never)
        .sign(privateKey),
  };
}

export const settings = (t: TenantHandle, oauth_settings: Record<string, unknown>) =>
  t.api('POST', `/account/${t.id}`, { oauth_settings });

export const ordersApi = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.api('POST', '/api', {
    name: 'Orders API',
    identifier: 'https://orders.example.com',
    permissions: [{ value: 'read:orders' }],
    skip_consent: true,
    allow_offline_access: true,
    ...fields,
  });
