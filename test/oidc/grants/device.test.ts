/** The device flow (RFC 8628): from the code on a screen to tokens on the device, and everything that is refused on the way. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import {
  type Agent,
  agent,
  type Client,
  credentialsOf,
  discovery,
  fieldOf,
  follow,
  formOf,
  logIn,
  ORDERS,
  oauthSettings,
  ordersApi,
  type Page,
  post,
  REDIRECT,
  refresh,
  refused,
  submit,
  type TenantHandle,
  tokenRequest,
  type User,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

const start = async (t: { origin: string }, client: Client, more: Record<string, string> = {}) => {
  const answer = await post(t, '/oauth/device/code', {
    ...credentialsOf(client),
    scope: 'openid email offline_access',
    device_name: 'marcs-mbp (macOS)',
    ...more,
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.body as { device_code: string; user_code: string; [field: string]: unknown };
};

const poll = (t: { origin: string }, client: Client, device_code: string, more: Record<string, string> = {}) =>
  tokenRequest(t, client, { grant_type: DEVICE, device_code, ...more });

const television = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.client({
    name: 'TV',
    token_endpoint_auth_method: 'none',
    callbacks: [],
    grant_types: [DEVICE, 'refresh_token'],
    response_types: [],
    ...fields,
  });

const NOWHERE = 'http://nowhere.invalid';

/** Goes to an address as a person does, and logs in where that is asked for. */
const open = async (visit: Agent, address: string, user: User) =>
  logIn(visit, await follow(visit, await visit(address), NOWHERE), user, NOWHERE);

const decide = async (visit: Agent, page: Page, decision: 'allow' | 'deny') =>
  follow(visit, await submit(visit, page, { device_code: fieldOf(page, 'device_code'), decision }), NOWHERE);

/** A JSON call of the tenant's own page, with the browser's cookies. */
const callJson = async (
  t: TenantHandle,
  visit: Agent,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
) => {
  const answer = await visit(`${t.origin}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', accept: 'application/json', origin: t.origin, ...headers },
  });
  return { ...answer, body: JSON.parse(answer.text) };
};

async function ready(fields: Record<string, unknown> = {}) {
  const t = await w.tenant();
  return { t, client: await television(t, fields), user: await t.user(), visit: agent() };
}

/** A browser that is logged in already. */
async function loggedIn(t: TenantHandle, user: User): Promise<Agent> {
  const visit = agent();
  await open(visit, `${t.origin}/confirm?user_code=BBBB-0000`, user);
  return visit;
}

test('a device gets a code to show, and addresses to show with it', async () => {
  const { t, client } = await ready();
  const answer = await start(t, client);
  assert.match(answer.user_code, /^[BCDFGHJKMNPQRSTVWXZ]{4}-\d{4}$/);
  assert.deepEqual(
    [answer.verification_uri, answer.verification_uri_complete, answer.expires_in, answer.interval],
    [`${t.origin}/activate`, `${t.origin}/confirm?user_code=${answer.user_code}`, 300, 5],
  );
  assert.ok(answer.device_code.length >= 43);
  const metadata = await discovery(t);
  assert.equal(metadata.device_authorization_endpoint, `${t.origin}/oauth/device/code`);
  assert.ok(metadata.grant_types_supported.includes(DEVICE));
});

test('a person types the code, logs in, sees what asks, allows it, and the device has tokens that work', async () => {
  const { t, client, user, visit } = await ready();
  const { device_code, user_code } = await start(t, client);
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'authorization_pending']);

  const activate = await follow(visit, await visit(`${t.origin}/activate`), 'http://nowhere.invalid');
  assert.equal(new URL(activate.url).pathname, '/flow/device-code/activate');
  const typed = user_code.toLowerCase().replace('-', ' ');
  const { action } = { action: `${t.origin}/flow/device-code/confirm?user_code=${encodeURIComponent(typed)}` };
  assert.ok(activate.text.includes('action="/flow/device-code/confirm"'));
  const confirm = await open(visit, action, user);
  assert.equal(confirm.status, 200, confirm.text);
  for (const shown of ['TV', 'marcs-mbp (macOS)', user.email, 'Only continue if you started this on your own device'])
    assert.ok(confirm.text.includes(shown), shown);
  const done = await decide(visit, confirm, 'allow');
  assert.match(done.text, /Your device is connected/);

  const { status, body } = await poll(t, client, device_code);
  assert.equal(status, 200);
  assert.deepEqual(
    [body.scope, decodeJwt(body.id_token).sub, decodeJwt(body.access_token).client_id],
    ['openid email offline_access', user.id, client.client_id],
  );
  const info = await userinfo(t, body.access_token);
  assert.equal(info.body.email, user.email);
  const again = await refresh(t, client, body.refresh_token);
  assert.equal(again.status, 200, again.text);
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'invalid_grant'], 'single use');
  assert.equal((await t.api('GET', '/log?query=type:auth.device.approved')).results[0].user, user.id);
});

test('openid-client connects a device by discovery alone', async () => {
  const { t, client, user, visit } = await ready();
  const config = await t.discover({ client_id: client.client_id });
  const answer = await oidc.initiateDeviceAuthorization(config, { scope: 'openid email' });
  const confirm = await open(visit, answer.verification_uri_complete!, user);
  await decide(visit, confirm, 'allow');
  const tokens = await oidc.pollDeviceAuthorizationGrant(config, { ...answer, interval: 0.1 } as typeof answer);
  assert.equal(tokens.claims()?.sub, user.id);
  assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, user.id)).email, user.email);
});

test('the request may be JSON, the client confidential, the audience an Api; a name too long is refused', async () => {
  const { t, user, visit } = await ready();
  const client = await t.client();
  await ordersApi(t);
  const answer = await w.send(`${t.origin}/oauth/device/code`, {
    method: 'POST',
    json: { ...credentialsOf(client), scope: 'openid read:orders', audience: ORDERS },
  });
  assert.equal(answer.status, 200, answer.text);
  const { device_code, verification_uri_complete } = answer.body;
  await decide(visit, await open(visit, verification_uri_complete, user), 'allow');
  const wrong = await poll(t, client, device_code, { resource: 'https://nowhere.example.com' });
  assert.deepEqual(refused(wrong), [400, 'invalid_target']);
  const { body } = await poll(t, client, device_code);
  assert.deepEqual([decodeJwt(body.access_token).aud, body.scope], [ORDERS, 'openid read:orders']);

  const unsaid = await post(t, '/oauth/device/code', { ...credentialsOf(client), audience: ORDERS });
  const shown = await follow(visit, await visit(unsaid.body.verification_uri_complete), NOWHERE);
  await decide(visit, shown, 'allow');
  const all = await poll(t, client, unsaid.body.device_code);
  assert.equal(all.body.scope, 'openid read:orders create:orders', 'without a scope: all that the audience has');

  const attempt = (form: Record<string, string>) =>
    post(t, '/oauth/device/code', { ...credentialsOf(client), ...form });
  assert.deepEqual(refused(await attempt({ device_name: 'x'.repeat(201) })), [400, 'invalid_request']);
  assert.deepEqual(refused(await attempt({ audience: 'https://nowhere.example.com' })), [400, 'invalid_target']);
  assert.deepEqual(refused(await attempt({ client_secret: 'wrong' })), [401, 'invalid_client']);
  assert.equal((await attempt({ device_name: 'x'.repeat(200) })).status, 200);
});

test('a client needs the grant type, at both endpoints', async () => {
  const { t, client } = await ready();
  const { device_code } = await start(t, client);
  const other = await television(t, { grant_types: ['refresh_token'] });
  assert.deepEqual(refused(await post(t, '/oauth/device/code', credentialsOf(other))), [400, 'unauthorized_client']);
  assert.deepEqual(refused(await poll(t, other, device_code)), [400, 'unauthorized_client']);
});

test('a device that polls too fast is told to slow down, and from then on has to wait longer', async () => {
  const { t, client } = await ready();
  const { device_code } = await start(t, client);
  const ask = async () => (await poll(t, client, device_code)).body.error;
  assert.equal(await ask(), 'authorization_pending');
  assert.equal(await ask(), 'slow_down');
  w.clock.advance({ seconds: 5 });
  assert.equal(await ask(), 'slow_down', 'ten seconds by now');
  w.clock.advance({ seconds: 15 });
  assert.equal(await ask(), 'authorization_pending');
  w.clock.advance({ seconds: 15 });
  assert.equal(await ask(), 'authorization_pending', 'an honest pace goes on');
  const fresh = (await start(t, client)).device_code;
  const burst = await Promise.all(Array.from({ length: 10 }, () => poll(t, client, fresh)));
  assert.equal(burst.filter(({ body }) => body.error === 'authorization_pending').length, 1);
});

test('clients that anybody can be get so many codes from one address, all together, and no more', async () => {
  const { t, client } = await ready();
  const sibling = await television(t);
  const confidential = await television(t, { token_endpoint_auth_method: 'client_secret_post' });
  const ask = (of: Client) => post(t, '/oauth/device/code', { ...credentialsOf(of), scope: 'openid' });
  const answers = await Promise.all(Array.from({ length: 110 }, () => ask(client)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 100);
  const { status, body, headers } = await ask(client);
  assert.deepEqual([status, body.error], [429, 'invalid_request']);
  assert.deepEqual(Object.keys(body), ['error', 'error_description']);
  const wait = Number(headers.get('retry-after'));
  assert.ok(wait > 0 && wait <= 300, `${wait} s`);
  assert.match(headers.get('access-control-expose-headers') ?? '', /Retry-After/);
  assert.equal((await ask(sibling)).status, 429, 'whoever makes another client is not counted anew');
  await oauthSettings(t, { dynamic_registration: 'open' });
  const registered = await w.send(`${t.origin}/oidc/register`, {
    method: 'POST',
    json: {
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', DEVICE],
      token_endpoint_auth_method: 'client_secret_post',
    },
  });
  assert.equal((await ask(registered.body)).status, 429, 'nor one that got a secret for the asking');
  for (const other of await Promise.all(Array.from({ length: 110 }, () => ask(confidential))))
    assert.equal(other.status, 200, 'whom the tenant made is known');
});

test('a code that nobody confirmed in time has expired, on the page and for the device', async () => {
  const { t, client, user } = await ready();
  const { device_code, user_code } = await start(t, client);
  const visit = await loggedIn(t, user);
  w.clock.advance({ seconds: 301 });
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'expired_token']);
  const page = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  assert.equal(page.status, 400);
  assert.match(page.text, /This code is wrong or has expired/);
});

test('a code that was confirmed but not fetched in time has expired too', async () => {
  const { t, client, user, visit } = await ready();
  const { device_code, user_code } = await start(t, client);
  await decide(visit, await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user), 'allow');
  w.clock.advance({ seconds: 301 });
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'expired_token']);
});

test('"Cancel" is the end of it: the device hears access_denied, and nobody can allow it afterwards', async () => {
  const { t, client, user, visit } = await ready();
  const { device_code, user_code } = await start(t, client);
  const confirm = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  assert.match((await decide(visit, confirm, 'deny')).text, /was not connected/);
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'access_denied']);
  const again = await decide(visit, confirm, 'allow');
  assert.match(again.text, /was not connected/, 'it says what was decided');
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'access_denied']);
});

test('who presses twice, or comes back to the page, reads what became of the device; nobody else does', async () => {
  const { t, client, user, visit } = await ready();
  const { device_code, user_code } = await start(t, client);
  const confirm = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  for (const decision of ['allow', 'allow', 'deny'] as const)
    assert.match((await decide(visit, confirm, decision)).text, /Your device is connected/);
  assert.equal((await poll(t, client, device_code)).status, 200);
  assert.match((await decide(visit, confirm, 'allow')).text, /Your device is connected/, 'fetched or not');
  const address = `${t.origin}/confirm?user_code=${user_code}`;
  assert.match((await open(visit, address, user)).text, /Your device is connected/, 'by a reload too');
  const denied = (await start(t, client)).user_code;
  await decide(visit, await open(visit, `${t.origin}/confirm?user_code=${denied}`, user), 'deny');
  const reloaded = await open(visit, `${t.origin}/confirm?user_code=${denied}`, user);
  assert.match(reloaded.text, /The device was not connected/);
  const other = await loggedIn(t, await t.user());
  for (const code of [user_code, denied])
    assert.match(
      (await open(other, `${t.origin}/confirm?user_code=${code}`, user)).text,
      /This code is wrong or has expired/,
    );
  const theirs = await open(other, `${t.origin}/confirm?user_code=${(await start(t, client)).user_code}`, user);
  const made = await submit(other, theirs, { device_code: fieldOf(confirm, 'device_code'), decision: 'allow' });
  assert.equal(made.status, 400, 'a handle of another session');
  assert.match(made.text, /This code is wrong or has expired/);
});

test('of many who redeem one device code at once, one gets tokens', async () => {
  const { t, client, user, visit } = await ready();
  const { device_code, user_code } = await start(t, client);
  await decide(visit, await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user), 'allow');
  const answers = await Promise.all(Array.from({ length: 30 }, () => poll(t, client, device_code)));
  const won = answers.filter(({ status }) => status === 200);
  assert.equal(won.length, 1);
  for (const answer of answers.filter((one) => one !== won[0]))
    assert.deepEqual(refused(answer), [400, 'invalid_grant']);
});

test('of "allow" and "deny" at once, one counts', async () => {
  const { t, client, user } = await ready();
  const visit = await loggedIn(t, user);
  const { device_code, user_code } = await start(t, client);
  const handle = (await callJson(t, visit, '/oauth/device/verify', { user_code })).body.device_code;
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      callJson(t, visit, '/oauth/device/authorize', { device_code: handle, deny: i % 2 === 0 }),
    ),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  const first = answers.findIndex(({ status }) => status === 200);
  const { status, body } = await poll(t, client, device_code);
  assert.equal(first % 2 === 0 ? body.error : status, first % 2 === 0 ? 'access_denied' : 200);
});

test('a device code is worth nothing to another client or another tenant, nor is a user code', async () => {
  const { t, client, user, visit } = await ready();
  const other = await w.tenant();
  const [neighbour, foreign] = [await television(t), await television(other)];
  const { device_code, user_code } = await start(t, client);
  const stranger = await other.user();
  const page = await open(agent(), `${other.origin}/confirm?user_code=${user_code}`, stranger);
  assert.equal(page.status, 400);
  await decide(visit, await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user), 'allow');
  assert.deepEqual(refused(await poll(t, neighbour, device_code)), [400, 'invalid_grant']);
  assert.deepEqual(refused(await poll(other, foreign, device_code)), [400, 'invalid_grant']);
  assert.deepEqual(refused(await poll(t, client, 'nonsense')), [400, 'invalid_grant']);
  assert.deepEqual(refused(await poll(t, client, '')), [400, 'invalid_request']);
  assert.equal((await poll(t, client, device_code)).status, 200, 'the attempts cost nothing');
});

test('a user who was suspended, or removed, or whose password changed, takes the device along', async () => {
  const { t, client } = await ready();
  const approved = async () => {
    const user = await t.user();
    const visit = agent();
    const { device_code, user_code } = await start(t, client);
    await decide(visit, await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user), 'allow');
    return { user, device_code };
  };
  const suspended = await approved();
  await t.api('POST', `/user/${suspended.user.id}`, { suspended: true });
  const told = await poll(t, client, suspended.device_code);
  assert.deepEqual([...refused(told), told.body.error_description], [400, 'invalid_grant', 'user is suspended']);
  const changed = await approved();
  await t.api('POST', `/credentials/${changed.user.credential}/set-password`, { password: 'Another-horse-2' });
  assert.deepEqual(refused(await poll(t, client, changed.device_code)), [400, 'invalid_grant']);
  const removed = await approved();
  await t.api('DELETE', `/user/${removed.user.id}`);
  assert.deepEqual(refused(await poll(t, client, removed.device_code)), [400, 'invalid_grant']);
});

test('codes are not in the database', async () => {
  const { t, client } = await ready();
  const { device_code, user_code } = await start(t, client);
  const rows = JSON.stringify(await mongoose.connection.db!.collection('device_codes').find().toArray());
  for (const secret of [device_code, user_code, user_code.replace('-', '')]) assert.ok(!rows.includes(secret));
});

/* ——— the pages ——— */

test('guessing codes ends in a pause, for that person; others go on', async () => {
  const { t, client, user } = await ready();
  const visit = await loggedIn(t, user);
  const guesses = await Promise.all(
    Array.from({ length: 40 }, (_, i) => callJson(t, visit, '/oauth/device/verify', { user_code: `BCDF-${1000 + i}` })),
  );
  assert.equal(guesses.filter(({ body }) => body.error === 'invalid_grant').length, 29, 'one went into logging in');
  const { user_code } = await start(t, client);
  const blocked = await callJson(t, visit, '/oauth/device/verify', { user_code });
  assert.equal(blocked.status, 429);
  assert.ok(Number(blocked.headers.get('retry-after')) > 0);
  const page = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  assert.deepEqual([page.status, /Too many codes\. Wait 15 minutes/.test(page.text)], [429, true]);
  assert.ok(Number(page.headers.get('retry-after')) > 840);
  const neighbour = await loggedIn(t, await t.user());
  assert.equal((await callJson(t, neighbour, '/oauth/device/verify', { user_code })).status, 200);
  w.clock.advance({ seconds: 901 });
  const later = (await start(t, client)).user_code;
  assert.equal((await callJson(t, visit, '/oauth/device/verify', { user_code: later })).status, 200);
});

test('a third-party app’s scopes are named before they are allowed', async () => {
  const { t, client, user, visit } = await ready({ is_first_party: false });
  const own = await television(t);
  await t.api('POST', '/api', {
    name: 'Orders API',
    identifier: ORDERS,
    permissions: [{ value: 'read:orders', description: 'See your orders' }],
  });
  const ask = async (who: Client) => {
    const { user_code } = await start(t, who, { audience: ORDERS, scope: 'openid email read:orders' });
    return open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  };
  const page = await ask(client);
  for (const shown of ['See your email address', 'See your orders', 'Orders API']) assert.ok(page.text.includes(shown));
  assert.ok(!(await ask(own)).text.includes('See your orders'), 'the tenant’s own app just logs in');
});

test('what an app of the tenant’s own asks of the management API is named too: a code may be somebody else’s', async () => {
  const { t, client, user, visit } = await ready();
  const [grant] = await t.managementGrants(['read:logs']);
  const permissions = [{ api: grant!.api, value: 'read:logs' }];
  const role = await t.api('POST', '/role', { name: 'admin', permissions });
  await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
  const { device_code, user_code } = await start(t, client, { audience: t.audience, scope: 'read:logs' });
  const page = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  assert.match(page.text, /Read the audit log .*in Management API/);
  await decide(visit, page, 'allow');
  const { body } = await poll(t, client, device_code);
  assert.deepEqual([decodeJwt(body.access_token).aud, body.scope], [t.audience, 'read:logs']);
});

test('another person can be chosen, and the page is not for whoever is logged out', async () => {
  const { t, client, user, visit } = await ready();
  const { user_code, device_code } = await start(t, client);
  const page = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  const href = /<a href="(\/authorize[^"]+)"/.exec(page.text)![1]!.replaceAll('&amp;', '&');
  const second = await t.user();
  const swapped = await open(visit, `${t.origin}${href}`, second);
  assert.ok(swapped.text.includes(second.email) && !swapped.text.includes(user.email));
  const stale = await decide(visit, page, 'allow');
  assert.equal(stale.status, 403, 'the page of the first session');
  await decide(visit, swapped, 'allow');
  assert.equal(decodeJwt((await poll(t, client, device_code)).body.access_token).sub, second.id);
});

test('a login comes back to this origin only', async () => {
  const { t, user } = await ready();
  for (const state of ['https://evil.example/', '//evil.example', '/\\evil.example', 'javascript:alert(1)', '']) {
    const answer = await agent()(`${t.origin}/flow/return?state=${encodeURIComponent(state)}`);
    assert.deepEqual([answer.status, answer.location], [400, null], state);
  }
  const visit = await loggedIn(t, user);
  const back = await visit(`${t.origin}/flow/return?state=${encodeURIComponent('/flow/device-code/activate?lang=es')}`);
  assert.equal(back.location, `${t.origin}/flow/device-code/activate?lang=es`);
  const sly = await visit(`${t.origin}/flow/return?state=${encodeURIComponent(`${t.origin}//evil.example/x`)}`);
  assert.equal(new URL(sly.location!).origin, t.origin, 'a path that spells a host stays a path');
});

test('a form that did not come from the page decides nothing', async () => {
  const { t, client, user, visit } = await ready();
  const { user_code, device_code } = await start(t, client);
  const page = await open(visit, `${t.origin}/confirm?user_code=${user_code}`, user);
  const { action, csrf } = formOf(page);
  const form = { device_code: fieldOf(page, 'device_code'), decision: 'allow' };
  const elsewhere = await visit(action, { form: { ...form, csrf }, headers: { origin: 'https://evil.example' } });
  const guessed = await visit(action, { form: { ...form, csrf: 'guess' }, headers: { origin: t.origin } });
  assert.deepEqual([elsewhere.status, guessed.status], [403, 403]);
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'authorization_pending']);
});

/* ——— the JSON of a page of the tenant's own ——— */

test('verify and authorize do the same by JSON, with the session’s cookie', async () => {
  const { t, client, user } = await ready();
  const visit = await loggedIn(t, user);
  const { device_code, user_code } = await start(t, client);
  const verified = await callJson(t, visit, '/oauth/device/verify', { user_code });
  assert.equal(verified.status, 200);
  assert.deepEqual(verified.body.client, { name: 'TV', client_id: client.client_id });
  assert.equal(verified.body.device_name, 'marcs-mbp (macOS)');
  assert.notEqual(verified.body.device_code, device_code, 'nobody but the device may poll');
  assert.equal((await poll(t, client, verified.body.device_code)).body.error, 'invalid_grant');
  const allowed = await callJson(t, visit, '/oauth/device/authorize', { device_code: verified.body.device_code });
  assert.deepEqual(allowed.body, { success: true });
  assert.equal((await poll(t, client, device_code)).status, 200);
  const twice = await callJson(t, visit, '/oauth/device/authorize', { device_code: verified.body.device_code });
  assert.deepEqual(refused(twice), [400, 'invalid_grant']);
});

test('{"deny": true} refuses', async () => {
  const { t, client, user } = await ready();
  const visit = await loggedIn(t, user);
  const { device_code, user_code } = await start(t, client);
  const handle = (await callJson(t, visit, '/oauth/device/verify', { user_code })).body.device_code;
  await callJson(t, visit, '/oauth/device/authorize', { device_code: handle, deny: true });
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'access_denied']);
});

test('the JSON endpoints want a session, this origin and JSON; a handle is good in its own session only', async () => {
  const { t, client, user } = await ready();
  const visit = await loggedIn(t, user);
  const { device_code, user_code } = await start(t, client);
  const handle = (await callJson(t, visit, '/oauth/device/verify', { user_code })).body.device_code;
  const other = await loggedIn(t, await t.user());
  const attempts = {
    'no session': [
      await callJson(t, agent(), '/oauth/device/authorize', { device_code: handle }),
      401,
      'login_required',
    ],
    'another session': [
      await callJson(t, other, '/oauth/device/authorize', { device_code: handle }),
      400,
      'invalid_grant',
    ],
    'another origin': [
      await callJson(t, visit, '/oauth/device/authorize', { device_code: handle }, { origin: 'https://evil.example' }),
      403,
      'access_denied',
    ],
    'no origin': [
      await callJson(t, visit, '/oauth/device/authorize', { device_code: handle }, { origin: 'null' }),
      403,
      'access_denied',
    ],
    'a form': [
      await callJson(t, visit, '/oauth/device/authorize', {}, { 'content-type': 'text/plain' }),
      415,
      'invalid_request',
    ],
    'unknown fields': [
      await callJson(t, visit, '/oauth/device/authorize', { device_code: handle, user: 'x' }),
      400,
      'invalid_request',
    ],
    'no code': [await callJson(t, visit, '/oauth/device/verify', {}), 400, 'invalid_request'],
    nonsense: [await callJson(t, visit, '/oauth/device/authorize', { device_code: 'a.b' }), 400, 'invalid_grant'],
  } as const;
  for (const [name, [answer, status, error]] of Object.entries(attempts))
    assert.deepEqual(refused(answer), [status, error], name);
  assert.deepEqual(refused(await poll(t, client, device_code)), [400, 'authorization_pending']);
});
