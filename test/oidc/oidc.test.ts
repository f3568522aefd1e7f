/** The protocol surface over HTTP: discovery, tokens, codes, keys, userinfo and logout, and what each refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { closeMachineLogins } from '../../src/auth/machine-login.ts';
import { protocolModel } from '../../src/domain/protocol/protocol-row.ts';
import { failurePages } from '../../src/flows/error/fault.ts';
import {
  type Agent,
  agent,
  authorizeUrl,
  type Client,
  codeOf,
  credentialsOf,
  discovery,
  type Form,
  follow,
  introspect,
  listen,
  logged,
  ORDERS,
  ordersApi,
  pkce,
  post,
  publishedKeys,
  push,
  REDIRECT,
  redeem,
  refresh,
  requestOf,
  revoke,
  signIn,
  type TenantHandle,
  type User,
  userinfo,
  world,
} from '../kit/index.ts';

const w = await world();

const authorize = (t: TenantHandle, client: Client, user: User, parameters: Form = {}, visit?: Agent) =>
  codeOf(t, client, user, { scope: 'openid profile email offline_access', state: 'the state', ...parameters }, visit);
const token = (t: { origin: string }, form: Form, headers?: Form) => post(t, '/oauth/token', form, headers);

async function signedIn(t: TenantHandle, parameters: Record<string, string> = {}, fields: object = {}) {
  const user = await t.user();
  const client = await t.client({ ...fields });
  const { body, status, text } = await redeem(t, client, await authorize(t, client, user, parameters));
  assert.equal(status, 200, text);
  return { user, client, tokens: body };
}

/* ——— discovery ——— */

test('discovery names what is served, per tenant, under both of its addresses', async () => {
  const [a, b] = [await w.tenant(), await w.tenant()];
  const document = await discovery(a);
  assert.equal(document.issuer, a.origin);
  assert.equal(document.management_audience, `cardea:management:${a.id}`);
  assert.deepEqual(document.code_challenge_methods_supported, ['S256']);
  assert.deepEqual(document.response_types_supported, ['code']);
  assert.equal(document.authorization_response_iss_parameter_supported, true);
  for (const [name, path] of Object.entries({
    authorization_endpoint: '/authorize',
    token_endpoint: '/oauth/token',
    userinfo_endpoint: '/userinfo',
    jwks_uri: '/.well-known/jwks.json',
    end_session_endpoint: '/logout',
  }))
    assert.equal(document[name], `${a.origin}${path}`);
  assert.deepEqual((await w.send(`${a.origin}/.well-known/oauth-authorization-server`)).body, document, 'RFC 8414');
  assert.equal((await discovery(b)).issuer, b.origin);
});

test('every endpoint that discovery names answers something other than 404', async () => {
  const t = await w.tenant();
  const document = await discovery(t);
  for (const [name, url] of Object.entries(document)) {
    if (!/_endpoint$|_uri$/.test(name) || typeof url !== 'string') continue;
    const statuses = await Promise.all(['GET', 'POST'].map(async (method) => (await w.send(url, { method })).status));
    assert.ok(
      statuses.some((status) => status !== 404),
      name,
    );
  }
});

test('tenants share no keys', async () => {
  const [a, b] = [await w.tenant(), await w.tenant()];
  const kids = async (t: TenantHandle) =>
    (await w.send(`${t.origin}/.well-known/jwks.json`)).body.keys.map(({ kid }: { kid: string }) => kid);
  const [ofA, ofB] = [await kids(a), await kids(b)];
  assert.equal(ofA.length, 2);
  assert.deepEqual(
    ofA.filter((kid: string) => ofB.includes(kid)),
    [],
  );
});

/* ——— client_credentials ——— */

test('a machine token verifies against the published keys and says what RFC 9068 asks', async () => {
  const t = await w.tenant();
  await ordersApi(t, { token_lifetime: 600 });
  const client = await t.client();
  const jwt = await t.machineToken(client, ORDERS);
  const { payload, protectedHeader } = await jwtVerify(jwt, publishedKeys(t), {
    issuer: t.origin,
    audience: ORDERS,
    typ: 'at+jwt',
    algorithms: ['RS256'],
  });
  assert.ok(protectedHeader.kid);
  assert.equal(payload.aud, ORDERS, 'one audience is a string');
  assert.equal(payload.sub, client.client_id);
  assert.equal(payload.client_id, client.client_id);
  assert.equal(payload.account, t.id);
  assert.equal(payload.scope, 'read:orders create:orders', 'no scope asked: the whole catalogue');
  assert.equal(payload.exp! - payload.iat!, 600);
  assert.ok(payload.jti);
});

test('asked scopes narrow a machine token, unknown ones are dropped; `grants` of the client narrows what may be asked', async () => {
  const t = await w.tenant();
  const api = await ordersApi(t);
  const other = await t.api('POST', '/api', { name: 'Other', identifier: 'https://other.example.com' });
  const scopeOf = async (client: Client, scope?: string) =>
    decodeJwt(await t.machineToken(client, ORDERS, scope)).scope;
  const free = await t.client();
  assert.equal(await scopeOf(free, 'read:orders'), 'read:orders');
  assert.equal(await scopeOf(free, 'read:orders drop:tables'), 'read:orders');
  const narrow = await t.client({ grants: [{ api: api.id, scope: ['read:orders'] }] });
  assert.equal(await scopeOf(narrow), 'read:orders');
  assert.equal(await scopeOf(narrow, 'read:orders create:orders'), 'read:orders');
  const refused = await token(t, {
    grant_type: 'client_credentials',
    ...credentialsOf(narrow),
    audience: other.identifier,
  });
  assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_target']);
});

test('the token dialect with permissions repeats the scope as an array', async () => {
  const t = await w.tenant();
  await ordersApi(t, { token_dialect: 'access_token_authz' });
  const claims = decodeJwt(await t.machineToken(await t.client(), ORDERS, 'read:orders'));
  assert.deepEqual(claims.permissions, ['read:orders']);
});

test('the token endpoint takes form, JSON and GET, and `audience` as well as `resource`', async () => {
  const t = await w.tenant();
  await ordersApi(t);
  const client = await t.client();
  const secrets = { ...credentialsOf(client) };
  const basic = {
    authorization: `Basic ${Buffer.from(`${client.client_id}:${client.client_secret}`).toString('base64')}`,
  };
  const grant = { grant_type: 'client_credentials' };
  const answers = [
    await token(t, { ...grant, ...secrets, resource: ORDERS }),
    await token(t, { ...grant, ...secrets, audience: ORDERS, resource: ORDERS }),
    await token(t, { ...grant, audience: ORDERS }, basic),
    await token(t, { ...grant, audience: ORDERS }, { authorization: basic.authorization.replace('Basic', 'basic') }),
    await w.send(`${t.origin}/oauth/token`, { method: 'POST', json: { ...grant, ...secrets, audience: ORDERS } }),
    await w.send(`${t.origin}/oauth/token?${new URLSearchParams({ ...grant, audience: ORDERS })}`, { headers: basic }),
  ];
  for (const { status, body, headers } of answers) {
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(decodeJwt(body.access_token).aud, ORDERS);
    assert.equal(body.token_type, 'Bearer');
    assert.equal(headers.get('cache-control'), 'no-store');
  }
  const differ = await token(t, { ...grant, ...secrets, audience: ORDERS, resource: 'https://else.example.com' });
  assert.deepEqual([differ.status, differ.body.error], [400, 'invalid_target']);
  const plain = await token(t, { ...grant, ...secrets });
  assert.equal(decodeJwt(plain.body.access_token).aud, `${t.origin}/userinfo`, 'without an audience');
});

test('client authentication fails with 401 and in the same words, whatever was wrong', async () => {
  const t = await w.tenant();
  const other = await w.tenant();
  const client = await t.client();
  const foreign = await other.client();
  const attempt = (client_id: string, client_secret: string) =>
    token(t, { grant_type: 'client_credentials', client_id, client_secret });
  assert.equal((await attempt(client.client_id, client.client_secret)).status, 200);
  const answers = [
    await attempt(client.client_id, 'wrong'),
    await attempt('client_000000000000000000000000', 'wrong'),
    await attempt(foreign.client_id, foreign.client_secret),
  ];
  for (const answer of answers) {
    assert.equal(answer.status, 401);
    assert.deepEqual(answer.body, answers[0]!.body);
    assert.equal(answer.body.error, 'invalid_client');
    assert.deepEqual(Object.keys(answer.body).sort(), ['error', 'error_description']);
  }
  const basic = await token(
    t,
    { grant_type: 'client_credentials' },
    { authorization: `Basic ${Buffer.from(`${client.client_id}:wrong`).toString('base64')}` },
  );
  assert.equal(basic.status, 401);
  assert.match(basic.headers.get('www-authenticate') ?? '', /^Basic realm=/, 'RFC 6749 §5.2');
});

test('secrets in a query string are refused, on GET and on POST', async () => {
  const t = await w.tenant();
  const client = await t.client();
  for (const method of ['GET', 'POST']) {
    for (const name of ['client_secret', 'password', 'otp', 'refresh_token', 'code_verifier']) {
      const answer = await w.send(
        `${t.origin}/oauth/token?grant_type=client_credentials&client_id=${client.client_id}&${name}=${client.client_secret}`,
        { method, ...(method === 'POST' && { form: {} }) },
      );
      assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_request'], `${method} ${name}`);
      assert.match(answer.body.error_description, new RegExp(name));
    }
  }
});

test('an audience that the tenant does not serve is invalid_target, another tenant’s too', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  await ordersApi(other);
  const client = await t.client();
  for (const audience of [ORDERS, 'https://nowhere.example.com', `cardea:management:${other.id}`, 'cardea:platform']) {
    const answer = await token(t, {
      grant_type: 'client_credentials',
      ...credentialsOf(client),
      audience,
    });
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_target'], audience);
  }
});

/* ——— authorization code ——— */

test('the answer to an authorization request carries code, state and issuer (RFC 9207)', async () => {
  const t = await w.tenant();
  const { landed } = await authorize(t, await t.client(), await t.user());
  assert.equal(landed.searchParams.get('iss'), t.origin);
  assert.equal(landed.searchParams.get('state'), 'the state');
  assert.ok(landed.searchParams.get('code'));
});

test('a public client must use PKCE with S256; a confidential one may', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const spa = await t.client({ token_endpoint_auth_method: 'none' });
  const start = (client: Client, extra: Record<string, string>) =>
    fetch(
      `${t.origin}/authorize?${new URLSearchParams({ response_type: 'code', client_id: client.client_id, redirect_uri: REDIRECT, scope: 'openid', ...extra })}`,
      { redirect: 'manual' },
    ).then((answer) => new URL(answer.headers.get('location') ?? '', t.origin));
  assert.equal((await start(spa, {})).searchParams.get('error'), 'invalid_request');
  const plain = await start(spa, { code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' });
  assert.equal(plain.searchParams.get('error'), 'invalid_request');
  const implicit = await start(spa, { code_challenge: 'x'.repeat(43) });
  assert.equal(implicit.searchParams.get('error'), 'invalid_request', 'no method means plain (RFC 7636 §4.3)');
  assert.equal((await redeem(t, spa, await authorize(t, spa, user))).status, 200);
  assert.match((await start(await t.client(), {})).pathname, /^\/flow\//);
});

test('a code is worth nothing to anyone else: wrong verifier, redirect, client, tenant, or too late', async () => {
  const t = await w.tenant();
  const other = await w.tenant();
  const user = await t.user();
  const [client, neighbour] = [await t.client(), await t.client()];
  const foreign = await other.client();
  const attempts: Record<string, (code: string, verifier: string) => ReturnType<typeof token>> = {
    'wrong verifier': (code) => redeem(t, client, { code, verifier: pkce().verifier }),
    'no verifier (PKCE downgrade)': (code) =>
      token(t, {
        grant_type: 'authorization_code',
        ...credentialsOf(client),
        code,
        redirect_uri: REDIRECT,
      }),
    'wrong redirect': (code, verifier) =>
      token(t, {
        grant_type: 'authorization_code',
        ...credentialsOf(client),
        code,
        code_verifier: verifier,
        redirect_uri: `${REDIRECT}/`,
      }),
    'another client': (code, verifier) => redeem(t, neighbour, { code, verifier }),
    'another tenant': (code, verifier) => redeem(other, foreign, { code, verifier }),
    'no code at all': (_code, verifier) => redeem(t, client, { code: 'nonsense', verifier }),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    const { code, verifier } = await authorize(t, client, user);
    const answer = await attempt(code, verifier);
    assert.deepEqual([answer.status, answer.body?.error], [400, 'invalid_grant'], name);
  }
});

test('a failed client authentication does not use the code up', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const got = await authorize(t, client, await t.user());
  assert.equal((await redeem(t, { ...client, client_secret: 'wrong' }, got)).status, 401);
  assert.equal((await redeem(t, client, got)).status, 200);
});

test('of 100 redemptions of one code one succeeds, and then what it gave is worth nothing (RFC 6749 §4.1.2)', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const got = await authorize(t, client, await t.user());
  const answers = await Promise.all(Array.from({ length: 100 }, () => redeem(t, client, got)));
  const won = answers.filter(({ status }) => status === 200);
  assert.equal(won.length, 1);
  for (const { status, body } of answers.filter((answer) => answer !== won[0]))
    assert.deepEqual([status, body.error], [400, 'invalid_grant']);
  const { access_token, refresh_token } = won[0]!.body;
  assert.equal((await userinfo(t, access_token)).status, 401);
  assert.equal((await refresh(t, client, refresh_token)).body.error, 'invalid_grant');
});

test('a code used again minutes later revokes its tokens too', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const got = await authorize(t, client, await t.user());
  const { access_token, refresh_token } = (await redeem(t, client, got)).body;
  assert.equal((await userinfo(t, access_token)).status, 200);
  assert.equal((await redeem(t, client, got)).body.error, 'invalid_grant');
  assert.equal((await userinfo(t, access_token)).status, 401);
  assert.equal((await refresh(t, client, refresh_token)).body.error, 'invalid_grant');
});

test('a redirect that is not registered to the letter ends on our page and redirects nowhere', async () => {
  const t = await w.tenant();
  const client = await t.client({ callbacks: ['https://app.example.com/cb'] });
  const tricks = [
    'https://app.example.com/cb/',
    'https://app.example.com/cb?x=1',
    'https://app.example.com:444/cb',
    'https://app.example.com@evil.example/cb',
    'https://app.example.com.evil.example/cb',
    'https://app.example.com/cb%2f..',
    'https://app.example.com/../cb',
    'HTTPS://APP.EXAMPLE.COM/cb',
    'http://app.example.com/cb',
    '//app.example.com/cb',
    'javascript:alert(1)',
    'https://app.example.com/cb\r\nlocation: https://evil.example',
    'https://app.example.com/cb#x',
  ];
  for (const redirect_uri of tricks) {
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri,
      scope: 'openid',
    });
    const answer = await fetch(`${t.origin}/authorize?${query}`, {
      redirect: 'manual',
      headers: { accept: 'text/html' },
    });
    assert.equal(answer.status, 400, redirect_uri);
    assert.equal(answer.headers.get('location'), null, redirect_uri);
    assert.match(await answer.text(), /This login link is broken/);
    assert.match(answer.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
  }
});

test('whoever makes the app is told what to change, in development on the page, always in the trail and the log', async () => {
  const t = await w.tenant();
  const client = await t.client({ callbacks: ['https://app.example.com/cb'] });
  await t.client({ callbacks: ['https://other.example.com/cb'] });
  const typo = 'https://app.example.com/callback';
  const open = (more: Record<string, string>) =>
    w.send(authorizeUrl(t, { ...requestOf(client).parameters, ...more }), { headers: { accept: 'text/html' } });
  const pages = [await open({ redirect_uri: typo }), await open({ redirect_uri: typo })];
  for (const { text } of pages) {
    assert.match(text, /invalid_redirect_uri/);
    assert.ok(text.includes(typo) && text.includes('https://app.example.com/cb<'));
    assert.ok(!text.includes('other.example.com'));
  }
  const unknown = await open({ client_id: 'nobody' });
  assert.match(unknown.text, /invalid_client/);
  assert.ok(!unknown.text.includes('https://app.example.com'));
  const rows = await logged(t, 'oauth.authorize.failed');
  const row = rows.find(({ data }) => data.reason === 'invalid_redirect_uri');
  assert.deepEqual([row.client, row.data.redirect_uri], [client.client_id, typo]);
  assert.deepEqual(
    row.data.references,
    pages.map(({ headers }) => headers.get('x-request-id')),
  );
  const callbacks = Array.from({ length: 100 }, (_, n) => `https://app.example.com/${n}/${'x'.repeat(1900)}`);
  const wordy = await open({ client_id: (await t.client({ callbacks })).client_id, redirect_uri: typo });
  assert.ok(wordy.text.includes('https://app.example.com/19/x') && wordy.text.length < 30_000, 'a page stays a page');
  // Elsewhere than in development whoever looks at the page is not who can mend it.
  const request = { id: 'req_1', url: '/', headers: {}, query: {}, params: {}, routeOptions: {}, method: 'GET' };
  const told: object[] = [];
  const log = { level: 'info', info: (about: object) => void told.push(about) };
  const cause = { error: 'invalid_redirect_uri', received: typo, registered: client.callbacks };
  const { body } = failurePages({ development: false })({ ...request, log } as never, 'broken_link', cause);
  assert.ok(!body.includes('app.example.com') && !body.includes('invalid_redirect_uri'));
  assert.deepEqual((told[0] as { cause: object }).cause, cause);
});

test('the port of a registered loopback redirect may vary, nothing else of it (RFC 8252 §7.3)', async () => {
  const t = await w.tenant();
  const client = await t.client({
    callbacks: ['http://127.0.0.1/cb', 'http://[::1]:80/cb'],
    application_type: 'native',
  });
  const start = async (redirect_uri: string) => {
    const { parameters } = requestOf(client, { redirect_uri });
    return (await w.send(authorizeUrl(t, parameters))).status;
  };
  assert.equal(await start('http://127.0.0.1:51004/cb'), 303);
  assert.equal(await start('http://[::1]:51004/cb'), 303);
  assert.equal(await start('http://127.0.0.1:51004/other'), 400);
  assert.equal(await start('http://localhost:51004/cb'), 400);
  assert.equal(await start('https://127.0.0.1:51004/cb'), 400);
});

test('the port of localhost may vary for who is on the user’s device: without a secret, native, or by a document', async () => {
  const t = await w.tenant();
  const callbacks = ['http://localhost:3000/cb'];
  const { origin, serve } = await listen();
  const document = { client_id: `${origin}/client.json`, redirect_uris: callbacks };
  serve((_request, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(document)));
  const start = async (client: { client_id: string }, redirect_uri: string) =>
    (await w.send(authorizeUrl(t, requestOf(client as never, { redirect_uri }).parameters))).status;
  for (const [client, expected] of [
    [await t.client({ callbacks, token_endpoint_auth_method: 'none' }), 303],
    [await t.client({ callbacks, application_type: 'native' }), 303],
    [document, 303],
    [await t.client({ callbacks }), 400],
  ] as const) {
    assert.equal(await start(client, callbacks[0]!), 303);
    assert.equal(await start(client, 'http://localhost:57470/cb'), expected);
    for (const other of ['http://localhost:57470/cb/', 'https://localhost:57470/cb', 'http://127.0.0.1:57470/cb'])
      assert.equal(await start(client, other), 400, other);
    assert.equal(await start(client, 'http://localhost.evil.example:57470/cb'), 400);
  }
});

test('prompt=none answers login_required without a session and a code with one', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const user = await t.user();
  const visit = agent();
  const silent = async () => {
    const { parameters } = requestOf(client, { prompt: 'none', state: 's' });
    const at = await follow(visit, await visit(authorizeUrl(t, parameters)));
    return new URL(at.location!).searchParams;
  };
  const before = await silent();
  assert.deepEqual([before.get('error'), before.get('state'), before.get('iss')], ['login_required', 's', t.origin]);
  await authorize(t, client, user, {}, visit);
  assert.ok((await silent()).get('code'));
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  assert.equal((await silent()).get('error'), 'login_required', 'suspension ends the session');
});

test('max_age and auth_time: an old session logs in again', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const user = await t.user();
  const visit = agent();
  const first = await redeem(t, client, await authorize(t, client, user, { max_age: '3600' }, visit));
  const claims = decodeJwt(first.body.id_token);
  assert.ok(typeof claims.auth_time === 'number');
  const { parameters } = requestOf(client, { max_age: '0' });
  w.clock.advance({ seconds: 5 });
  const at = await visit(authorizeUrl(t, parameters));
  assert.match(at.location ?? '', /\/flow\//);
});

/* ——— id tokens, refresh, userinfo ——— */

test('the id token answers the request: nonce, audience, issuer, sid and the claims of its scopes', async () => {
  const t = await w.tenant();
  const { user, client, tokens } = await signedIn(t, { nonce: 'n-1' });
  const { payload } = await jwtVerify(tokens.id_token, publishedKeys(t), {
    issuer: t.origin,
    audience: client.client_id,
  });
  assert.equal(payload.sub, user.id);
  assert.equal(payload.nonce, 'n-1');
  assert.equal(payload.email, user.email);
  assert.equal(payload.name, 'Ada Lovelace');
  assert.ok(payload.sid);
  assert.equal(decodeProtectedHeader(tokens.id_token).alg, 'RS256');
});

test('offline_access gives a refresh token without prompt=consent; without the scope there is none', async () => {
  const t = await w.tenant();
  const with_ = await signedIn(t);
  assert.ok(with_.tokens.refresh_token);
  assert.match(with_.tokens.scope, /offline_access/);
  const without = await signedIn(t, { scope: 'openid' });
  assert.equal(without.tokens.refresh_token, undefined);
});

test('a pushed request gives what was pushed, and nothing that is written beside it', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const client = await t.client();
  const finish = async (pushed: string, beside: Record<string, string> = {}) => {
    const { verifier, challenge } = pkce();
    const par = await push(t, client, {
      response_type: 'code',
      redirect_uri: REDIRECT,
      scope: pushed,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    });
    assert.equal(par.status, 201, par.text);
    const query = new URLSearchParams({
      client_id: client.client_id,
      request_uri: par.body.request_uri,
      ...beside,
    });
    const landed = await signIn(agent(), `${t.origin}/authorize?${query}`, user);
    return (await redeem(t, client, { code: landed.searchParams.get('code') ?? '', verifier })).body;
  };
  const offline = await finish('openid offline_access');
  assert.ok(offline.refresh_token);
  assert.match(offline.scope, /offline_access/);
  const online = await finish('openid', { scope: 'openid email offline_access' });
  assert.equal(online.refresh_token, undefined);
  assert.equal(online.scope, 'openid');
});

test('a refresh token is replaced at every use, and using the old one again ends the family (RFC 9700 §4.14.2)', async () => {
  const t = await w.tenant();
  const { client, tokens } = await signedIn(t);
  const second = await refresh(t, client, tokens.refresh_token);
  assert.equal(second.status, 200, second.text);
  assert.notEqual(second.body.refresh_token, tokens.refresh_token);
  w.clock.advance({ seconds: 3600 });
  assert.equal((await refresh(t, client, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(t, client, second.body.refresh_token)).body.error, 'invalid_grant');
});

test('parallel uses of one refresh token all get the same successor: nothing forks', async () => {
  const t = await w.tenant();
  const { client, tokens } = await signedIn(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(t, client, tokens.refresh_token)));
  for (const { status, text } of answers) assert.equal(status, 200, text);
  assert.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1);
  assert.equal((await refresh(t, client, answers[0]!.body.refresh_token)).status, 200);
});

test('refresh tokens belong to their client and their tenant, and end when the client says', async () => {
  const t = await w.tenant();
  const { client, tokens } = await signedIn(t);
  const neighbour = await t.client();
  assert.equal((await refresh(t, neighbour, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await refresh(t, client, tokens.refresh_token)).status, 200, 'the attempt cost nothing');

  await t.api('POST', `/client/${client.client_id}`, {
    refresh_token: { expiration_mode: 'expire', infinite_token_lifetime: false, token_lifetime: 60 },
  });
  const user = await t.user();
  const short = (await redeem(t, client, await authorize(t, client, user))).body;
  w.clock.advance({ seconds: 61 });
  assert.equal((await refresh(t, client, short.refresh_token)).body.error, 'invalid_grant');
});

test('a refresh token that never expires leaves nothing behind for ever', async () => {
  const t = await w.tenant();
  const endless = { expiration_mode: 'not-expire', infinite_token_lifetime: true, token_lifetime: 3600 };
  const { client, tokens } = await signedIn(t, {}, { refresh_token: endless });
  const rows = () => protocolModel.find({ client: client.client_id, kind: 'RefreshToken' }).lean();
  const days = ({ expires_at }: { expires_at: Date }) => (expires_at.getTime() - Date.now()) / 86_400_000;
  assert.ok((await rows()).every((row) => days(row) > 3600));
  assert.equal((await refresh(t, client, tokens.refresh_token)).status, 200);
  const [used] = (await rows()).filter(({ consumed_at }) => consumed_at);
  assert.ok(days(used!) <= 90);
  w.clock.advance({ seconds: 60 });
  assert.equal((await refresh(t, client, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.deepEqual(await rows(), [], 'and tells of a theft until then');
});

test('userinfo answers GET and POST to the token of a user of this tenant, and to nothing else', async () => {
  const t = await w.tenant();
  const other = await w.tenant();
  const { user, client, tokens } = await signedIn(t);
  for (const method of ['GET', 'POST']) {
    const { status, body } = await userinfo(t, tokens.access_token, method);
    assert.equal(status, 200);
    assert.deepEqual([body.sub, body.email, body.name], [user.id, user.email, 'Ada Lovelace']);
    assert.equal(body.address, undefined);
  }
  await ordersApi(t);
  const refused = {
    'no token': '',
    nonsense: 'a.b.c',
    'a machine token': await t.machineToken(client, ORDERS),
    'an id token': tokens.id_token,
    'an edited token': `${tokens.access_token.slice(0, -4)}AAAA`,
    'another tenant’s token': (await signedIn(other)).tokens.access_token,
  };
  for (const [name, value] of Object.entries(refused)) {
    const answer = await userinfo(t, value);
    assert.ok([400, 401, 403].includes(answer.status), `${name}: ${answer.status}`);
    assert.notEqual(answer.status, 200, name);
  }
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  assert.equal((await userinfo(t, tokens.access_token)).status, 401, 'suspended');
});

test('what changes is seen at userinfo at once: claims, revocation, logout of the grant', async () => {
  const t = await w.tenant();
  const { user, client, tokens } = await signedIn(t);
  assert.equal((await userinfo(t, tokens.access_token)).body.name, 'Ada Lovelace');
  await t.api('POST', `/user/${user.id}`, { name: 'Countess Lovelace' });
  assert.equal((await userinfo(t, tokens.access_token)).body.name, 'Countess Lovelace');
  const { client_id, client_secret } = client;
  const revoke = (token: string) => post(t, '/oauth/revoke', { client_id, client_secret, token });
  await revoke(tokens.access_token);
  assert.equal((await userinfo(t, tokens.access_token)).status, 401, 'the token itself');
  const { body: next } = await refresh(t, client, tokens.refresh_token);
  assert.equal((await userinfo(t, next.access_token)).status, 200);
  await revoke(next.refresh_token);
  assert.equal((await userinfo(t, next.access_token)).status, 401, 'its grant');
});

test('an access token expires', async () => {
  const t = await w.tenant();
  const { tokens } = await signedIn(t);
  assert.equal((await userinfo(t, tokens.access_token)).status, 200);
  w.clock.advance({ seconds: tokens.expires_in + 1 });
  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
});

test('the audience asked for at /authorize holds at the token endpoint', async () => {
  const t = await w.tenant();
  await ordersApi(t);
  const { tokens } = await signedIn(t, { audience: ORDERS, scope: 'openid email offline_access read:orders' });
  const claims = decodeJwt(tokens.access_token);
  assert.equal(claims.aud, ORDERS);
  assert.equal(claims.scope, 'openid email read:orders');
});

test('a request without a scope gets who the user is, and all that the audience has for them (RFC 6749 §3.3)', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client()];
  const granted = async (audience?: string) => {
    const { verifier, challenge } = pkce();
    const query = new URLSearchParams({
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      code_challenge: challenge,
      code_challenge_method: 'S256',
      ...(audience && { audience }),
    });
    const landed = await signIn(agent(), `${t.origin}/authorize?${query}`, user);
    const { body, text } = await redeem(t, client, { code: landed.searchParams.get('code') ?? '', verifier });
    assert.ok(body.access_token, text);
    assert.equal(decodeJwt(body.id_token).sub, user.id);
    // One for an Api that allows it is what an agent expects, which names no scopes.
    if (!audience) assert.equal(body.refresh_token, undefined);
    return body;
  };
  assert.equal((await granted()).scope, 'openid');

  await ordersApi(t);
  const everything = decodeJwt((await granted(ORDERS)).access_token);
  assert.deepEqual([everything.aud, everything.scope], [ORDERS, 'openid read:orders create:orders']);

  const careful = await t.api('POST', '/api', {
    name: 'Careful API',
    identifier: 'https://careful.example.com',
    rbac: true,
    permissions: [{ value: 'read:all' }, { value: 'delete:all' }],
  });
  assert.equal(decodeJwt((await granted(careful.identifier)).access_token).scope, 'openid');
  const role = await t.api('POST', '/role', { name: 'Reader', permissions: [{ api: careful.id, value: 'read:all' }] });
  await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
  assert.equal(decodeJwt((await granted(careful.identifier)).access_token).scope, 'openid read:all');

  const management = decodeJwt((await granted(t.audience)).access_token);
  assert.equal(management.scope, 'openid', 'nothing that nobody gave');
});

test('an Api without offline access gives no refresh token', async () => {
  const t = await w.tenant();
  await ordersApi(t, { allow_offline_access: false });
  const { tokens } = await signedIn(t, { audience: ORDERS, scope: 'openid offline_access read:orders' });
  assert.equal(tokens.refresh_token, undefined);
});

/* ——— keys ——— */

test('keys rotate while tokens live: old ones verify, the queued key was published before it signed', async () => {
  const t = await w.tenant();
  const { tokens } = await signedIn(t);
  const published = async () =>
    (await w.send(`${t.origin}/.well-known/jwks.json`)).body.keys.map(({ kid }: { kid: string }) => kid);
  const before = await published();
  const rotated = await t.api('POST', '/account/keys/rotate', {});
  assert.ok(before.includes(rotated.production_kid), 'published before it signs');
  const after = await published();
  assert.ok(after.includes(rotated.previous_production_kid), 'still published');
  assert.equal((await userinfo(t, tokens.access_token)).status, 200, 'a live token goes on');
  const fresh = (await signedIn(t)).tokens;
  assert.equal(decodeProtectedHeader(fresh.id_token).kid, rotated.production_kid);
  assert.equal(decodeProtectedHeader(fresh.access_token).kid, rotated.production_kid);
  for (const jwt of [tokens.id_token, fresh.id_token, tokens.access_token, fresh.access_token])
    await jwtVerify(jwt, publishedKeys(t));
});

/* ——— logout ——— */

test('logout with a valid hint ends the session and goes where the client registered, with its state', async () => {
  const t = await w.tenant();
  const client = await t.client({ logout_urls: ['https://app.example.com/bye'] });
  const user = await t.user();
  const visit = agent();
  const { id_token } = (await redeem(t, client, await authorize(t, client, user, {}, visit))).body;
  const query = new URLSearchParams({
    id_token_hint: id_token,
    post_logout_redirect_uri: 'https://app.example.com/bye',
    state: 's 1',
  });
  const out = await visit(`${t.origin}/logout?${query}`);
  assert.equal(out.location, 'https://app.example.com/bye?state=s+1');
  const again = await visit(
    `${t.origin}/authorize?${new URLSearchParams({ response_type: 'code', client_id: client.client_id, redirect_uri: REDIRECT, scope: 'openid' })}`,
  );
  assert.match(again.location ?? '', /\/flow\//, 'a new login is asked for');
});

test('logout goes nowhere that is not registered, takes no foreign hint, and answers JSON without anywhere to go', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const { client, tokens } = await signedIn(t);
  const foreign = await signedIn(other);
  const out = (query: Record<string, string>) => w.send(`${t.origin}/logout?${new URLSearchParams(query)}`);
  const hint: Record<string, string> = { id_token_hint: tokens.id_token };
  const refused: Record<string, string>[] = [
    { ...hint, post_logout_redirect_uri: 'https://evil.example' },
    { ...hint, returnTo: '//evil.example' },
    { client_id: client.client_id, returnTo: 'https://evil.example' },
    { returnTo: 'https://evil.example' },
    { id_token_hint: foreign.tokens.id_token },
    { id_token_hint: 'nonsense' },
    { ...hint, client_id: foreign.client.client_id },
    { id_token_hint: `${tokens.id_token.slice(0, -4)}AAAA` },
  ];
  for (const bad of refused) {
    const answer = await out(bad);
    // Nobody is logged in here: what cannot be verified is no hint, and only the redirect is refused.
    assert.equal(answer.status, 200, JSON.stringify(bad));
    assert.equal(answer.headers.get('location'), null);
  }
  assert.deepEqual((await out(hint)).body, { status: 'logout' });
  assert.deepEqual((await out({})).body, { status: 'logout' });
});

test('logout without a hint asks first, so that a link on another site signs nobody out', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const visit = agent();
  await authorize(t, client, await t.user(), {}, visit);
  const page = await visit(`${t.origin}/logout`);
  assert.equal(page.status, 200);
  assert.match(page.text, /<form/);
  const forged = await visit(`${t.origin}/logout/confirm`, {
    form: { logout: 'yes', csrf: 'guess' },
    headers: { origin: t.origin },
  });
  assert.equal(forged.status, 403);
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)![1]!;
  const elsewhere = await visit(`${t.origin}/logout/confirm`, {
    form: { logout: 'yes', csrf },
    headers: { origin: 'https://evil.example' },
  });
  assert.equal(elsewhere.status, 403);
  await visit(`${t.origin}/logout/confirm`, { form: { logout: 'yes', csrf }, headers: { origin: t.origin } });
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    scope: 'openid',
    prompt: 'none',
  });
  assert.match((await visit(`${t.origin}/authorize?${query}`)).location ?? '', /login_required/);
});

/* ——— browsers on other origins ——— */

test('CORS: the token endpoint answers the client’s own origins, errors included, and no others once they are named', async () => {
  const t = await w.tenant();
  const spa = await t.client({ token_endpoint_auth_method: 'none', web_origins: ['https://spa.example.com'] });
  const ask = (origin: string) =>
    token(t, { grant_type: 'refresh_token', client_id: spa.client_id, refresh_token: 'x' }, { origin });
  const own = await ask('https://spa.example.com');
  assert.equal(own.body.error, 'invalid_grant');
  assert.equal(own.headers.get('access-control-allow-origin'), 'https://spa.example.com');
  const foreign = await ask('https://evil.example');
  assert.equal(foreign.headers.get('access-control-allow-origin'), null);
  const preflight = await w.send(`${t.origin}/oauth/token`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://spa.example.com',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'auth0-client',
    },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /auth0-client/);
  for (const path of ['/.well-known/openid-configuration', '/.well-known/jwks.json'])
    assert.ok(
      (await w.send(`${t.origin}${path}`, { headers: { origin: 'https://spa.example.com' } })).headers.get(
        'access-control-allow-origin',
      ),
      path,
    );
});

test('a client secret that was rotated stops working at once', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const rotated = await t.api('POST', `/client/${client.client_id}/rotate-secret`);
  const attempt = (client_secret: string) =>
    token(t, { grant_type: 'client_credentials', client_id: client.client_id, client_secret });
  assert.equal((await attempt(client.client_secret)).body.error, 'invalid_client');
  assert.equal((await attempt(rotated.client_secret)).status, 200);
});

/* ——— refresh chains ——— */

test('a retry within half a minute gets the same successor, also when that was used meanwhile; later it is theft', async () => {
  const t = await w.tenant();
  const { client, tokens, user } = await signedIn(t);
  const second = (await refresh(t, client, tokens.refresh_token)).body.refresh_token;
  const third = (await refresh(t, client, second)).body.refresh_token;
  // The first request was answered elsewhere and arrives late: the honest client stays signed in.
  assert.equal((await refresh(t, client, tokens.refresh_token)).body.refresh_token, second);
  w.clock.advance({ seconds: 31 });
  const fourth = (await refresh(t, client, third)).body.refresh_token;
  assert.ok(fourth, 'the live end of the chain goes on');
  assert.equal((await refresh(t, client, second)).body.error, 'invalid_grant');
  assert.equal((await refresh(t, client, fourth)).body.error, 'invalid_grant', 'the whole family is gone');
  const rows = await t.api('GET', `/log?query=${encodeURIComponent(`type:oauth.token.reused user:${user.id}`)}`);
  assert.equal(rows.results.length, 1, 'and the tenant can see it');
});

test('scopes may be narrowed at refresh and widened again up to what was granted, never beyond', async () => {
  const t = await w.tenant();
  const { client, tokens } = await signedIn(t);
  const ask = (refresh_token: string, scope: string) => refresh(t, client, refresh_token, { scope });
  const narrow = await ask(tokens.refresh_token, 'openid');
  assert.equal(narrow.body.scope, 'openid');
  const wide = await ask(narrow.body.refresh_token, 'openid profile email');
  assert.equal(wide.body.scope, 'openid profile email');
  const beyond = await ask(wide.body.refresh_token, 'openid phone');
  assert.deepEqual([beyond.status, beyond.body.error], [400, 'invalid_scope']);
});

/* ——— revocation and introspection ——— */

test('introspection tells a resource server what our tokens are, and nothing about tokens of another tenant', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  await ordersApi(t);
  const { user, client, tokens } = await signedIn(t, { audience: ORDERS, scope: 'openid offline_access read:orders' });
  const resourceServer = await t.client();
  const access = (await introspect(t, resourceServer, tokens.access_token)).body;
  assert.deepEqual(
    [access.active, access.sub, access.client_id, access.aud, access.scope, access.iss, access.token_type],
    [true, user.id, client.client_id, ORDERS, 'openid read:orders', t.origin, 'Bearer'],
  );
  assert.equal((await introspect(t, resourceServer, tokens.refresh_token)).body.active, true);
  const machine = await t.machineToken(client, ORDERS);
  const { body: asked } = await introspect(t, resourceServer, machine);
  assert.deepEqual([asked.client_id, asked.sub], [client.client_id, client.client_id], 'as its JWT says');
  assert.equal(decodeJwt(machine).sub, client.client_id);
  const foreign = await other.client();
  for (const value of [tokens.access_token, tokens.refresh_token, machine, 'nonsense', `${machine.slice(0, -4)}AAAA`])
    assert.deepEqual((await introspect(other, foreign, value)).body, { active: false });
  assert.equal((await introspect(t, { ...resourceServer, client_secret: 'wrong' }, machine)).status, 401);
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  assert.deepEqual((await introspect(t, resourceServer, tokens.access_token)).body, { active: false });
});

test('revoking an access token ends that one; revoking a refresh token ends the grant; only the client itself may', async () => {
  const t = await w.tenant();
  const { client, tokens } = await signedIn(t);
  const stranger = await t.client();
  assert.equal((await revoke(t, stranger, tokens.access_token)).status, 200);
  assert.equal((await userinfo(t, tokens.access_token)).status, 200, 'a stranger changes nothing');
  const answer = await revoke(t, client, tokens.access_token);
  assert.deepEqual([answer.status, answer.text, answer.headers.get('content-type')], [200, '', null]);
  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
  const next = await refresh(t, client, tokens.refresh_token);
  assert.equal(next.status, 200, 'the grant lives on');
  assert.equal((await revoke(t, client, next.body.refresh_token)).status, 200);
  assert.equal((await refresh(t, client, next.body.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await userinfo(t, next.body.access_token)).status, 401);
  assert.equal((await revoke(t, client, 'nonsense')).status, 200, 'RFC 7009 §2.2');
});

test('a public id alone opens nothing: client_credentials needs a secret (RFC 6749 §4.4)', async () => {
  const t = await w.tenant();
  const spa = await t.client({ token_endpoint_auth_method: 'none' });
  assert.ok(!spa.grant_types.includes('client_credentials'));
  const ask = (client_id: string) => token(t, { grant_type: 'client_credentials', client_id, audience: t.audience });
  assert.equal((await ask(spa.client_id)).body.error, 'unauthorized_client');
  const both = { name: 'x', token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] };
  assert.equal((await t.call('POST', '/client', both)).status, 400);
  const confidential = await t.client();
  const demoted = await t.api('POST', `/client/${confidential.client_id}`, { token_endpoint_auth_method: 'none' });
  assert.ok(!demoted.grant_types.includes('client_credentials'));
  assert.equal((await ask(confidential.client_id)).body.error, 'unauthorized_client');
});

test('a machine client leaves an audit row at once, and those of its tokens that follow are told by their number', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const [client] = [await t.client(), await ordersApi(t)];
  const rows = async (of: TenantHandle) =>
    (await of.api('GET', '/log?pageSize=200&query=type:oauth.client.authenticated')).results.filter(
      (row: { client: string }) => row.client === client.client_id,
    );
  const until = async (count: number) => {
    for (let found = await rows(t); ; found = await rows(t)) if (found.length >= count) return found;
  };
  for (let n = 0; n < 4; n += 1) await t.machineToken(client, ORDERS);
  const [first, ...none] = await until(1);
  assert.deepEqual(none, []);
  const { ip, ...said } = first.data;
  assert.deepEqual(said, { grant_type: 'client_credentials', audience: ORDERS });
  assert.match(ip, /127\.0\.0\.1|::1/);
  assert.equal(first.status, 'success');

  w.clock.advance({ seconds: 15 * 60 + 1 });
  await closeMachineLogins();
  const [more] = (await until(2)).filter((row: { data: { more?: number } }) => row.data.more);
  assert.equal(more.data.more, 3);
  await closeMachineLogins();
  assert.equal((await rows(t)).length, 2, 'told once');
  assert.equal((await rows(other)).length, 0);
});

test('a client that fails to authenticate leaves an audit row that names it, and a flood is counted in it', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const client = await t.client();
  const attempt = (client_id: string) =>
    token(t, { grant_type: 'client_credentials', client_id, client_secret: 'wrong' });
  await attempt(client.client_id);
  await attempt('nobody');
  const rows = async (of: TenantHandle) =>
    (await of.api('GET', '/log?pageSize=200&query=type:oauth.client.auth_failed')).results;
  const until = async (count: number) => {
    for (let found = await rows(t); ; found = await rows(t)) if (found.length >= count) return found;
  };
  const told = new Map(
    (await until(2)).map((row: { data: { reason: string }; client?: string }) => [row.data.reason, row.client]),
  );
  assert.deepEqual([told.get('wrong_secret'), told.get('unknown_client'), told.size], [client.client_id, undefined, 2]);
  await Promise.all(Array.from({ length: 30 }, () => attempt(client.client_id)));
  const wrong = async () =>
    (await rows(t)).find(({ data }: { data: { reason: string } }) => data.reason === 'wrong_secret');
  for (let row = await wrong(); row.data.count < 31; row = await wrong());
  assert.equal((await rows(t)).length, 2);
  assert.equal((await rows(other)).length, 0);
});
