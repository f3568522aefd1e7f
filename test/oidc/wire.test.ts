/** What a request says, however it is written: empty parameters, surplus spaces, headers that carry nothing, arrays, origins. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import mongoose from 'mongoose';
import {
  agent,
  arrive,
  authorizeUrl,
  bearer,
  clientKey,
  codeOf,
  credentialsOf,
  type Form,
  ORDERS,
  oauthSettings,
  ordersApi,
  post,
  push,
  REDIRECT,
  redeem,
  refresh,
  refused,
  requestObject,
  requestOf,
  send,
  tokenRequest,
  world,
} from '../kit/index.ts';

const w = await world();
const t = await w.tenant();
await ordersApi(t);
const user = await t.user();
const client = await t.client();
const publicClient = await t.client({ token_endpoint_auth_method: 'none' });
const DEVICE = '/oauth/device/code';
const basicOf = ({ client_id, client_secret }: Form) => ({
  authorization: `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`,
});
const nobodys = (id: string) => ({ authorization: `Basic ${Buffer.from(`${id}:`).toString('base64')}` });

/* ——— empty means absent (RFC 6749 §3.1) ——— */

const EMPTY: Form = Object.fromEntries(
  [
    ...['request', 'request_uri', 'registration', 'response_mode', 'resource', 'authorization_details', 'claims'],
    ...['prompt', 'max_age', 'acr_values', 'id_token_hint', 'login_hint', 'ui_locales', 'nonce', 'display', 'dpop_jkt'],
    ...['connection', 'connection_id', 'screen_hint', 'redirect_to', 'state', 'web_message_uri', 'client_assertion'],
  ].map((name) => [name, '']),
);

test('an authorization request with every parameter empty but what it needs is one without them', async () => {
  const { parameters } = requestOf(client, { audience: ORDERS, scope: ' openid  read:orders ', ...EMPTY });
  const { code, landed } = await codeOf(t, client, user, parameters);
  assert.ok(code, landed.href);
  assert.equal(landed.searchParams.get('state'), null);

  const pushed = await push(t, client, { ...parameters, client_assertion_type: '' });
  assert.equal(pushed.status, 201, pushed.text);
  const { request_uri } = pushed.body;
  assert.equal((await arrive(authorizeUrl(t, { client_id: client.client_id, request_uri, request: '' }))).status, 200);

  // By a form it goes on as an address.
  const asForm = await send(`${t.origin}/authorize`, { method: 'POST', form: parameters });
  assert.equal(asForm.status, 303);
});

test('so it is at every other endpoint', async () => {
  const { code, verifier } = await codeOf(t, client, user, { scope: 'openid offline_access', audience: ORDERS });
  const tokens = await redeem(t, client, { code, verifier }, { resource: '', authorization_details: '', scope: '' });
  assert.equal(tokens.status, 200, tokens.text);
  const again = await refresh(t, client, tokens.body.refresh_token, { scope: '', resource: '', audience: '' });
  assert.equal(again.status, 200, again.text);
  const machine = await tokenRequest(t, client, {
    grant_type: 'client_credentials',
    audience: ORDERS,
    resource: '',
    scope: '  read:orders   create:orders ',
  });
  assert.deepEqual([machine.status, machine.body.scope], [200, 'read:orders create:orders']);
  const device = await post(t, DEVICE, { ...credentialsOf(client), ...EMPTY, scope: ' openid ' });
  assert.equal(device.status, 200, device.text);
  for (const path of ['/oauth/introspect', '/oauth/revoke']) {
    const answer = await post(t, path, {
      ...credentialsOf(client),
      token: again.body.access_token,
      token_type_hint: '',
    });
    assert.equal(answer.status, 200, path);
  }
  assert.deepEqual(refused(await tokenRequest(t, client, { grant_type: '' })), [400, 'invalid_request']);
});

test('a logout whose return address and hint are empty is a logout', async () => {
  const visit = agent();
  await codeOf(t, client, user, {}, visit);
  const asked = await visit(`${t.origin}/logout?post_logout_redirect_uri=&id_token_hint=&returnTo=&client_id=&state=`);
  assert.equal(asked.status, 200);
  assert.match(asked.text, /<form/);
});

test('of a query every question mark but the first belongs to a value', async () => {
  const app = await t.client({ callbacks: [`${REDIRECT}?from=cardea`] });
  const { parameters } = requestOf(app, { audience: ORDERS });
  const { redirect_uri: _, ...rest } = parameters;
  const page = await arrive(`${t.origin}/authorize?${new URLSearchParams(rest)}&redirect_uri=${REDIRECT}?from=cardea`);
  assert.equal(page.status, 200, page.text.slice(0, 300));
});

/* ——— scopes that are no scopes (RFC 6749 §3.3) ——— */

test('a scope of which nothing is known is refused before the login, by name; a part of it is left out', async () => {
  const beforeLogin = async (parameters: Form) => {
    const { searchParams } = new URL(
      (await arrive(authorizeUrl(t, requestOf(client, parameters).parameters))).location!,
    );
    return [searchParams.get('error'), searchParams.get('scope'), searchParams.get('error_description')];
  };
  for (const scope of ['openid,email', 'openid+email', 'read:payrolls', 'OPENID'])
    for (const more of [{}, { audience: ORDERS }, { nonce: 'n', max_age: '5', claims: '{"userinfo":{}}' }] as Form[]) {
      const [error, named, description] = await beforeLogin({ scope, ...more });
      assert.deepEqual([error, named], ['invalid_scope', scope]);
      assert.ok(description?.includes(scope), String(description));
    }
  // What only goes with `openid` is refused as ever where the scope is no mistake.
  assert.equal((await beforeLogin({ scope: 'read:orders', audience: ORDERS, max_age: '5' }))[0], 'invalid_request');

  const known = await arrive(authorizeUrl(t, requestOf(client, { scope: 'openid read:payrolls' }).parameters));
  assert.equal(known.status, 200);
  const wide = await t.api('POST', '/api', { name: 'Any', identifier: 'urn:any', enforce_policies: false });
  const any = requestOf(client, { scope: 'what:ever', audience: wide.identifier }).parameters;
  assert.equal((await arrive(authorizeUrl(t, any))).status, 200);

  const { parameters } = requestOf(client, { scope: 'openid,email', nonce: 'n' });
  for (const answer of [
    await push(t, client, parameters),
    await post(t, DEVICE, { ...credentialsOf(client), scope: 'x' }),
  ])
    assert.deepEqual(refused(answer), [400, 'invalid_scope']);
});

test('claims that ask for nothing are no request, and what is no object is refused', async () => {
  for (const claims of ['{}', ' { } ', '{"unknown":{"email":null}}'])
    assert.equal((await arrive(authorizeUrl(t, requestOf(client, { claims }).parameters))).status, 200, claims);
  for (const claims of ['[]', '{', '1', '{"userinfo":1}']) {
    const { error } = await arrive(authorizeUrl(t, requestOf(client, { claims }).parameters));
    assert.equal(error, 'invalid_request', claims);
  }
});

/* ——— who asks ——— */

test('a header with a name and an empty password is a public client (RFC 6749 §2.3.1), and nobody else', async () => {
  const { client_id } = publicClient;
  const basic = nobodys(client_id);
  const device = await post(t, DEVICE, { scope: 'openid' }, basic);
  assert.equal(device.status, 200, device.text);
  const request = requestOf(publicClient);
  const pushed = await post(t, '/oauth/par', request.parameters, basic);
  assert.equal(pushed.status, 201, pushed.text);
  const { code, verifier } = await codeOf(t, publicClient, user, { scope: 'openid offline_access' });
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: REDIRECT };
  const tokens = await post(t, '/oauth/token', form, basic);
  assert.equal(tokens.status, 200, tokens.text);
  const token = tokens.body.refresh_token;
  assert.equal((await post(t, '/oauth/introspect', { token, client_id }, basic)).body.active, true);
  assert.equal((await post(t, '/oauth/revoke', { token }, basic)).status, 200);
  assert.equal((await post(t, '/oauth/introspect', { token }, basic)).body.active, false);

  for (const id of [client.client_id, 'nobody'])
    for (const [path, more] of [
      ['/oauth/token', { grant_type: 'client_credentials', audience: ORDERS }],
      [DEVICE, {}],
      ['/oauth/introspect', { token }],
    ] as [string, Form][]) {
      const [status, error] = refused(await post(t, path, more, nobodys(id)));
      assert.deepEqual([status, error], [400, 'invalid_request'], `${path} ${id}`);
    }
  // Nor does one name itself by the header and another in the form.
  const two = await post(t, DEVICE, { client_id: client.client_id }, basic);
  assert.deepEqual(refused(two), [400, 'invalid_request']);
});

test('a scheme may be followed by any number of spaces, and a body of nothing by any type', async () => {
  const { code, verifier } = await codeOf(t, client, user);
  const { access_token } = (await redeem(t, client, { code, verifier })).body;
  const spaced = { authorization: `Bearer   ${access_token}` };
  for (const method of ['GET', 'POST'])
    assert.equal((await send(`${t.origin}/userinfo`, { method, headers: spaced })).body.sub, user.id, method);
  const machine = { grant_type: 'client_credentials', audience: ORDERS };
  assert.equal(
    (await post(t, '/oauth/token', machine, { authorization: basicOf(client).authorization.replace(' ', '  ') }))
      .status,
    200,
  );

  const bare = (headers: Form, body?: string) => send(`${t.origin}/userinfo`, { method: 'POST', headers, body });
  for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded']) {
    const answer = await bare({ ...bearer(access_token), 'content-type': type });
    assert.deepEqual([answer.status, answer.body?.sub], [200, user.id], type);
    assert.equal((await bare({ 'content-type': type })).status, 401, type);
  }
  assert.equal((await bare({ ...bearer(access_token), 'content-type': 'text/plain' }, 'x')).status, 415);
  assert.equal((await send(`${t.origin}/userinfo`, { method: 'POST', form: { access_token } })).body.sub, user.id);
  // One way to show it at a time (RFC 6750 §2).
  const twice = await send(`${t.origin}/userinfo`, { method: 'POST', form: { access_token }, headers: bearer('x') });
  assert.deepEqual(refused(twice), [400, 'invalid_request']);
});

test('a parameter in JSON is a value: lists are for what may come several times', async () => {
  const asked = { grant_type: 'client_credentials', ...credentialsOf(client), audience: ORDERS, scope: 'read:orders' };
  const ask = (json: object) => send(`${t.origin}/oauth/token`, { method: 'POST', json });
  assert.equal((await ask(asked)).status, 200);
  for (const [name, value] of Object.entries(asked).filter(([name]) => name !== 'audience')) {
    const answer = await ask({ ...asked, [name]: [value] });
    assert.deepEqual(refused(answer), [400, 'invalid_request'], name);
    assert.match(answer.body.error_description, new RegExp(name));
  }
  const { audience, ...rest } = asked;
  for (const lists of [{ resource: [ORDERS] }, { audience: [ORDERS] }])
    assert.equal((await ask({ ...rest, ...lists })).status, 200, JSON.stringify(lists));
  assert.deepEqual(refused(await ask({ ...rest, resource: [audience, 'urn:any'] })), [400, 'invalid_target']);
});

/* ——— scripts of other origins ——— */

test('a fetch with credentials is answered by the name of its origin where no cookie is read, and only there', async () => {
  const origin = 'https://spa.example.com';
  const spa = await t.client({ token_endpoint_auth_method: 'none', web_origins: [origin] });
  const shared = ({ headers }: { headers: Headers }) =>
    ['allow-origin', 'allow-credentials'].map((name) => headers.get(`access-control-${name}`));
  const visit = agent();
  const { code, verifier } = await codeOf(t, spa, user, {}, visit);
  const form = { ...requestOf(spa).parameters, grant_type: 'authorization_code', code, code_verifier: verifier };
  const tokens = await post(t, '/oauth/token', form, { origin });
  assert.equal(tokens.status, 200, tokens.text);
  const { access_token } = tokens.body;
  const info = await send(`${t.origin}/userinfo`, { headers: { ...bearer(access_token), origin } });
  const ended = await post(t, '/oauth/revoke', { client_id: spa.client_id, token: access_token }, { origin });
  const refusal = await post(t, '/oauth/token', { ...form, code: 'x' }, { origin });
  const unread = await send(`${t.origin}/oauth/token`, { method: 'POST', body: 'x', headers: { origin } });
  assert.deepEqual([info.status, ended.status, refusal.status, unread.status], [200, 200, 400, 415]);
  for (const answer of [tokens, info, ended, refusal, unread]) {
    assert.deepEqual(shared(answer), [origin, 'true']);
    const exposed = answer.headers.get('access-control-expose-headers')?.split(/, */);
    for (const name of ['WWW-Authenticate', 'Retry-After']) assert.ok(exposed?.includes(name), `${exposed}`);
  }
  for (const path of ['/oauth/token', '/oauth/revoke', '/userinfo']) {
    const headers = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'dpop' };
    const preflight = await send(`${t.origin}${path}`, { method: 'OPTIONS', headers });
    assert.deepEqual([preflight.status, ...shared(preflight)], [204, origin, 'true'], path);
  }

  // Others of a client that names its own, and those that are nobody's in particular.
  const of = (from: string) => post(t, '/oauth/token', { ...form, code: 'x' }, { origin: from });
  assert.deepEqual(shared(await of('https://evil.example')), [null, null]);
  assert.deepEqual(shared(await of('null')), [null, null]);
  const without = await post(t, '/oauth/token', form);
  assert.deepEqual(shared(without), ['*', null]);
  for (const path of ['/oauth/introspect', DEVICE, '/.well-known/openid-configuration']) {
    const method = path.startsWith('/.well') ? 'GET' : 'POST';
    const answer = await send(`${t.origin}${path}`, { method, headers: { origin, ...basicOf(client) } });
    assert.equal(shared(answer)[1], null, path);
  }

  // A session opens nothing at them.
  for (const [path, method] of [
    ['/userinfo', 'GET'],
    ['/oauth/token', 'POST'],
    ['/oauth/revoke', 'POST'],
  ] as const) {
    const asked = await visit(`${t.origin}${path}`, {
      ...(method === 'POST' && { form: { client_id: spa.client_id, grant_type: 'refresh_token', refresh_token: 'x' } }),
      headers: { origin },
    });
    assert.ok(asked.status >= 400, path);
    assert.equal(asked.headers.get('set-cookie'), null, path);
  }
});

/* ——— addresses ——— */

test('many audiences are refused before one of them is looked for, and what is too long to be one is not kept', async () => {
  const asked = async () => (await mongoose.connection.db!.admin().serverStatus()).opcounters.query as number;
  const from = await asked();
  for (const name of ['audience', 'resource']) {
    const names = Array.from({ length: 1000 }, (_, n) => [name, `x:${name}${n}`]);
    const form = new URLSearchParams([
      ['grant_type', 'client_credentials'],
      ...Object.entries(credentialsOf(client)),
      ...names,
    ]);
    const answer = await send(`${t.origin}/oauth/token`, { method: 'POST', body: form });
    assert.deepEqual(refused(answer), [400, 'invalid_target']);
  }
  assert.ok((await asked()) - from < 100, 'the database was asked for each');
  const long = await tokenRequest(t, client, {
    grant_type: 'client_credentials',
    audience: `https://x.example/${'x'.repeat(20_000)}`,
  });
  assert.deepEqual(refused(long), [400, 'invalid_target']);
});

test('a resource is a URI, however it is spelled, and its Api has one spelling (RFC 3986 §6.2)', async () => {
  const identifier = 'https://mcp.example.com';
  await t.api('POST', '/api', { name: 'MCP', identifier, permissions: [{ value: 'use:tools' }] });
  const same = [
    `${identifier}/`,
    `${identifier}:443`,
    `${identifier}:443/`,
    'HTTPS://MCP.Example.COM',
    `${identifier}/x/..`,
  ];
  const other = [
    `${identifier}/mcp`,
    `${identifier}:444`,
    `${identifier}/?`,
    `http://mcp.example.com`,
    `${identifier}.`,
  ];
  const machine = (form: Form) => tokenRequest(t, client, { grant_type: 'client_credentials', ...form });
  for (const name of ['resource', 'audience']) {
    for (const spelled of [identifier, ...same]) {
      const { status, body, text } = await machine({ [name]: spelled });
      assert.equal(status, 200, `${spelled}: ${text}`);
      assert.equal(decodeJwt(body.access_token).aud, identifier);
    }
    for (const spelled of other)
      assert.deepEqual(refused(await machine({ [name]: spelled })), [400, 'invalid_target'], spelled);
  }
  assert.equal((await machine({ audience: identifier, resource: `${identifier}/` })).status, 200);
  // What was asked of the user in one spelling is redeemed and renewed in another.
  const asked = { scope: 'openid offline_access use:tools', resource: `${identifier}/` };
  const { code, verifier } = await codeOf(t, client, user, asked);
  const tokens = await redeem(t, client, { code, verifier }, { resource: `${identifier}:443` });
  assert.equal(decodeJwt(tokens.body.access_token).aud, identifier, tokens.text);
  const again = await refresh(t, client, tokens.body.refresh_token, { resource: identifier });
  assert.equal(decodeJwt(again.body.access_token).aud, identifier, again.text);
  const key = await clientKey();
  await oauthSettings(t, { request_objects: true });
  const signs = await t.client({ jwks: key.jwks });
  const request = await requestObject(t, signs, key, requestOf(signs, asked).parameters);
  const address = authorizeUrl(t, { client_id: signs.client_id, request });
  assert.equal((await arrive(address)).status, 200);

  for (const spelled of same) {
    const twin = await t.call('POST', '/api', { name: 'Twin', identifier: spelled });
    assert.deepEqual([twin.status, twin.body.code], [409, 'conflict'], spelled);
  }
  const elsewhere = await w.tenant('Elsewhere');
  assert.equal((await elsewhere.call('POST', '/api', { name: 'Own', identifier: `${identifier}/` })).status, 200);
  assert.deepEqual(
    refused(
      await tokenRequest(elsewhere, await elsewhere.client(), { grant_type: 'client_credentials', audience: ORDERS }),
    ),
    [400, 'invalid_target'],
  );
});

test('an address that is registered is sent to the letter, percent-encoded as UTF-8', async () => {
  const registered: [url: string, sent: string][] = [
    ['https://app.example.com/выход', 'https://app.example.com/%D0%B2%D1%8B%D1%85%D0%BE%D0%B4'],
    ['https://app.example.com/café', 'https://app.example.com/caf%C3%A9'],
    ['https://app.example.com/caf%C3%A9?q=%D0%B2&x=1', 'https://app.example.com/caf%C3%A9?q=%D0%B2&x=1'],
    ['https://app.example.com/😀', 'https://app.example.com/%F0%9F%98%80'],
  ];
  const urls = registered.map(([url]) => url);
  const app = await t.client({ logout_urls: urls, callbacks: urls });
  for (const [post_logout_redirect_uri, sent] of registered) {
    const query = new URLSearchParams({ client_id: app.client_id, post_logout_redirect_uri });
    const bye = await send(`${t.origin}/logout?${query}`, { headers: { accept: 'text/html' } });
    assert.deepEqual([bye.status, bye.headers.get('location')], [303, sent]);
    const stated = await send(`${t.origin}/logout?${query}&state=%C3%A9`);
    assert.equal(stated.headers.get('location'), `${sent}${sent.includes('?') ? '&' : '?'}state=%C3%A9`);
    const callback = await send(
      authorizeUrl(t, requestOf(app, { redirect_uri: post_logout_redirect_uri, prompt: 'none' }).parameters),
    );
    assert.ok(callback.headers.get('location')?.startsWith(sent), String(callback.headers.get('location')));
  }
  // Compared as registered: another spelling of it is another address.
  const other = new URLSearchParams({ client_id: app.client_id, post_logout_redirect_uri: registered[0]![1] });
  assert.equal((await send(`${t.origin}/logout?${other}`)).headers.get('location'), null);
});
