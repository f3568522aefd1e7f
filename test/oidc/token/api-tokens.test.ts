/** What an Api's settings do to tokens, which Api a token is for where nobody says, and Apis with plain names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import {
  agent,
  assertRefused,
  authorizeUrl,
  type Client,
  credentialsOf,
  discovery,
  fieldOf,
  follow,
  formOf,
  introspect,
  logIn,
  ORDERS,
  ordersApi,
  passwordGrant,
  post,
  push,
  REDIRECT,
  refresh,
  refused,
  requestOf,
  send,
  submit,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  type User,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();
const BILLS = 'https://bills.example.com';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT = 'urn:ietf:params:oauth:token-type:access_token';

const allGrants = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.client({
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials', 'password', DEVICE, EXCHANGE],
    ...fields,
  });
const setDefault = (t: TenantHandle, default_audience: string | null) =>
  t.call('POST', `/account/${t.id}`, { oauth_settings: { default_audience } });

/** A person is asked about a device in the browser. */
async function device(t: TenantHandle, client: Client, user: User, more: Record<string, string> = {}) {
  const started = await post(t, '/oauth/device/code', {
    ...credentialsOf(client),
    scope: 'openid offline_access read:orders',
    ...more,
  });
  assert.equal(started.status, 200, started.text);
  const visit = agent();
  const asked = await follow(visit, await visit(started.body.verification_uri_complete), REDIRECT);
  const page = await logIn(visit, asked, user);
  const device_code = fieldOf(page, 'device_code');
  return {
    page,
    allow: async () => follow(visit, await submit(visit, page, { device_code, decision: 'allow' })),
    poll: () => tokenRequest(t, client, { grant_type: DEVICE, device_code: started.body.device_code }),
  };
}

/* ——— teams and roles ——— */

async function withMemberships(t: TenantHandle) {
  const user = await t.user();
  const support = await t.api('POST', '/role', { name: 'Support' });
  const admin = await t.api('POST', '/role', { name: 'Admin' });
  for (const role of [support, admin]) await t.api('POST', '/rolemember', { users: [user.id], role: role.id });
  for (const name of ['North Sea', 'Baltic']) {
    const team = await t.api('POST', '/team', { name });
    await t.api('POST', `/team/${team.id}/member`, { users: [user.id], roles: [support.id] });
  }
  await t.api('POST', '/team', { name: 'Others' });
  await t.api('POST', '/role', { name: 'Nobody' });
  return user;
}

test('each setting puts its claim into its token, and nowhere else', async () => {
  const t = await w.tenant();
  const user = await withMemberships(t);
  const [client, api] = [await allGrants(t), await ordersApi(t)];
  const off = {
    include_roles_in_access_token: false,
    include_teams_in_access_token: false,
    include_roles_in_id_token: false,
    include_teams_in_id_token: false,
  };
  const roles = ['Admin', 'Support'];
  const teams = ['baltic', 'north-sea'];
  const expected: [keyof typeof off | undefined, object, object][] = [
    [undefined, {}, {}],
    ['include_roles_in_access_token', { roles }, {}],
    ['include_teams_in_access_token', { teams }, {}],
    ['include_roles_in_id_token', {}, { roles }],
    ['include_teams_in_id_token', {}, { teams }],
  ];
  const said = (jwt: string) => {
    const claims = decodeJwt(jwt) as { roles?: string[]; teams?: string[] };
    return { ...(claims.roles && { roles: claims.roles }), ...(claims.teams && { teams: claims.teams }) };
  };
  for (const [setting, inAccess, inId] of expected) {
    await t.api('POST', `/api/${api.id}`, { ...off, ...(setting && { [setting]: true }) });
    const { body } = await passwordGrant(t, client, user, { audience: ORDERS, scope: 'openid offline_access' });
    const again = await refresh(t, client, body.refresh_token);
    for (const answer of [body, again.body]) {
      assert.deepEqual(said(answer.access_token), inAccess, `access token, ${setting}`);
      assert.deepEqual(said(answer.id_token), inId, `id token, ${setting}`);
    }
  }
});

test('an id token speaks of them in a login for that Api only; a machine has none; who is in none has empty lists', async () => {
  const t = await w.tenant();
  const user = await withMemberships(t);
  const client = await allGrants(t);
  await ordersApi(t, {
    include_roles_in_access_token: true,
    include_teams_in_access_token: true,
    include_roles_in_id_token: true,
    include_teams_in_id_token: true,
  });
  await ordersApi(t, { identifier: BILLS });
  const { tokens } = await tokensOf(t, client, user, { audience: ORDERS });
  assert.deepEqual(decodeJwt(tokens.id_token!).teams, ['baltic', 'north-sea']);
  assert.deepEqual(decodeJwt(tokens.access_token).roles, ['Admin', 'Support']);
  for (const audience of [BILLS, undefined]) {
    const { body } = await passwordGrant(t, client, user, { scope: 'openid', ...(audience && { audience }) });
    for (const jwt of [body.id_token, body.access_token])
      assert.ok(!('teams' in decodeJwt(jwt)) && !('roles' in decodeJwt(jwt)), audience);
  }
  const machine = decodeJwt(await t.machineToken(client, ORDERS));
  assert.ok(!('teams' in machine) && !('roles' in machine));
  const { body } = await passwordGrant(t, client, await t.user(), { scope: 'openid', audience: ORDERS });
  for (const jwt of [body.id_token, body.access_token])
    assert.deepEqual([decodeJwt(jwt).teams, decodeJwt(jwt).roles], [[], []]);
  const info = (await userinfo(t, tokens.access_token)).body;
  assert.equal(info.sub, user.id);
  assert.ok(!('teams' in info) && !('roles' in info), 'the settings are about tokens');
});

test('memberships are read only where a setting asks for them', async () => {
  const t = await w.tenant();
  const user = await withMemberships(t);
  const [client, api] = [await allGrants(t), await ordersApi(t)];
  const reads: string[] = [];
  const read = async () => {
    reads.length = 0;
    const { status, text } = await passwordGrant(t, client, user, { scope: 'openid', audience: ORDERS });
    assert.equal(status, 200, text);
    return [...new Set(reads.filter((name) => /^(role|team)/.test(name)))].sort();
  };
  mongoose.set('debug', (collection: string) => void reads.push(collection));
  try {
    assert.deepEqual(await read(), []);
    await t.api('POST', `/api/${api.id}`, { include_teams_in_id_token: true });
    assert.deepEqual(await read(), ['teammembers', 'teams']);
    await t.api('POST', `/api/${api.id}`, { include_teams_in_id_token: false, include_roles_in_access_token: true });
    assert.deepEqual(await read(), ['rolemembers', 'roles']);
  } finally {
    mongoose.set('debug', false);
  }
});

/* ——— the other settings ——— */

/* ——— groups ——— */

const FROM = {
  roles: ['Admin', 'Support'],
  teams: ['baltic', 'north-sea'],
  permissions: ['create:orders', 'read:orders'],
};

test('a client reads its users’ groups under the name that it wants: in ID tokens, at userinfo, in access tokens', async () => {
  const t = await w.tenant();
  const [user, nobody] = [await withMemberships(t), await t.user()];
  const api = await ordersApi(t, { include_teams_in_id_token: true });
  const [support] = (await t.api('GET', '/role?query=name:Support')).results;
  const [management] = (await t.api('GET', '/api?query=slug:management-api')).results;
  await t.api('POST', `/role/${support.id}`, {
    permissions: [
      ...['read:orders', 'create:orders'].map((value) => ({ api: api.id, value })),
      { api: management.id, value: 'read:users' },
    ],
  });
  const client = await allGrants(t);
  const wide = { scope: 'openid offline_access' };
  const none = await tokensOf(t, client, user, wide);
  for (const token of [none.tokens.id_token!, none.tokens.access_token])
    assert.equal(decodeJwt(token).groups, undefined, 'nobody asked for it');

  for (const [from, expected] of Object.entries(FROM)) {
    const name = { roles: 'roles', teams: 'groups', permissions: 'https://corp.example/may' }[from]!;
    await t.api('POST', `/client/${client.id}`, { groups_claim: { name, from } });
    const { tokens } = await tokensOf(t, client, user, wide);
    const refreshed = (await refresh(t, client, tokens.refresh_token!)).body;
    const minted = (await passwordGrant(t, client, user, wide)).body;
    for (const { id_token, access_token } of [tokens, refreshed, minted])
      for (const said of [decodeJwt(id_token!), decodeJwt(access_token), (await userinfo(t, access_token)).body])
        assert.deepEqual(said[name], expected, from);
    const exchanged = await tokenRequest(t, client, {
      grant_type: EXCHANGE,
      subject_token: tokens.access_token,
      subject_token_type: JWT,
    });
    assert.deepEqual(decodeJwt(exchanged.body.access_token)[name], expected);
    const forApi = (await tokensOf(t, client, user, { scope: 'openid', audience: ORDERS })).tokens;
    const beside = [decodeJwt(forApi.id_token!), decodeJwt(forApi.access_token)];
    assert.deepEqual(
      beside.map((said) => [said[name], said.teams]),
      [
        [expected, FROM.teams],
        [expected, undefined],
      ],
      'whatever an Api adds',
    );
    assert.equal(decodeJwt(await t.machineToken(client, ORDERS))[name], undefined, 'a machine is in no group');
    const empty = (await passwordGrant(t, client, nobody, wide)).body;
    assert.deepEqual(decodeJwt(empty.id_token)[name], [], 'an app that looks for it finds a list');
  }
  await t.api('POST', `/client/${client.id}`, { userinfo_signed_response_alg: 'RS256' });
  const { tokens } = await tokensOf(t, client, user);
  assert.deepEqual(
    decodeJwt((await userinfo(t, tokens.access_token)).text)['https://corp.example/may'],
    FROM.permissions,
  );
  await t.api('POST', `/client/${client.id}`, { groups_claim: null });
  assert.equal(decodeJwt((await tokensOf(t, client, user)).tokens.id_token!)['https://corp.example/may'], undefined);
});

test('more groups than fit a token are at userinfo alone: a part of them would be taken for all', async () => {
  const t = await w.tenant();
  const values = Array.from({ length: 40 }, (_, n) => `may:${n}:${'x'.repeat(120)}`).sort();
  const api = await ordersApi(t, { permissions: values.map((value) => ({ value })) });
  const role = await t.api('POST', '/role', {
    name: 'Everything',
    permissions: values.map((value) => ({ api: api.id, value })),
  });
  const client = await allGrants(t, { groups_claim: { name: 'groups', from: 'permissions' } });
  const user = await t.user();
  await t.api('POST', '/rolemember', { users: [user.id], role: role.id });
  const { id_token, access_token } = (await passwordGrant(t, client, user, { scope: 'openid' })).body;
  assert.deepEqual([decodeJwt(id_token).groups, decodeJwt(access_token).groups], [undefined, undefined]);
  assert.deepEqual((await userinfo(t, access_token)).body.groups, values);
});

test('no claim of a token or of a standard is overwritten, and a stranger’s app learns of no groups', async () => {
  const t = await w.tenant();
  const api = await ordersApi(t, {
    token_typ: 'JWT',
    token_dialect: 'access_token_authz',
    include_roles_in_access_token: true,
    include_teams_in_access_token: true,
  });
  assert.ok(api.id);
  const [client, user] = [await allGrants(t), await t.user()];
  const { tokens } = await tokensOf(t, client, user, { scope: 'openid read:orders', audience: ORDERS });
  const { claims_supported } = await discovery(t);
  const taken = new Set([
    ...claims_supported,
    ...Object.keys(decodeJwt(tokens.access_token)),
    ...Object.keys(decodeJwt(tokens.id_token!)),
    ...['act', 'cnf', 'nbf', 'scp', 'nonce', 'authorization_details', 'events', 'constructor'],
  ]);
  for (const name of [...taken, '', '__proto__', '_claim_names', 'a b', 'x'.repeat(101)]) {
    const from = name === 'roles' ? 'teams' : 'roles';
    const answer = await t.call('POST', `/client/${client.id}`, { groups_claim: { name, from } });
    assert.equal(answer.status, 400, name);
  }
  for (const name of ['groups', 'roles', 'entitlements', 'cognito:groups', 'https://corp.example/roles'])
    await t.api('POST', `/client/${client.id}`, { groups_claim: { name, from: 'roles' } });

  const theirs = { is_first_party: false };
  assert.equal((await t.call('POST', `/client/${client.id}`, theirs)).status, 400, 'not while it reads them');
  await t.api('POST', `/client/${client.id}`, { ...theirs, groups_claim: null });
  const wanted = { groups_claim: { name: 'groups', from: 'teams' } };
  assert.equal((await t.call('POST', `/client/${client.id}`, wanted)).status, 400);
  assert.equal((await t.call('POST', '/client', { name: 'Theirs', ...theirs, ...wanted })).status, 400);
  await t.api('POST', `/client/${client.id}`, { is_first_party: true, ...wanted });
});

/* ——— typ ——— */

const typOf = (token: string) => decodeProtectedHeader(token).typ;

test('an Api whose readers know no `at+jwt` has access tokens that say JWT, by every grant; the next is told at once', async () => {
  const t = await w.tenant();
  const api = await ordersApi(t, { token_typ: 'JWT' });
  const [client, user] = [await allGrants(t), await t.user()];
  const asked = { scope: 'openid offline_access read:orders', audience: ORDERS };
  const { tokens } = await tokensOf(t, client, user, asked);
  const byPassword = (await passwordGrant(t, client, user, asked)).body;
  const exchanged = await tokenRequest(t, client, {
    grant_type: EXCHANGE,
    subject_token: tokens.access_token,
    subject_token_type: JWT,
  });
  const ofMachine = await t.machineToken(client, ORDERS);
  const all = {
    code: tokens.access_token,
    refreshed: (await refresh(t, client, tokens.refresh_token!)).body.access_token,
    password: byPassword.access_token,
    exchanged: exchanged.body.access_token,
    machine: ofMachine,
  };
  for (const [grant, token] of Object.entries(all)) {
    assert.deepEqual([typOf(token), decodeJwt(token).token_use], ['JWT', 'access'], grant);
    assert.equal((await introspect(t, client, token)).body.active, true, grant);
  }
  assert.equal((await userinfo(t, tokens.access_token)).status, 200, 'with openid it opens userinfo, as any does');

  await t.api('POST', `/api/${api.id}`, { token_typ: 'at+jwt' });
  const usual = await t.machineToken(client, ORDERS);
  assert.deepEqual([typOf(usual), decodeJwt(usual).token_use], ['at+jwt', undefined], 'RFC 9068 §2.1');
  const before = await introspect(t, client, ofMachine);
  assert.equal(before.body.active, true, 'what was given before the change is a token still');
  const [management] = (await t.api('GET', '/api?query=slug:management-api')).results;
  assert.equal((await t.call('POST', `/api/${management.id}`, { token_typ: 'JWT' })).status, 409);
});

test('an ID token is no access token and an access token no ID token, whatever their types and audiences', async () => {
  const t = await w.tenant();
  const [client, user] = [await allGrants(t), await t.user()];
  // The worst that there can be: an Api of the client's name, so that both tokens are for the same audience.
  await ordersApi(t, { identifier: client.client_id, token_typ: 'JWT' });
  const asked = { scope: 'openid read:orders', audience: client.client_id };
  const { tokens, visit } = await tokensOf(t, client, user, asked);
  const [id, access] = [tokens.id_token!, tokens.access_token];
  assert.equal(decodeJwt(id).aud, decodeJwt(access).aud);

  assert.equal((await introspect(t, client, access)).body.active, true);
  assert.equal((await introspect(t, client, id)).body.active, false);
  assert.equal((await userinfo(t, id)).status, 401);
  assert.equal((await send(`${t.origin}/me`, { headers: { authorization: `Bearer ${id}` } })).status, 401);
  const exchange = (subject_token: string, kind: string) =>
    tokenRequest(t, client, {
      grant_type: EXCHANGE,
      subject_token,
      subject_token_type: `urn:ietf:params:oauth:token-type:${kind}`,
    });
  for (const kind of ['access_token', 'jwt']) assert.equal((await exchange(access, kind)).status, 200, kind);
  assert.equal((await exchange(access, 'id_token')).status, 401);
  for (const kind of ['access_token', 'id_token', 'jwt']) assert.notEqual((await exchange(id, kind)).status, 200, kind);

  const hinted = (id_token_hint: string) =>
    visit(authorizeUrl(t, { ...requestOf(client).parameters, prompt: 'none', id_token_hint }));
  assert.ok(new URL((await hinted(id)).location!).searchParams.get('code'), 'an ID token is a hint');
  assert.equal(new URL((await hinted(access)).location!).searchParams.get('error'), 'invalid_request');
  const out = (id_token_hint: string) =>
    visit(`${t.origin}/logout?${new URLSearchParams({ id_token_hint })}`, { headers: { accept: 'application/json' } });
  await out(access); // Whoever is no hint is asked about, on a page.
  assert.ok(new URL((await hinted(id)).location!).searchParams.get('code'), 'the session lives');
  assert.equal((await out(id)).status, 200);
});

test('policies that are not enforced: scopes that nobody listed are granted, in every grant and at refresh', async () => {
  const t = await w.tenant();
  const [user, client, api] = [await t.user(), await allGrants(t), await ordersApi(t)];
  const scope = 'openid offline_access read:orders drop:tables';
  const scopes = async () => {
    const { tokens } = await tokensOf(t, client, user, { audience: ORDERS, scope });
    const again = await refresh(t, client, tokens.refresh_token!);
    const direct = await passwordGrant(t, client, user, { audience: ORDERS, scope });
    const machine = await t.machineToken(client, ORDERS, 'read:orders drop:tables');
    return [tokens.access_token, again.body.access_token, direct.body.access_token, machine].map(
      (jwt) => decodeJwt(jwt).scope as string,
    );
  };
  for (const granted of await scopes()) assert.doesNotMatch(granted, /drop:tables/);
  await t.api('POST', `/api/${api.id}`, { enforce_policies: false });
  for (const granted of await scopes()) assert.match(granted, /read:orders drop:tables/);
});

test('a user’s `permissions` are the Api’s, not what the user granted about themself; lifetimes have bounds', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  const api = await ordersApi(t, { token_dialect: 'access_token_authz', token_lifetime: 600 });
  const scope = 'openid email read:orders';
  const ask = async () =>
    decodeJwt((await passwordGrant(t, client, user, { audience: ORDERS, scope })).body.access_token);
  const claims = await ask();
  assert.deepEqual([claims.scope, claims.permissions], [scope, ['read:orders']]);
  assert.equal(claims.exp! - claims.iat!, 600);
  await t.api('POST', `/api/${api.id}`, { token_dialect: 'access_token', token_lifetime: 2_592_000 });
  const later = await ask();
  assert.ok(!('permissions' in later));
  assert.equal(later.exp! - later.iat!, 2_592_000);
  assertRefused(await t.call('POST', `/api/${api.id}`, { token_lifetime: 2_592_001 }), 400, 'validation');
  assertRefused(await t.call('POST', `/api/${api.id}`, { token_lifetime: 59 }), 400, 'validation');
});

test('an access token says when and how its user logged in (RFC 9068 §2.2.1), also after a refresh', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  await ordersApi(t);
  const scope = 'openid offline_access read:orders';
  const { tokens } = await tokensOf(t, client, user, { audience: ORDERS, scope, max_age: '3600' });
  const { auth_time } = decodeJwt(tokens.id_token!);
  assert.ok(typeof auth_time === 'number');
  const seen = (jwt: string) => [decodeJwt(jwt).auth_time, decodeJwt(jwt).amr];
  assert.deepEqual(seen(tokens.access_token), [auth_time, ['pwd']]);
  w.clock.advance({ seconds: 1000 });
  const again = await refresh(t, client, tokens.refresh_token!);
  assert.deepEqual(seen(again.body.access_token), [auth_time, ['pwd']], 'the login, not the refresh');
  const direct = await passwordGrant(t, client, user, { scope: 'openid' });
  const { iat } = decodeJwt(direct.body.access_token);
  const [time, how] = seen(direct.body.access_token) as [number, string[]];
  assert.ok(iat! - time >= 0 && iat! - time < 60, 'a password in the request is a login now');
  assert.deepEqual(how, ['pwd']);
  const machine = decodeJwt(await t.machineToken(client, ORDERS));
  assert.ok(!('auth_time' in machine) && !('amr' in machine));
  for (const claim of ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'])
    for (const jwt of [tokens.access_token, direct.body.access_token]) assert.ok(decodeJwt(jwt)[claim], claim);
});

/* ——— userinfo with an Api's token ——— */

test('one token opens the Api and userinfo where the user granted openid; without it, or elsewhere, it does not', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const [user, client] = [await t.user(), await allGrants(t)];
  await ordersApi(t);
  await ordersApi(other);
  const { tokens } = await tokensOf(t, client, user, { audience: ORDERS, scope: 'openid email read:orders' });
  const claims = decodeJwt(tokens.access_token);
  assert.deepEqual([claims.aud, claims.scope], [ORDERS, 'openid email read:orders']);
  const { status, body } = await userinfo(t, tokens.access_token);
  assert.deepEqual([status, body.sub, body.email, body.name], [200, user.id, user.email, undefined]);
  const plain = await passwordGrant(t, client, user, { audience: ORDERS, scope: 'read:orders' });
  assert.equal(decodeJwt(plain.body.access_token).scope, 'read:orders');
  assert.deepEqual(refused(await userinfo(t, plain.body.access_token)), [403, 'insufficient_scope']);
  assert.notEqual((await userinfo(t, await t.machineToken(client, ORDERS))).status, 200);
  assert.equal((await userinfo(other, tokens.access_token)).status, 401);
  // It is still the Api's, and opens nothing of the user's own here.
  const self = await w.call(t.origin, tokens.access_token, 'POST', `/user/${user.id}/change-email`, {});
  assertRefused(self, 403, 'aud_mismatch');
});

/* ——— default audience ——— */

test('who names no audience gets the account’s default, in every grant; who names one gets that', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  await ordersApi(t, { token_lifetime: 600 });
  await ordersApi(t, { identifier: BILLS, name: 'Bills' });
  const scope = 'openid offline_access read:orders';
  const before = await passwordGrant(t, client, user, { scope });
  assert.equal((await setDefault(t, ORDERS)).status, 200);

  const visit = agent();
  const { tokens, config } = await tokensOf(t, client, user, { scope }, visit);
  const onDevice = await device(t, client, user);
  await onDevice.allow();
  const pushed = await push(t, client, { response_type: 'code', redirect_uri: REDIRECT, scope: 'openid read:orders' });
  const query = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.body.request_uri });
  const at = await follow(visit, await visit(`${t.origin}/authorize?${query}`), REDIRECT);
  const answers: Record<string, string> = {
    'code flow': tokens.access_token,
    pushed: (await oidc.authorizationCodeGrant(config, new URL(at.location!))).access_token,
    refresh: (await refresh(t, client, tokens.refresh_token!)).body.access_token,
    password: (await passwordGrant(t, client, user, { scope })).body.access_token,
    'client credentials': (await tokenRequest(t, client, { grant_type: 'client_credentials' })).body.access_token,
    device: (await onDevice.poll()).body.access_token,
  };
  for (const [grant, jwt] of Object.entries(answers)) {
    const claims = decodeJwt(jwt);
    assert.deepEqual([claims.aud, claims.exp! - claims.iat!], [ORDERS, 600], grant);
    assert.match(claims.scope as string, /read:orders/, grant);
  }
  assert.equal((await userinfo(t, answers.password!)).body.sub, user.id, 'a plain login goes on working with userinfo');

  const named = await passwordGrant(t, client, user, { scope: 'openid', audience: BILLS });
  assert.equal(decodeJwt(named.body.access_token).aud, BILLS);
  const login = await tokensOf(t, client, user, { resource: BILLS });
  assert.equal(decodeJwt(login.tokens.access_token).aud, BILLS);
  const older = await refresh(t, client, before.body.refresh_token);
  assert.equal(decodeJwt(older.body.access_token).aud, `${t.origin}/userinfo`, 'a grant from before stays what it was');

  assert.equal((await setDefault(t, null)).status, 200);
  const after = await passwordGrant(t, client, user, { scope: 'openid' });
  assert.equal(decodeJwt(after.body.access_token).aud, `${t.origin}/userinfo`);
});

test('userinfo’s own audience can be asked for by name: a token for no Api, whatever the default', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  await ordersApi(t, { skip_consent: false });
  await setDefault(t, ORDERS);
  const audience = `${t.origin}/userinfo`;
  const { tokens } = await tokensOf(t, client, user, { audience, scope: 'openid email offline_access read:orders' });
  const again = await refresh(t, client, tokens.refresh_token!);
  const direct = await passwordGrant(t, client, user, { audience, scope: 'openid email' });
  for (const jwt of [tokens.access_token, again.body.access_token, direct.body.access_token]) {
    assert.equal(decodeJwt(jwt).aud, audience);
    assert.doesNotMatch(decodeJwt(jwt).scope as string, /read:orders/);
    assert.equal((await userinfo(t, jwt)).body.email, user.email);
  }
  // What the user may do for themself takes a token for no Api, and this is one.
  const self = await w.call(t.origin, direct.body.access_token, 'POST', `/user/${user.id}/change-email`, {});
  assertRefused(self, 400, 'validation');
});

test('the default is no way around consent, the client’s grants or an Api’s roles, and our own pages want no Api', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  const [api, bills] = [await ordersApi(t, { skip_consent: false }), await ordersApi(t, { identifier: BILLS })];
  await setDefault(t, ORDERS);
  assert.deepEqual(refused(await passwordGrant(t, client, user, { scope: 'openid' })), [400, 'consent_required']);
  const narrow = await allGrants(t, { grants: [{ api: bills.id, scope: ['read:orders'] }] });
  assert.deepEqual(refused(await tokenRequest(t, narrow, { grant_type: 'client_credentials' })), [
    400,
    'invalid_target',
  ]);
  const onDevice = await device(t, client, user);
  assert.match(onDevice.page.text, /name="device_code"/, 'the page that asks comes right after the login');
  assert.match(onDevice.page.text, /See your orders/, 'and says what for');

  await t.api('POST', `/api/${api.id}`, { skip_consent: true, rbac: true });
  const { body } = await passwordGrant(t, client, user, { scope: 'openid read:orders' });
  assert.equal(decodeJwt(body.access_token).scope, 'openid');
});

test('a device that asked before there was a default gets what its person saw', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  await ordersApi(t);
  const onDevice = await device(t, client, user);
  await onDevice.allow();
  await setDefault(t, ORDERS);
  const { body } = await onDevice.poll();
  assert.equal(decodeJwt(body.access_token).aud, `${t.origin}/userinfo`);
  assert.doesNotMatch(body.scope, /read:orders/);
  assert.equal((await userinfo(t, body.access_token)).body.sub, user.id);
});

test('exchanging a token for no Api gives no token for the default one', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  await ordersApi(t);
  const { body } = await passwordGrant(t, client, user, { scope: 'openid' });
  await setDefault(t, ORDERS);
  const form = { grant_type: EXCHANGE, subject_token: body.access_token, subject_token_type: JWT };
  const exchanged = await tokenRequest(t, client, form);
  assert.equal(exchanged.status, 200, exchanged.text);
  assert.equal(decodeJwt(exchanged.body.access_token).aud, `${t.origin}/userinfo`);
  assert.deepEqual(refused(await tokenRequest(t, client, { ...form, audience: ORDERS })), [400, 'invalid_target']);
});

test('only an Api of the account’s own may be the default, and it stays while it is', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const api = await ordersApi(t);
  await ordersApi(other, { identifier: BILLS });
  const path = /default_audience/;
  assertRefused(await setDefault(t, 'https://nowhere.example.com'), 422, 'invalid_reference', path);
  assertRefused(await setDefault(t, BILLS), 422, 'invalid_reference', path);
  assertRefused(await setDefault(t, `cardea:management:${other.id}`), 422, 'invalid_reference', path);
  for (const audience of [t.audience, `faable:management:${t.id}`])
    assertRefused(await setDefault(t, audience), 400, 'validation', path);
  assertRefused(await setDefault(t, ''), 400, 'validation');
  assert.equal((await setDefault(t, ORDERS)).status, 200);
  assertRefused(await t.call('DELETE', `/api/${api.id}`), 409, 'protected', /default audience/);
  assert.equal((await setDefault(t, null)).status, 200);
  assert.equal((await t.call('DELETE', `/api/${api.id}`)).status, 200);
});

test('a default whose Api has gone all the same stops no login', async () => {
  const t = await w.tenant();
  const [user, client, api] = [await t.user(), await allGrants(t), await ordersApi(t)];
  await setDefault(t, ORDERS);
  // As if the two had been written at the same moment.
  await mongoose.connection.db!.collection('apis').deleteOne({ _id: api.id });
  const { body } = await passwordGrant(t, client, user, { scope: 'openid' });
  assert.equal(decodeJwt(body.access_token).aud, `${t.origin}/userinfo`);
});

/* ——— plain names ——— */

test('an Api with a plain name works in every grant, and tokens say the name', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await allGrants(t)];
  for (const identifier of ['orders', 'Küche/v1']) {
    const api = await ordersApi(t, { identifier, token_lifetime: 600, include_teams_in_id_token: true });
    const scope = 'openid offline_access read:orders';
    const { tokens } = await tokensOf(t, client, user, { audience: identifier, scope });
    const onDevice = await device(t, client, user, { audience: identifier });
    await onDevice.allow();
    const exchange = { grant_type: EXCHANGE, subject_token: tokens.access_token, subject_token_type: JWT };
    const again = await refresh(t, client, tokens.refresh_token!, { audience: identifier });
    const answers = {
      machine: await t.machineToken(client, identifier),
      code: tokens.access_token,
      refresh: again.body.access_token,
      password: (await passwordGrant(t, client, user, { audience: identifier, scope })).body.access_token,
      device: (await onDevice.poll()).body.access_token,
      exchange: (await tokenRequest(t, client, { ...exchange, audience: identifier })).body.access_token,
    };
    for (const [grant, jwt] of Object.entries(answers)) {
      assert.ok(jwt, grant);
      assert.equal(decodeJwt(jwt).aud, identifier, grant);
      assert.match(decodeJwt(jwt).scope as string, /read:orders/, grant);
      const form = { ...credentialsOf(client), token: jwt };
      const { body } = await post(t, '/oauth/introspect', form);
      assert.deepEqual([body.active, body.aud], [true, identifier], grant);
    }
    assert.deepEqual(decodeJwt(tokens.id_token!).teams, []);
    assert.equal((await setDefault(t, identifier)).status, 200);
    const byDefault = await passwordGrant(t, client, user, { scope: 'openid' });
    assert.equal(decodeJwt(byDefault.body.access_token).aud, identifier);
    await setDefault(t, null);
    await t.api('DELETE', `/api/${api.id}`);
    const gone = await tokenRequest(t, client, { grant_type: 'client_credentials', audience: identifier });
    assert.deepEqual(refused(gone), [400, 'invalid_target']);
  }
});

test('the consent page knows a plainly named Api; `resource` takes absolute URIs only (RFC 8707 §2)', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const client = await allGrants(t, { is_first_party: false });
  const api = await ordersApi(t, { identifier: 'orders' });
  const visit = agent();
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    scope: 'openid read:orders',
    audience: 'orders',
  });
  const asked = await follow(visit, await visit(`${t.origin}/authorize?${query}`), REDIRECT);
  const { action, csrf } = formOf(asked);
  const form = { csrf, email: user.email, password: user.password };
  const page = await follow(visit, await visit(action, { form, headers: { origin: t.origin } }), REDIRECT);
  assert.match(page.text, /See your orders/);
  const consent = formOf(page);
  const allowed = { csrf: consent.csrf, decision: 'allow' };
  await visit(consent.action, { form: allowed, headers: { origin: t.origin } });
  const held = async () => (await t.api('GET', `/grant?query=user:${user.id}`)).results[0].resources;
  assert.deepEqual(await held(), [{ resource: 'orders', scopes: ['read:orders'] }]);
  await t.api('DELETE', `/api/${api.id}`);
  assert.deepEqual(await held(), [], 'what was allowed of an Api goes with it');
  await ordersApi(t, { identifier: 'orders' });

  const machine = { grant_type: 'client_credentials' };
  assert.deepEqual(refused(await tokenRequest(t, client, { ...machine, resource: 'orders' })), [400, 'invalid_target']);
  for (const resource of ['cardea:audience:%zz', 'cardea:audience:', 'cardea:audience:%'])
    for (const name of ['resource', 'audience'])
      assert.deepEqual(refused(await tokenRequest(t, client, { ...machine, [name]: resource })), [
        400,
        'invalid_target',
      ]);
  const differ = { ...machine, audience: 'orders', resource: ORDERS };
  assert.deepEqual(refused(await tokenRequest(t, client, differ)), [400, 'invalid_target']);
  for (const identifier of ['cardea:audience:orders', 'orders#x', 'my orders'])
    assertRefused(await t.call('POST', '/api', { name: 'x', identifier }), 400, 'validation');
});
