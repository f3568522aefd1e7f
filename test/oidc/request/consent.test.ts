/** Remembered consent: who is asked, when again, what the page says, and how a user or an administrator takes it back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consents } from '../../../src/domain/access/consent.ts';
import { protocolModel } from '../../../src/domain/protocol/protocol-row.ts';
import { failAt, interrupt } from '../../kit/faults.ts';
import {
  type Agent,
  agent,
  assertRefused,
  type Client,
  challengeOf,
  credentialsOf,
  discovery,
  fieldOf,
  follow,
  formOf,
  ordersApi,
  type Page,
  passwordGrant,
  post,
  REDIRECT,
  redeem,
  refresh,
  submit,
  type TenantHandle,
  tokenRequest,
  type User,
  userinfo,
  wordsOf,
  world,
} from '../../kit/index.ts';

const w = await world();
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const VERIFIER = 'a verifier of the tests that is long enough to be one'.replaceAll(' ', '-');
const CHALLENGE = challengeOf(VERIFIER);

type Parameters = Record<string, string>;

const addressOf = (t: TenantHandle, client: Client, more: Parameters = {}) =>
  `${t.origin}/authorize?${new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: client.callbacks[0],
    scope: 'openid profile',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...more,
  })}`;

/** From an address to the consent page, or to where the app is answered; logs in where that is asked for. */
async function arrive(visit: Agent, t: TenantHandle, address: string, user: User): Promise<Page> {
  const walk = async (start: Page) => {
    let at = start;
    while (at.location?.startsWith(t.origin)) at = await visit(at.location);
    return at;
  };
  const at = await walk(await visit(address));
  if (!at.text.includes('name="password"')) return at;
  return walk(await submit(visit, at, { email: user.email, password: user.password }));
}

const asks = (page: Page) => page.status === 200 && page.text.includes('value="allow"');
const codeOf = (page: Page) => (page.location ? new URL(page.location).searchParams.get('code') : null);
const errorOf = (page: Page) => (page.location ? new URL(page.location).searchParams.get('error') : null);

async function decide(visit: Agent, page: Page, decision = 'allow', headers: Record<string, string> = {}) {
  const { origin } = new URL(page.url);
  let at = await submit(visit, page, { decision }, headers);
  while (at.location?.startsWith(origin)) at = await visit(at.location);
  return at;
}

const exchange = async (t: TenantHandle, client: Client, page: Page) => {
  const code = codeOf(page);
  assert.ok(code, `${page.status} ${page.location} ${page.text.slice(0, 300)}`);
  const answer = await redeem(t, client, { code, verifier: VERIFIER }, { redirect_uri: client.callbacks[0] });
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};

/** Asked, and allowed. */
async function allow(t: TenantHandle, client: Client, user: User, more: Parameters = {}, visit = agent()) {
  const page = await arrive(visit, t, addressOf(t, client, more), user);
  assert.ok(asks(page), `not asked: ${page.status} ${page.location ?? page.text.slice(0, 300)}`);
  return { page, visit, answer: await decide(visit, page) };
}

const partner = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.client({ name: 'Partner App', is_first_party: false, ...fields });
let apis = 0;
/** An API of its own for each test. */
const orders = async (t: TenantHandle, fields: Record<string, unknown> = {}) => {
  const api = await ordersApi(t, {
    identifier: `https://orders${++apis}.example.com`,
    permissions: [
      { value: 'read:orders', description: 'See your orders' },
      { value: 'write:orders', description: 'Place orders for you' },
    ],
    ...fields,
  });
  return api.identifier as string;
};
const grantsOf = async (t: TenantHandle, user: { id: string }) =>
  (await t.api('GET', `/grant?query=${encodeURIComponent(`user:${user.id}`)}`)).results;
const revocations = async (t: TenantHandle, user: { id: string }) =>
  (await t.api('GET', `/log?query=${encodeURIComponent(`type:oauth.consent.revoked user:${user.id}`)}`)).results;

const [acme, other] = [await w.tenant('Acme'), await w.tenant('Other')];
async function ready(fields: Record<string, unknown> = {}, t = acme) {
  return { t, user: await t.user(), client: await partner(t, fields) };
}

/* ——— remembered ——— */

test('what was allowed is not asked again in another browser, and is asked of anybody else and for any other app', async () => {
  const { t, user, client } = await ready();
  const [somebody, another] = [await t.user(), await partner(t, { name: 'Another' })];
  const first = await allow(t, client, user);
  assert.ok(codeOf(first.answer));
  assert.ok(codeOf(await arrive(first.visit, t, addressOf(t, client), user)), 'in the same session');
  const again = await arrive(agent(), t, addressOf(t, client), user);
  assert.equal((await exchange(t, client, again)).scope, 'openid profile', 'in another browser');
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, { scope: 'openid' }), user)), 'for less');
  assert.ok(asks(await arrive(agent(), t, addressOf(t, client), somebody)), 'another user');
  assert.ok(asks(await arrive(agent(), t, addressOf(t, another), user)), 'another app');
  assert.equal((await grantsOf(t, user)).length, 1);
});

test('a request beyond it asks for the new part, and says what the app may do already', async () => {
  const { t, user, client } = await ready();
  const audience = await orders(t);
  await allow(t, client, user, { audience, scope: 'openid read:orders' });
  const more = { audience, scope: 'openid email read:orders write:orders' };
  const visit = agent();
  const page = await arrive(visit, t, addressOf(t, client, more), user);
  const [asked, held] = wordsOf(page).split('It can already:') as [string, string];
  for (const word of ['See your email address', 'Place orders for you']) assert.ok(asked.includes(word), word);
  for (const word of ['Know who you are', 'See your orders']) {
    assert.ok(!asked.includes(word), `${word} is not new`);
    assert.ok(held.includes(word), `${word} is held`);
  }
  const refused = await decide(visit, page, 'deny');
  assert.equal(errorOf(refused), 'access_denied');
  assert.ok(asks(await arrive(agent(), t, addressOf(t, client, more), user)), 'a "no" allows nothing');
  const { scope } = await exchange(t, client, (await allow(t, client, user, more)).answer);
  assert.equal(scope, 'openid email read:orders write:orders');
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, more), user)));
  const [row] = await grantsOf(t, user);
  assert.deepEqual(
    [row.client, row.scopes, row.resources, row.destinations],
    [
      client.client_id,
      ['openid', 'email'],
      [{ resource: audience, scopes: ['read:orders', 'write:orders'] }],
      ['localhost'],
    ],
  );
});

test('prompt=consent always asks, prompt=none never does', async () => {
  const { t, user, client } = await ready();
  const visit = agent();
  const silent = addressOf(t, client, { prompt: 'none' });
  const page = await arrive(visit, t, addressOf(t, client), user);
  assert.equal(errorOf(await visit(silent)), 'consent_required');
  await decide(visit, page);
  assert.ok(codeOf(await visit(silent)));
  const again = await arrive(visit, t, addressOf(t, client, { prompt: 'consent' }), user);
  assert.ok(asks(again));
  assert.match(wordsOf(again), /You allowed this before.*See your name and picture/);
  assert.ok(codeOf(await decide(visit, again)));
  assert.equal(
    errorOf(await visit(addressOf(t, client, { prompt: 'none', scope: 'openid email' }))),
    'consent_required',
  );
});

test('access while the user is away is part of it, and said plainly', async () => {
  const { t, user, client } = await ready();
  await allow(t, client, user);
  const { page, answer } = await allow(t, client, user, { scope: 'openid profile offline_access' });
  assert.match(wordsOf(page), /will also be able to: Keep this access while you are away, until you remove it/);
  assert.ok((await exchange(t, client, answer)).refresh_token);
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, { scope: 'openid offline_access' }), user)));
});

test('first-party apps are asked only by an API that insists, once', async () => {
  const t = acme;
  const user = await t.user();
  const client = await t.client({ grant_types: ['authorization_code', 'password'] });
  const login = () => passwordGrant(t, client, user, { audience, scope });
  const scope = 'read:orders';
  const audience = await orders(t, { skip_consent: false });
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client), user)));
  assert.deepEqual(await grantsOf(t, user), [], 'nothing to remember');
  assert.equal((await login()).body.error, 'consent_required');
  const { page } = await allow(t, client, user, { audience, scope });
  assert.match(wordsOf(page), /Part of Acme/);
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, { audience, scope }), user)));
  const allowed = await login();
  assert.equal(allowed.status, 200, allowed.text);
  assert.equal(allowed.body.scope, scope);
  const [{ id }] = await grantsOf(t, user);
  await t.api('DELETE', `/grant/${id}`);
  assert.equal((await login()).body.error, 'consent_required');
});

test('an API that takes any scope is not asked about twice for those of OpenID Connect', async () => {
  const { t, user, client } = await ready();
  const audience = await orders(t, { enforce_policies: false, permissions: [] });
  await allow(t, client, user);
  const more = { audience, scope: 'openid profile' };
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, more), user)));
  const { page } = await allow(t, client, user, { audience, scope: 'openid profile anything' });
  assert.match(wordsOf(page), /will also be able to: anything in Orders API/);
  assert.deepEqual((await grantsOf(t, user))[0].resources, [{ resource: audience, scopes: ['anything'] }]);
});

test('an app that cannot prove who it is is asked about every time (RFC 8252 §8.6)', async () => {
  const { t, user } = await ready();
  const native = {
    token_endpoint_auth_method: 'none',
    application_type: 'native',
    grant_types: ['authorization_code'],
  };
  {
    const client = await partner(t, { ...native, callbacks: [REDIRECT] });
    const { visit } = await allow(t, client, user);
    assert.equal(errorOf(await visit(addressOf(t, client, { prompt: 'none' }))), 'consent_required');
    const { page } = await allow(t, client, user, {}, visit);
    assert.match(wordsOf(page), /You allowed this before/);
    assert.match(wordsOf(page), /Runs on this device/);
  }
  const claimed = await partner(t, { ...native, callbacks: ['https://app.example.com/callback'] });
  const { visit } = await allow(t, claimed, user);
  assert.ok(codeOf(await visit(addressOf(t, claimed, { prompt: 'none' }))), 'a host of its own proves it');
});

test('an app that changes hands is asked about again', async () => {
  const { t, user } = await ready();
  const client = await t.client({ callbacks: ['https://app.example.com/a', 'https://app.example.com/b'] });
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client), user)), 'of the tenant itself');
  const visit = agent();
  await arrive(visit, t, addressOf(t, client), user);
  await t.api('POST', `/client/${client.client_id}`, { is_first_party: false });
  await allow(t, client, user, {}, visit);
  const elsewhere = (redirect_uri: string) => addressOf(t, client, { redirect_uri });
  assert.ok(codeOf(await visit(elsewhere('https://app.example.com/b'))), 'another page of the same host');
  const sold = 'https://buyer.example.net/a';
  await t.api('POST', `/client/${client.client_id}`, { callbacks: [sold] });
  const page = await arrive(visit, t, elsewhere(sold), user);
  assert.ok(asks(page));
  assert.match(wordsOf(page), /Takes you to buyer\.example\.net/);
});

test('a device that was let in is remembered, and forgotten with the consent', async () => {
  const t = acme;
  const user = await t.user();
  const client = await partner(t, { grant_types: [DEVICE, 'refresh_token', 'authorization_code'] });
  const audience = await orders(t);
  const visit = agent();
  const begin = async () => {
    const form = { ...credentialsOf(client) };
    const asked = { audience, scope: 'openid offline_access read:orders nonsense' };
    return (await post(t, '/oauth/device/code', { ...form, ...asked })).body;
  };
  const show = async (code: string) => arrive(visit, t, `${t.origin}/confirm?user_code=${code}`, user);
  const approve = (page: Page) => submit(visit, page, { device_code: fieldOf(page, 'device_code'), decision: 'allow' });
  const poll = (device_code: string) => tokenRequest(t, client, { grant_type: DEVICE, device_code });

  const one = await begin();
  const page = await show(one.user_code);
  assert.match(wordsOf(page), /See your orders in Orders API/);
  assert.ok(!wordsOf(page).includes('nonsense'), 'what the API does not have is not offered');
  assert.deepEqual(await grantsOf(t, user), [], 'looking allows nothing');
  await approve(page);
  const tokens = await poll(one.device_code);
  assert.equal(tokens.status, 200, tokens.text);
  const [row] = await grantsOf(t, user);
  assert.deepEqual(row.resources, [{ resource: audience, scopes: ['read:orders'] }]);
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, { audience, scope: 'read:orders' }), user)));

  const two = await begin();
  await approve(await show(two.user_code));
  await t.api('DELETE', `/grant/${row.id}`);
  assert.equal((await poll(two.device_code)).body.error, 'invalid_grant', 'approved, but not fetched yet');
  const { refresh_token } = tokens.body;
  assert.equal((await refresh(t, client, refresh_token)).body.error, 'invalid_grant');
  assert.deepEqual(await grantsOf(t, user), []);
});

test('an API that is deleted takes along what was allowed of it', async () => {
  const { t, user, client } = await ready();
  const audience = await orders(t);
  const shorter = await orders(t, { identifier: audience.slice(0, -1) });
  const [api] = (await t.api('GET', `/api?query=${encodeURIComponent(`identifier:"${audience}"`)}`)).results;
  await allow(t, client, user, { audience, scope: 'openid read:orders' });
  await allow(t, client, user, { audience: shorter, scope: 'openid read:orders' });
  await t.api('DELETE', `/api/${api.id}`);
  const [{ resources }] = await grantsOf(t, user);
  assert.deepEqual(resources, [{ resource: shorter, scopes: ['read:orders'] }]);
  await orders(t, { identifier: audience });
  assert.ok(asks(await arrive(agent(), t, addressOf(t, client, { audience, scope: 'read:orders' }), user)));
});

/* ——— the page ——— */

test('the page names where the app leads, and nobody may put it into a frame', async () => {
  const { t, user, client } = await ready({
    callbacks: ['https://partner.example.com/callback'],
    client_uri: 'https://www.partner.example.com/about',
    tos_uri: 'https://partner.example.com/terms',
    policy_uri: 'https://partner.example.com/privacy',
  });
  const { page, visit } = await allow(t, client, user);
  assert.match(wordsOf(page), /Not part of Acme Takes you to partner\.example\.com Website www\.partner\.example\.com/);
  assert.match(wordsOf(page), new RegExp(`You can remove this access at any time at ${t.origin}/flow/apps`));
  for (const href of ['/terms', '/privacy']) assert.ok(page.text.includes(`href="https://partner.example.com${href}"`));
  for (const framed of [page, await visit(`${t.origin}/flow/apps`)]) {
    assert.equal(framed.headers.get('x-frame-options'), 'DENY');
    assert.match(framed.headers.get('content-security-policy')!, /frame-ancestors 'none'/);
    assert.equal(framed.headers.get('cache-control'), 'no-store');
  }
});

test('a name that deceives does not', async () => {
  const { t, user } = await ready();
  const visit = agent();
  const shown = async (name: string) => {
    const client = await partner(t, { name });
    return arrive(visit, t, addressOf(t, client), user);
  };
  const reversed = await shown('Bank\u202Eemca\u2066 of\u200B\u200F you');
  assert.doesNotMatch(reversed.text, /[\u202a-\u202e\u2066\u200b\u200f]/);
  const long = await shown(`${'Very '.repeat(38)}long`);
  assert.doesNotMatch(long.text, /(Very ){20}/);
  const stacked = await shown(`Z${'\u0351'.repeat(100)}`);
  assert.doesNotMatch(stacked.text, /\u0351{5}/);
  assert.match((await shown('<b>Bold</b>')).text, /&lt;b&gt;Bold/);
  for (const name of ['Acme', 'ACME Login', 'Ácme', 'A c m e', 'Аcme' /* Cyrillic */])
    assert.match(wordsOf(await shown(name)), /is not part of Acme, although its name reads like it/, name);
  assert.doesNotMatch(wordsOf(await shown('Partner')), /reads like it/);
});

test('an app that registered itself is called unknown, until somebody of the tenant vouches for it', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const { status, body } = await w.send(`${t.origin}/oidc/register`, {
    method: 'POST',
    json: { client_name: 'Agent', redirect_uris: [REDIRECT], logo_uri: 'https://agent.example.com/logo.png' },
  });
  assert.equal(status, 201);
  const client = { ...body, callbacks: body.redirect_uris } as Client;
  const page = await arrive(agent(), t, addressOf(t, client), user);
  assert.ok(asks(page), page.text);
  assert.match(page.text, /does not know this app/);
  assert.doesNotMatch(page.text, /logo\.png/, 'a picture is no proof');
  const known = await t.client({ name: 'Agent', is_first_party: false });
  assert.doesNotMatch((await arrive(agent(), t, addressOf(t, known), user)).text, /does not know this app/);
});

test('a single claim is asked about like the scope that it belongs to', async (c) => {
  const { t, user, client } = await ready();
  const { claims_parameter_supported } = await discovery(t);
  if (!claims_parameter_supported) return c.skip('the claims parameter is off');
  const claims = JSON.stringify({ id_token: { email: null } });
  const { page } = await allow(t, client, user, { scope: 'openid', claims });
  assert.match(wordsOf(page), /See your email address/);
  assert.ok(codeOf(await arrive(agent(), t, addressOf(t, client, { scope: 'openid', claims }), user)));
});

test('one can go on as somebody else, who is then asked', async () => {
  const { t, user, client } = await ready();
  const grace = await t.user({ name: 'Grace Hopper' });
  const visit = agent();
  const page = await arrive(visit, t, addressOf(t, client), user);
  const { csrf } = formOf(page);
  const action = /formaction="([^"]*)"/.exec(page.text)![1]!.replaceAll('&#x2F;', '/');
  const headers = { origin: t.origin };
  const login = await visit(new URL(action, t.origin).href, { form: { csrf, decision: 'switch' }, headers });
  const form = { csrf: formOf(login).csrf, email: grace.email, password: grace.password };
  const next = await follow(visit, await visit(formOf(login).action, { form, headers }), REDIRECT);
  assert.ok(asks(next));
  assert.match(next.text, /Grace Hopper/);
  await decide(visit, next);
  assert.deepEqual([(await grantsOf(t, user)).length, (await grantsOf(t, grace)).length], [0, 1]);
});

test('a form from elsewhere, or of somebody who has logged out since, allows nothing', async () => {
  const { t, user, client } = await ready();
  const visit = agent();
  const page = await arrive(visit, t, addressOf(t, client), user);
  const { action, csrf } = formOf(page);
  const post = (form: Parameters, origin = t.origin, by = visit) => by(action, { form, headers: { origin } });
  assert.equal((await post({ decision: 'allow' })).status, 403);
  assert.equal((await post({ decision: 'allow', csrf: 'guessed' })).status, 403);
  assert.equal((await post({ decision: 'allow', csrf }, 'https://evil.example')).status, 403);
  assert.equal((await post({ decision: 'allow', csrf }, t.origin, agent())).status, 410, 'another browser');
  const asked = await visit(`${t.origin}/logout`);
  await visit(formOf(asked).action, {
    form: { csrf: formOf(asked).csrf, logout: 'yes' },
    headers: { origin: t.origin },
  });
  assert.equal((await post({ decision: 'allow', csrf })).status, 410, 'logged out');
  assert.deepEqual(await grantsOf(t, user), []);
});

/* ——— taken back ——— */

/** Both kinds of access that an app can have. */
async function letIn(t: TenantHandle, client: Client, user: User, visit = agent()) {
  const { answer } = await allow(t, client, user, { scope: 'openid profile offline_access' }, visit);
  const tokens = await exchange(t, client, answer);
  return { visit, tokens: tokens as { access_token: string; refresh_token: string } };
}

test('a user sees what they allowed, and takes it back', async () => {
  const { t, user, client } = await ready();
  const kept = await partner(t, { name: 'Kept App' });
  const { visit, tokens } = await letIn(t, client, user);
  const beside = await letIn(t, kept, user, visit);
  const list = await visit(`${t.origin}/flow/apps`);
  assert.match(wordsOf(list), /Kept App.*Partner App.*Has access since .*Keep this access while you are away/);
  const [, , href] = /Partner App[\s\S]*?(href="([^"]*)")/.exec(list.text) ?? [];
  const confirm = await visit(new URL(href!.replaceAll('&#x2F;', '/'), t.origin).href);
  assert.match(wordsOf(confirm), /Remove the access of Partner App\?/);
  assert.equal((await userinfo(t, tokens.access_token)).status, 200, 'looking removes nothing');

  const { action, csrf } = formOf(confirm);
  const press = () => visit(action, { form: { csrf }, headers: { origin: t.origin } });
  const [done, twice] = await Promise.all([press(), press()]);
  for (const answer of [done, twice, await press()]) assert.equal(answer.location, `${t.origin}/flow/apps?removed=1`);
  const after = wordsOf(await visit(done.location!));
  assert.match(after, /The access was removed\..*Kept App/);
  assert.ok(!after.includes('Partner App'));

  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
  assert.equal((await refresh(t, client, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await userinfo(t, beside.tokens.access_token)).status, 200, 'the other app goes on');
  assert.equal((await refresh(t, kept, beside.tokens.refresh_token)).status, 200);
  assert.ok(asks(await arrive(visit, t, addressOf(t, client), user)), 'and the app has to ask again');
  const rows = await revocations(t, user);
  assert.equal(rows.length, 1, 'one trace, however often it was pressed');
  assert.deepEqual([rows[0].user, rows[0].client, rows[0].data.actor], [user.id, client.client_id, user.id]);
});

test('only one’s own, with one’s own form, and logged in', async () => {
  const { t, user, client } = await ready();
  const elsewhere = other;
  const { visit, tokens } = await letIn(t, client, user);
  const [{ id }] = await grantsOf(t, user);
  const path = `/flow/apps/${id}`;
  const headers = { origin: t.origin };

  const stranger = agent();
  const mallory = await t.user({ name: 'Mallory' });
  await letIn(t, client, mallory, stranger);
  const [own] = await grantsOf(t, mallory);
  const { csrf } = formOf(await stranger(`${t.origin}/flow/apps/${own.id}`));
  const looked = await stranger(`${t.origin}${path}`);
  assert.deepEqual([looked.status, looked.location], [303, `${t.origin}/flow/apps`]);
  for (const target of [path, `/flow/apps/grant_${'0'.repeat(24)}`, '/flow/apps/nonsense']) {
    const tried = await stranger(`${t.origin}${target}`, { form: { csrf }, headers });
    assert.deepEqual([tried.status, tried.location], [303, `${t.origin}/flow/apps?removed=1`], 'answered alike');
  }
  assert.equal((await visit(`${t.origin}${path}`, { form: {}, headers })).status, 403, 'without a token');
  assert.equal((await visit(`${t.origin}${path}`, { form: { csrf }, headers })).status, 403, 'with another’s');
  const mine = formOf(await visit(`${t.origin}${path}`)).csrf;
  const forged = await visit(`${t.origin}${path}`, {
    form: { csrf: mine },
    headers: { origin: 'https://evil.example' },
  });
  assert.equal(forged.status, 403, 'from another site');
  const anonymous = await agent()(`${t.origin}${path}`, { form: { csrf: mine }, headers });
  assert.match(anonymous.location!, /\/authorize\?/);
  assertRefused(await elsewhere.call('DELETE', `/grant/${id}`), 404, 'not_found');
  assert.equal((await userinfo(t, tokens.access_token)).status, 200, 'after all of that');
  assert.deepEqual(await revocations(t, user), []);

  const lost = agent();
  const landed = await arrive(lost, t, `${t.origin}/flow/apps?lang=es`, user);
  assert.match(wordsOf(landed), /Aplicaciones con acceso a tu cuenta.*Partner App/, 'a login leads back to the page');
  const nobody = await t.user();
  assert.match(
    wordsOf(await arrive(agent(), t, `${t.origin}/flow/apps`, nobody)),
    /No app has access to your account at Acme/,
  );
});

test('administrators list and delete grants, of their tenant', async () => {
  const { t, user, client } = await ready();
  const { tokens } = await letIn(t, client, user);
  const [row] = (await t.api('GET', `/grant?query=client:${client.client_id}&expand=user,client`)).results;
  assert.deepEqual(
    [row.user.id, row.client.name, row.scopes],
    [user.id, 'Partner App', ['openid', 'profile', 'offline_access']],
  );
  assert.deepEqual([row.permissions, row.revoked_at], [undefined, undefined]);
  assert.deepEqual(await grantsOf(other, user), []);
  assertRefused(await other.call('GET', `/grant/${row.id}`), 404, 'not_found');
  assert.equal((await t.api('DELETE', `/grant/${row.id}`)).id, row.id);
  assertRefused(await t.call('DELETE', `/grant/${row.id}`), 404, 'not_found');
  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
  assert.equal((await refresh(t, client, tokens.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await revocations(t, user))[0].data.actor, t.admin.client_id);
});

test('a revocation that is killed half-way is repeated, and nothing is granted of it meanwhile', async () => {
  const { t, user, client } = await ready();
  const { visit, tokens } = await letIn(t, client, user);
  const [{ id }] = await grantsOf(t, user);
  const killed = failAt(1, ['delete']);
  assert.equal((await t.call('DELETE', `/grant/${id}`)).status, 500);
  killed.restore();
  assert.match(wordsOf(await visit(`${t.origin}/flow/apps`)), /Partner App/, 'still there to be finished');
  const page = await arrive(visit, t, addressOf(t, client), user);
  assert.ok(asks(page), 'and counts as gone');
  assert.ok(codeOf(await decide(visit, page)), 'a new "yes" finishes it first');
  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
  const [fresh] = await grantsOf(t, user);
  assert.notEqual(fresh.id, id);
  assert.deepEqual(fresh.scopes, ['openid', 'profile']);
});

/* ——— races ——— */

const ASKED = ['openid profile email', 'openid read:orders', 'openid write:orders phone'];
async function checkMerged(t: TenantHandle, client: Client, user: User, answers: Page[]) {
  const [row, ...more] = await grantsOf(t, user);
  assert.deepEqual(more, []);
  assert.deepEqual([...row.scopes].sort(), ['email', 'openid', 'phone', 'profile']);
  assert.deepEqual([...row.resources[0].scopes].sort(), ['read:orders', 'write:orders']);
  const scopes = [];
  for (const answer of answers) scopes.push((await exchange(t, client, answer)).scope);
  assert.deepEqual(scopes, ['openid profile email', 'openid read:orders', 'openid phone write:orders']);
}

test('of several browsers that are allowed something at once none is forgotten', async () => {
  const { t, user, client } = await ready();
  const audience = await orders(t);
  const open = ASKED.map(async (scope) => {
    const visit = agent();
    return { visit, page: await arrive(visit, t, addressOf(t, client, { audience, scope }), user) };
  });
  const all = await Promise.all(open);
  await checkMerged(t, client, user, await Promise.all(all.map(({ visit, page }) => decide(visit, page))));
});

test('of several tabs that wait for an answer none is forgotten, and pressing twice is pressing once', async () => {
  const { t, user, client } = await ready();
  const audience = await orders(t);
  const visit = agent();
  const pages: Page[] = [];
  for (const scope of ASKED) pages.push(await arrive(visit, t, addressOf(t, client, { audience, scope }), user));
  const answers: Page[] = [];
  for (const page of pages) answers.push(await decide(visit, page));
  await checkMerged(t, client, user, answers);
  assert.equal((await decide(visit, pages[0]!)).status, 410, 'the flow is over');
  const page = await arrive(visit, t, addressOf(t, client, { scope: 'address' }), user);
  const { action, csrf } = formOf(page);
  const press = () => visit(action, { form: { csrf, decision: 'allow' }, headers: { origin: t.origin } });
  const [once, twice] = await Promise.all([press(), press()]);
  assert.deepEqual([once.status, once.location], [twice.status, twice.location]);
  assert.ok(codeOf(await visit(once.location!)));
});

test('nothing survives a revocation that raced with refreshing and with logging in', async () => {
  const { t, user, client } = await ready();
  const visit = agent();
  const scope = 'openid profile offline_access';
  let { tokens } = await letIn(t, client, user, visit);
  for (let round = 0; round < 3; round += 1) {
    const [{ id }] = await grantsOf(t, user);
    const fresh = agent();
    // A browser that is logged in, and has no grant yet.
    await arrive(fresh, t, addressOf(t, client, { scope: 'openid email' }), user);
    const [refreshed, arrived, revoked] = await Promise.all([
      refresh(t, client, tokens.refresh_token),
      fresh(addressOf(t, client, { scope })),
      t.call('DELETE', `/grant/${id}`),
    ]);
    assert.equal(revoked.status, 200, revoked.text);
    if (refreshed.status === 200) {
      assert.equal((await userinfo(t, refreshed.body.access_token)).status, 401, 'what was refreshed is worth nothing');
      assert.equal((await refresh(t, client, refreshed.body)).body.error, 'invalid_grant');
    }
    const code = codeOf(arrived);
    if (code) {
      const late = await redeem(t, client, { code, verifier: VERIFIER });
      if (late.status === 200)
        assert.equal((await userinfo(t, late.body.access_token)).status, 401, 'nor is what was granted late');
      else assert.equal(late.body.error, 'invalid_grant');
    }
    assert.deepEqual(await grantsOf(t, user), []);
    assert.equal(await protocolModel.countDocuments({ kind: 'Grant', user: user.id, client: client.client_id }), 0);
    ({ tokens } = await letIn(t, client, user, visit));
  }
});

test('a grant that is being made while its consent is revoked is taken back', async () => {
  const { t, user, client } = await ready();
  await allow(t, client, user);
  const [{ id }] = await grantsOf(t, user);
  const visit = agent();
  await arrive(visit, t, addressOf(t, client, { scope: 'openid email' }), user);
  // Between the grant's writing and the second look at the consent.
  const raced = interrupt({ name: 'findAndModify', collection: consents.model.collection.name }, () =>
    t.api('DELETE', `/grant/${id}`),
  );
  const at = await follow(visit, await visit(addressOf(t, client)), REDIRECT);
  assert.equal(raced.times, 1);
  assert.ok(asks(at), 'asked after all');
  assert.equal(await protocolModel.countDocuments({ kind: 'Grant', user: user.id, client: client.client_id }), 0);
});

test('what was allowed in one tenant says nothing in another, also to the same names', async () => {
  const [a, b] = [await ready(), await ready({}, other)];
  await allow(a.t, a.client, a.user);
  assert.ok(asks(await arrive(agent(), b.t, addressOf(b.t, b.client), b.user)));
  assert.equal((await grantsOf(a.t, a.user)).length, 1);
  for (const user of [a.user, b.user]) assert.deepEqual(await grantsOf(b.t, user), []);
});

test('an agent that asks for an Api and nothing else gets a refresh token, and the page says so', async () => {
  const { t, user, client } = await ready();
  const sentence = /while you are away/;
  const [api, strict] = [await orders(t), await orders(t, { allow_offline_access: false })];
  const ask = async (of: Client, more: Parameters) => {
    const { page, answer } = await allow(t, of, user, more);
    return { said: sentence.test(wordsOf(page)), tokens: await exchange(t, of, answer) };
  };
  // Scopes of the Api alone, and none at all, which is all that the audience offers.
  const pure = await ask(client, { audience: api, scope: 'read:orders' });
  assert.ok(pure.said);
  assert.equal(pure.tokens.scope, 'read:orders');
  const again = await refresh(t, client, pure.tokens.refresh_token);
  assert.deepEqual([again.status, again.body.scope, again.body.id_token], [200, 'read:orders', undefined]);
  const none = await ask(await partner(t), { audience: api, scope: '' });
  assert.ok(none.said && none.tokens.refresh_token);

  // With `openid` it is asked for by name; and where client or Api have none there is none.
  const named = await ask(await partner(t), { audience: api, scope: 'openid read:orders' });
  const unable = await partner(t, { grant_types: ['authorization_code'] });
  const without = await ask(unable, { audience: api, scope: 'read:orders' });
  const short = await ask(await partner(t), { audience: strict, scope: 'read:orders' });
  for (const { said, tokens } of [named, without, short])
    assert.deepEqual([said, tokens.refresh_token, typeof tokens.access_token], [false, undefined, 'string']);

  // Whoever allowed the Api before, and is not there to be asked for more, goes on as before.
  const visit = agent();
  const held = await partner(t);
  await allow(t, held, user, { audience: api, scope: 'openid read:orders' }, visit);
  const silent = await arrive(
    visit,
    t,
    addressOf(t, held, { audience: api, scope: 'read:orders', prompt: 'none' }),
    user,
  );
  assert.equal((await exchange(t, held, silent)).refresh_token, undefined);
});

test('what an Api allows is told in the reader’s language where it was given in it, at consent and at a device', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const permission = { value: 'read:orders', description: 'See your orders', descriptions: { es: 'Ver tus pedidos' } };
  const fields = { names: { es: 'API de pedidos', 'pt-BR': 'API de encomendas' }, permissions: [permission] };
  const api = await ordersApi(t, fields);
  assert.deepEqual([api.names, api.permissions], [fields.names, fields.permissions]);
  const client = await t.client({
    name: 'Partner',
    is_first_party: false,
    grant_types: ['authorization_code', DEVICE],
  });
  const asked = { scope: 'openid read:orders', resource: api.identifier };
  const shown = async (ui_locales: string) =>
    wordsOf(await arrive(agent(), t, addressOf(t, client, { ...asked, ui_locales }), user));
  assert.match(await shown('es-MX'), /Ver tus pedidos en API de pedidos/);
  assert.match(await shown('en'), /See your orders in Orders API/);
  const form = { ...asked, ...credentialsOf(client) };
  const { verification_uri_complete } = (await w.send(`${t.origin}/oauth/device/code`, { method: 'POST', form })).body;
  assert.match(
    wordsOf(await arrive(agent(), t, `${verification_uri_complete}&lang=es`, user)),
    /Ver tus pedidos en API de pedidos/,
  );
  const unsaid = { ...permission, description: '\u3164', descriptions: { es: '\u200b\u2800' } };
  await t.api('POST', `/api/${api.id}`, { names: { es: '\u3164' }, permissions: [unsaid] });
  assert.match(await shown('es'), /read:orders en Orders API/);
  assert.match(await shown('en'), /read:orders in Orders API/);
  for (const names of [{ 'no language': 'x' }, { es: '' }, { es: ' \t' }, { es: 1 }, { $where: 'x' }, { 'a.b': 'x' }])
    assertRefused(await t.call('POST', `/api/${api.id}`, { names }), 400, 'validation', /names/);
  assert.equal((await t.api('POST', `/api/${api.id}`, { names: {} })).names.es, undefined);
});
