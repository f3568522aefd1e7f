/**
 * What other servers were caught with, tried here: redirects, mix-up, forged tokens, polluted parameters, planted cookies,
 * pages in frames, answers that tell too much. What a room's own tests hold is not repeated.
 */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { signingKeysOf } from '../../src/domain/key/signing-key.ts';
import { networkOf, networksOf } from '../../src/kernel/network.ts';
import {
  type Agent,
  type Answer,
  agent,
  bearer,
  type Client,
  challengeOf,
  credentialsOf,
  encodePart,
  follow,
  forge,
  formOf,
  listen,
  ORDERS,
  ordersApi,
  REDIRECT,
  requestOf,
  signIn,
  tokenRequest,
  tokensOf,
  until,
  world,
} from '../kit/index.ts';

const w = await world();
const [t, other] = [await w.tenant(), await w.tenant('Other')];
const user = await t.user();
const client = await t.client();
const OAUTH = { token: '/oauth/token', revoke: '/oauth/revoke', introspect: '/oauth/introspect', par: '/oauth/par' };
const DEVICE = '/oauth/device/code';

// biome-ignore lint/suspicious/noExplicitAny: answers are inspected field by field
type Json = any;
type Form = Record<string, string>;

const post = (path: string, form: Form, headers: Form = {}, at: { origin: string } = t) =>
  w.send<Json>(`${at.origin}${path}`, { method: 'POST', form, headers });
const mint = (bytes = 32) => randomBytes(bytes).toString('base64url');
const told = ({ status, body }: Answer<Json>) => [status, body?.error];

const CHALLENGE = { code_challenge: challengeOf(mint()), code_challenge_method: 'S256' };
const request = (more: Form = {}, of: Client = client): Form => ({
  response_type: 'code',
  client_id: of.client_id,
  redirect_uri: REDIRECT,
  scope: 'openid',
  state: 'the state',
  ...CHALLENGE,
  ...more,
});
const authorizeUrl = (form: Form, at: { origin: string } = t) => `${at.origin}/authorize?${new URLSearchParams(form)}`;

/** A browser that is logged in at the tenant. */
async function loggedIn(): Promise<Agent> {
  const visit = agent();
  await signIn(visit, authorizeUrl(request()), user);
  return visit;
}
const known = await loggedIn();

/** A code, and what redeeming it takes, without a page being shown. */
async function codeFor(of: Client, more: Form = {}, visit = known) {
  const verifier = mint();
  const form = request({ code_challenge: challengeOf(verifier), ...more }, of);
  const at = await follow(visit, await visit(authorizeUrl(form)), REDIRECT);
  const code = new URL(at.location ?? at.url).searchParams.get('code');
  assert.ok(code, `${at.status} ${at.location} ${at.text.slice(0, 200)}`);
  return { code, code_verifier: verifier };
}
const redeem = (of: Client, form: Form, at: { origin: string } = t) =>
  post(
    OAUTH.token,
    { grant_type: 'authorization_code', redirect_uri: REDIRECT, ...credentialsOf(of), ...form },
    {},
    at,
  );

/* ——— where the browser is sent ——— */

test('no spelling of a redirect is taken for a registered one, and no fault of a request is a way around that', async () => {
  const app = await t.client({ callbacks: ['https://app.example.com/cb', 'http://127.0.0.1/cb', 'http://[::1]/cb'] });
  const native = await t.client({
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    callbacks: ['http://localhost/cb', 'com.example.app:/cb'],
  });
  const tricks = [
    'https://app.example.com',
    'https://app.example.com/cb/../cb',
    'https://app.example.com/%63b',
    'https://app.example.com/CB',
    'https://app.example.com/cb;x',
    'https://app.example.com/cb?',
    'https://app.example.com/cb#',
    'https://app.example.com/cb%23',
    'https://app.example.com/cb?redirect_uri=https://evil.example',
    'https://app.example.com:443/cb',
    'https://app.example.com./cb',
    'https://app.example.com%2eevil.example/cb',
    'https://app.example.com%00.evil.example/cb',
    'https://app.example.com\\@evil.example/cb',
    'https://app.example.com\t/cb',
    'https://evil.example/https://app.example.com/cb',
    'https://sub.app.example.com/cb',
    'https://*.example.com/cb',
    'https://app。example.com/cb',
    'https://аpp.example.com/cb',
    'https://xn--pp-8cd.example.com/cb',
    'Https://app.example.com/cb',
    'https:app.example.com/cb',
    'https:/app.example.com/cb',
    'https:///app.example.com/cb',
    ' https://app.example.com/cb',
    'https://app.example.com/cb https://evil.example',
    'https://app.example.com/cb,https://evil.example',
    // The port of a loopback address may vary (RFC 8252 §7.3), and what follows it may not.
    'http://127.0.0.1:51004/cb/',
    'http://127.0.0.1:51004/cb?x',
    'http://127.0.0.1:51004@evil.example/cb',
    'http://127.0.0.1:51004\\@evil.example/cb',
    'http://127.0.0.1:51004:80/cb',
    'http://127.0.0.1:99999/cb',
    'http://127.0.0.1:/cb',
    'http://evil@127.0.0.1:51004/cb',
    'http://127.0.0.1.evil.example:51004/cb',
    'http://127.1/cb',
    'http://2130706433/cb',
    'http://0x7f000001/cb',
    'http://0177.0.0.1/cb',
    'http://127.0.0.2/cb',
    'http://0.0.0.0/cb',
    'http://localhost/cb',
    'http://localhost:51004/cb',
    'http://[0:0:0:0:0:0:0:1]/cb',
    'http://[::1%25lo]/cb',
    'http://[::ffff:127.0.0.1]/cb',
    'https://127.0.0.1/cb',
    'ftp://127.0.0.1/cb',
  ];
  const nativeTricks = [
    'http://localhost.evil.example/cb',
    'http://localhost:80@evil.example/cb',
    'http://127.0.0.1/cb',
    'https://localhost/cb',
    'com.example.app:/cb/',
    'com.example.app://cb',
    'COM.EXAMPLE.APP:/cb',
    'com.example.app.evil:/cb',
  ];
  const faults: Form[] = [
    {},
    { response_type: 'token' },
    { response_type: '' },
    { response_mode: 'form_post' },
    { scope: '' },
    { prompt: 'none' },
    { prompt: 'none login' },
    { code_challenge: 'short' },
    { request: 'x' },
    { audience: 'https://nowhere.example.com' },
  ];
  const refusedHere = async (form: Form) => {
    const answer = await known(authorizeUrl(form));
    const what = JSON.stringify(form);
    assert.equal(answer.status, 400, what);
    assert.equal(answer.location, null, what);
    // Neither does the page post anything there, nor link to it.
    assert.doesNotMatch(answer.text, /(href|action|src|content)="(\d+;\s*url=)?[a-z]*:?[/\\]{2}[^"/?]*evil/i, what);
  };
  for (const redirect_uri of tricks) await refusedHere(request({ redirect_uri }, app));
  for (const redirect_uri of nativeTricks) await refusedHere(request({ redirect_uri }, native));
  for (const fault of faults) await refusedHere(request({ redirect_uri: 'https://evil.example/cb', ...fault }, app));
  await refusedHere(request({ client_id: 'client_000000000000000000000000' }));
  const { redirect_uri: _, ...without } = request({}, app);
  await refusedHere(without);
  const twice = await known(
    `${authorizeUrl(request({ redirect_uri: 'https://app.example.com/cb' }, app))}&redirect_uri=https%3A%2F%2Fevil.example`,
  );
  assert.deepEqual([twice.status, twice.location], [400, null]);
  for (const redirect_uri of [...tricks, 'https://evil.example/cb']) {
    const pushed = await post(OAUTH.par, { ...request({ redirect_uri }, app), ...credentialsOf(app) });
    assert.equal(pushed.status, 400, redirect_uri);
    assert.ok(['invalid_redirect_uri', 'invalid_request'].includes(pushed.body.error), redirect_uri);
  }
  for (const redirect_uri of ['http://127.0.0.1:51004/cb', 'http://[::1]:51004/cb', 'https://app.example.com/cb'])
    assert.equal((await known(authorizeUrl(request({ redirect_uri }, app)))).status, 303, redirect_uri);
});

test('every answer to a relying party, errors included, says who answers (RFC 9207), also where two tenants share a client’s name', async () => {
  const app = await other.client({ name: client.name });
  const wrong: [Form, string][] = [
    [{ prompt: 'none' }, 'login_required'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ response_type: 'code id_token' }, 'unsupported_response_type'],
    [{ prompt: 'none login' }, 'invalid_request'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ audience: 'https://nowhere.example.com' }, 'invalid_target'],
    [{ max_age: '-1' }, 'invalid_request'],
  ];
  for (const [at, of] of [
    [t, client],
    [other, app],
  ] as const) {
    for (const [more, error] of wrong) {
      const { location } = await agent()(authorizeUrl(request(more, of), at));
      const answer = new URL(location ?? 'about:blank');
      assert.ok(answer.href.startsWith(REDIRECT), `${JSON.stringify(more)}: ${location}`);
      const params = new URLSearchParams(answer.search || answer.hash.slice(1));
      assert.deepEqual(
        [params.get('error'), params.get('iss'), params.get('state'), params.get('code')],
        [error, at.origin, 'the state', null],
        JSON.stringify(more),
      );
    }
  }
  const { tokens } = await tokensOf(other, app, await other.user());
  assert.equal(decodeJwt(tokens.id_token!).iss, other.origin);
});

/* ——— codes and refresh tokens ——— */

test('what belongs to one public client is worth nothing to another, nor to nobody in particular', async () => {
  const [spa, rival] = [
    await t.client({ token_endpoint_auth_method: 'none' }),
    await t.client({ token_endpoint_auth_method: 'none' }),
  ];
  const got = await codeFor(spa, { scope: 'openid offline_access' });
  assert.deepEqual(told(await redeem(rival, got)), [400, 'invalid_grant']);
  const anonymous = { grant_type: 'authorization_code', redirect_uri: REDIRECT, ...got };
  assert.deepEqual(told(await post(OAUTH.token, anonymous)), [400, 'invalid_request'], 'without a client');
  const { body } = await redeem(spa, got);
  const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
  assert.deepEqual(told(await post(OAUTH.token, { ...refresh, ...credentialsOf(rival) })), [400, 'invalid_grant']);
  assert.deepEqual(told(await post(OAUTH.token, { ...refresh, ...credentialsOf(client) })), [400, 'invalid_grant']);
  assert.deepEqual(told(await post(OAUTH.token, refresh)), [400, 'invalid_request']);
  // A refresh token is no code, no access token and no device code, and the other way around.
  for (const form of [
    { grant_type: 'authorization_code', redirect_uri: REDIRECT, code: body.refresh_token },
    { grant_type: 'refresh_token', refresh_token: body.access_token },
    { grant_type: 'refresh_token', refresh_token: body.id_token },
    { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: body.refresh_token },
  ] as Form[])
    assert.equal(
      (await post(OAUTH.token, { ...form, ...credentialsOf(spa) })).body.error,
      'invalid_grant',
      form.grant_type,
    );
  assert.equal(
    (await post(OAUTH.token, { ...refresh, ...credentialsOf(spa) })).status,
    200,
    'none of that cost anything',
  );
});

test('a code verifier is checked to the letter, and one that nothing asked for is not overlooked', async () => {
  const verifiers: ((right: string) => Form)[] = [
    () => ({ code_verifier: 'x'.repeat(42) }),
    () => ({ code_verifier: 'x'.repeat(129) }),
    () => ({ code_verifier: '' }),
    (right) => ({ code_verifier: `${right}=` }),
    (right) => ({ code_verifier: right.slice(0, -1) }),
    (right) => ({ code_verifier: challengeOf(right) }),
    (right) => ({ code_verifier: right.toUpperCase() }),
    () => ({ code_verifier: 'ü'.repeat(43) }),
  ];
  for (const wrong of verifiers) {
    const { code, code_verifier } = await codeFor(client);
    const answer = await redeem(client, { code, ...wrong(code_verifier) });
    assert.equal(answer.status, 400, JSON.stringify(wrong(code_verifier)));
    assert.ok(['invalid_grant', 'invalid_request'].includes(answer.body.error), answer.text);
  }
  // RFC 9700 §4.8.2: a verifier without a challenge is the mark of one that was stripped from the request.
  const { code_challenge: _c, code_challenge_method: _m, ...bare } = request();
  const at = await known(authorizeUrl(bare));
  const code = new URL(at.location!).searchParams.get('code')!;
  assert.deepEqual(told(await redeem(client, { code, code_verifier: mint() })), [400, 'invalid_grant']);
  for (const more of [
    { code_challenge: 'x'.repeat(42) },
    { code_challenge: 'x'.repeat(129) },
    { code_challenge: `${'x'.repeat(42)}=` },
    { code_challenge_method: 's256' },
    { code_challenge_method: 'S512' },
    { code_challenge: '' },
  ] as Form[]) {
    const { location } = await known(authorizeUrl(request(more)));
    assert.equal(new URL(location!).searchParams.get('error'), 'invalid_request', JSON.stringify(more));
  }
});

test('redeeming a code can ask for nothing that was not granted, and for nothing after a minute', async () => {
  await ordersApi(t);
  const wide = await redeem(client, { ...(await codeFor(client)), scope: 'openid email offline_access read:orders' });
  assert.deepEqual([wide.body.scope, wide.body.refresh_token], ['openid', undefined]);
  assert.equal(decodeJwt(wide.body.id_token).email, undefined);
  const elsewhere = await redeem(client, { ...(await codeFor(client)), audience: ORDERS });
  assert.deepEqual(told(elsewhere), [400, 'invalid_target']);
  const late = await codeFor(client);
  w.clock.advance({ seconds: 61 });
  assert.deepEqual(told(await redeem(client, late)), [400, 'invalid_grant']);
});

/* ——— tokens of one's own making ——— */

const rsa =
  (key: KeyObject, digest = 'sha256') =>
  (input: Buffer) =>
    sign(digest, input, key).toString('base64url');
const hmac = (secret: string | Buffer) => (input: Buffer) =>
  createHmac('sha256', secret).update(input).digest('base64url');

/** Tokens with the claims of a good one that nobody of ours signed, or that say what ours never say. */
async function forgeries(good: string): Promise<Record<string, string>> {
  const claims = decodeJwt(good);
  const header = JSON.parse(Buffer.from(good.split('.')[0]!, 'base64url').toString()) as { kid: string };
  const [own] = (await signingKeysOf(t.id)).filter(({ kid }) => kid === header.kid);
  const foreign = (await signingKeysOf(other.id)).find(({ privateKey }) => privateKey?.asymmetricKeyType === 'rsa');
  const mine = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = mine.publicKey.export({ format: 'jwk' });
  const [h, p, s] = good.split('.') as [string, string, string];
  const forged: Record<string, string> = {
    'no signature': forge({ ...header, alg: 'none' }, claims, () => ''),
    'none, with a signature': forge({ ...header, alg: 'none' }, claims, rsa(own!.privateKey!)),
    nOnE: forge({ ...header, alg: 'nOnE' }, claims, () => ''),
    'the signature left out': `${h}.${p}.`,
    'two parts': `${h}.${p}`,
    'five parts': `${h}.${p}.${s}.x.x`,
    'JSON serialisation': JSON.stringify({ protected: h, payload: p, signature: s }),
    'HS256, the public key as the secret': forge(
      { ...header, alg: 'HS256' },
      claims,
      hmac(own!.publicKey.export({ format: 'pem', type: 'spki' })),
    ),
    'HS256, an empty secret': forge({ ...header, alg: 'HS256' }, claims, hmac('')),
    'HS256, a client’s secret': forge({ ...header, alg: 'HS256' }, claims, hmac(client.client_secret)),
    'a key of nobody': forge(header, claims, rsa(mine.privateKey)),
    'its own key in the header': forge({ ...header, jwk }, claims, rsa(mine.privateKey)),
    'its own key only in the header': forge({ ...header, kid: undefined, jwk }, claims, rsa(mine.privateKey)),
    'its own key somewhere else': forge(
      { ...header, jku: 'http://127.0.0.1:9/jwks', x5u: 'http://127.0.0.1:9/x5u' },
      claims,
      rsa(mine.privateKey),
    ),
    'its own certificate': forge({ ...header, x5c: ['MIIB'] }, claims, rsa(mine.privateKey)),
    'another tenant’s key under its own kid': forge(
      { ...header, kid: foreign!.kid },
      claims,
      rsa(foreign!.privateKey!),
    ),
    'another tenant’s key under our kid': forge(header, claims, rsa(foreign!.privateKey!)),
    'a curve under our kid': forge({ ...header, alg: 'ES256' }, claims, (input) =>
      sign('sha256', input, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url'),
    ),
    'a zero signature of a curve': forge({ ...header, alg: 'ES256' }, claims, () =>
      Buffer.alloc(64).toString('base64url'),
    ),
    'a critical extension': forge({ ...header, crit: ['b64'], b64: false }, claims, rsa(own!.privateKey!)),
    'another issuer': forge(header, { ...claims, iss: other.origin }, rsa(own!.privateKey!)),
    'another user': `${h}.${encodePart({ ...claims, sub: 'user_000000000000000000000000' })}.${s}`,
    'no end': forge(header, { ...claims, exp: undefined }, rsa(own!.privateKey!)),
    'the end in words': forge(header, { ...claims, exp: 'never' }, rsa(own!.privateKey!)),
    'the end in a list': forge(header, { ...claims, exp: [claims.exp! + 999] }, rsa(own!.privateKey!)),
    'over long ago': forge(header, { ...claims, exp: 1 }, rsa(own!.privateKey!)),
  };
  for (const kid of [
    '../../../../dev/null',
    "x' OR '1'='1",
    '',
    '__proto__',
    { $gt: '' },
    ['x'],
    null,
    `${own!.kid}\0`,
  ])
    forged[`kid ${JSON.stringify(kid)}`] = forge({ ...header, kid }, claims, rsa(mine.privateKey));
  return forged;
}

test('a token that we did not make opens nothing: userinfo, introspection, revocation, exchange', async () => {
  const { tokens } = await tokensOf(t, client, user, { scope: 'openid email' });
  const good = tokens.access_token;
  const exchange = (subject_token: string, more: Form = {}) =>
    post(OAUTH.token, {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...credentialsOf(client),
      ...more,
    });
  const actor = (actor_token: string) =>
    exchange(good, { actor_token, actor_token_type: 'urn:ietf:params:oauth:token-type:access_token' });
  const info = (method: string, token: string) => w.send(`${t.origin}/userinfo`, { method, headers: bearer(token) });
  assert.equal((await info('GET', good)).status, 200);
  assert.equal((await exchange(good)).status, 200);
  for (const [what, token] of Object.entries(await forgeries(good))) {
    for (const method of ['GET', 'POST']) {
      const answer = await info(method, token);
      assert.ok(answer.status === 401 || answer.status === 400, `${what}, ${method} userinfo: ${answer.status}`);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_(token|request)"/, what);
    }
    const asked = await post(OAUTH.introspect, { token, ...credentialsOf(client) });
    assert.deepEqual([asked.status, asked.body], [200, { active: false }], what);
    for (const answer of [await exchange(token), await actor(token)])
      assert.ok(answer.status >= 400 && answer.status < 500, `${what}, exchange: ${answer.status} ${answer.text}`);
    assert.equal((await post(OAUTH.revoke, { token, ...credentialsOf(client) })).status, 200, what);
  }
  assert.equal((await info('GET', good)).status, 200, 'what bears the same id lives on');
});

test('an id token hint that we did not make is refused at /authorize, and one about somebody else ends in login_required', async () => {
  const { tokens } = await tokensOf(t, client, user);
  const good = tokens.id_token!;
  const hinted = async (id_token_hint: string) => {
    const { location, status, text } = await known(authorizeUrl(request({ prompt: 'none', id_token_hint })));
    assert.ok(location?.startsWith(REDIRECT), `${status} ${text.slice(0, 200)}`);
    return new URL(location!).searchParams;
  };
  assert.ok((await hinted(good)).get('code'));
  // By our own key: one that is over still says who is meant (OpenID Connect Core §3.1.2.1).
  const ours = new Set(['no end', 'the end in words', 'the end in a list', 'over long ago', 'a critical extension']);
  for (const [what, token] of Object.entries(await forgeries(good))) {
    if (ours.has(what)) continue;
    const answer = await hinted(token);
    assert.deepEqual([answer.get('error'), answer.get('code')], ['invalid_request', null], what);
  }
  const { tokens: hers } = await tokensOf(t, client, await t.user());
  assert.equal((await hinted(hers.id_token!)).get('error'), 'login_required');
});

/* ——— parameters ——— */

test('a parameter that comes twice is refused (RFC 6749 §3.1), whichever of the two is right', async () => {
  const device = await t.client({ token_endpoint_auth_method: 'none' });
  const endpoints: [string, Form][] = [
    [OAUTH.token, { grant_type: 'client_credentials', scope: 'x', ...credentialsOf(client) }],
    [
      OAUTH.token,
      {
        grant_type: 'authorization_code',
        redirect_uri: REDIRECT,
        ...(await codeFor(client)),
        ...credentialsOf(client),
      },
    ],
    [OAUTH.revoke, { token: 'x', token_type_hint: 'access_token', ...credentialsOf(client) }],
    [OAUTH.introspect, { token: 'x', token_type_hint: 'access_token', ...credentialsOf(client) }],
    [OAUTH.par, { ...request(), ...credentialsOf(client) }],
    [DEVICE, { scope: 'openid', ...credentialsOf(device) }],
  ];
  for (const [path, form] of endpoints) {
    for (const name of Object.keys(form)) {
      for (const value of ['x', form[name]!]) {
        const body = `${new URLSearchParams(form)}&${name}=${encodeURIComponent(value)}`;
        const answer = await w.send<Json>(`${t.origin}${path}`, {
          method: 'POST',
          body,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        });
        assert.deepEqual(told(answer), [400, 'invalid_request'], `${path} ${name}=${value}`);
      }
    }
  }
  for (const name of Object.keys(request())) {
    const at = await known(`${authorizeUrl(request())}&${name}=x`);
    const error = at.location ? new URL(at.location).searchParams.get('error') : at.status;
    assert.ok(error === 'invalid_request' || error === 400, `${name}: ${at.status} ${at.location}`);
  }
});

test('a client proves itself in one way, and says the same about itself everywhere', async () => {
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  });
  const neighbour = await t.client();
  const grant: Form = { grant_type: 'client_credentials' };
  const right = basic(client.client_id, client.client_secret);
  const attempts: [string, Form, Form][] = [
    ['both at once', { ...grant, ...credentialsOf(client) }, right],
    ['a wrong secret in the body besides', { ...grant, ...credentialsOf(client), client_secret: 'x' }, right],
    [
      'a right one in the body besides a wrong one',
      { ...grant, ...credentialsOf(client) },
      basic(client.client_id, 'x'),
    ],
    ['the id of another', { ...grant, client_id: neighbour.client_id }, right],
    ['no id', grant, basic('', client.client_secret)],
    ['no colon', grant, { authorization: `Basic ${Buffer.from('x').toString('base64')}` }],
    ['no Base64', grant, { authorization: 'Basic ####' }],
    ['no credentials', grant, { authorization: 'Basic' }],
    ['another scheme', grant, bearer(client.client_secret)],
    ['bad escapes', grant, basic('%zz', '%')],
    ['a public client with a secret of its own making', { ...grant, client_id: client.client_id }, {}],
    ['an assertion of nothing', { ...grant, client_id: client.client_id, client_assertion: 'x' }, {}],
    [
      'an assertion without a signature',
      {
        ...grant,
        client_id: client.client_id,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: forge({ alg: 'none' }, { sub: client.client_id, iss: client.client_id }, () => ''),
      },
      {},
    ],
    [
      'an assertion by its secret, where that is not its way',
      {
        ...grant,
        client_id: client.client_id,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: forge(
          { alg: 'HS256' },
          {
            sub: client.client_id,
            iss: client.client_id,
            aud: t.origin,
            jti: mint(),
            exp: Math.floor(Date.now() / 1000) + 60,
          },
          hmac(client.client_secret),
        ),
      },
      {},
    ],
  ];
  assert.equal((await post(OAUTH.token, grant, right)).status, 200);
  for (const path of [OAUTH.token, OAUTH.revoke, OAUTH.introspect, OAUTH.par])
    for (const [what, form, headers] of attempts) {
      const extra: Form = path === OAUTH.token ? {} : path === OAUTH.par ? request() : { token: 'x' };
      const answer = await post(path, { ...extra, ...form }, headers);
      assert.ok(
        ['invalid_client', 'invalid_request'].includes(answer.body?.error),
        `${path}, ${what}: ${answer.status} ${answer.text}`,
      );
      assert.ok(answer.status === 400 || answer.status === 401, `${path}, ${what}: ${answer.status}`);
    }
});

test('a request object is not taken from where an attacker keeps it, and one that cannot be read is refused', async () => {
  let fetched = 0;
  const { origin, serve } = await listen();
  serve((_request, response) => {
    fetched += 1;
    response.end('x');
  });
  const address = `${origin}/request.jwt`;
  const stolen = (await post(OAUTH.par, { ...request(), ...credentialsOf(client) })).body.request_uri;
  const neighbour = await t.client();
  const smuggled = forge({ alg: 'none' }, { ...request(), redirect_uri: 'https://evil.example' }, () => '');
  const attempts: Form[] = [
    request({ request_uri: address }),
    request({ request_uri: 'urn:ietf:params:oauth:request_uri:nothing' }),
    { client_id: neighbour.client_id, request_uri: stolen },
    request({ request: smuggled }),
    request({ request: 'x' }),
    request({ request: smuggled, request_uri: stolen }),
  ];
  for (const form of attempts) {
    const { location, status, text } = await known(authorizeUrl(form));
    const error = location ? new URL(location).searchParams.get('error') : /evil/.exec(text);
    assert.ok(location ? location.startsWith(REDIRECT) && error : status === 400 && !error, `${location} ${status}`);
  }
  const pushed = await post(OAUTH.par, { ...request({ request_uri: stolen }), ...credentialsOf(client) });
  assert.equal(pushed.status, 400, 'RFC 9126 §2.1: a pushed request refers to no other');
  assert.equal(fetched, 0);
});

/* ——— browsers ——— */

const cookieOf = (headers: Headers, name: string) =>
  headers
    .getSetCookie()
    .map((line) => new RegExp(`^${name}=([^;]*)`).exec(line)?.[1])
    .findLast(Boolean);

test('a session that was planted before the login is not the one after it', async () => {
  for (const planted of ['planted-by-somebody', mint()]) {
    const visit = agent();
    const carry = (url: string, init: Parameters<Agent>[1] = {}) => visit(url, init);
    const first = await carry(authorizeUrl(request()), { headers: { cookie: `cardea_sess=${planted}` } });
    const page = await follow(visit, first, REDIRECT);
    const { action, csrf } = formOf(page);
    const done = await visit(action, {
      form: { csrf, email: user.email, password: user.password },
      headers: { origin: t.origin },
    });
    const resumed = await visit(done.location!);
    const session = cookieOf(resumed.headers, 'cardea_sess');
    assert.ok(session && session !== planted);
    const stranger = await w.send(authorizeUrl(request({ prompt: 'none' })), {
      headers: { cookie: `cardea_sess=${planted}` },
    });
    assert.match(stranger.headers.get('location') ?? '', /error=login_required/);
  }
});

test('logging in again gives the session another id, and the one before is worth nothing', async () => {
  const visit = agent();
  const login = async (more: Form) => {
    const page = await follow(visit, await visit(authorizeUrl(request(more))), REDIRECT);
    const { action, csrf } = formOf(page);
    const done = await visit(action, {
      form: { csrf, email: user.email, password: user.password },
      headers: { origin: t.origin },
    });
    return cookieOf((await visit(done.location!)).headers, 'cardea_sess')!;
  };
  const before = await login({});
  const after = await login({ prompt: 'login' });
  assert.notEqual(after, before);
  const silent = async (session: string) =>
    (
      await w.send(authorizeUrl(request({ prompt: 'none' })), { headers: { cookie: `cardea_sess=${session}` } })
    ).headers.get('location');
  assert.match((await silent(after)) ?? '', /code=/);
  assert.match((await silent(before)) ?? '', /error=login_required/);
});

test('a login that an attacker began is not finished in somebody else’s browser, nor theirs in the attacker’s', async () => {
  const [attacker, victim] = [agent(), agent()];
  const begun = await follow(attacker, await attacker(authorizeUrl(request())), REDIRECT);
  const theirs = await follow(victim, await victim(authorizeUrl(request())), REDIRECT);
  const { action, csrf } = formOf(begun);
  const form = { csrf, email: user.email, password: user.password };
  const headers = { origin: t.origin };
  const attempts: [string, Agent, string, Form][] = [
    ['a page of the attacker’s flow', victim, action, form],
    ['the attacker’s token in one’s own flow', victim, formOf(theirs).action, form],
    ['no cookie at all', agent(), action, form],
  ];
  for (const [what, visit, target, fields] of attempts) {
    const answer = await visit(target, { form: fields, headers });
    assert.ok(answer.status >= 400 && answer.status < 500, `${what}: ${answer.status}`);
    assert.equal(answer.location, null, what);
    assert.equal(cookieOf(answer.headers, 'cardea_sess'), undefined, what);
  }
  const { uid } = /\/flow\/(?<uid>[^/?]+)/.exec(begun.url)!.groups!;
  assert.ok((await victim(`${t.origin}/authorize/${uid}`)).status >= 400, 'and it is not resumed there either');
  assert.equal((await victim(begun.url)).status >= 400, true, 'nor shown');
});

test('the cookies of one tenant say nothing at another', async () => {
  const at = await agent()(authorizeUrl(request()));
  const jar = at.headers.getSetCookie().map((line) => line.split(';')[0]!);
  const session = await known(authorizeUrl(request({ prompt: 'login' })));
  assert.ok(session.location);
  const mine = agent();
  const page = await follow(mine, await mine(authorizeUrl(request())), REDIRECT);
  const { action, csrf } = formOf(page);
  const done = await mine(action, {
    form: { csrf, email: user.email, password: user.password },
    headers: { origin: t.origin },
  });
  const cookie = `cardea_sess=${cookieOf((await mine(done.location!)).headers, 'cardea_sess')}`;
  const app = await other.client();
  const silent = (origin: string, of: Client) =>
    w.send(authorizeUrl(request({ prompt: 'none' }, of), { origin }), { headers: { cookie } });
  assert.match((await silent(t.origin, client)).headers.get('location') ?? '', /code=/);
  assert.match((await silent(other.origin, app)).headers.get('location') ?? '', /error=login_required/);
  const flow = await w.send(page.url.replace(t.origin, other.origin), {
    headers: { cookie: jar.join('; '), accept: 'text/html' },
  });
  assert.ok(flow.status >= 400 && flow.status < 500, String(flow.status));
  for (const line of at.headers.getSetCookie()) {
    assert.match(line, /httponly/i);
    assert.match(line, /samesite=(lax|none)/i);
    assert.doesNotMatch(line, /domain=/i, 'a cookie stays on its host');
  }
});

test('every page that a browser can reach is framed by nobody, stored nowhere, and tells no other site its address', async () => {
  const visit = agent();
  const login = await follow(visit, await visit(authorizeUrl(request())), REDIRECT);
  const third = await t.client({ is_first_party: false });
  const consent = await follow(known, await known(authorizeUrl(request({}, third))), REDIRECT);
  assert.ok(consent.url.includes('/flow/'), consent.url);
  const pages: [string, Agent, string][] = [
    ['login', visit, login.url],
    ['consent', known, consent.url],
    ['a broken link', visit, authorizeUrl(request({ redirect_uri: 'https://evil.example' }))],
    ['an unknown client', visit, authorizeUrl(request({ client_id: 'nobody' }))],
    ['a flow that is over', visit, `${t.origin}/flow/nothing`],
    ['a resumption of nothing', visit, `${t.origin}/authorize/nothing`],
    ['landing', visit, `${t.origin}/`],
    ['logout', known, `${t.origin}/logout`],
    ['activate', visit, `${t.origin}/flow/device-code/activate`],
    ['confirm', visit, `${t.origin}/flow/device-code/confirm`],
    ['not found', visit, `${t.origin}/nothing/here`],
    ['verify', visit, `${t.origin}/passwordless/verify_redirect?token=x`],
    ['playground', visit, `${t.origin}/playground`],
    ['reference', visit, `${t.origin}/docs`],
    ['an unknown host', visit, `${w.originOf('nobody-is-here')}/`],
  ];
  for (const [what, browser, url] of pages) {
    const { headers, status, text } = await browser(url);
    assert.match(headers.get('content-type') ?? '', /^text\/html/, `${what}: ${status} ${text.slice(0, 100)}`);
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /frame-ancestors 'none'/, what);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval/, what);
    assert.equal(headers.get('x-content-type-options'), 'nosniff', what);
    assert.match(headers.get('referrer-policy') ?? '', /^(no-referrer|same-origin)$/, what);
    if (what !== 'reference') assert.match(headers.get('cache-control') ?? '', /no-store/, what);
    assert.doesNotMatch(text, /\n\s+at \S+ \(|node_modules|\.ts:\d|MongoServer/, what);
  }
});

/* ——— answers ——— */

test('no answer of an OAuth endpoint is stored, and a refusal says no more than error and description', async () => {
  const { tokens } = await tokensOf(t, client, user, { scope: 'openid offline_access' });
  const secrets = credentialsOf(client);
  const good: [string, Form][] = [
    [OAUTH.token, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token!, ...secrets }],
    [OAUTH.introspect, { token: tokens.access_token, ...secrets }],
    [OAUTH.par, { ...request(), ...secrets }],
    [DEVICE, { scope: 'openid', ...secrets }],
  ];
  for (const [path, form] of good) {
    const { status, headers } = await post(path, form);
    assert.ok(status === 200 || status === 201, `${path}: ${status}`);
    assert.match(headers.get('cache-control') ?? '', /no-store/, path);
  }
  const paths = [...Object.values(OAUTH), DEVICE];
  for (const path of paths) {
    const answers: [string, Answer<Json>][] = [
      ['nothing', await post(path, {})],
      ['an unknown client', await post(path, { client_id: 'nobody', client_secret: 'x', grant_type: 'x', token: 'x' })],
      [
        'a client that is an object',
        await w.send(`${t.origin}${path}`, { method: 'POST', json: { client_id: { $ne: '' } } }),
      ],
      [
        'a type',
        await w.send(`${t.origin}${path}`, { method: 'POST', body: '<x/>', headers: { 'content-type': 'text/xml' } }),
      ],
      ['no type', await w.send(`${t.origin}${path}`, { method: 'POST', body: new Uint8Array([1]) })],
      ['much', await post(path, { ...secrets, x: 'x'.repeat(100_000) })],
    ];
    for (const [what, { status, headers, body, text }] of answers) {
      assert.ok(status >= 400 && status < 500, `${path} ${what}: ${status}`);
      assert.match(headers.get('cache-control') ?? '', /no-store/, `${path} ${what}`);
      assert.match(headers.get('content-type') ?? '', /^application\/json/, `${path} ${what}`);
      assert.deepEqual(Object.keys(body ?? {}).sort(), ['error', 'error_description'], `${path} ${what}: ${text}`);
      assert.doesNotMatch(text, /node_modules|\.ts:|Mongo|stack|secretsealed/i, `${path} ${what}`);
    }
    for (const method of ['PUT', 'DELETE', 'PATCH', ...(path === OAUTH.token ? [] : ['GET'])])
      assert.ok([404, 405].includes((await w.send(`${t.origin}${path}`, { method })).status), `${method} ${path}`);
  }
});

test('the login page says the same about a wrong password and about nobody', async () => {
  const attempt = async (email: string, password: string) => {
    const visit = agent();
    const page = await follow(visit, await visit(authorizeUrl(request())), REDIRECT);
    const { action, csrf } = formOf(page);
    const { status, text, headers } = await visit(action, {
      form: { csrf, email, password },
      headers: { origin: t.origin },
    });
    const { uid } = /\/flow\/(?<uid>[^/?]+)/.exec(action)!.groups!;
    const plain = [uid!, csrf, email].reduce((html, part) => html.replaceAll(part, ''), text);
    const names = [...headers.keys()].filter((name) => name !== 'content-length').sort();
    // What differs with each answer: the nonce of its style, its request id, and what was typed, sealed for "Forgot?".
    return [status, plain.replace(/nonce="[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}|[;?]to=[\w.-]+/g, ''), names];
  };
  const suspended = await t.user();
  await t.api('POST', `/user/${suspended.id}`, { suspended: true });
  const wrong = await attempt(user.email, 'not the password');
  assert.equal(wrong[0], 401);
  assert.deepEqual(await attempt('nobody@example.com', 'not the password'), wrong);
  assert.deepEqual(await attempt(suspended.email, 'not the password'), wrong);
});

test('so many logins begin at one address, and no more: a flood fills no database', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const begin = (of: { origin: string }) => w.send(`${of.origin}/authorize`, { headers: { accept: 'text/html' } });
  let begun = 0;
  const worker = async () => {
    while (begun++ < 1500) assert.notEqual((await begin(t)).status, 429);
  };
  await Promise.all(Array.from({ length: 20 }, worker));
  for (let answer = await begin(t); ; answer = await begin(t)) {
    if (answer.status !== 429) continue;
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
    assert.match(answer.text, /<html/);
    break;
  }
  assert.notEqual((await begin(other)).status, 429, 'another tenant');
});

test('an address is told apart from its neighbours by what its owner was given', () => {
  assert.equal(networkOf('192.0.2.7'), '192.0.2.7');
  assert.equal(networkOf('::ffff:192.0.2.7'), '192.0.2.7');
  for (const neighbour of ['2001:db8:1:2::', '2001:DB8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::1%eth0'])
    assert.equal(networkOf(neighbour), '2001:db8:1:2::/64');
  assert.notEqual(networkOf('2001:db8:1:3::1'), networkOf('2001:db8:1:2::1'));
  assert.equal(networkOf('::1'), '0:0:0:0::/64');
});

test('an address counts in the networks around it too, which may do more together, and not without end', () => {
  const counted = (ip: string) => networksOf(ip).map(({ network, times }) => `${network} x${times}`);
  assert.deepEqual(counted('192.0.2.7'), ['192.0.2.7 x1', '192.0.2.0/24 x8']);
  assert.deepEqual(counted('::ffff:192.0.2.7'), counted('192.0.2.7'));
  assert.deepEqual(counted('2001:db8:1:2ab::7'), [
    '2001:db8:1:2ab::/64 x1',
    '2001:db8:1:200::/56 x4',
    '2001:db8:1::/48 x16',
  ]);
  for (const { network } of networksOf('2001:db8:1:2ff::7').slice(1))
    assert.ok(
      networksOf('2001:db8:1:200::1').some((other) => other.network === network),
      network,
    );
  assert.equal(networksOf('2001:db8:1:300::1')[1]!.network, '2001:db8:1:300::/56');
});

test('what a client asks for in vain is in the log: where, why, by whom as far as that is known, and how often', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const client = await t.client();
  const { parameters } = requestOf(client);
  const at = (more: Record<string, string>) =>
    agent()(`${t.origin}/authorize?${new URLSearchParams({ ...parameters, ...more })}`);
  await at({ redirect_uri: 'https://evil.example/callback' });
  await at({ redirect_uri: 'https://evil.example/other' });
  await at({ prompt: 'none' });
  await at({ client_id: 'client_of_nobody' });
  await at({ response_type: 'token' });
  await tokenRequest(t, client, { grant_type: 'authorization_code', code: 'made up', redirect_uri: REDIRECT });
  await tokenRequest(t, client, { grant_type: 'password', username: 'a', password: 'b' });
  const told = async () =>
    (await t.api('GET', '/log?pageSize=100&query=status:failed')).results
      .map((row: { type: string; client?: string; data: { reason: string; count: number } }) =>
        [row.type, row.data.reason, row.client === client.client_id, row.data.count].join(' '),
      )
      .sort();
  const expected = [
    'oauth.authorize.failed invalid_client false 1',
    'oauth.authorize.failed invalid_redirect_uri true 2',
    'oauth.authorize.failed login_required true 1',
    'oauth.authorize.failed unsupported_response_type true 1',
    'oauth.grant.failed invalid_grant true 1',
    'oauth.grant.failed unauthorized_client true 1',
  ];
  // Nobody waits for the trail.
  await until('all is written down', async () => (await told()).length >= 6 && /2$/.test((await told())[1]!));
  assert.deepEqual(await told(), expected);
  assert.deepEqual((await other.api('GET', '/log?query=status:failed')).results, []);
});
