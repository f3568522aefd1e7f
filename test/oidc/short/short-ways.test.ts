/**
 * Which requests are answered without the engine, and which are left to it. That the answers are the engine's is compared
 * in every test (test/kit/short-ways.ts); here each way is walked in all of its variants.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { SHORT_WAYS } from '../../../src/oidc/short/index.ts';
import { type Client, type TenantHandle, tokensOf, world } from '../../kit/index.ts';
import { assertSameAnswer, type ComparedAnswer } from '../../kit/short-ways.ts';

const w = await world();
const ORDERS = 'https://orders.example.com';
const grant_type = 'client_credentials';

const ordersApi = (t: TenantHandle) =>
  t.api('POST', '/api', {
    name: 'Orders API',
    identifier: ORDERS,
    permissions: [{ value: 'read:orders' }, { value: 'create:orders' }],
  });

const basic = (id: string, secret: string, gap = ' ') => ({
  authorization: `Basic${gap}${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});
const secretOf = ({ client_id, client_secret }: Client) => ({ client_id, client_secret });

/** Whether a request was answered the short way; what it answered was compared. */
async function isShort(way: string, send: () => Promise<unknown>): Promise<boolean> {
  const before = w.shortAnswers[way] ?? 0;
  await send();
  return (w.shortAnswers[way] ?? 0) > before;
}

test('a machine’s token: a form or JSON, a secret in it or in the header, and nothing else asked', async () => {
  const t = await w.tenant();
  const orders = await ordersApi(t);
  const lax = await t.api('POST', '/api', {
    name: 'Lax',
    identifier: 'https://lax.example.com',
    enforce_policies: false,
    token_dialect: 'access_token_authz',
    signing_alg: 'ES256',
    token_lifetime: 600,
  });
  const client = await t.client();
  const narrow = await t.client({ grants: [{ api: orders.id, scope: ['read:orders'] }] });
  const inHeader = await t.client({ token_endpoint_auth_method: 'client_secret_basic' });
  const header = basic(inHeader.client_id, inHeader.client_secret);
  const encoded = (text: string) => text.replace(/./gs, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  const padded = (change: (base64: string) => string) => ({
    authorization: `Basic ${change(header.authorization.slice('Basic '.length))}`,
  });
  type Ask = [short: boolean, form: Record<string, string>, headers?: Record<string, string>];
  const asks: Ask[] = [
    [true, { ...secretOf(client), audience: ORDERS }],
    [true, { ...secretOf(client), resource: ORDERS, scope: 'read:orders' }],
    [true, { ...secretOf(client), audience: ORDERS, resource: ORDERS, scope: 'read:orders unknown openid' }],
    [true, { ...secretOf(client), audience: lax.identifier, scope: 'anything:goes' }],
    [true, { ...secretOf(narrow), audience: ORDERS }],
    [true, { ...secretOf(inHeader), audience: ORDERS }],
    [true, { audience: ORDERS }, header],
    [true, { audience: ORDERS }, basic(encoded(inHeader.client_id), encoded(inHeader.client_secret))],
    [true, { audience: ORDERS }, basic(inHeader.client_id, inHeader.client_secret, '  ')],
    [false, { audience: ORDERS }, basic(inHeader.client_id, 'wrong')],
    [true, { audience: ORDERS }, padded((base64) => base64.replace(/=+$/, ''))],
    [false, { audience: ORDERS }, padded((base64) => `${base64}=`)],
    [false, { audience: ORDERS }, padded((base64) => `${base64.slice(0, 4)}=${base64.slice(4)}`)],
    [false, { ...secretOf(client), resource: 'cardea:audience:%zz' }],
    [false, { audience: ORDERS, client_id: inHeader.client_id }, header],
    [false, { ...secretOf(client), audience: ORDERS, nothing: 'x' }],
    [false, { ...secretOf(client), audience: ORDERS }, { origin: 'https://spa.example.com' }],
    [false, { ...secretOf(client), audience: ORDERS }, { dpop: 'x' }],
    [false, { ...secretOf(client), audience: lax.identifier, scope: 'x', resource: ORDERS }],
    [true, { ...secretOf(client), audience: ORDERS, scope: '' }],
    [true, { ...secretOf(client), audience: ORDERS, scope: 'two  spaces' }],
    [false, { ...secretOf(client), audience: ORDERS, scope: 'quo"te' }],
    [false, { ...secretOf(client), audience: 'https://nowhere.example.com' }],
    [false, secretOf(client)],
    [false, { ...secretOf(narrow), audience: lax.identifier }],
    [false, { ...secretOf(client), client_secret: 'wrong', audience: ORDERS }],
  ];
  const address = `${t.origin}/oauth/token`;
  for (const [short, form, headers] of asks)
    assert.equal(
      await isShort('POST /oauth/token', () =>
        w.send(address, { method: 'POST', headers, form: { grant_type, ...form } }),
      ),
      short,
      JSON.stringify(form),
    );
  const escaped = await w.send(`${t.origin}/oauth/tok%65n`, {
    method: 'POST',
    form: { grant_type, ...secretOf(client), audience: ORDERS },
  });
  assert.equal(escaped.status, 404, 'an address is what it says');
  const json = { grant_type, audience: ORDERS, ...secretOf(client) };
  assert.ok(await isShort('POST /oauth/token', () => w.send(address, { method: 'POST', json })), 'as JSON');
});

test('userinfo: a bearer token that says it all', async () => {
  const t = await w.tenant();
  const [client, user] = [await t.client(), await t.user()];
  const ask = (
    authorization: string,
    more: { method?: string; headers?: Record<string, string>; query?: string } = {},
  ) =>
    isShort('GET /userinfo', () =>
      w.send(`${t.origin}/userinfo${more.query ?? ''}`, {
        method: more.method,
        headers: { authorization, ...more.headers },
      }),
    );
  for (const scope of [
    'openid',
    'openid profile',
    'openid email phone address',
    'openid email offline_access unknown',
  ]) {
    const { tokens } = await tokensOf(t, client, user, { scope });
    const bearer = `Bearer ${tokens.access_token}`;
    assert.ok(await ask(bearer), scope);
    assert.ok(await ask(bearer.replace('Bearer', 'bearer')), 'the case of a scheme says nothing');
    assert.ok(await ask(bearer.replace(' ', '  ')), 'nor does the number of spaces');
    assert.ok(!(await ask(bearer, { headers: { origin: 'https://spa.example.com' } })));
    assert.ok(!(await ask(bearer, { query: '?scope=openid' })));
    assert.ok(!(await ask(`${bearer.slice(0, -4)}AAAA`)));
    for (const method of ['HEAD', 'POST']) assert.ok(!(await ask(bearer, { method })), method);
  }
});

test('introspection: an access token of ours that lives, asked about by a server', async () => {
  const t = await w.tenant();
  await ordersApi(t);
  const [client, user, server] = [await t.client(), await t.user(), await t.client()];
  const { tokens } = await tokensOf(t, client, user, { audience: ORDERS, scope: 'openid offline_access read:orders' });
  const { tokens: own } = await tokensOf(t, client, user);
  const machine = await t.machineToken(client, ORDERS);
  const asks: [short: boolean, token: string][] = [
    [true, tokens.access_token],
    [true, own.access_token],
    [true, machine],
    [false, tokens.refresh_token!],
    [false, 'a.b.c'],
    [false, `${machine}A`],
  ];
  for (const [short, token] of asks)
    for (const hint of ['', 'access_token', 'refresh_token']) {
      const form = { ...secretOf(server), token, ...(hint && { token_type_hint: hint }) };
      const send = () => w.send(`${t.origin}/oauth/introspect`, { method: 'POST', form });
      assert.equal(await isShort('POST /oauth/introspect', send), short, JSON.stringify(form));
    }
});

const PUBLISHED = [
  '/.well-known/jwks.json',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

test('discovery and keys: by GET and HEAD, from anywhere, and nothing twice to who has it', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  for (const path of PUBLISHED) {
    type Sent = { method?: string; headers?: Record<string, string>; query?: string };
    const ask = async ({ method = 'GET', headers, query = '' }: Sent, short = true) => {
      const send = () => w.send(`${t.origin}${path}${query}`, { method, headers });
      let answer: Awaited<ReturnType<typeof send>> | undefined;
      const went = await isShort(`${method} ${path}`, async () => {
        answer = await send();
      });
      assert.equal(went, short, `${method} ${path}${query} ${JSON.stringify(headers)}`);
      return answer!;
    };
    const whole = await ask({});
    const etag = whole.headers.get('etag')!;
    assert.match(etag, /^"[\w-]{22}"$/);
    assert.equal(whole.headers.get('cache-control'), 'no-cache', 'a cache asks each time');
    const head = await ask({ method: 'HEAD' });
    assert.deepEqual([head.status, head.text], [200, '']);
    for (const name of ['etag', 'content-type', 'content-length'])
      assert.equal(head.headers.get(name), whole.headers.get(name), name);
    const app = await ask({ headers: { origin: 'https://spa.example.com' } });
    assert.equal(app.headers.get('access-control-allow-origin'), 'https://spa.example.com');
    for (const known of [etag, `W/${etag}`, '*', `"another", ${etag}`])
      for (const method of ['GET', 'HEAD']) {
        const answer = await ask({ method, headers: { 'if-none-match': known } });
        assert.deepEqual([answer.status, answer.text, answer.headers.get('etag')], [304, '', etag], known);
      }
    for (const unknown of ['"another"', etag.replaceAll('"', ''), `${etag.slice(0, -2)}"`])
      assert.equal((await ask({ headers: { 'if-none-match': unknown } })).text, whole.text, unknown);
    assert.equal((await ask({ query: '?x=1' }, false)).text, whole.text);
    const elsewhere = await w.send(`${other.origin}${path}`, { headers: { 'if-none-match': etag } });
    assert.equal(elsewhere.status, 200, 'another tenant publishes something else');
    assert.notEqual(elsewhere.text, whole.text);
  }
});

test('what a change of the account or of its keys makes untrue is not published any more, to nobody', async () => {
  const t = await w.tenant();
  const tagOf = async (path: string) => (await w.send(`${t.origin}${path}`)).headers.get('etag')!;
  const answers = async (path: string, known: string) =>
    (await w.send(`${t.origin}${path}`, { headers: { 'if-none-match': known } })).status;
  const [keys = '', discovery = ''] = PUBLISHED;
  const kids = async () => (await w.send(`${t.origin}${keys}`)).body.keys.map(({ kid }: { kid: string }) => kid);
  const before = [await tagOf(keys), await tagOf(discovery)] as const;
  const { production_kid } = await t.api('POST', '/account/keys/rotate', {});
  assert.deepEqual([await answers(keys, before[0]), await answers(discovery, before[1])], [200, 304]);
  const rotated = await tagOf(keys);
  assert.ok((await kids()).includes(production_kid));
  await t.api('POST', `/account/keys/${production_kid}/revoke`, {});
  assert.equal(await answers(keys, rotated), 200);
  assert.ok(!(await kids()).includes(production_kid));
  await t.api('POST', `/account/${t.id}`, { oauth_settings: { request_objects: true } });
  assert.equal(await answers(discovery, before[1]), 200);
});

test('every short way there is was walked here', () => {
  const there = SHORT_WAYS.flatMap(({ method, url, head }) => (head ? [`HEAD ${url}`] : []).concat(`${method} ${url}`));
  assert.deepEqual(Object.keys(w.shortAnswers).sort(), there.sort());
});

test('a difference is noticed in status, header, field, order and claim; a moment and a signature are none', async () => {
  const key = new TextEncoder().encode('a key for tokens that nobody takes');
  const token = (claims: Record<string, unknown>) => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key);
  const body = async (claims: Record<string, unknown>, more: object = {}) =>
    JSON.stringify({ access_token: await token({ iat: 1, exp: 11, jti: 'a', ...claims }), ...more });
  const answer = async (more: Partial<ComparedAnswer> = {}): Promise<ComparedAnswer> => ({
    status: 200,
    headers: { vary: 'Origin', date: 'now' },
    body: await body({ sub: 'x' }, { scope: 'a', expires_in: 10 }),
    ...more,
  });
  const later = await body({ sub: 'x', iat: 2, exp: 12, jti: 'b' }, { scope: 'a', expires_in: 10 });
  const compare = async (other: Partial<ComparedAnswer>) =>
    assertSameAnswer('this', await answer(), await answer(other));
  await compare({});
  await compare({ headers: { vary: 'Origin', date: 'later' }, body: later });
  const differing: Partial<ComparedAnswer>[] = [
    { status: 201 },
    { headers: { vary: 'Origin', 'cache-control': 'no-store' } },
    { headers: {} },
    { body: await body({ sub: 'x' }, { expires_in: 10, scope: 'a' }) },
    { body: await body({ sub: 'x' }, { scope: 'a', expires_in: 11 }) },
    { body: await body({ sub: 'y' }, { scope: 'a', expires_in: 10 }) },
    { body: await body({ sub: 'x', exp: 12 }, { scope: 'a', expires_in: 10 }) },
  ];
  for (const other of differing)
    await assert.rejects(compare(other), /otherwise than the engine/, JSON.stringify(other));
});
