/**
 * The FAPI 2.0 Security Profile end to end, for a client that is set up for it: requests pushed, private_key_jwt, DPoP.
 * What each of them does by itself is in request-object.test.ts, client-assertion.test.ts and dpop.test.ts.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import {
  agent,
  arrive,
  authorizeUrl,
  type Client,
  type ClientKey,
  clientKey,
  epochSeconds,
  follow,
  ORDERS,
  oauthSettings,
  ordersApi,
  prover,
  REDIRECT,
  requestObject,
  requestOf,
  signIn,
  type TenantHandle,
  tokensOf,
  world,
} from '../../kit/index.ts';

const w = await world();
const algOf = (token: string) => decodeProtectedHeader(token).alg;
const ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

async function fapi(alg = 'ES256', fields: Record<string, unknown> = {}) {
  const t = await w.tenant();
  const key = await clientKey(alg);
  const client = await t.client({
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: key.jwks,
    require_pushed_authorization_requests: true,
    dpop_bound_access_tokens: true,
    ...fields,
  });
  return { t, key, client, user: await t.user(), api: await ordersApi(t) };
}

/** The client's proof of who it is, good once. */
const assertion = (t: TenantHandle, client: Client, key: ClientKey, claims: JWTPayload = {}) =>
  new SignJWT({
    iss: client.client_id,
    sub: client.client_id,
    aud: t.origin,
    jti: randomUUID(),
    iat: epochSeconds(),
    exp: epochSeconds() + 60,
    ...claims,
  })
    .setProtectedHeader({ alg: key.alg, kid: key.kid })
    .sign(key.privateKey);

async function post(
  { t, client, key }: { t: TenantHandle; client: Client; key: ClientKey },
  path: string,
  form: Record<string, string>,
  { claims, headers }: { claims?: JWTPayload; headers?: Record<string, string> } = {},
) {
  return w.send(`${t.origin}${path}`, {
    method: 'POST',
    headers,
    form: {
      client_id: client.client_id,
      client_assertion_type: ASSERTION,
      client_assertion: await assertion(t, client, key, claims),
      ...form,
    },
  });
}

test('the whole flow as openid-client runs it', async () => {
  for (const alg of ['PS256', 'ES256', 'EdDSA']) {
    const { t, key, client, user, api } = await fapi(alg);
    const config = await oidc.discovery(
      new URL(t.origin),
      client.client_id,
      undefined,
      oidc.PrivateKeyJwt({ key: key.privateKey, kid: key.kid }),
      { execute: [oidc.allowInsecureRequests] },
    );
    const server = config.serverMetadata();
    assert.equal(server.authorization_response_iss_parameter_supported, true);
    assert.deepEqual(server.code_challenge_methods_supported, ['S256']);
    assert.ok(server.token_endpoint_auth_methods_supported?.includes('private_key_jwt'));
    assert.deepEqual(server.response_types_supported, ['code']);

    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
    const { verifier, parameters } = requestOf(client, {
      scope: 'openid offline_access read:orders',
      audience: api.identifier,
      state: 'the state',
      nonce: 'the nonce',
    });
    const url = await oidc.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
    const landed = await signIn(agent(), url.href, user);
    assert.equal(landed.searchParams.get('iss'), t.origin, 'RFC 9207');
    const tokens = await oidc.authorizationCodeGrant(
      config,
      landed,
      { pkceCodeVerifier: verifier, expectedState: 'the state', expectedNonce: 'the nonce', idTokenExpected: true },
      undefined,
      { DPoP },
    );
    const bound = { jkt: await DPoP.calculateThumbprint() };
    assert.deepEqual(decodeJwt(tokens.access_token).cnf, bound);
    assert.equal(tokens.claims()?.sub, user.id);
    assert.deepEqual(
      [tokens.access_token, tokens.id_token!].map(algOf),
      ['ES256', 'ES256'],
      'RS256 is not of the profile',
    );
    const next = await oidc.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP });
    assert.deepEqual(decodeJwt(next.access_token).cnf, bound);
  }
});

test('what the profile forbids is refused', async () => {
  const set = await fapi();
  const { t, client, key, user } = set;
  const { parameters } = requestOf(client);
  const front = await arrive(authorizeUrl(t, parameters));
  assert.deepEqual([front.error, new URL(front.location!).searchParams.get('iss')], ['invalid_request', t.origin]);

  const pushing = async (form: Record<string, string>, claims?: JWTPayload) =>
    (await post(set, '/oauth/par', form, { claims })).body.error;
  const { code_challenge: _, code_challenge_method: __, ...withoutPkce } = parameters;
  assert.equal(await pushing(withoutPkce), 'invalid_request');
  assert.equal(await pushing({ ...parameters, code_challenge_method: 'plain' }), 'invalid_request');
  assert.equal(await pushing({ ...parameters, redirect_uri: `${REDIRECT}/other` }), 'invalid_request');
  assert.equal(await pushing({ ...parameters, response_type: 'code id_token' }), 'unsupported_response_type');
  // Only the issuer, and only as a string.
  for (const aud of [`${t.origin}/oauth/token`, `${t.origin}/oauth/par`, [t.origin], (await w.tenant()).origin])
    assert.equal(await pushing(parameters, { aud }), 'invalid_client', String(aud));
  const once = await assertion(t, client, key);
  const twice = [1, 2].map(() => post(set, '/oauth/par', { ...parameters, client_assertion: once }));
  assert.deepEqual((await Promise.all(twice)).map(({ status }) => status).sort(), [201, 401]);
  const rsa = await fapi('RS256');
  assert.equal(
    (await post(rsa, '/oauth/par', requestOf(rsa.client).parameters)).body.error,
    'invalid_client',
    'PS256, ES256 or EdDSA',
  );
  // Without the profile the usual audiences are fine.
  const usual = await fapi('ES256', { dpop_bound_access_tokens: false });
  const pushed = await post(usual, '/oauth/par', requestOf(usual.client).parameters, {
    claims: { aud: `${usual.t.origin}/oauth/token` },
  });
  assert.equal(pushed.status, 201, pushed.text);

  // A code lives for a minute, works once, and only for the key's holder.
  const visit = agent();
  const coded = async () => {
    const { verifier, parameters } = requestOf(client);
    const { body } = await post(set, '/oauth/par', parameters);
    const url = authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri });
    const landed = await signIn(visit, url, user);
    return { code: landed.searchParams.get('code')!, code_verifier: verifier };
  };
  const dpop = await prover();
  const redeeming = async (form: Record<string, string>, proof = true) =>
    post(
      set,
      '/oauth/token',
      { grant_type: 'authorization_code', redirect_uri: REDIRECT, ...form },
      { headers: proof ? { dpop: await dpop.prove('POST', `${t.origin}/oauth/token`) } : {} },
    );
  const code = await coded();
  assert.equal((await redeeming(code, false)).body.error, 'invalid_grant', 'no token without a key');
  const old = await coded();
  w.clock.advance({ seconds: 61 });
  assert.equal((await redeeming(old)).body.error, 'invalid_grant');
  const fresh = await coded();
  assert.equal((await redeeming(fresh)).body.token_type, 'DPoP');
  assert.equal((await redeeming(fresh)).body.error, 'invalid_grant');
});

test('a browser is sent on by 303, never with what it had posted', async () => {
  const { t, client, user } = await fapi('ES256', {
    token_endpoint_auth_method: 'client_secret_basic',
    require_pushed_authorization_requests: false,
  });
  const visit = agent();
  await tokensOf(t, await t.client(), user, {}, visit);
  const statuses: number[] = [];
  const recording: typeof visit = async (url, init) => {
    const at = await visit(url, init);
    if (at.location) statuses.push(at.status);
    return at;
  };
  await follow(recording, await recording(authorizeUrl(t, requestOf(client).parameters)), REDIRECT);
  await signIn(recording, authorizeUrl(t, requestOf(client, { prompt: 'login' }).parameters), user);
  assert.ok(statuses.length >= 4);
  assert.deepEqual([...new Set(statuses)], [303]);
});

test('signed requests and signed answers go with it (Message Signing)', async () => {
  const set = await fapi();
  const { t, client, key, user } = set;
  await oauthSettings(t, { request_objects: true, jwt_response_modes: true });
  const { verifier, parameters } = requestOf(client, { response_mode: 'jwt', state: 's' });
  const late = await requestObject(t, client, key, { ...parameters, nbf: undefined });
  assert.equal((await post(set, '/oauth/par', { request: late })).body.error, 'invalid_request_object');
  const stale = await requestObject(t, client, key, { ...parameters, nbf: epochSeconds() - 70 * 60 });
  assert.equal((await post(set, '/oauth/par', { request: stale })).body.error, 'invalid_request_object');
  const older = { ...parameters, nbf: epochSeconds() - 50 * 60 };
  const request = await requestObject(t, client, key, older);
  const { body } = await post(set, '/oauth/par', { request });
  const url = authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri });
  const landed = await signIn(agent(), url, user);
  const answer = decodeJwt(landed.searchParams.get('response')!);
  assert.deepEqual([answer.iss, answer.aud, answer.state], [t.origin, client.client_id, 's']);
  const dpop = await prover();
  const tokens = await post(
    set,
    '/oauth/token',
    {
      grant_type: 'authorization_code',
      redirect_uri: REDIRECT,
      code: answer.code as string,
      code_verifier: verifier,
    },
    { headers: { dpop: await dpop.prove('POST', `${t.origin}/oauth/token`) } },
  );
  assert.equal(tokens.body.token_type, 'DPoP', tokens.text);
});

/** Tokens of a login through the profile, and the client's way to more of them. */
async function loggedIn(set: Awaited<ReturnType<typeof fapi>>) {
  const { t, client, user, api } = set;
  const dpop = await prover();
  const redeeming = async (form: Record<string, string>, more = dpop) =>
    post(set, '/oauth/token', form, { headers: { dpop: await more.prove('POST', `${t.origin}/oauth/token`) } });
  const asked = { scope: 'openid offline_access read:orders', audience: api.identifier };
  const { verifier, parameters } = requestOf(client, asked);
  const { body } = await post(set, '/oauth/par', parameters);
  const landed = await signIn(
    agent(),
    authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri }),
    user,
  );
  const code = landed.searchParams.get('code')!;
  const tokens = await redeeming({
    grant_type: 'authorization_code',
    redirect_uri: REDIRECT,
    code,
    code_verifier: verifier,
  });
  assert.equal(tokens.status, 200, tokens.text);
  return { tokens: tokens.body, redeeming };
}

test('a refresh token that only one client can use is not replaced, and ends as any other', async () => {
  const set = await fapi();
  const { t, user } = set;
  const { tokens, redeeming } = await loggedIn(set);
  const refresh = () => redeeming({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
  for (const seconds of [0, 0, 40, 3600]) {
    w.clock.advance({ seconds });
    const { status, body, text } = await refresh();
    assert.deepEqual([status, body.refresh_token], [200, tokens.refresh_token], text);
  }
  const statuses = (await Promise.all(Array.from({ length: 5 }, refresh))).map(({ status }) => status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200]);
  // Nobody else has the key that the client proves itself by, and without a proof there is no token at all.
  const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
  const stranger = { ...set, key: await clientKey() };
  assert.equal((await post(stranger, '/oauth/token', form)).body.error, 'invalid_client');
  assert.equal((await post(set, '/oauth/token', form)).body.error, 'invalid_grant');
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  assert.equal((await refresh()).body.error, 'invalid_grant');
});

test('what is signed for such a client is not RS256 unless it says so, by a key that is made once', async () => {
  const first = await clientKey();
  const t = await w.tenant();
  const es256 = async () =>
    (await t.api('GET', '/account/keys/states')).results.filter(({ alg }: { alg: string }) => alg === 'ES256');
  assert.deepEqual(await es256(), []);
  const strict = { token_endpoint_auth_method: 'private_key_jwt', dpop_bound_access_tokens: true, jwks: first.jwks };
  const many = await Promise.all(Array.from({ length: 6 }, () => t.client(strict)));
  assert.deepEqual(new Set(many.map((client) => client.id_token_signed_response_alg)), new Set(['ES256']));
  assert.equal((await es256()).length, 2, 'one that signs and one that waits, however many ask at once');

  const registered = await t.client({ ...strict, id_token_signed_response_alg: 'RS256' });
  assert.equal(registered.id_token_signed_response_alg, 'RS256');
  // All others keep what they had, and one that becomes such a client gets what such a client has.
  const { dpop_bound_access_tokens, ...usual } = strict;
  const later = await t.client(usual);
  assert.equal(later.id_token_signed_response_alg, 'RS256');
  const path = `/client/${later.client_id}`;
  const changed = await t.api('POST', path, { dpop_bound_access_tokens });
  assert.equal(changed.id_token_signed_response_alg, 'ES256');
  assert.equal((await t.api('POST', path, { name: 'Other' })).id_token_signed_response_alg, 'ES256');
  await t.api('POST', path, { dpop_bound_access_tokens: false, id_token_signed_response_alg: 'RS256' });
  const both = await t.api('POST', path, { dpop_bound_access_tokens, id_token_signed_response_alg: 'RS256' });
  assert.equal(both.id_token_signed_response_alg, 'RS256');
  const self = await w.send(`${t.origin}/oidc/register`, {
    method: 'POST',
    json: { redirect_uris: [REDIRECT], ...strict },
  });
  assert.equal(self.body.id_token_signed_response_alg, 'ES256');

  // An access token goes by its Api, unless that says what the profile does not have.
  await ordersApi(t);
  const eddsa = await t.api('POST', '/api', { name: 'Ed', identifier: 'urn:ed', signing_alg: 'EdDSA' });
  const dpop = await prover();
  const machine = async (client: Client, audience: string) =>
    (
      await post(
        { t, client, key: first },
        '/oauth/token',
        { grant_type: 'client_credentials', audience },
        { headers: { dpop: await dpop.prove('POST', `${t.origin}/oauth/token`) } },
      )
    ).body.access_token;
  for (const client of [many[0]!, registered]) {
    assert.equal(algOf(await machine(client, ORDERS)), 'ES256');
    assert.equal(algOf(await machine(client, eddsa.identifier)), 'EdDSA');
  }
  assert.equal(algOf(await t.machineToken(await t.client(), ORDERS)), 'RS256');
});
