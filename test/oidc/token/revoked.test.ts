/** What ended is over wherever a token is shown: at the management API, at introspection, at userinfo, on every instance. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agent } from '../../kit/agent.ts';
import { interrupt } from '../../kit/faults.ts';
import {
  authorizeUrl,
  bearer,
  type Client,
  codeOf,
  credentialsOf,
  GRANTS,
  introspect,
  ORDERS,
  ordersApi,
  passwordGrant,
  post,
  REDIRECT,
  redeem,
  requestOf,
  revoke,
  signIn,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  until,
  userinfo,
  world,
} from '../../kit/index.ts';
import { instance } from '../../kit/instance.ts';

const w = await world();
const elsewhere = await instance(w);
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** Statuses of a management call, here and at the other instance. */
const seen = async (t: TenantHandle, token: string, path = '/user'): Promise<[number, number]> => [
  (await w.call(t.origin, token, 'GET', path)).status,
  (await elsewhere.get(t.origin, path, token)).status,
];

/** What introspection says of a token in both places: its scopes, or that it is dead. */
async function introspected(t: TenantHandle, by: Client, token: string): Promise<string[]> {
  const there = await elsewhere.post(t.origin, '/oauth/introspect', { ...credentialsOf(by), token });
  return [(await introspect(t, by, token)).body, JSON.parse(there.text)].map(({ active, scope }) =>
    active ? (scope ?? '') : 'dead',
  );
}

async function machine(t: TenantHandle, scope = ['read:users', 'read:clients']) {
  const client = await t.client({ callbacks: [], grants: await t.managementGrants(scope) });
  return { client, token: await t.machineToken(client, t.audience) };
}

/** A user whose role may read users and clients, with a token for that. */
async function administrator(t: TenantHandle, client: Client) {
  const user = await t.user();
  const api = (await t.managementGrants())[0]!.api;
  const permissions = ['read:users', 'read:clients'].map((value) => ({ api, value }));
  const role = await t.api('POST', '/role', { name: `r${Math.random()}`, permissions });
  const [member] = await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
  const asked = { audience: t.audience, scope: 'openid read:users read:clients' };
  const { tokens } = await tokensOf(t, client, user, asked);
  return { user, role, member, token: tokens.access_token! };
}

test('a machine’s token that was revoked is dead at once, here and there; the others of its client live', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const [{ client, token }, asker] = [await machine(t), await t.client()];
  const second = await t.machineToken(client, t.audience);
  assert.deepEqual(await seen(t, token), [200, 200]);
  assert.deepEqual(await introspected(t, asker, token), ['read:clients read:users', 'read:clients read:users']);
  assert.equal((await revoke(t, client, token)).status, 200);
  assert.deepEqual(await seen(t, token), [401, 401]);
  assert.deepEqual(await introspected(t, asker, token), ['dead', 'dead']);
  assert.deepEqual(await seen(t, second), [200, 200]);
  assert.deepEqual(await seen(other, await other.token()), [200, 200]);
});

test('so is the operator’s', async () => {
  const origin = w.originOf();
  const [token, second] = [await w.operatorToken(), await w.operatorToken()];
  const list = async (held: string) => [
    (await w.call(origin, held, 'GET', '/user')).status,
    (await elsewhere.get(origin, '/user', held)).status,
  ];
  assert.deepEqual(await list(token), [200, 200]);
  const form = { client_id: w.operator.id, client_secret: w.operator.secret, token };
  assert.equal((await post({ origin }, '/oauth/revoke', form)).status, 200);
  assert.deepEqual(await list(token), [401, 401]);
  assert.deepEqual(await list(second), [200, 200]);
});

test('a grant that is taken from a client is taken from its tokens, permission by permission', async () => {
  const t = await w.tenant();
  const [{ client, token }, asker] = [await machine(t), await t.client()];
  assert.deepEqual(await seen(t, token, '/client'), [200, 200]);
  await t.api('POST', `/client/${client.id}`, { grants: await t.managementGrants(['read:users']) });
  assert.equal((await seen(t, token, '/client'))[0], 403);
  await until('the other one knows', async () => (await seen(t, token, '/client'))[1] === 403);
  assert.deepEqual(await seen(t, token), [200, 200], 'what is left it may do');
  assert.deepEqual(await introspected(t, asker, token), ['read:users', 'read:users']);
  await t.api('POST', `/client/${client.id}`, { grants: [] });
  assert.equal((await seen(t, token))[0], 401);
  await until('the other one knows', async () => (await seen(t, token))[1] === 401);
  assert.deepEqual(await introspected(t, asker, token), ['dead', 'dead']);
});

test('a client that is deleted takes its tokens along; another tenant’s go on', async () => {
  const t = await w.tenant();
  await ordersApi(t);
  const [{ client, token }, asker] = [await machine(t), await t.client()];
  const app = await t.client({ grants: null });
  const tokens = [
    await t.machineToken(app, ORDERS),
    (await tokensOf(t, app, await t.user(), { audience: ORDERS, scope: 'openid' })).tokens.access_token!,
  ];
  for (const each of tokens) assert.notDeepEqual(await introspected(t, asker, each), ['dead', 'dead']);
  assert.deepEqual(await seen(t, token), [200, 200]);
  for (const { id } of [client, app]) await t.api('DELETE', `/client/${id}`);
  assert.equal((await seen(t, token))[0], 401);
  await until('the other one knows', async () => (await seen(t, token))[1] === 401);
  for (const each of tokens) assert.deepEqual(await introspected(t, asker, each), ['dead', 'dead']);
  assert.equal((await userinfo(t, tokens[1]!)).status, 401);
});

test('a role that is taken from a user is taken from the user’s tokens, and so is a permission from the role', async () => {
  const t = await w.tenant();
  const [client, asker] = [await t.client(), await t.client()];
  const { role, user, token } = await administrator(t, client);
  assert.deepEqual(await seen(t, token), [200, 200]);
  assert.deepEqual(await introspected(t, asker, token), Array(2).fill('openid read:users read:clients'));
  const kept = role.permissions.filter(({ value }: { value: string }) => value !== 'read:clients');
  await t.api('POST', `/role/${role.id}`, { permissions: kept });
  assert.deepEqual(await seen(t, token, '/client'), [403, 403]);
  assert.deepEqual(await seen(t, token), [200, 200]);
  const { results } = await t.api('GET', `/rolemember?query=user:${user.id}`);
  await t.api('DELETE', `/rolemember/${results[0].id}`);
  assert.deepEqual(await seen(t, token), [403, 403]);
  w.clock.advance({ seconds: 6 });
  await elsewhere.followClock();
  assert.deepEqual(await introspected(t, asker, token), ['openid', 'openid']);
  await t.api('POST', `/client/${client.id}`, { is_first_party: false });
  assert.equal((await seen(t, token))[0], 401, 'strangers’ apps administer nothing');
});

test('what was exchanged ends with the grant of the client that exchanged it', async () => {
  const t = await w.tenant();
  const { token } = await administrator(t, await t.client());
  const client = await t.client({ grants: await t.managementGrants(['read:users', 'read:clients']) });
  const exchanged = await tokenRequest(t, client, {
    grant_type: EXCHANGE,
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  });
  const { access_token } = exchanged.body;
  assert.deepEqual(await seen(t, access_token), [200, 200], exchanged.text);
  await t.api('POST', `/client/${client.id}`, { grants: await t.managementGrants(['read:clients']) });
  assert.equal((await seen(t, access_token))[0], 403);
  assert.equal((await seen(t, access_token, '/client'))[0], 200);
  assert.deepEqual(await seen(t, token), [200, 200], 'the login’s own token is as it was');
});

test('what other clients exchanged a token for ends with the login that it came from, in both places', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const others = [await t.client({ callbacks: [] }), await t.client({ callbacks: [] })];
  const form = (got: { code: string; verifier: string }) => ({
    grant_type: 'authorization_code',
    code: got.code,
    code_verifier: got.verifier,
    redirect_uri: REDIRECT,
  });
  const ends: Record<string, (got: { code: string; verifier: string }, refresh_token: string) => Promise<unknown>> = {
    'the code is replayed': (got) => tokenRequest(t, client, form(got)),
    'the refresh token is revoked': (_got, token) => revoke(t, client, token),
  };
  for (const [what, end] of Object.entries(ends)) {
    const got = await codeOf(t, client, await t.user(), { scope: 'openid offline_access' });
    const { access_token, refresh_token } = (await tokenRequest(t, client, form(got))).body;
    const chain: string[] = [access_token];
    for (const other of others) {
      const answer = await tokenRequest(t, other, {
        grant_type: EXCHANGE,
        subject_token: chain.at(-1)!,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      });
      assert.equal(answer.status, 200, answer.text);
      chain.push(answer.body.access_token);
    }
    for (const token of chain) assert.ok(!(await introspected(t, client, token)).includes('dead'), what);
    await end(got, refresh_token);
    for (const token of chain) assert.deepEqual(await introspected(t, client, token), ['dead', 'dead'], what);
    const late = await tokenRequest(t, others[1]!, {
      grant_type: EXCHANGE,
      subject_token: chain[1]!,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    });
    assert.deepEqual([late.status, late.body.error], [401, 'invalid_request'], 'nothing comes of it any more');
  }
});

test('a code redeemed here and replayed there: its access token is dead at once in both places', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const user = await t.user();
  const form = (got: { code: string; verifier: string }) => ({
    ...credentialsOf(client),
    grant_type: 'authorization_code',
    code: got.code,
    code_verifier: got.verifier,
    redirect_uri: REDIRECT,
  });
  const alive = async (token: string) => [
    (await userinfo(t, token)).status,
    (await elsewhere.get(t.origin, '/userinfo', token)).status,
    ...(await introspected(t, client, token)),
  ];
  const first = await codeOf(t, client, user);
  const { access_token } = (await redeem(t, client, first)).body;
  assert.deepEqual(await alive(access_token), [200, 200, 'openid', 'openid']);
  assert.equal((await elsewhere.post(t.origin, '/oauth/token', form(first))).status, 400);
  assert.deepEqual(await alive(access_token), [401, 401, 'dead', 'dead']);

  const raced = await codeOf(t, client, user);
  const racers = Array.from({ length: 100 }, (_, n) =>
    n % 2 ? redeem(t, client, raced) : elsewhere.post(t.origin, '/oauth/token', form(raced)),
  );
  const won = (await Promise.all(racers)).filter(({ status }) => status === 200);
  assert.equal(won.length, 1);
  assert.deepEqual(await alive(JSON.parse(won[0]!.text).access_token), [401, 401, 'dead', 'dead']);
});

test('what is granted while its user or its client goes is worth nothing, by whichever way', async () => {
  const t = await w.tenant();
  const asker = await t.client();
  const grants = { grant_types: [...GRANTS, 'password'] };
  const ends: Record<string, (user: { id: string }, client: Client) => Promise<unknown>> = {
    'the user is deleted': ({ id }) => t.api('DELETE', `/user/${id}`),
    'the user is suspended': ({ id }) => t.api('POST', `/user/${id}`, { suspended: true }),
    'the client is deleted': (_user, { id }) => t.api('DELETE', `/client/${id}`),
  };
  for (const [what, end] of Object.entries(ends)) {
    const [user, client] = [await t.user(), await t.client(grants)];
    const raced = interrupt({ name: 'insert', collection: 'protocol' }, () => end(user, client));
    const { status, body } = await passwordGrant(t, client, user, { scope: 'openid' });
    assert.deepEqual([raced.times, status, body.error], [1, 400, 'invalid_grant'], what);
  }
  for (const [what, end] of Object.entries(ends)) {
    const [user, client, visit] = [await t.user(), await t.client(grants), agent()];
    const { access_token } = (await passwordGrant(t, client, user, { scope: 'openid' })).body;
    const url = authorizeUrl(t, requestOf(client).parameters);
    const raced = interrupt({ name: 'insert', collection: 'protocol' }, async () => {
      // The flow's own row was the first; the next is what the login is worth.
      Object.assign(
        raced,
        interrupt({ name: 'insert', collection: 'protocol' }, () => end(user, client)),
      );
    });
    const landed = await signIn(visit, url, user).catch((error: Error) => error);
    assert.ok(landed instanceof Error, `${what}: ${landed}`);
    assert.deepEqual((await introspect(t, asker, access_token)).body, { active: false }, what);
    assert.equal((await w.send(`${t.origin}/userinfo`, { headers: bearer(access_token) })).status, 401, what);
  }
});
