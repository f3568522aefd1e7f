/** Clients that sign (private_key_jwt): whose word is taken at which endpoint, how often, and with which keys. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oidc from 'openid-client';
import { countAssertion } from '../../../src/auth/open-request.ts';
import { publishedFetch } from '../../../src/connections/published-fetch.ts';
import {
  agent,
  assertRefused,
  type Client,
  listen,
  ORDERS,
  oauthSettings,
  ordersApi,
  post,
  REDIRECT,
  signIn,
  type TenantHandle,
  world,
} from '../../kit/index.ts';

const w = await world();
const TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

type Pair = { privateKey: CryptoKey; jwk: Record<string, unknown>; alg: string };

async function keyPair(alg: string, kid = alg): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid }, alg };
}
const es = await keyPair('ES256');
const rsa = await keyPair('RS256', 'rsa');

const signer = (t: TenantHandle, jwk: Record<string, unknown>, fields: Record<string, unknown> = {}) =>
  t.client({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] }, ...fields });

let jtis = 0;
/** What the client signs; `claims` replaces, and undefined leaves out. */
function assertion(t: TenantHandle, client: { client_id: string }, by: Pair, claims: Record<string, unknown> = {}) {
  jtis += 1;
  const { client_id } = client;
  const seconds = Math.floor(Date.now() / 1000);
  const body = { iss: client_id, sub: client_id, aud: t.origin, jti: `jti-${jtis}`, iat: seconds, exp: seconds + 60 };
  return new SignJWT({ ...body, ...claims })
    .setProtectedHeader({ alg: by.alg, kid: by.jwk.kid as string })
    .sign(by.privateKey);
}

const send = (t: TenantHandle, path: string, client_assertion: string, form: Record<string, string>) =>
  w.send(`${t.origin}${path}`, { method: 'POST', form: { client_assertion, client_assertion_type: TYPE, ...form } });

const machine = (t: TenantHandle, client_assertion: string, form: Record<string, string> = {}) =>
  send(t, '/oauth/token', client_assertion, { grant_type: 'client_credentials', audience: ORDERS, ...form });

async function shop() {
  const t = await w.tenant();
  await ordersApi(t, { permissions: [{ value: 'read:orders' }] });
  return t;
}
const t = await shop();

test('each of the four algorithms proves a client, whichever of its names the assertion is for', async () => {
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
    const pair = await keyPair(alg);
    const client = await signer(t, pair.jwk);
    for (const aud of [t.origin, `${t.origin}/oauth/token`, [t.origin]]) {
      const answer = await machine(t, await assertion(t, client, pair, { aud }));
      assert.equal(answer.status, 200, `${alg} for ${aud}: ${answer.text}`);
      assert.equal(answer.body.scope, 'read:orders');
    }
  }
});

test('discovery names the method and its algorithms', async () => {
  const { body } = await w.send(`${t.origin}/.well-known/openid-configuration`);
  assert.ok(body.token_endpoint_auth_methods_supported.includes('private_key_jwt'));
  assert.deepEqual(body.token_endpoint_auth_signing_alg_values_supported.sort(), [
    'ES256',
    'Ed25519',
    'EdDSA',
    'PS256',
    'RS256',
  ]);
});

test('openid-client logs a user in, refreshes, introspects and revokes with a key', async () => {
  const client = await signer(t, es.jwk);
  const user = await t.user();
  const config = await oidc.discovery(
    new URL(t.origin),
    client.client_id,
    undefined,
    oidc.PrivateKeyJwt({ key: es.privateKey, kid: 'ES256' }),
    { execute: [oidc.allowInsecureRequests] },
  );
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: REDIRECT,
    scope: 'openid offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  };
  const pushed = await oidc.buildAuthorizationUrlWithPAR(config, parameters);
  assert.ok(pushed.searchParams.get('request_uri'));
  const visit = agent();
  await signIn(visit, pushed.href, user);
  const landed = await signIn(visit, oidc.buildAuthorizationUrl(config, parameters).href, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier });
  const again = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  assert.equal((await oidc.tokenIntrospection(config, again.access_token)).active, true);
  await oidc.tokenRevocation(config, again.access_token);
  assert.equal((await oidc.tokenIntrospection(config, again.access_token)).active, false);
  const device = await oidc.initiateDeviceAuthorization(config, { scope: 'openid' });
  assert.match(device.user_code, /^[A-Z]{4}-\d{4}$/);
});

test('an assertion is good once, also for two that come at once', async () => {
  const client = await signer(t, es.jwk);
  for (let round = 0; round < 3; round += 1) {
    const one = await assertion(t, client, es);
    const answers = await Promise.all(Array.from({ length: 6 }, () => machine(t, one)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401, 401, 401, 401]);
    for (const { status, body } of answers) if (status === 401) assert.equal(body.error, 'invalid_client');
  }
});

test('the jti of one client or tenant takes nothing from another', async () => {
  const [one, two] = [await signer(t, es.jwk), await signer(t, es.jwk)];
  const other = await shop();
  const three = await signer(other, es.jwk);
  const jti = 'the same everywhere';
  assert.equal((await machine(t, await assertion(t, one, es, { jti }))).status, 200);
  assert.equal((await machine(t, await assertion(t, two, es, { jti }))).status, 200);
  assert.equal((await machine(other, await assertion(other, three, es, { jti }))).status, 200);
  assert.equal((await machine(t, await assertion(t, one, es, { jti }))).status, 401);
});

test('an assertion that is not the client’s own, for here, for now and signed right is refused', async () => {
  const client = await signer(t, es.jwk);
  const stranger = await signer(t, rsa.jwk);
  const foreign = await shop();
  const seconds = Math.floor(Date.now() / 1000);
  const rs512 = await keyPair('RS512', 'rsa512');
  const odd = await t.client({
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [rs512.jwk] },
  });
  const unsigned = [
    { alg: 'none' },
    { iss: client.client_id, sub: client.client_id, aud: t.origin, jti: 'x', exp: seconds + 60 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const shared = await new SignJWT({ jti: 'y' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(client.client_id)
    .setSubject(client.client_id)
    .setAudience(t.origin)
    .setExpirationTime('1m')
    .sign(Buffer.from(client.client_secret));
  const refused: [string, string][] = [
    ['another key', await assertion(t, client, await keyPair('ES256'))],
    ['another client’s key', await assertion(t, client, rsa)],
    ['another issuer in it', await assertion(t, client, es, { iss: stranger.client_id })],
    ['another tenant’s audience', await assertion(t, client, es, { aud: foreign.origin })],
    ['no audience', await assertion(t, client, es, { aud: undefined })],
    ['expired', await assertion(t, client, es, { exp: seconds - 60 })],
    ['no expiry', await assertion(t, client, es, { exp: undefined })],
    ['good for a day', await assertion(t, client, es, { exp: seconds + 86_400 })],
    ['not good yet', await assertion(t, client, es, { nbf: seconds + 600 })],
    ['no jti', await assertion(t, client, es, { jti: undefined })],
    ['an algorithm that is not offered', await assertion(t, odd, rs512)],
    ['unsigned', `${unsigned}.`],
    ['signed with the secret', shared],
  ];
  for (const [why, jwt] of refused) {
    const answer = await machine(t, jwt);
    assert.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'], `${why}: ${answer.text}`);
  }
  const mismatch = await machine(t, await assertion(t, client, es), { client_id: stranger.client_id });
  assert.ok(mismatch.status >= 400 && mismatch.status < 500, mismatch.text);
  // The tenant next door does not know the client at all.
  const away = await machine(foreign, await assertion(foreign, client, es));
  assert.deepEqual([away.status, away.body.error], [401, 'invalid_client']);
});

test('every endpoint that asks who the client is refuses a wrong assertion', async () => {
  const client = await signer(t, es.jwk);
  const wrong = await keyPair('ES256');
  const endpoints: [string, Record<string, string>][] = [
    ['/oauth/token', { grant_type: 'client_credentials', audience: ORDERS }],
    ['/oauth/par', { response_type: 'code', redirect_uri: REDIRECT, client_id: client.client_id }],
    ['/oauth/introspect', { token: 'x' }],
    ['/oauth/revoke', { token: 'x' }],
    ['/oauth/device/code', { scope: 'openid' }],
  ];
  for (const [path, form] of endpoints) {
    const answer = await send(t, path, await assertion(t, client, wrong), form);
    assert.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'], `${path}: ${answer.text}`);
    const right = await send(t, path, await assertion(t, client, es), form);
    assert.ok(right.status < 300, `${path}: ${right.text}`);
  }
});

test('a client that signs cannot come with its secret, or with nothing', async () => {
  const client = await signer(t, es.jwk);
  const { client_id, client_secret } = client;
  const form = { grant_type: 'client_credentials', audience: ORDERS };
  const basic = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;
  const ways: [Record<string, string>, Record<string, string>][] = [
    [{ ...form, client_id, client_secret }, {}],
    [form, { authorization: basic }],
    [{ ...form, client_id }, {}],
  ];
  for (const [body, headers] of ways) {
    const answer = await post(t, '/oauth/token', body, headers);
    assert.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'], answer.text);
  }
  // And a client with a secret cannot sign instead, whatever keys are in its row.
  const keyed = await t.client({ jwks: { keys: [es.jwk] } });
  assert.equal((await machine(t, await assertion(t, keyed, es))).status, 401);
});

test('a failure leaves an audit row', async () => {
  const of = await shop();
  const client = await signer(of, es.jwk);
  const wrong = await keyPair('ES256');
  await machine(of, await assertion(of, client, wrong));
  await send(of, '/oauth/par', await assertion(of, client, wrong), { response_type: 'code', redirect_uri: REDIRECT });
  const rows = async () => (await of.api('GET', '/log?query=type:oauth.client.auth_failed')).results;
  for (let tries = 0; tries < 50 && (await rows())[0]?.data.count !== 2; tries += 1);
  const found = await rows();
  assert.deepEqual(
    found.map((row: { client: string; data: { reason: string; count: number } }) => [
      row.client,
      row.data.reason,
      row.data.count,
    ]),
    [[client.client_id, 'wrong_assertion', 2]],
  );
});

/* ——— keys by address ——— */

/** A web server of a client: what it answers can be changed, and its visits are counted. */
async function keyServer() {
  const state = {
    keys: [] as Record<string, unknown>[],
    status: 200,
    headers: {} as Record<string, string>,
    visits: 0,
  };
  const { origin, serve } = await listen();
  serve((_request, response) => {
    state.visits += 1;
    response.writeHead(state.status, { 'content-type': 'application/json', ...state.headers });
    response.end(JSON.stringify({ keys: state.keys }));
  });
  return Object.assign(state, { url: `${origin}/jwks.json` });
}

test('keys at an address are fetched once, kept for their time, and a key that is withdrawn stops working', async () => {
  const [old, next] = [await keyPair('ES256', 'old'), await keyPair('ES256', 'next')];
  const served = await keyServer();
  served.keys = [old.jwk];
  served.headers = { 'cache-control': 'max-age=120' };
  const client = await t.client({ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: served.url });
  const by = async (pair: Pair) => (await machine(t, await assertion(t, client, pair))).status;
  assert.deepEqual([await by(old), await by(old), served.visits], [200, 200, 1]);

  served.keys = [next.jwk];
  assert.equal(await by(old), 200, 'still fresh');
  w.clock.advance({ seconds: 121 });
  assert.equal(await by(old), 401, 'withdrawn');
  assert.equal(await by(next), 200);
  assert.equal(served.visits, 2);

  served.headers = { 'cache-control': 'max-age=31536000' };
  w.clock.advance({ seconds: 121 });
  assert.equal(await by(next), 200);
  served.keys = [old.jwk];
  w.clock.advance({ seconds: 601 });
  assert.equal(await by(next), 401, 'a year is not believed');

  served.status = 500;
  w.clock.advance({ seconds: 601 });
  assert.equal(await by(old), 200, 'an outage locks nobody out');
  w.clock.advance({ seconds: 7200 });
  assert.equal(await by(old), 401, 'but not for ever');
});

test('an address that failed is left alone for a moment, redirects are not followed', async () => {
  const served = await keyServer();
  served.status = 302;
  served.headers = { location: 'http://127.0.0.1:1/' };
  const fetchPublished = publishedFetch({ production: false });
  await assert.rejects(fetchPublished(served.url), /answered 302/);
  await assert.rejects(fetchPublished(served.url), /a moment ago/);
  assert.equal(served.visits, 1);
  w.clock.advance({ seconds: 11 });
  served.status = 200;
  assert.equal((await fetchPublished(served.url)).status, 200);
  await assert.rejects(fetchPublished(served.url, { method: 'POST' }), /only GET/);
  await assert.rejects(publishedFetch({ production: true })(served.url), /not https/);
  await assert.rejects(publishedFetch({ production: true })('https://127.0.0.1/jwks'), /refused/);
});

/* ——— what a client may be written with ——— */

test('keys are given once, are public, and are strong enough', async () => {
  const { privateKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  const weak = 'q'.repeat(171);
  const method = { token_endpoint_auth_method: 'private_key_jwt' };
  const p384 = await keyPair('ES384');
  const refused: [Record<string, unknown>, RegExp][] = [
    [method, /jwks/],
    [{ ...method, jwks: { keys: [es.jwk] }, jwks_uri: 'https://app.example.com/jwks' }, /excludes/],
    [{ jwks: { keys: [es.jwk] }, jwks_uri: 'https://app.example.com/jwks' }, /excludes/],
    [{ ...method, jwks: { keys: [await exportJWK(privateKey)] } }, /not known/],
    [{ ...method, jwks: { keys: [] } }, /jwks/],
    [{ ...method, jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }, /jwks/],
    [{ ...method, jwks: { keys: [{ kty: 'RSA', n: weak, e: 'AQAB' }] } }, /modulus/],
    [{ ...method, jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA' }] } }, /not a public key/],
    [{ ...method, jwks: { keys: [p384.jwk] } }, /no key for/],
    [{ ...method, jwks: { keys: [{ ...es.jwk, use: 'enc' }] } }, /no key for/],
    [{ ...method, jwks_uri: 'http://app.example.com/jwks' }, /https/],
    [{ ...method, jwks_uri: 'https://user:pass@app.example.com/jwks' }, /user name|match/],
    [{ ...method, jwks_uri: 'ftp://app.example.com/jwks' }, /jwks_uri/],
  ];
  for (const [fields, message] of refused) {
    const answer = await t.call('POST', '/client', { name: 'Refused', ...fields });
    assertRefused(answer, 400, 'validation', message);
  }
});

test('a patch is checked together with what is there', async () => {
  const client: Client = await signer(t, es.jwk);
  const patch = (fields: Record<string, unknown>) => t.call('POST', `/client/${client.client_id}`, fields);
  assertRefused(await patch({ jwks: null }), 400, 'validation', /jwks/);
  assertRefused(await patch({ jwks_uri: 'https://app.example.com/jwks' }), 400, 'validation', /excludes/);
  assert.equal((await patch({ jwks: null, jwks_uri: 'https://app.example.com/jwks' })).status, 200);
  assert.equal((await patch({ jwks: { keys: [rsa.jwk] }, jwks_uri: null })).status, 200);
  // RFC 7517 §4, §5: what is not known of a set of keys is passed over, and not kept.
  const more = {
    keys: [
      { ...rsa.jwk, made_up: { any: 1 } },
      { kty: 'AKP', pub: 'AAAA' },
      { kty: 'EC', crv: 'P-1' },
    ],
    v: 2,
  };
  const kept = await patch({ jwks: more });
  assert.equal(kept.status, 200, kept.text);
  assert.deepEqual(kept.body.jwks, (await patch({ jwks: { keys: [rsa.jwk] } })).body.jwks);
  assert.equal((await machine(t, await assertion(t, client, rsa))).status, 200);
  assert.equal((await machine(t, await assertion(t, client, es))).status, 401);
  // Its secret, which was there all along, counts again when the method says so.
  assert.equal((await patch({ token_endpoint_auth_method: 'client_secret_post' })).status, 200);
  assert.ok(await t.machineToken(client, ORDERS));
});

test('a stranger’s assertions, each of which is remembered, are counted by where they come from', async () => {
  await oauthSettings(t, { dynamic_registration: 'open' });
  const registration = {
    redirect_uris: ['https://app.example/callback'],
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [es.jwk] },
  };
  const guest = (await w.send(`${t.origin}/oidc/register`, { method: 'POST', json: registration })).body;
  const asks = async (client: { client_id: string }) =>
    send(t, '/oauth/introspect', await assertion(t, client, es), { token: 'none' });
  assert.equal((await asks(guest)).status, 200);
  // By and by: so many at once wait longer for a connection than a busy machine lets them.
  for (let n = 0; n < 599; n += 1) await countAssertion(t as never, '127.0.0.1');
  const refused = await asks(guest);
  assert.equal(refused.status, 429, refused.text);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  assert.equal((await asks(await signer(t, es.jwk))).status, 200, 'whom the tenant knows is not counted');
});
