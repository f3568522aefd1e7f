/** grant_type=password (RFC 6749 §4.3): who may use it, what it gives, and how it refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { hashingTally } from '../../../src/kernel/secret/password.ts';
import {
  agent,
  authorizeUrl,
  type Client,
  discovery,
  type Form,
  formOf,
  logged,
  ORDERS,
  ordersApi,
  passwordGrant,
  refresh,
  requestOf,
  type TenantHandle,
  type User,
  until,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world({ dearPasswords: true });

const login = (t: TenantHandle, client: Client, user: { email: string; password: string }, more: Form = {}) =>
  passwordGrant(t, client, user, { scope: 'openid email offline_access', ...more });

const passwordClient = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.client({ grant_types: ['password', 'refresh_token'], callbacks: [], response_types: [], ...fields });

async function ready(fields: Record<string, unknown> = {}): Promise<{ t: TenantHandle; client: Client; user: User }> {
  const t = await w.tenant();
  return { t, client: await passwordClient(t, fields), user: await t.user() };
}

/** Many wrong passwords at once, of many users or of one. */
const floodOf = (t: TenantHandle, client: Client, length: number, signal: AbortSignal, username?: string) =>
  Array.from({ length }, (_, n) => {
    const form = { ...client, grant_type: 'password', username: username ?? `${n}@example.com`, password: 'wrong' };
    return w.send(`${t.origin}/oauth/token`, { method: 'POST', form, signal });
  });

/** The first of the answers with that status. */
const firstOf = <A extends { status: number }>(answers: Promise<A>[], status: number): Promise<A> =>
  Promise.any(answers.map((answer) => answer.then((got) => (got.status === status ? got : Promise.reject(got)))));

const REFUSED = { error: 'invalid_grant', error_description: 'Wrong email or password.' };

test('a password gets an access, an id and a refresh token, and each works', async () => {
  const { t, client, user } = await ready();
  const { status, body, headers } = await login(t, client, user);
  assert.equal(status, 200);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.deepEqual(
    [body.token_type, body.scope, decodeJwt(body.id_token).sub, decodeJwt(body.access_token).client_id],
    ['Bearer', 'openid email offline_access', user.id, client.client_id],
  );
  assert.equal(decodeJwt(body.id_token).aud, client.client_id);
  assert.deepEqual((await userinfo(t, body.access_token)).body, {
    sub: user.id,
    email: user.email,
    email_verified: false,
  });
  const again = await refresh(t, client, body.refresh_token);
  assert.equal(again.status, 200, again.text);
  assert.equal((await userinfo(t, again.body.access_token)).status, 200);
  assert.equal(decodeJwt(again.body.id_token).sub, user.id);
});

test('without openid no id token, without offline_access (or the right to it) no refresh token', async () => {
  const { t, client, user } = await ready();
  const plain = (await login(t, client, user, { scope: '' })).body;
  assert.deepEqual([plain.id_token, plain.refresh_token, plain.scope], [undefined, undefined, undefined]);
  assert.ok(plain.access_token);
  const online = (await login(t, client, user, { scope: 'openid' })).body;
  assert.deepEqual([typeof online.id_token, online.refresh_token], ['string', undefined]);
  assert.equal((await userinfo(t, online.access_token)).status, 200);
  const narrow = await passwordClient(t, { grant_types: ['password'] });
  const tokens = (await login(t, narrow, user)).body;
  assert.deepEqual([tokens.refresh_token, tokens.scope], [undefined, 'openid email']);
});

test('an audience gives a token for that Api, with its scopes and no others of its kind, and the refresh keeps it', async () => {
  const { t, client, user } = await ready();
  await ordersApi(t);
  const { body } = await login(t, client, user, {
    audience: ORDERS,
    scope: 'openid offline_access read:orders drop:tables',
  });
  assert.deepEqual([decodeJwt(body.access_token).aud, body.scope], [ORDERS, 'openid read:orders']);
  const again = await refresh(t, client, body.refresh_token);
  assert.equal(decodeJwt(again.body.access_token).aud, ORDERS);
  assert.equal(decodeJwt(again.body.access_token).scope, 'openid read:orders');

  const unknown = await login(t, client, user, { audience: 'https://nowhere.example.com' });
  assert.deepEqual([unknown.status, unknown.body.error], [400, 'invalid_target']);
  await t.api('POST', '/api', { name: 'Bank', identifier: 'https://bank.example.com', skip_consent: false });
  const consent = await login(t, client, user, { audience: 'https://bank.example.com' });
  assert.deepEqual([consent.status, consent.body.error], [400, 'consent_required']);
});

test('what an Api with roles allows is what the user’s roles grant', async () => {
  const { t, client, user } = await ready();
  const scope = 'openid read:users update:users';
  const before = await login(t, client, user, { audience: t.audience, scope });
  assert.equal(before.body.scope, 'openid', 'nobody is an administrator by asking');
  const [api] = (await t.api('GET', '/api?pageSize=200')).results.filter(
    ({ identifier }: { identifier: string }) => identifier === t.audience,
  );
  const role = await t.api('POST', '/role', {
    name: 'Support',
    permissions: [{ api: api.id, value: 'read:users' }],
  });
  await t.api('POST', '/rolemember', { users: [user.id], role: role.id });
  const { body } = await login(t, client, user, { audience: t.audience, scope });
  assert.equal(decodeJwt(body.access_token).scope, 'openid read:users');
  const unsaid = await passwordGrant(t, client, user, { audience: t.audience });
  assert.equal(unsaid.body.scope, 'openid read:users', 'without a scope: all that the user has there, and no more');
  assert.equal((await login(t, client, user, { audience: t.audience, scope: 'openid' })).body.scope, 'openid');
});

test('a client needs the grant type, and new clients do not have it', async () => {
  const { t, user } = await ready();
  const fresh = await t.client();
  assert.ok(!fresh.grant_types.includes('password'));
  const answer = await login(t, fresh, user);
  assert.deepEqual([answer.status, answer.body.error], [400, 'unauthorized_client']);
  await t.api('POST', `/client/${fresh.client_id}`, { grant_types: ['password'] });
  assert.equal((await login(t, fresh, user)).status, 200);
});

test('only the tenant’s own apps may take passwords', async () => {
  const { t, client, user } = await ready({ is_first_party: false });
  const answer = await login(t, client, user);
  assert.deepEqual([answer.status, answer.body.error], [400, 'unauthorized_client']);
});

test('a public client may use it, a confidential one has to prove itself first', async () => {
  const { t, client, user } = await ready();
  const app = await passwordClient(t, { token_endpoint_auth_method: 'none' });
  assert.equal((await login(t, app, user)).status, 200);
  const wrong = await login(t, { ...client, client_secret: 'wrong' }, user);
  assert.deepEqual([wrong.status, wrong.body.error], [401, 'invalid_client']);
});

test('a wrong password, an unknown user and a user of another tenant get the same answer, and every refusal is logged', async () => {
  const { t, client, user } = await ready();
  const other = await w.tenant();
  const stranger = await other.user();
  for (const attempt of [
    { ...user, password: 'wrong' },
    { email: 'nobody@example.com', password: user.password },
    stranger,
  ]) {
    const answer = await login(t, client, attempt);
    assert.equal(answer.status, 400);
    assert.deepEqual(answer.body, REFUSED);
  }
  assert.deepEqual(
    (await logged(t, 'auth.login.failed')).map((row) => [row.data.reason, row.user, row.data.count]),
    [
      ['unknown_user', undefined, 2],
      ['wrong_password', user.id, 1],
    ],
  );
  assert.equal((await login(t, client, user)).status, 200);
  const [entry] = (await t.api('GET', '/log?query=type:auth.login')).results;
  assert.deepEqual([entry.user, entry.client, entry.status], [user.id, client.client_id, 'success']);
});

test('an unknown user costs as much hashing as a wrong password, in as many turns', async () => {
  const { t, client, user } = await ready();
  const cost = async (email: string) => {
    const before = hashingTally();
    assert.equal((await login(t, client, { email, password: 'wrong' })).status, 400);
    const after = hashingTally();
    return [after.turns - before.turns, after.work - before.work];
  };
  const known = await cost(user.email);
  assert.deepEqual(known, [1, 1024]);
  assert.deepEqual(await cost('nobody@example.com'), known);
});

test('a tenant where too many passwords wait says so, to apps and to people, and others are let in meanwhile', async () => {
  const { t, client, user } = await ready();
  const other = await ready();
  const web = await t.client();
  const visit = agent();
  const page = await visit(new URL((await visit(authorizeUrl(t, requestOf(web).parameters))).location!, t.origin).href);
  const gone = new AbortController();
  const flood = floodOf(t, client, 80, gone.signal);
  const busy = await firstOf(flood, 503);
  assert.deepEqual([busy.body.error, busy.headers.get('retry-after')], ['temporarily_unavailable', '2']);
  assert.deepEqual(Object.keys(busy.body).sort(), ['error', 'error_description']);
  const form = { csrf: formOf(page).csrf, email: user.email, password: user.password };
  // One or the other may find a place that has just become free.
  const pages = Array.from({ length: 5 }, () => visit(formOf(page).action, { form, signal: gone.signal }));
  const [shown, elsewhere] = await Promise.all([firstOf(pages, 503), login(other.t, other.client, other.user)]);
  assert.equal(shown.headers.get('retry-after'), '2');
  assert.match(shown.text, /role="alert"/);
  assert.equal(elsewhere.status, 200);
  gone.abort();
  await Promise.allSettled([...flood, ...pages]);
  assert.equal((await login(t, client, user)).status, 200, 'and later it goes on');
});

test('whoever was sent away is not locked out for that; whoever has hung up has no turn', async () => {
  const { t, client, user } = await ready();
  const before = hashingTally().turns;
  const gone = new AbortController();
  const flood = floodOf(t, client, 75, gone.signal);
  await firstOf(flood, 503);
  const own = floodOf(t, client, 15, gone.signal, user.email);
  await firstOf(own, 503);
  gone.abort();
  await Promise.allSettled([...flood, ...own]);
  await until('what was counted is given back', async () => (await login(t, client, user)).status === 200);
  const turns = hashingTally().turns - before;
  assert.ok(turns < 50, `${turns} passwords were looked at, most of them for nobody`);
});

test('guessing ends in a pause, for that user from that address', async () => {
  const { t, client, user } = await ready();
  const neighbour = await t.user();
  const answers = await Promise.all(Array.from({ length: 12 }, () => login(t, client, { ...user, password: 'wrong' })));
  assert.equal(answers.filter(({ status }) => status === 400).length, 10);
  const locked = await login(t, client, user);
  assert.deepEqual([locked.status, locked.body.error], [429, 'invalid_grant']);
  assert.ok(Number(locked.headers.get('retry-after')) > 0);
  assert.deepEqual(Object.keys(locked.body).sort(), ['error', 'error_description']);
  assert.equal((await login(t, client, neighbour)).status, 200);
  w.clock.advance({ seconds: 901 });
  assert.equal((await login(t, client, user)).status, 200);
});

test('a suspended user is told so, only with the right password, and loses what was issued', async () => {
  const { t, client, user } = await ready();
  const { access_token, refresh_token } = (await login(t, client, user)).body;
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  const answer = await login(t, client, user);
  assert.equal(answer.status, 403);
  assert.deepEqual(answer.body, { error: 'invalid_grant', error_description: 'user is suspended' });
  assert.deepEqual((await login(t, client, { ...user, password: 'wrong' })).body, REFUSED);
  assert.equal((await userinfo(t, access_token)).status, 401);
  const refreshed = await refresh(t, client, refresh_token);
  assert.deepEqual([refreshed.status, refreshed.body.error], [400, 'invalid_grant']);
  assert.doesNotMatch(refreshed.text, /suspended/, 'who only holds a token is not told why');
});

test('`connection` and `realm` name the connection, by id or name; another tenant’s and a disabled one are unknown', async () => {
  const { t, client, user } = await ready();
  const other = await w.tenant();
  const staff = await t.api('POST', '/connection', { connection_name: 'staff', connection_type: 'database' });
  assert.equal((await login(t, client, user, { connection: t.connection })).status, 200);
  for (const named of [{ connection: staff.id }, { realm: 'staff' }] as Record<string, string>[])
    assert.deepEqual((await login(t, client, user, named)).body, REFUSED, 'no such user in that connection');
  for (const unknown of ['nowhere', other.connection]) {
    const answer = await login(t, client, user, { connection: unknown });
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_request'], unknown);
  }
  await t.api('POST', `/connection/${staff.id}`, { enabled: false });
  assert.equal((await login(t, client, user, { realm: 'staff' })).body.error, 'invalid_request');
});

test('a missing parameter is named, and a password in the query string is refused', async () => {
  const { t, client, user } = await ready();
  for (const missing of ['username', 'password']) {
    const answer = await login(t, client, user, { [missing]: '' });
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_request']);
    assert.match(answer.body.error_description, new RegExp(missing));
  }
  const query = new URLSearchParams({ grant_type: 'password', username: user.email, password: user.password });
  const answer = await w.send(`${t.origin}/oauth/token?${query}`);
  assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_request']);
});

test('discovery lists the grant', async () => {
  const { t } = await ready();
  const { grant_types_supported } = await discovery(t);
  assert.ok(grant_types_supported.includes('password'));
});
