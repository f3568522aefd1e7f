/** The login session of a browser: how long it lives, whose it is, what it is worth, and what /authorize asks of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { protocolModel } from '../../../src/domain/protocol/protocol-row.ts';
import { DAY, HOUR, MINUTE } from '../../../src/kernel/clock.ts';
import {
  type Agent,
  agent,
  assertRefused,
  type Client,
  discovery,
  follow,
  formOf,
  post,
  REDIRECT,
  redeem,
  signIn,
  type TenantHandle,
  type User,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';

const ask = (t: TenantHandle, client: Client, parameters: Record<string, string> = {}) =>
  `${t.origin}/authorize?${new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid',
    state: 'the state',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...parameters,
  })}`;

/** What an app hears at its redirect without anybody looking at a page. */
async function silently(t: TenantHandle, client: Client, visit: Agent, parameters: Record<string, string> = {}) {
  const { location } = await visit(ask(t, client, { prompt: 'none', ...parameters }));
  return Object.fromEntries(new URL(location!).searchParams);
}

async function idToken(t: TenantHandle, client: Client, landed: URL) {
  const answer = await redeem(t, client, { code: landed.searchParams.get('code') ?? '', verifier: VERIFIER });
  assert.equal(answer.status, 200, answer.text);
  return { claims: decodeJwt(answer.body.id_token), tokens: answer.body };
}

const sessionRows = (user: User) => protocolModel.find({ kind: 'Session', user: user.id }).lean();
const cookieOf = (answer: { headers: Headers }) =>
  answer.headers.getSetCookie().find((line) => line.startsWith('cardea_sess=')) ?? '';
const idOf = (cookie: string) => /^cardea_sess=([^;]*)/.exec(cookie)![1]!;

/** A tenant with a user who is logged in, and an app to ask with. */
async function loggedIn() {
  const t = await w.tenant();
  const [user, client, visit] = [await t.user(), await t.client(), agent()];
  const landed = await signIn(visit, ask(t, client), user);
  return { t, user, client, visit, landed };
}

const configure = (t: TenantHandle, session_settings: { idle_lifetime?: number; absolute_lifetime?: number }) =>
  t.call('POST', `/account/${t.id}`, { session_settings });

/* ——— lifetimes ——— */

test('a session that is not used ends after the idle lifetime, for apps, pages and logout alike', async () => {
  const { t, user, client, visit } = await loggedIn();
  assert.equal((await configure(t, { idle_lifetime: 10 * MINUTE, absolute_lifetime: DAY })).status, 200);
  w.clock.advance({ seconds: 6 });
  assert.ok((await silently(t, client, visit)).code);
  w.clock.advance({ seconds: 9 * MINUTE });
  assert.ok((await silently(t, client, visit)).code, 'used in time');
  w.clock.advance({ seconds: 9 * MINUTE });
  assert.ok((await silently(t, client, visit)).code, 'the use before counts, not the login');
  w.clock.advance({ seconds: 10 * MINUTE });
  const answer = await silently(t, client, visit);
  assert.deepEqual([answer.error, answer.state, answer.iss], ['login_required', 'the state', t.origin]);
  assert.match((await visit(`${t.origin}/logout`)).text, /You are logged out/, 'nobody to ask');
  const device = await visit(`${t.origin}/flow/device-code/confirm?user_code=BCDF-GHJK`);
  assert.match(device.location ?? '', /\/authorize\?/, 'the device page asks for a login');
  assert.equal((await sessionRows(user)).length, 1, 'the row waits for the sweeper');
});

test('a session ends after the absolute lifetime however busy it is; a new login starts again', async () => {
  const { t, user, client, visit } = await loggedIn();
  await configure(t, { idle_lifetime: 10 * MINUTE, absolute_lifetime: 25 * MINUTE });
  w.clock.advance({ seconds: 6 });
  for (let used = 0; used < 3; used += 1) {
    assert.ok((await silently(t, client, visit)).code);
    w.clock.advance({ seconds: 8 * MINUTE });
  }
  const last = await visit(ask(t, client, { prompt: 'none' }));
  const expires = Date.parse(/expires=([^;]+)/i.exec(cookieOf(last))![1]!);
  assert.ok(expires - Date.now() < MINUTE * 1000, 'the cookie ends with the session');
  w.clock.advance({ seconds: MINUTE });
  assert.equal((await silently(t, client, visit)).error, 'login_required');
  await signIn(visit, ask(t, client), user);
  w.clock.advance({ seconds: 9 * MINUTE });
  assert.ok((await silently(t, client, visit)).code);
});

test('lowering the settings applies to sessions that live, raising them brings no ended one back', async () => {
  const { t, client, visit } = await loggedIn();
  w.clock.advance({ seconds: 2 * HOUR });
  assert.ok((await silently(t, client, visit)).code);
  w.clock.advance({ seconds: 2 * MINUTE });
  await configure(t, { idle_lifetime: MINUTE });
  w.clock.advance({ seconds: 6 });
  assert.equal((await silently(t, client, visit)).error, 'login_required');

  const other = await loggedIn();
  w.clock.advance({ seconds: 2 * HOUR });
  await configure(other.t, { idle_lifetime: HOUR, absolute_lifetime: HOUR });
  w.clock.advance({ seconds: 6 });
  assert.equal((await silently(other.t, other.client, other.visit)).error, 'login_required');
});

test('a session of another tenant lives by that one’s settings', async () => {
  const [a, b] = [await loggedIn(), await loggedIn()];
  await configure(a.t, { idle_lifetime: MINUTE, absolute_lifetime: MINUTE });
  w.clock.advance({ seconds: 2 * MINUTE });
  assert.equal((await silently(a.t, a.client, a.visit)).error, 'login_required');
  assert.ok((await silently(b.t, b.client, b.visit)).code);
});

test('an idle lifetime beyond the absolute one is refused by name, also when only one of them is sent', async () => {
  const t = await w.tenant();
  for (const settings of [
    { idle_lifetime: 200, absolute_lifetime: 100 },
    { idle_lifetime: 15 * DAY },
    { absolute_lifetime: DAY },
  ]) {
    const answer = await configure(t, settings);
    assertRefused(answer, 400, 'validation', /idle_lifetime/);
    assert.equal((answer.body as { details: { path: string }[] }).details[0]?.path, '/session_settings/idle_lifetime');
  }
  assertRefused(await configure(t, { idle_lifetime: 59 }), 400, 'validation');
  assert.equal((await configure(t, { idle_lifetime: DAY, absolute_lifetime: DAY })).status, 200);
});

test('using a session writes its row once in a while, not each time', async () => {
  const { t, user, client, visit } = await loggedIn();
  assert.ok((await silently(t, client, visit)).code);
  const expiry = async () => (await sessionRows(user))[0]!.expires_at.getTime();
  const first = await expiry();
  w.clock.advance({ seconds: HOUR });
  assert.ok((await silently(t, client, visit)).code);
  assert.equal(await expiry(), first);
  w.clock.advance({ seconds: 3 * HOUR });
  assert.ok((await silently(t, client, visit)).code);
  assert.ok((await expiry()) - first >= 3 * HOUR * 1000);
});

test('tokens under a grant outlive a short session', async () => {
  const { t, user, client } = await loggedIn();
  await configure(t, { idle_lifetime: MINUTE, absolute_lifetime: MINUTE });
  await t.api('POST', `/client/${client.client_id}`, {
    refresh_token: { expiration_mode: 'expire', infinite_token_lifetime: false, token_lifetime: 300 },
  });
  w.clock.advance({ seconds: 6 });
  const landed = await signIn(agent(), ask(t, client), user);
  const { tokens } = await idToken(t, client, landed);
  w.clock.advance({ seconds: 20 * HOUR });
  const info = await userinfo(t, tokens.access_token);
  assert.equal(info.status, 200);
});

/* ——— whose it is ——— */

test('a session id known before a login is worth nothing after it (session fixation)', async () => {
  const t = await w.tenant();
  const [mallory, ada, client] = [await t.user(), await t.user(), await t.client()];
  const start = ask(t, client);

  // An id that was never ours, planted.
  const planted = 'planted-by-somebody-else';
  const jar = agent();
  const page = await jar(start, { headers: { cookie: `cardea_sess=${planted}` } });
  assert.notEqual(idOf(cookieOf(page) || 'cardea_sess=other'), planted);
  await signIn(jar, start, ada);
  const withPlanted = await w.send(ask(t, client, { prompt: 'none' }), {
    headers: { cookie: `cardea_sess=${planted}` },
  });
  assert.equal(new URL(withPlanted.headers.get('location')!).searchParams.get('error'), 'login_required');

  // A live session of the attacker's own, planted: the victim logs in over it.
  const shared = agent();
  let known = '';
  const watching: Agent = async (url, init) => {
    const answer = await shared(url, init);
    const cookie = cookieOf(answer);
    if (cookie) known = idOf(cookie);
    return answer;
  };
  await signIn(watching, start, mallory);
  const before = known;
  assert.ok(before);
  await signIn(watching, ask(t, client, { prompt: 'login' }), ada);
  assert.notEqual(known, before);
  const stale = await w.send(ask(t, client, { prompt: 'none' }), { headers: { cookie: `cardea_sess=${before}` } });
  assert.equal(new URL(stale.headers.get('location')!).searchParams.get('error'), 'login_required');
  assert.equal((await sessionRows(mallory)).length, 0);
  assert.equal((await sessionRows(ada)).length, 2);

  // And a login over one's own session changes its id too.
  const own = known;
  await signIn(watching, ask(t, client, { prompt: 'login' }), ada);
  assert.notEqual(known, own);
  const old = await w.send(ask(t, client, { prompt: 'none' }), { headers: { cookie: `cardea_sess=${own}` } });
  assert.equal(new URL(old.headers.get('location')!).searchParams.get('error'), 'login_required');
});

test('nothing is stored for a browser that nobody is logged in at', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const sessions = () => protocolModel.countDocuments({ account: t.id, kind: 'Session' });
  const visit = agent();
  await visit(ask(t, client), { headers: { cookie: 'cardea_sess=stale' } });
  await visit(ask(t, client, { prompt: 'none' }), { headers: { cookie: 'cardea_sess=stale' } });
  assert.equal(await sessions(), 0);
});

test('the session’s name at an app (`sid`) stays with the user and changes with the user', async () => {
  const t = await w.tenant();
  const [ada, grace, client, visit] = [await t.user(), await t.user(), await t.client(), agent()];
  const sid = async (user: User, parameters: Record<string, string> = {}) =>
    (await idToken(t, client, await signIn(visit, ask(t, client, parameters), user))).claims.sid as string;
  const first = await sid(ada);
  assert.ok(first);
  assert.equal(await sid(ada), first);
  assert.equal(await sid(ada, { prompt: 'login' }), first, 'the same user again');
  assert.notEqual(await sid(grace, { prompt: 'login' }), first);
});

test('another site’s frames and fetches find nobody at our pages, whatever cookie comes along', async () => {
  const { t, visit } = await loggedIn();
  const page = `${t.origin}/flow/device-code/confirm?user_code=BCDF-GHJK`;
  const embedded = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe', 'sec-fetch-mode': 'navigate' };
  assert.match((await visit(page, { headers: embedded })).location ?? '', /\/authorize\?/);
  const topLevel = await visit(page, { headers: { ...embedded, 'sec-fetch-dest': 'document' } });
  assert.doesNotMatch(topLevel.location ?? '', /\/authorize\?/, 'a link leads to the page');
});

test('two tabs log in one after the other, each at its own page', async () => {
  const t = await w.tenant();
  const [user, client, visit] = [await t.user(), await t.client(), agent()];
  const open = async () => follow(visit, await visit(ask(t, client)), REDIRECT);
  const [first, second] = [await open(), await open()];
  for (const tab of [first, second]) {
    const { action, csrf } = formOf(tab);
    const posted = await visit(action, { form: { csrf, email: user.email, password: user.password } });
    const { location } = await follow(visit, posted, REDIRECT);
    assert.ok(new URL(location!).searchParams.get('code'), location!);
  }
});

/* ——— prompt, max_age and hints ——— */

/** Logs in, choosing to go on as who one is where the page offers it, and says which pages were shown. */
async function walk(visit: Agent, start: string, user: User) {
  const pages: string[] = [];
  let at = await follow(visit, await visit(start), REDIRECT);
  for (let step = 0; step < 5 && !at.location?.startsWith(REDIRECT); step += 1) {
    const { action, csrf } = formOf(at);
    const page = new URL(action).pathname.split('/').pop()!;
    pages.push(page);
    const forms: Record<string, Record<string, string>> = {
      login: { csrf, email: user.email, password: user.password },
      account: { csrf, decision: 'continue' },
      consent: { csrf, decision: 'allow' },
    };
    at = await follow(visit, await visit(action, { form: forms[page]! }), REDIRECT);
  }
  return { pages, landed: new URL(at.location!) };
}

test('prompt=login authenticates anew, with a fresh auth_time; select_account alone does not', async () => {
  const { t, user, client, visit, landed } = await loggedIn();
  const { auth_time: first } = (await idToken(t, client, landed)).claims as { auth_time: number };
  assert.equal(first, undefined, 'not asked for');
  const authTime = async (at: URL) => (await idToken(t, client, at)).claims.auth_time as number;
  const original = await authTime((await walk(visit, ask(t, client, { max_age: '86400' }), user)).landed);

  w.clock.advance({ seconds: 100 });
  const chosen = await walk(visit, ask(t, client, { prompt: 'select_account', max_age: '86400' }), user);
  assert.deepEqual(chosen.pages, ['account']);
  assert.equal(await authTime(chosen.landed), original, 'going on as who one is proves nothing');

  const both = await walk(visit, ask(t, client, { prompt: 'select_account login' }), user);
  assert.deepEqual(both.pages, ['account', 'login'], 'choosing does not stand for the password');
  assert.ok((await authTime(both.landed)) >= original + 100);

  w.clock.advance({ seconds: 100 });
  const chosenTooOld = await walk(visit, ask(t, client, { prompt: 'select_account', max_age: '50' }), user);
  assert.deepEqual(chosenTooOld.pages, ['account', 'login']);

  w.clock.advance({ seconds: 100 });
  const again = await walk(visit, ask(t, client, { prompt: 'login' }), user);
  assert.deepEqual(again.pages, ['login']);
  assert.ok((await authTime(again.landed)) >= original + 300);
});

test('max_age, max_age=0 and the client’s default_max_age ask for the password when the login is too old', async () => {
  const { t, user, client, visit } = await loggedIn();
  w.clock.advance({ seconds: 60 });
  assert.deepEqual((await walk(visit, ask(t, client, { max_age: '120' }), user)).pages, []);
  assert.equal((await silently(t, client, visit, { max_age: '30' })).error, 'login_required');
  assert.equal((await silently(t, client, visit, { max_age: '-1' })).error, 'invalid_request');
  const { pages, landed } = await walk(visit, ask(t, client, { max_age: '30' }), user);
  assert.deepEqual(pages, ['login']);
  assert.ok(Math.abs(((await idToken(t, client, landed)).claims.auth_time as number) - Date.now() / 1000) < 5);
  const zero = await walk(visit, ask(t, client, { max_age: '0' }), user);
  assert.deepEqual(zero.pages, ['login'], 'max_age=0 is prompt=login');
  assert.ok((await idToken(t, client, zero.landed)).claims.auth_time);

  const strict = await t.client({ default_max_age: 30 });
  const fresh = await walk(visit, ask(t, strict), user);
  assert.deepEqual(fresh.pages, []);
  assert.ok((await idToken(t, strict, fresh.landed)).claims.auth_time, 'the claim comes with it');
  w.clock.advance({ seconds: 60 });
  assert.equal((await silently(t, strict, visit)).error, 'login_required');
  assert.ok((await silently(t, strict, visit, { max_age: '120' })).code, 'what is asked beats the default');
});

test('prompt=consent asks each time; none goes with nothing else; an unknown prompt is refused', async () => {
  const { t, user, client, visit } = await loggedIn();
  for (const time of ['once', 'twice'])
    assert.deepEqual((await walk(visit, ask(t, client, { prompt: 'consent' }), user)).pages, ['consent'], time);
  for (const prompt of ['none login', 'login none', 'none consent', 'nonsense']) {
    const { error, state, iss, code } = await silently(t, client, visit, { prompt });
    assert.deepEqual([error, state, iss, code], ['invalid_request', 'the state', t.origin, undefined], prompt);
  }
  const stranger = await t.client({ is_first_party: false });
  assert.equal((await silently(t, stranger, visit)).error, 'consent_required');
});

test('id_token_hint: another user’s means login_required, one of another tenant or client is refused', async () => {
  const { t, client, visit, landed } = await loggedIn();
  const hint = (await idToken(t, client, landed)).tokens.id_token as string;
  assert.ok((await silently(t, client, visit, { id_token_hint: hint })).code);
  const other = agent();
  await signIn(other, ask(t, client), await t.user());
  const answer = await silently(t, client, other, { id_token_hint: hint });
  assert.deepEqual([answer.error, answer.state], ['login_required', 'the state']);
  const elsewhere = await loggedIn();
  const foreign = (await idToken(elsewhere.t, elsewhere.client, elsewhere.landed)).tokens.id_token as string;
  assert.equal((await silently(t, client, visit, { id_token_hint: foreign })).error, 'invalid_request');
  w.clock.advance({ seconds: 2 * HOUR });
  assert.ok((await silently(t, client, visit, { id_token_hint: hint })).code, 'an expired id token is still a hint');
});

test('login_hint fills the form, ui_locales speaks the language, nonce comes back, acr_values is let be', async () => {
  const t = await w.tenant();
  const [user, client, visit] = [await t.user(), await t.client(), agent()];
  const parameters = { login_hint: user.email, ui_locales: 'xx es-MX', nonce: 'the nonce', acr_values: 'urn:strong' };
  const page = await follow(visit, await visit(ask(t, client, parameters)), REDIRECT);
  assert.match(page.text, /<html lang="es"/);
  assert.match(page.text, new RegExp(`value="${user.email}"`));
  const landed = await signIn(visit, ask(t, client, parameters), user);
  assert.equal((await idToken(t, client, landed)).claims.nonce, 'the nonce');
});

/* ——— connections, pages of our own, and forms ——— */

test('connection_id goes straight to a connection of the client; any other is refused by name', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const [user, client] = [await t.user(), await t.client()];
  const make = async (fields: Record<string, unknown>): Promise<string> =>
    (await t.api('POST', '/connection', { connection_type: 'database', ...fields })).id;
  const staff = await make({ connection_name: 'staff' });
  const mail = await make({ connection_name: 'mail', connection_type: 'passwordless_email' });
  const off = await make({ connection_name: 'off', enabled: false });
  const reserved = await make({ connection_name: 'reserved', enabled_clients: [] });
  const person = await t.api('POST', '/user', { email: 'grace@example.com' });
  const password = 'Correct-horse-2';
  await t.api('POST', '/credentials', { user: person.id, connection: staff, email: 'grace@example.com', password });

  const wanted: Record<string, string>[] = [{ connection_id: staff }, { connection: 'staff' }, { connection: staff }];
  for (const parameters of wanted) {
    const landed = await signIn(agent(), ask(t, client, parameters), { email: 'grace@example.com', password });
    assert.ok(landed.searchParams.get('code'));
  }
  const at = ask(t, client, { connection_id: staff });
  await assert.rejects(signIn(agent(), at, user), /did not end|no form/, 'and there alone');
  const visit = agent();
  const byMail = await follow(visit, await visit(ask(t, client, { connection_id: mail })), REDIRECT);
  assert.doesNotMatch(byMail.text, /type="password"/, 'no password for a connection without one');

  const refusals: Record<string, string>[] = [
    { connection_id: 'connection_000000000000000000000000' },
    { connection_id: other.connection },
    { connection_id: off },
    { connection_id: reserved },
    { connection_id: 'staff' },
    { connection: 'off' },
  ];
  const heard = new Set<string>();
  for (const parameters of refusals) {
    const { location } = await agent()(ask(t, client, parameters));
    const answer = Object.fromEntries(new URL(location!).searchParams);
    assert.deepEqual([answer.error, answer.state, answer.iss], ['invalid_request', 'the state', t.origin]);
    assert.match(answer.error_description!, new RegExp(`^${Object.keys(parameters)[0]} `));
    heard.add(answer.error_description!);
  }
  assert.equal(heard.size, 2, 'foreign, disabled and missing ones are answered alike');
  const pushed = await post(t, '/oauth/par', {
    ...Object.fromEntries(new URL(ask(t, client, { connection_id: off })).searchParams),
    client_secret: client.client_secret,
  });
  assert.deepEqual([pushed.status, pushed.body.error], [400, 'invalid_request']);
});

test('redirect_to leads to a page of this origin after the login, and no client hears of it', async () => {
  const t = await w.tenant();
  const [user, client, visit] = [await t.user(), await t.client(), agent()];
  const start = (redirect_to: string, fields: Record<string, string> = {}) =>
    `${t.origin}/authorize?${new URLSearchParams({ client_id: client.client_id, redirect_to, ...fields })}`;
  const page = '/flow/device-code/activate?lang=es';
  const first = await signIn(visit, start(page, { login_hint: user.email }), user, `${t.origin}/flow/device-code`);
  assert.equal(first.href, `${t.origin}${page}`);
  const again = await follow(
    visit,
    await visit(start(`${t.origin}${page}`, { prompt: 'none' })),
    `${t.origin}/flow/device-code`,
  );
  assert.equal(again.location, `${t.origin}${page}`, 'nobody is asked twice');

  for (const elsewhere of ['https://evil.example/x', '//evil.example/x', '/\\evil.example', 'javascript:alert(1)']) {
    const { location } = await visit(`${ask(t, client)}&${new URLSearchParams({ redirect_to: elsewhere })}`);
    const landed = new URL(location!);
    assert.equal(`${landed.origin}${landed.pathname}`, REDIRECT, `${elsewhere} is ignored`);
    assert.ok(landed.searchParams.get('code'));
  }
  const nobody = await visit(`${t.origin}/authorize?client_id=client_x&redirect_to=%2F`);
  assert.equal(nobody.status, 400, 'a client that does not exist');
});

test('a request that comes as a form sees the session and goes on as a GET', async () => {
  const { t, client, visit } = await loggedIn();
  const form = Object.fromEntries(new URL(ask(t, client)).searchParams);
  const posted = await visit(`${t.origin}/authorize`, { form });
  assert.equal(posted.status, 303);
  const { location } = await follow(visit, posted, REDIRECT);
  assert.ok(new URL(location!).searchParams.get('code'));
  const json = await w.send(`${t.origin}/authorize`, { method: 'POST', json: form });
  assert.equal(json.status, 415);
  assert.equal((await visit(`${t.origin}/authorize`, { form: { ...form, state: 'x'.repeat(9000) } })).status, 413);
});

test('discovery says which prompts and languages there are', async () => {
  const t = await w.tenant();
  const read = async () => await discovery(t);
  assert.deepEqual((await read()).prompt_values_supported, ['none', 'login', 'consent', 'select_account']);
  assert.deepEqual((await read()).ui_locales_supported, ['en', 'es']);
  await t.api('POST', `/account/${t.id}`, { enabled_locales: ['es'] });
  w.clock.advance({ seconds: 6 });
  assert.deepEqual((await read()).ui_locales_supported, ['es']);
});
