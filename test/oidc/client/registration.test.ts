/** Clients that register themselves (RFC 7591, 7592): what is taken, told back and refused, and what they may never do. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import { reapUnusedClients } from '../../../src/domain/client/client-registration.ts';
import {
  agent,
  arrive,
  assertRefused,
  authorizeUrl,
  bearer,
  type Client,
  type ClientKey,
  clientKey,
  credentialsOf,
  discovery,
  follow,
  formOf,
  logged,
  ORDERS,
  oauthSettings,
  ordersApi,
  post,
  push,
  REDIRECT,
  requestObject,
  requestOf,
  signIn,
  tokensOf,
  world,
} from '../../kit/index.ts';

const w = await world();
const DAY = 86_400;
const t = await w.tenant();
await ordersApi(t);

const at = (of: { origin: string }, path = '') => `${of.origin}/oidc/register${path}`;
const register = (of: { origin: string }, json: unknown, headers: Record<string, string> = {}) =>
  w.send(at(of), { method: 'POST', json, headers });
async function registered(of: { origin: string }, fields: Record<string, unknown> = {}): Promise<Client> {
  const answer = await register(of, { redirect_uris: [REDIRECT], client_name: 'Agent', ...fields });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}
const manage = (of: { origin: string }, client: Client, method: string, json?: unknown, token?: string) =>
  w.send(at(of, `/${client.client_id}`), {
    method,
    ...(json !== undefined && { json }),
    headers: bearer(token ?? client.registration_access_token),
  });
const assertOAuth = (
  answer: { status: number; body: { error: string }; text: string },
  status: number,
  error: string,
) => assert.deepEqual([answer.status, answer.body?.error], [status, error], answer.text);

// All requests come from one address.
beforeEach(() => mongoose.connection.db!.collection('limits').deleteMany({}));

/* ——— what is taken ——— */

test('a registration answers with what holds, and the client works with any library', async () => {
  const answer = await register(t, {
    redirect_uris: [REDIRECT],
    client_name: 'Agent',
    client_uri: 'https://agent.example.com',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid profile offline_access read:orders',
    contacts: ['dev@agent.example.com'],
    software_id: 'agent',
    software_version: '1.2',
    made_up_member: { any: 'thing' },
    'client_name#ja': 'エージェント',
  });
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get('cache-control'), 'no-store');
  const { client_id, client_secret, registration_access_token, client_id_issued_at, ...rest } = answer.body;
  assert.match(client_id, /^client_[0-9a-f]{24}$/);
  assert.ok(client_secret.length >= 32 && registration_access_token.length >= 32);
  assert.ok(Math.abs(client_id_issued_at - Date.now() / 1000) < 60);
  assert.deepEqual(rest, {
    redirect_uris: [REDIRECT],
    post_logout_redirect_uris: [],
    client_name: 'Agent',
    client_uri: 'https://agent.example.com',
    contacts: ['dev@agent.example.com'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    application_type: 'web',
    software_id: 'agent',
    software_version: '1.2',
    frontchannel_logout_session_required: false,
    backchannel_logout_session_required: false,
    require_pushed_authorization_requests: false,
    dpop_bound_access_tokens: false,
    require_signed_request_object: false,
    id_token_signed_response_alg: 'RS256',
    authorization_signed_response_alg: 'RS256',
    scope: 'openid profile offline_access read:orders',
    client_secret_expires_at: 0,
    registration_client_uri: at(t, `/${client_id}`),
  });
});

test('openid-client registers by discovery and logs a user in, who is asked for consent', async () => {
  const config = await oidc.dynamicClientRegistration(
    new URL(t.origin),
    { redirect_uris: [REDIRECT], client_name: 'Agent', token_endpoint_auth_method: 'none' },
    undefined,
    { execute: [oidc.allowInsecureRequests] },
  );
  assert.equal(config.clientMetadata().client_secret, undefined);
  const user = await t.user();
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid read:orders',
    resource: ORDERS,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  const landed = await signIn(agent(), url.href, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier });
  assert.equal(tokens.scope?.split(' ').includes('read:orders'), true);
  const [consent] = await logged(t, 'auth.consent.granted');
  assert.equal(consent.client, config.clientMetadata().client_id);
});

test('a stranger’s word about its home is not what users are told', async () => {
  const user = await t.user();
  const asked = async (redirect: string) => {
    const client = await registered(t, { client_uri: 'https://bank.example.com/', redirect_uris: [redirect] });
    const query = new URLSearchParams({
      client_id: client.client_id,
      redirect_uri: redirect,
      response_type: 'code',
      scope: 'openid',
    });
    const visit = agent();
    const login = await follow(visit, await visit(`${t.origin}/authorize?${query}`), redirect);
    const { action, csrf } = formOf(login);
    const form = { csrf, email: user.email, password: user.password };
    const headers = { origin: t.origin };
    return (await follow(visit, await visit(action, { form, headers }), redirect)).text;
  };
  assert.match(await asked('https://bank.example.com/callback'), /bank\.example\.com/);
  const told = await asked('https://agent.example.com/callback');
  assert.match(told, /agent\.example\.com/);
  assert.doesNotMatch(told, /bank\.example/);
});

test('the redirects of agents and native apps are taken, whatever application type they say', async () => {
  for (const uri of [
    'http://localhost:33418/callback',
    'http://127.0.0.1/callback',
    'http://[::1]:8080/cb',
    'com.example.app:/oauth',
    'cursor://anysphere.cursor-retrieval/oauth/callback',
    'https://claude.example.com/api/callback',
  ])
    for (const application_type of ['web', 'native']) {
      const client = await registered(t, { redirect_uris: [uri], application_type, response_types: [] });
      assert.deepEqual([client.redirect_uris, client.response_types], [[uri], ['code']]);
      const query = new URLSearchParams({
        client_id: client.client_id,
        redirect_uri: uri,
        response_type: 'code',
        scope: 'openid',
        state: 's',
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
      });
      const answer = await w.send(`${t.origin}/authorize?${query}`);
      assert.match(answer.headers.get('location') ?? '', /^\/flow\//, `${uri}: ${answer.status} ${answer.text}`);
    }
});

test('a client without a secret gets none, and one that signs neither', async () => {
  const open = await registered(t, { token_endpoint_auth_method: 'none' });
  assert.equal(open.client_secret, undefined);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  const keys = [{ ...jwk, ext: true, key_ops: ['verify'], made_up: 1 }];
  const signs = await registered(t, { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } });
  assert.equal(signs.client_secret, undefined);
  assert.deepEqual(signs.jwks, { keys: [{ ...jwk, key_ops: ['verify'] }] });
});

test('a device needs no redirect, and empty members say nothing', async () => {
  const device = 'urn:ietf:params:oauth:grant-type:device_code';
  const answer = await register(t, { grant_types: [device], logo_uri: '', tos_uri: null, request_uris: [] });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual([answer.body.redirect_uris, answer.body.response_types], [[], []]);
  assert.ok(!('logo_uri' in answer.body));
  const form = { client_id: answer.body.client_id, client_secret: answer.body.client_secret, scope: 'openid' };
  const code = await post(t, '/oauth/device/code', form);
  // client_secret_basic and client_secret_post are one to the server.
  assert.equal(code.status, 200, code.text);
});

/* ——— what is left out ——— */

test('what cannot be done is left out of what is registered and answered (RFC 7591 §2)', async () => {
  const JWK = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  const jwks = { keys: [JWK] };
  const signs = { token_endpoint_auth_method: 'private_key_jwt', jwks };
  const acr = 'urn:cardea:acr:1fa';
  type Row = [said: Record<string, unknown>, holds: Record<string, unknown>, of?: typeof t];
  const able = await w.tenant('Able');
  await oauthSettings(able, { request_objects: true, authorization_details_types: ['payment', 'account'] });
  const rows: Row[] = [
    [{ request_uris: ['https://app.example.com/request'] }, { request_uris: undefined }],
    [{ sector_identifier_uri: 'https://app.example.com/uris.json' }, { sector_identifier_uri: undefined }],
    [{ request_object_encryption_alg: 'RSA-OAEP' }, { request_object_encryption_alg: undefined }],
    [{ request_object_signing_alg: 'RS256', jwks }, { request_object_signing_alg: undefined }],
    [{ request_object_signing_alg: 'RS256', jwks }, { request_object_signing_alg: 'RS256' }, able],
    [{ request_object_signing_alg: 'RS256' }, { request_object_signing_alg: undefined }, able],
    [{ request_object_signing_alg: 'none', jwks }, { request_object_signing_alg: undefined }, able],
    [{ token_endpoint_auth_signing_alg: 'ES256' }, { token_endpoint_auth_signing_alg: undefined }],
    [{ token_endpoint_auth_signing_alg: 'Ed25519', ...signs }, { token_endpoint_auth_signing_alg: 'Ed25519' }],
    [{ default_acr_values: ['urn:other', acr] }, { default_acr_values: [acr] }],
    [{ default_acr_values: ['urn:other'] }, { default_acr_values: undefined }],
    [{ authorization_details_types: ['payment'] }, { authorization_details_types: undefined }],
    [{ authorization_details_types: ['payment', 'x'] }, { authorization_details_types: ['payment'] }, able],
    [{ scope: ' openid  read:orders read:nothing ' }, { scope: 'openid read:orders' }],
    [{ scope: 'read:nothing' }, { scope: undefined }],
    [{ grant_types: ['authorization_code', 'implicit', 'password'] }, { grant_types: ['authorization_code'] }],
    [{ response_types: ['code', 'id_token'] }, { response_types: ['code'] }],
    [
      { jwks: { keys: [{ kty: 'AKP', pub: 'x' }, { ...JWK, x5c: ['x'], new: 1 }, { kty: 'EC' }, 1], more: 1 } },
      { jwks },
    ],
    [{ initiate_login_uri: 'https://app.example.com/login' }, { initiate_login_uri: 'https://app.example.com/login' }],
  ];
  for (const [said, holds, of = t] of rows) {
    const client = await registered(of, said);
    const read = (await manage(of, client, 'GET')).body;
    for (const [member, value] of Object.entries(holds))
      for (const told of [client, read]) assert.deepEqual(told[member], value, JSON.stringify(said));
    assert.equal((await arrive(authorizeUrl(of, requestOf(client).parameters))).status, 200, JSON.stringify(said));
  }
});

test('what is announced and registered has its effect', async () => {
  const able = await w.tenant('Able');
  await oauthSettings(able, { request_objects: true, authorization_details_types: ['payment', 'account'] });
  const [es, ps] = [await clientKey('ES256'), await clientKey('PS256')];
  const client = await registered(able, {
    jwks: { keys: [...es.jwks.keys, ...ps.jwks.keys] },
    request_object_signing_alg: 'ES256',
    default_acr_values: ['urn:cardea:acr:1fa'],
    authorization_details_types: ['payment'],
  });
  const ask = async (key: ClientKey) =>
    push(able, client, { request: await requestObject(able, client, key, requestOf(client).parameters) });
  assert.equal((await ask(es)).status, 201);
  assertOAuth(await ask(ps), 400, 'invalid_request_object');
  const details = (type: string) =>
    push(able, client, { ...requestOf(client).parameters, authorization_details: JSON.stringify([{ type }]) });
  assertOAuth(await details('account'), 400, 'invalid_authorization_details');
  const user = await able.user();
  const { tokens } = await tokensOf(able, client, user);
  assert.equal(tokens.claims()?.acr, 'urn:cardea:acr:1fa');
});

/* ——— what is refused ——— */

test('redirects that send codes astray are refused by their own name', async () => {
  const bad = [
    'http://app.example.com/callback',
    'http://localhost.evil.example/callback',
    'http://127.0.0.1.evil.example/',
    'https://app.example.com/#fragment',
    'https://user:pass@app.example.com/',
    'https://*.example.com/callback',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is sent
    'https://${host}/x y',
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'intent://x',
    'wss://app.example.com/',
    '/callback',
    '',
  ];
  for (const uri of bad) assertOAuth(await register(t, { redirect_uris: [uri] }), 400, 'invalid_redirect_uri');
  for (const redirect_uris of [[], undefined, 'https://app.example.com/', [1], {}])
    assertOAuth(await register(t, { redirect_uris }), 400, 'invalid_redirect_uri');
});

test('what would be less protection than was asked for, and what makes no client, is refused', async () => {
  const refused: Record<string, unknown>[] = [
    { grant_types: ['client_credentials'] },
    { grant_types: ['implicit'] },
    { grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'] },
    { grant_types: ['http://auth0.com/oauth/grant-type/passwordless/otp'] },
    { grant_types: [] },
    { response_types: ['token'] },
    { response_types: ['code id_token'] },
    { token_endpoint_auth_method: 'client_secret_jwt' },
    { token_endpoint_auth_method: 'tls_client_auth' },
    { token_endpoint_auth_method: 'private_key_jwt' },
    { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'oct', k: 'x' }] } },
    { jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', d: 'x' }] } },
    { jwks_uri: 'http://keys.example.com/' },
    { subject_type: 'pairwise' },
    { id_token_encrypted_response_alg: 'RSA-OAEP' },
    { userinfo_encrypted_response_enc: 'A256GCM' },
    { introspection_signed_response_alg: 'RS256' },
    { id_token_signed_response_alg: 'none' },
    { initiate_login_uri: 'http://app.example.com/login' },
    { initiate_login_uri: 'http://localhost/login' },
    { scope: 'openid "quoted"' },
    { jwks: { keys: [{ kty: 'AKP', pub: 'x', alg: 'ML-DSA-44' }] } },
    { userinfo_signed_response_alg: 'HS256' },
    { application_type: 'desktop' },
    { client_uri: 'javascript:alert(1)' },
    { logo_uri: 'data:image/png;base64,AA' },
    { client_name: 7 },
    { client_name: 'x'.repeat(201) },
    { contacts: 'dev@example.com' },
    { post_logout_redirect_uris: ['http://app.example.com/'] },
    { default_max_age: -1 },
    { frontchannel_logout_uri: 'https://elsewhere.example.com/logout' },
    { backchannel_logout_uri: 'https://user:pass@app.example.com/' },
  ];
  for (const fields of refused) {
    const answer = await register(t, { redirect_uris: [REDIRECT], ...fields });
    assertOAuth(answer, 400, 'invalid_client_metadata');
    assert.deepEqual(Object.keys(answer.body).sort(), ['error', 'error_description'], JSON.stringify(fields));
  }
});

test('only JSON objects of a fair size are read, and the refusal can be read by a browser', async () => {
  const post = (body: string, type: string) =>
    w.send(at(t), { method: 'POST', body, headers: { 'content-type': type, origin: 'https://spa.example.com' } });
  const json = 'application/json';
  const form = await post('redirect_uris=x', 'application/x-www-form-urlencoded');
  assert.deepEqual([form.status, form.body.error], [415, 'invalid_request']);
  assert.equal((await post('{"redirect_uris"', json)).status, 400);
  assertOAuth(await post('[]', json), 400, 'invalid_client_metadata');
  assertOAuth(await post('"x"', json), 400, 'invalid_client_metadata');
  assertOAuth(await post('', json), 400, 'invalid_client_metadata');
  assertOAuth(await post('{"client_name": "\\ud800"}', json), 400, 'invalid_client_metadata');
  const large = await post(JSON.stringify({ redirect_uris: [REDIRECT], x: 'x'.repeat(70_000) }), json);
  assert.equal(large.status, 413);
  for (const { headers } of [form, large]) assert.equal(headers.get('access-control-allow-origin'), '*');
});

test('a browser may ask from anywhere, before and after', async () => {
  for (const [path, method] of [
    ['', 'POST'],
    ['/client_x', 'DELETE'],
  ] as const) {
    const preflight = await w.send(at(t, path), {
      method: 'OPTIONS',
      headers: {
        origin: 'https://spa.example.com',
        'access-control-request-method': method,
        'access-control-request-headers': 'authorization, mcp-protocol-version',
      },
    });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
    assert.match(preflight.headers.get('access-control-allow-methods') ?? '', new RegExp(method));
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /mcp-protocol-version/);
  }
  const answer = await register(t, { redirect_uris: [REDIRECT] }, { origin: 'https://spa.example.com' });
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
});

/* ——— what a stranger may never do ——— */

test('whatever it says, a stranger is a third party and opens nothing by itself', async () => {
  const client = await registered(t, {
    token_endpoint_auth_method: 'client_secret_post',
    is_first_party: true,
    first_party: true,
    grants: null,
    api_grants: [{ api: 'any', scope: ['read:orders'] }],
    web_origins: ['https://evil.example'],
    refresh_lifetime: 1e9,
    client_id: t.admin.client_id,
    client_secret: 'chosen',
    account: 'account_x',
    metadata: { plan: 'gold' },
  });
  assert.notEqual(client.client_id, t.admin.client_id);
  assert.notEqual(client.client_secret, 'chosen');
  for (const member of ['is_first_party', 'first_party', 'grants', 'api_grants', 'native', 'unused', 'web_origins'])
    assert.ok(!(member in client), member);
  const row = await t.api('GET', `/client/${client.client_id}`);
  assert.deepEqual([row.is_first_party, row.grants, row.metadata, row.account], [false, [], {}, t.id]);
  assert.equal(row.registration.source, 'dynamic');
  assert.ok(!('registration_token' in row));

  const { client_id, client_secret } = client;
  const ask = (form: Record<string, string>) => post(t, '/oauth/token', { client_id, client_secret, ...form });
  for (const audience of [t.audience, ORDERS])
    assertOAuth(await ask({ grant_type: 'client_credentials', audience }), 400, 'unauthorized_client');
  const user = await t.user();
  assertOAuth(
    await ask({ grant_type: 'password', username: user.email, password: user.password }),
    400,
    'unauthorized_client',
  );
  assertOAuth(
    await ask({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: t.adminToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }),
    400,
    'unauthorized_client',
  );
  // Even an administrator who allows the grant has to say for which Api.
  await t.api('POST', `/client/${client_id}`, { grant_types: ['authorization_code', 'client_credentials'] });
  for (const audience of [t.audience, ORDERS])
    assertOAuth(await ask({ grant_type: 'client_credentials', audience }), 400, 'invalid_target');
});

test('registering takes nothing from another tenant', async () => {
  const other = await w.tenant();
  const client = await registered(t);
  assert.equal((await other.call('GET', `/client/${client.client_id}`)).status, 404);
  assertOAuth(await manage(other, client, 'GET'), 401, 'invalid_token');
  // The scopes of another tenant's Apis are nobody's here.
  assert.equal((await registered(other, { scope: 'openid read:orders' })).scope, 'openid');
});

test('an address that registers too much has to wait, and its neighbours have not', async () => {
  const busy = await w.tenant();
  const answers = await Promise.all(
    Array.from({ length: 70 }, () => register(busy, { redirect_uris: ['http://evil.example/'] })),
  );
  const late = answers.filter(({ status }) => status === 429);
  assert.equal(late.length, 10);
  assert.ok(late.every(({ headers }) => Number(headers.get('retry-after')) > 0));
  assert.equal((await register(t, { redirect_uris: [REDIRECT] })).status, 201);
  assert.equal((await register(busy, { redirect_uris: [REDIRECT] })).status, 429);
  const refusals = await logged(busy, 'oauth.client.register');
  assert.deepEqual(
    refusals.map(({ data }) => data.count),
    [60],
  );
  w.clock.advance({ seconds: 3601 });
  assert.equal((await register(busy, { redirect_uris: [REDIRECT] })).status, 201);
});

test('registrations and refusals are in the log', async () => {
  const of = await w.tenant();
  const client = await registered(of);
  await register(of, { redirect_uris: [REDIRECT], grant_types: ['password'] });
  const rows = await logged(of, 'oauth.client.register');
  assert.deepEqual(
    rows.map((row: { status: string; client?: string; data: { reason?: string } }) => [
      row.status,
      row.client,
      row.data.reason,
    ]),
    [
      ['failed', undefined, 'invalid_client_metadata'],
      ['success', client.client_id, undefined],
    ],
  );
  assert.ok(!JSON.stringify(rows).includes(client.client_secret));
  assert.ok(!JSON.stringify(rows).includes(client.registration_access_token));
  const stored = JSON.stringify(
    await mongoose.connection.db!.collection('clients').findOne({ _id: client.client_id as never }),
  );
  for (const secret of [client.client_secret, client.registration_access_token])
    assert.ok(!stored.includes(secret), 'nothing usable at rest');
});

/* ——— who may ——— */

test('the account can close registration', async () => {
  const of = await w.tenant();
  const client = await registered(of);
  assert.equal((await discovery(of)).registration_endpoint, at(of));
  await oauthSettings(of, { dynamic_registration: 'off' });
  assert.ok(!('registration_endpoint' in (await discovery(of))));
  assert.equal((await register(of, { redirect_uris: [REDIRECT] })).status, 404);
  assert.equal((await manage(of, client, 'GET')).status, 404);
  assert.equal((await manage(of, client, 'PUT', { client_id: client.client_id })).status, 404);
});

test('an initial access token lets in as many as it says, for as long as it says', async () => {
  const of = await w.tenant();
  await oauthSettings(of, { dynamic_registration: 'token' });
  const mint = (body: unknown = {}) => of.call('POST', '/client/initial-access-token', body);
  const good = { redirect_uris: [REDIRECT] };
  const anonymous = await register(of, good);
  assertOAuth(anonymous, 401, 'invalid_token');
  assert.equal(anonymous.headers.get('www-authenticate'), 'Bearer');
  assertOAuth(await register(of, good, bearer('made-up')), 401, 'invalid_token');
  assertOAuth(await register(of, good, bearer(of.adminToken)), 401, 'invalid_token');

  const once = (await mint()).body.initial_access_token;
  assertOAuth(await register(of, { redirect_uris: ['http://x.example/'] }, bearer(once)), 400, 'invalid_redirect_uri');
  const race = await Promise.all(Array.from({ length: 5 }, () => register(of, good, bearer(once))));
  assert.deepEqual(race.map(({ status }) => status).sort(), [201, 401, 401, 401, 401]);

  const thrice = (await mint({ max_uses: 3 })).body.initial_access_token;
  const many = await Promise.all(Array.from({ length: 5 }, () => register(of, good, bearer(thrice))));
  assert.deepEqual(many.map(({ status }) => status).sort(), [201, 201, 201, 401, 401]);

  // Another tenant's opens nothing here.
  assertOAuth(
    await register(of, good, bearer((await t.api('POST', '/client/initial-access-token', {})).initial_access_token)),
    401,
    'invalid_token',
  );
  const revoked = (await mint()).body;
  assert.equal((await t.call('DELETE', `/client/initial-access-token/${revoked.id}`)).status, 404);
  assert.equal((await of.call('DELETE', `/client/initial-access-token/${revoked.id}`)).status, 200);
  assertOAuth(await register(of, good, bearer(revoked.initial_access_token)), 401, 'invalid_token');

  const brief = (await mint({ expires_in: 60 })).body;
  const stored = await mongoose.connection.db!.collection('initial_access_tokens').find().toArray();
  assert.ok(!JSON.stringify(stored).includes(brief.initial_access_token), 'kept as a hash');
  w.clock.advance({ seconds: 61 });
  assertOAuth(await register(of, good, bearer(brief.initial_access_token)), 401, 'invalid_token');
  assertRefused(await mint({ max_uses: 0 }), 400, 'validation');
  assertRefused(await mint({ expires_in: 31 * DAY }), 400, 'validation');
  assertRefused(
    await w.call(of.origin, await of.token('read:clients'), 'POST', '/client/initial-access-token', {}),
    403,
    'insufficient_scope',
  );
});

/* ——— RFC 7592 ——— */

test('a client reads itself with its token, and nobody else does', async () => {
  const [mine, yours] = [await registered(t), await registered(t)];
  const read = await manage(t, mine, 'GET');
  assert.equal(read.status, 200);
  assert.deepEqual(read.body, mine);
  for (const token of ['made-up', yours.registration_access_token, t.adminToken]) {
    const refused = await manage(t, mine, 'GET', undefined, token);
    assertOAuth(refused, 401, 'invalid_token');
    assert.match(refused.headers.get('www-authenticate') ?? '', /invalid_token/);
  }
  assertOAuth(await w.send(at(t, `/${mine.client_id}`)), 401, 'invalid_token');
  const absent = { ...mine, client_id: 'client_000000000000000000000000' };
  assertOAuth(await manage(t, absent, 'GET'), 401, 'invalid_token');
  // A client that an administrator made has no such token.
  assertOAuth(await manage(t, { ...mine, client_id: (await t.client()).client_id }, 'GET'), 401, 'invalid_token');
});

test('an update replaces what was said, and keeps what was not the client’s to say', async () => {
  const client = await registered(t, {
    logo_uri: 'https://agent.example.com/logo.png',
    scope: 'openid',
    contacts: ['a@b.example'],
  });
  const { client_id, client_secret } = client;
  const next = 'https://agent.example.com/next';
  const put = await manage(t, client, 'PUT', {
    client_id,
    client_secret,
    client_name: 'Agent two',
    redirect_uris: [next],
    logo_uri: null,
  });
  assert.equal(put.status, 200, put.text);
  assert.deepEqual([put.body.client_name, put.body.redirect_uris, put.body.contacts], ['Agent two', [next], []]);
  assert.ok(!('logo_uri' in put.body) && !('scope' in put.body));
  assert.equal(put.body.client_secret, client_secret);
  assert.deepEqual((await manage(t, client, 'GET')).body, put.body);
  const row = await t.api('GET', `/client/${client_id}`);
  assert.deepEqual([row.is_first_party, row.grants, row.callbacks], [false, [], [next]]);

  const refused: [Record<string, unknown>, string][] = [
    [{ client_id, redirect_uris: ['http://evil.example/'] }, 'invalid_redirect_uri'],
    [{ client_id, redirect_uris: [next], grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    [{ redirect_uris: [next] }, 'invalid_request'],
    [{ client_id: t.admin.client_id, redirect_uris: [next] }, 'invalid_request'],
    [{ client_id, redirect_uris: [next], client_secret: 'another' }, 'invalid_request'],
    [{ client_id, redirect_uris: [next], client_id_issued_at: 1 }, 'invalid_request'],
    [{ client_id, redirect_uris: [next], registration_access_token: 'x' }, 'invalid_request'],
  ];
  for (const [body, error] of refused) assertOAuth(await manage(t, client, 'PUT', body), 400, error);
  assert.deepEqual((await manage(t, client, 'GET')).body, put.body, 'a refusal changes nothing');
});

test('a client that an administrator vouches for is out of its own hands, for good', async () => {
  const [client, older] = [await registered(t), await registered(t)];
  const stored = mongoose.connection.db!.collection<{ _id: string; registration_token?: string }>('clients');
  const { registration_token } = (await stored.findOne({ _id: older.client_id }))!;
  for (const { client_id } of [client, older]) {
    await t.api('POST', `/client/${client_id}`, { is_first_party: true });
    assert.equal((await stored.findOne({ _id: client_id }))!.registration_token, undefined);
  }
  // As a row has it that was promoted before the token ended with that.
  await stored.updateOne({ _id: older.client_id }, { $set: { registration_token } });
  for (const one of [client, older]) {
    await t.api('POST', `/client/${one.client_id}/rotate-secret`);
    if (one === older) await stored.updateOne({ _id: one.client_id }, { $set: { registration_token } });
    const body = { client_id: one.client_id, redirect_uris: ['https://evil.example/'] };
    for (const method of ['GET', 'PUT', 'DELETE'])
      assertOAuth(await manage(t, one, method, method === 'PUT' ? body : undefined), 401, 'invalid_token');
    assert.deepEqual((await t.api('GET', `/client/${one.client_id}`)).callbacks, [REDIRECT]);
  }
  await t.api('POST', `/client/${client.client_id}`, { is_first_party: false });
  assertOAuth(await manage(t, client, 'GET'), 401, 'invalid_token');
});

test('of an administrator who vouches for a client and the client that changes itself, the one who vouches has the last word', async () => {
  const evil = 'https://evil.example/';
  const race = async () => {
    const client = await registered(t);
    const { client_id } = client;
    const vouch = async (): Promise<unknown> => {
      const { status } = await t.call('POST', `/client/${client_id}`, { is_verified: true, callbacks: [REDIRECT] });
      // Not what the administrator saw any more.
      return status === 409 ? vouch() : assert.equal(status, 200);
    };
    const [, ...answers] = await Promise.all([
      vouch(),
      ...Array.from({ length: 4 }, () => manage(t, client, 'PUT', { client_id, redirect_uris: [evil] })),
    ]);
    for (const { status } of answers as { status: number }[]) assert.ok(status === 200 || status === 401, `${status}`);
    assert.deepEqual((await t.api('GET', `/client/${client_id}`)).callbacks, [REDIRECT]);
    assertOAuth(await manage(t, client, 'GET'), 401, 'invalid_token');
  };
  for (let n = 0; n < 4; n += 1) await Promise.all(Array.from({ length: 4 }, race));
});

test('a secret that an administrator rotates is not shown to who registered the client', async () => {
  const client = await registered(t);
  assert.equal((await manage(t, client, 'GET')).status, 200);
  await t.api('POST', `/client/${client.client_id}/rotate-secret`);
  assertOAuth(await manage(t, client, 'GET'), 401, 'invalid_token');
});

test('a client that removes itself takes its tokens along', async () => {
  const client = await registered(t, {
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'none',
  });
  const config = await t.discover({ client_id: client.client_id });
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  const landed = await signIn(agent(), url.href, await t.user());
  const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier });
  assert.ok(tokens.refresh_token);
  assertOAuth(await manage(t, client, 'DELETE', undefined, 'made-up'), 401, 'invalid_token');
  assert.equal((await manage(t, client, 'DELETE')).status, 204);
  assertOAuth(await manage(t, client, 'GET'), 401, 'invalid_token');
  assert.equal((await t.call('GET', `/client/${client.client_id}`)).status, 404);
  const userinfo = await w.send(`${t.origin}/userinfo`, { headers: bearer(tokens.access_token) });
  assert.equal(userinfo.status, 401);
  const rows = mongoose.connection.db!.collection('protocol');
  assert.equal(await rows.countDocuments({ client: client.client_id }), 0);
});

/* ——— state does not rot ——— */

test('who registered and never came back is forgotten; one login is enough to stay', async () => {
  const of = await w.tenant();
  const [used, unused] = [await registered(of, { token_endpoint_auth_method: 'none' }), await registered(of)];
  const made = await of.client();
  const config = await of.discover({ client_id: used.client_id });
  const code_challenge = await oidc.calculatePKCECodeChallenge(oidc.randomPKCECodeVerifier());
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid',
    code_challenge,
    code_challenge_method: 'S256',
  });
  await signIn(agent(), url.href, await of.user());
  const expiry = async (id: string) => (await of.api('GET', `/client/${id}`)).registration.expires_at;
  for (let tries = 0; tries < 100 && (await expiry(used.client_id)); tries += 1);
  assert.equal(await expiry(used.client_id), null);
  assert.ok(await expiry(unused.client_id));

  w.clock.advance({ seconds: 29 * DAY });
  await reapUnusedClients();
  assert.equal((await manage(of, unused, 'GET')).status, 200);
  w.clock.advance({ seconds: 2 * DAY });
  assertOAuth(await manage(of, unused, 'GET'), 401, 'invalid_token');
  const form = {
    ...credentialsOf(unused),
    grant_type: 'refresh_token',
    refresh_token: 'x',
  };
  assertOAuth(await post(of, '/oauth/token', form), 401, 'invalid_client');

  assert.ok((await reapUnusedClients()) >= 1);
  const rows = mongoose.connection.db!.collection('clients');
  const left = await rows.find({ account: of.id }, { projection: { _id: 1 } }).toArray();
  const ids = left.map(({ _id }) => String(_id));
  assert.deepEqual(
    [used, made, unused].map(({ client_id }) => ids.includes(client_id)),
    [true, true, false],
  );
});
