/** Logging in by a mailed code or link: what is sent, what it is worth, to whom, how often, and what nobody may learn. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import mongoose from 'mongoose';
import { failAt, interrupt, WRITES } from '../kit/faults.ts';
import {
  agent,
  assertRefused,
  authorizeUrl,
  type Client,
  discovery,
  fieldOf,
  follow,
  passwordGrant,
  push,
  REDIRECT,
  refresh,
  refused,
  requestOf,
  submit,
  type TenantHandle,
  tokenRequest,
  userinfo,
  wordsOf,
  world,
} from '../kit/index.ts';
import { followLink, lastLink, mailbox } from '../kit/mailbox.ts';

const w = await world({ env: { TRUST_PROXY: '1' } });
const OTP = 'http://auth0.com/oauth/grant-type/passwordless/otp';

const start = (
  t: { origin: string },
  client: { client_id: string },
  email: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
) =>
  w.send(`${t.origin}/passwordless/start`, {
    method: 'POST',
    json: { client_id: client.client_id, email, send: 'code', ...more },
    headers,
  });

const redeem = (
  t: { origin: string },
  client: Client,
  username: string,
  otp: string,
  more: Record<string, string> = {},
  headers: Record<string, string> = {},
) =>
  tokenRequest(t, client, { grant_type: OTP, username, otp, realm: 'email', scope: 'openid email', ...more }, headers);

/** The code that was mailed last. */
async function code(t: TenantHandle, email: string): Promise<string> {
  const last = (await mailbox(t, email)).filter(({ type, data }) => type === 'passwordless_code' && data.code).at(-1);
  assert.ok(last, `no code was mailed to ${email}`);
  return last.data.code;
}

async function ready(connection: Record<string, unknown> = {}, client: Record<string, unknown> = {}) {
  const t = await w.tenant();
  const made = await t.api('POST', '/connection', {
    connection_name: 'mail',
    connection_type: 'passwordless_email',
    ...connection,
  });
  return { t, connection: made, client: await t.client(client) };
}

/** Somebody new each time, so that the three minutes between messages do not matter. */
const stranger = () => `${randomBytes(6).toString('hex')}@example.com`;

const usersOf = async (t: TenantHandle, email: string) => (await t.api('GET', `/user?query=email:${email}`)).results;

const mailedCode = async (t: TenantHandle, client: Client, email: string) => {
  assert.equal((await start(t, client, email)).status, 200);
  return code(t, email);
};

const WRONG = [401, 'invalid_grant'];

/* ——— codes ——— */

test('a code makes a new address a user: verified, logged in, with tokens that work', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const answer = await start(t, client, email.toUpperCase());
  assert.deepEqual([answer.status, answer.body], [200, { success: true }]);
  assert.deepEqual(await usersOf(t, email), [], 'asking makes nobody');
  const [message] = await mailbox(t, email);
  assert.match(message!.data.code, /^\d{6}$/);
  assert.deepEqual([message!.data.app, message!.data.expires_in, message!.data.locale], ['Orders', 300, 'en']);

  const { status, body } = await redeem(t, client, email, message!.data.code, { scope: 'openid email offline_access' });
  assert.equal(status, 200);
  const [user] = await usersOf(t, email);
  assert.deepEqual(
    [user.email, user.email_verified, user.email_verified_method, user.logins_count],
    [email, true, 'passwordless_otp', 1],
  );
  assert.equal(decodeJwt(body.id_token).sub, user.id);
  const info = await userinfo(t, body.access_token);
  assert.deepEqual(info.body, { sub: user.id, email, email_verified: true });
  const again = await refresh(t, client, body.refresh_token);
  assert.equal(again.status, 200);
  const [entry] = (await t.api('GET', '/log?query=type:auth.login')).results;
  assert.deepEqual([entry.user, entry.client, entry.data.method], [user.id, client.client_id, 'passwordless_code']);
});

test('a code logs an existing user in, and verifies the address', async () => {
  const { t, client } = await ready();
  const user = await t.user();
  const { body } = await redeem(t, client, ` ${user.email.toUpperCase()} `, await mailedCode(t, client, user.email));
  assert.equal(decodeJwt(body.id_token).sub, user.id);
  const [row] = await usersOf(t, user.email);
  assert.deepEqual([row.email_verified, row.email_verified_method], [true, 'passwordless_otp']);
  assert.equal((await usersOf(t, user.email)).length, 1);
});

test('whoever made an account on somebody else’s address is logged out of it by its owner', async () => {
  const { t, client } = await ready();
  const user = await t.user();
  const thief = await t.client({ grant_types: ['password', 'refresh_token'] });
  const password = {
    grant_type: 'password',
    username: user.email,
    password: user.password,
    scope: 'openid offline_access',
  };
  const send = (form: Record<string, string>) => tokenRequest(t, thief, { ...form });
  const { refresh_token } = (await send(password)).body;
  await redeem(t, client, user.email, await mailedCode(t, client, user.email));
  assert.equal((await send({ grant_type: 'refresh_token', refresh_token })).body.error, 'invalid_grant');
});

test('what somebody set for an account ends when the owner of its address proves it, by a code as by a link', async () => {
  const { t, client } = await ready();
  const door = await t.client({ grant_types: ['password', 'refresh_token'] });
  for (const send of ['code', 'link'] as const) {
    const user = await t.user();
    const tried = () => passwordGrant(t, door, user, { scope: 'openid offline_access' });
    const { refresh_token } = (await tried()).body;
    const provider = await t.api('POST', '/connection', {
      connection_name: send,
      connection_type: 'github',
      client_id: 'x',
      client_secret: 'y',
    });
    await t.api('POST', '/identity', {
      account: t.id,
      user: user.id,
      connection: provider.id,
      identity_id: send,
      profile_data: {},
    });
    const elsewhere = { user: user.id, connection: t.connection, username: `mallory-${send}`, password: user.password };
    const conn = await t.api('POST', '/connection', { connection_name: `db-${send}`, connection_type: 'database' });
    await t.api('POST', '/credentials', { ...elsewhere, connection: conn.id });
    await t.api('POST', `/user/${user.id}/change-email`, { new_email: `mallory-${send}@example.com` });
    // A login under way: the password is right, and the browser has not gone on yet.
    const visit = agent();
    const page = await follow(visit, await visit(authorizeUrl(t, requestOf(await t.client()).parameters)));
    const underWay = (await submit(visit, page, user)).location!;

    if (send === 'code')
      assert.equal((await redeem(t, client, user.email, await mailedCode(t, client, user.email))).status, 200);
    else {
      await start(t, client, user.email, { send: 'link' });
      const reader = agent();
      const confirm = await reader(await lastLink(t, user.email));
      assert.match((await submit(reader, confirm, { token: fieldOf(confirm, 'token') })).location!, /authorize/);
    }
    const [row] = await usersOf(t, user.email);
    assert.equal(row.email_verified, true);
    assert.deepEqual(refused(await tried()), [400, 'invalid_grant'], send);
    assert.equal((await refresh(t, door, refresh_token)).body.error, 'invalid_grant');
    const left = (await t.api('GET', `/credentials?query=user:${user.id}`)).results;
    assert.deepEqual(
      left.map(({ email }: { email: string }) => email),
      [user.email],
      'a name for a password of the owner',
    );
    assert.deepEqual((await t.api('GET', `/identity?query=user:${user.id}`)).results, []);
    const carried = await followLink(await lastLink(t, `mallory-${send}@example.com`));
    assert.equal(carried.status, 'invalid_link', 'nor does the account move to another mailbox');
    const resumed = await follow(visit, await visit(underWay));
    assert.equal(new URL(resumed.location ?? 'about:blank').searchParams.get('code'), null, 'nor does a login go on');
    // The next proof is not the first one.
    await t.api('POST', `/credentials/${left[0].id}/set-password`, { password: 'Another-horse-2' });
    assert.equal((await passwordGrant(t, door, { ...user, password: 'Another-horse-2' })).status, 200);
    w.clock.advance({ seconds: 181 });
    assert.equal((await redeem(t, client, user.email, await mailedCode(t, client, user.email))).status, 200);
    assert.equal((await passwordGrant(t, door, { ...user, password: 'Another-horse-2' })).status, 200);
  }
});

test('an address that an administrator vouches for is proved: its password stays', async () => {
  const { t, client } = await ready();
  const door = await t.client({ grant_types: ['password'] });
  const user = await t.user({ email_verified: true });
  assert.equal((await redeem(t, client, user.email, await mailedCode(t, client, user.email))).status, 200);
  assert.equal((await passwordGrant(t, door, user)).status, 200);
});

test('a login by the old password that is under way while the owner proves the address gets nowhere', async () => {
  const { t, client } = await ready();
  const door = await t.client({ grant_types: ['password', 'refresh_token'] });
  const user = await t.user();
  const otp = await mailedCode(t, client, user.email);
  const between = interrupt({ name: 'update', collection: 'users' }, () => redeem(t, client, user.email, otp));
  assert.deepEqual(refused(await passwordGrant(t, door, user)), [400, 'invalid_grant']);
  assert.equal(between.times, 1);
  assert.equal((await usersOf(t, user.email))[0].logins_count, 1, "the owner's");
});

test('killed anywhere, a proof never leaves a verified address that the old password opens', async () => {
  const { t, client } = await ready();
  const door = await t.client({ grant_types: ['password', 'refresh_token'] });
  let complete = false;
  for (let n = 1; !complete; n += 1) {
    assert.ok(n < 30, 'it does not end');
    const user = await t.user();
    const { refresh_token } = (await passwordGrant(t, door, user, { scope: 'openid offline_access' })).body;
    const otp = await mailedCode(t, client, user.email);
    const fault = failAt(n, WRITES, (what) => !/ (limits|passwordless)$/.test(what));
    await redeem(t, client, user.email, otp);
    fault.restore();
    complete = fault.refused.length === 0;
    const [row] = await usersOf(t, user.email);
    const [password, token] = [await passwordGrant(t, door, user), await refresh(t, door, refresh_token)];
    if (row.email_verified) assert.deepEqual([password.status, token.status], [400, 400], `${n}: ${fault.refused[0]}`);
    if (complete) assert.equal(row.email_verified, true);
  }
});

test('a code is good once: of many at once one gets in', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const otp = await mailedCode(t, client, email);
  const answers = await Promise.all(Array.from({ length: 5 }, () => redeem(t, client, email, otp)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  for (const answer of answers.filter(({ status }) => status !== 200)) assert.deepEqual(refused(answer), WRONG);
  assert.equal((await usersOf(t, email)).length, 1);
  assert.deepEqual(refused(await redeem(t, client, email, otp)), WRONG);
});

test('five tries, however many come at once, and then the right code is worth nothing', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const otp = await mailedCode(t, client, email);
  const wrong = String((Number(otp) + 1) % 1_000_000).padStart(6, '0');
  for (let tries = 0; tries < 4; tries += 1) assert.deepEqual(refused(await redeem(t, client, email, wrong)), WRONG);
  const fifth = stranger();
  const second = await mailedCode(t, client, fifth);
  const off = String((Number(second) + 1) % 1_000_000).padStart(6, '0');
  await Promise.all(Array.from({ length: 20 }, () => redeem(t, client, fifth, off)));
  assert.deepEqual(refused(await redeem(t, client, fifth, second)), WRONG, 'five are used up');
  assert.equal((await redeem(t, client, email, `${otp.slice(0, 3)} ${otp.slice(3)}`)).status, 200, 'the fifth of five');
});

test('a code lives five minutes', async () => {
  const { t, client } = await ready();
  const [early, late] = [stranger(), stranger()];
  const first = await mailedCode(t, client, early);
  const second = await mailedCode(t, client, late);
  w.clock.advance({ seconds: 290 });
  assert.equal((await redeem(t, client, early, first)).status, 200);
  w.clock.advance({ seconds: 11 });
  assert.deepEqual(refused(await redeem(t, client, late, second)), WRONG);
});

test('a code is worth nothing for another address, client or tenant', async () => {
  const { t, client } = await ready();
  const other = await ready();
  const neighbour = await t.client();
  const email = stranger();
  const otp = await mailedCode(t, client, email);
  assert.deepEqual(refused(await redeem(t, client, stranger(), otp)), WRONG);
  assert.deepEqual(refused(await redeem(t, neighbour, email, otp)), WRONG);
  assert.deepEqual(refused(await redeem(other.t, other.client, email, otp)), WRONG);
  assert.equal((await redeem(t, client, email, otp)).status, 200);
});

test('an address gets one code and one link in three minutes, so that neither is kept away by the other; then the new code replaces the old', async () => {
  const { t, client } = await ready();
  const other = await ready();
  const email = stranger();
  const answers = await Promise.all(Array.from({ length: 5 }, () => start(t, client, email)));
  for (const answer of answers) assert.deepEqual([answer.status, answer.body], [200, { success: true }]);
  const links = () => Promise.all([1, 2, 3].map(() => start(t, client, email, { send: 'link' })));
  await links();
  const kinds = async (to: string) => (await mailbox(t, to)).map(({ type }) => type).toSorted();
  assert.deepEqual(await kinds(email), ['passwordless_code', 'passwordless_link']);
  // A stranger who has links mailed keeps nobody from a code.
  const kept = stranger();
  await start(t, client, kept, { send: 'link' });
  assert.equal((await redeem(t, client, kept, await mailedCode(t, client, kept))).status, 200);
  await start(other.t, other.client, email);
  assert.equal((await mailbox(other.t, email)).length, 1, 'another tenant counts for itself');
  const first = await code(t, email);
  w.clock.advance({ seconds: 181 });
  const second = await mailedCode(t, client, email);
  assert.equal((await kinds(email)).length, 3);
  if (first !== second) assert.deepEqual(refused(await redeem(t, client, email, first)), WRONG);
  assert.equal((await redeem(t, client, email, second)).status, 200);
});

test('what is asked for at one client takes nothing from another, and each code is for its own', async () => {
  const { t, client } = await ready();
  const neighbour = await t.client();
  const email = stranger();
  const first = await mailedCode(t, client, email);
  const second = await mailedCode(t, neighbour, email);
  assert.equal((await mailbox(t, email)).length, 2);
  if (first !== second) assert.deepEqual(refused(await redeem(t, neighbour, email, first)), WRONG);
  assert.equal((await redeem(t, client, email, first)).status, 200);
  assert.equal((await redeem(t, neighbour, email, second)).status, 200);
});

test('whoever asks in somebody’s name at one client after the other fills no mailbox', async () => {
  const { t } = await ready();
  const email = stranger();
  for (let n = 0; n < 7; n += 1) assert.equal((await start(t, await t.client(), email)).status, 200);
  assert.equal((await mailbox(t, email)).length, 5);
});

test('a hundred blind guesses at no code lock nobody out', async () => {
  const { t, client } = await ready();
  const email = stranger();
  for (let round = 0; round < 4; round += 1)
    for (const answer of await Promise.all(Array.from({ length: 30 }, () => redeem(t, client, email, '000000'))))
      assert.deepEqual(refused(answer), WRONG);
  assert.equal((await redeem(t, client, email, await mailedCode(t, client, email))).status, 200);
});

test('wrong guesses from elsewhere leave the owner a try, and more of them where the owner came in before', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const from = (ip: string) => ({ 'x-forwarded-for': ip });
  const wrongly = async (otp: string, ips: string[]) => {
    const wrong = String((Number(otp) + 1) % 1_000_000).padStart(6, '0');
    for (const ip of ips)
      await Promise.all(Array.from({ length: 8 }, () => redeem(t, client, email, wrong, {}, from(ip))));
  };
  const first = await mailedCode(t, client, email);
  await wrongly(first, ['192.0.2.1', '198.51.100.1']);
  assert.deepEqual(refused(await redeem(t, client, email, first, {}, from('192.0.2.1'))), WRONG, 'five are used up');
  assert.equal((await redeem(t, client, email, first, {}, from('203.0.113.1'))).status, 200);
  w.clock.advance({ seconds: 181 });
  const second = await mailedCode(t, client, email);
  await wrongly(second, ['192.0.2.1', '198.51.100.1', '192.0.3.1', '198.51.101.1', '192.0.4.1']);
  assert.deepEqual(refused(await redeem(t, client, email, second, {}, from('203.0.114.1'))), WRONG, 'twenty are');
  assert.equal((await redeem(t, client, email, second, {}, from('203.0.113.1'))).status, 200);
});

test('guessing over many codes ends too: a hundred failures a day, and no other way in with them', async () => {
  const { t, client } = await ready();
  const user = await t.user();
  const other = await t.client({ grant_types: ['password', OTP] });
  let locked = 0;
  for (let round = 0; round < 21; round += 1) {
    w.clock.advance({ seconds: 181 });
    const otp = await mailedCode(t, client, user.email);
    const wrong = String((Number(otp) + 1) % 1_000_000).padStart(6, '0');
    const answers = await Promise.all(Array.from({ length: 5 }, () => redeem(t, client, user.email, wrong)));
    locked += answers.filter(({ status }) => status === 429).length;
    assert.equal(locked > 0, round === 20, `round ${round}`);
    const wait = Number(answers[0]!.headers.get('retry-after'));
    if (round === 20) assert.ok(wait > 80_000 && wait < 86_400, `${wait} s`);
  }
  const password = { grant_type: 'password', username: user.email, password: user.password };
  assert.equal((await tokenRequest(t, other, password)).status, 200, 'the password');
  assert.equal(
    (await redeem(t, other, user.email, await mailedCode(t, other, user.email))).status,
    200,
    'another client',
  );
});

test('the grant is for clients that have it, and for the tenant’s own apps', async () => {
  const { t } = await ready();
  const email = stranger();
  const without = await t.client({ grant_types: ['authorization_code'] });
  assert.equal((await start(t, without, email)).status, 400);
  assert.deepEqual(refused(await redeem(t, without, email, '123456')), [400, 'unauthorized_client']);
  const third = await t.client({ is_first_party: false });
  assert.deepEqual(refused(await redeem(t, third, email, '123456')), [400, 'unauthorized_client']);
  const app = await t.client({ token_endpoint_auth_method: 'none' });
  assert.equal((await redeem(t, app, email, await mailedCode(t, app, email))).status, 200, 'a public one may');
  for (const missing of ['username', 'otp'])
    assert.deepEqual(refused(await redeem(t, app, email, '123456', { [missing]: '' })), [400, 'invalid_request']);
});

test('the client needs an enabled passwordless connection of this tenant', async () => {
  const { t, connection, client } = await ready();
  const other = await ready();
  const email = stranger();
  const attempt = async (connection_id?: string) => (await start(t, client, email, { connection_id })).status;
  assert.equal(await attempt(other.connection.id), 400);
  assert.equal(await attempt(t.connection), 400, 'a database connection is none');
  await t.api('POST', `/connection/${connection.id}`, { enabled_clients: [(await t.client()).client_id] });
  assert.equal(await attempt(), 400);
  assert.deepEqual(refused(await redeem(t, client, email, '123456')), [400, 'invalid_request']);
  await t.api('POST', `/connection/${connection.id}`, { enabled_clients: null, enabled: false });
  assert.equal(await attempt(), 400);
  await t.api('POST', `/connection/${connection.id}`, { enabled: true });
  assert.equal(await attempt(connection.id), 200);
});

test('a suspended user is told so with the right code only, and is mailed nothing', async () => {
  const { t, client } = await ready();
  const user = await t.user();
  const otp = await mailedCode(t, client, user.email);
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  assert.deepEqual(refused(await redeem(t, client, user.email, '12345x')), WRONG);
  const answer = await redeem(t, client, user.email, otp);
  assert.deepEqual(
    [answer.status, answer.body],
    [400, { error: 'invalid_grant', error_description: 'user is suspended' }],
  );
  w.clock.advance({ seconds: 181 });
  assert.deepEqual((await start(t, client, user.email)).body, { success: true });
  const messages = await mailbox(t, user.email);
  assert.deepEqual([messages.length, messages[1]!.data], [2, {}], 'what is left is dropped by the worker');
});

test('with signup turned off a stranger gets the same answer and no code, a user gets one', async () => {
  const { t, client } = await ready({ disable_signup: true });
  const user = await t.user();
  const email = stranger();
  const answers = [await start(t, client, email), await start(t, client, user.email)];
  assert.deepEqual(answers[0]!.body, answers[1]!.body);
  assert.deepEqual([...answers[0]!.headers.keys()].sort(), [...answers[1]!.headers.keys()].sort());
  assert.deepEqual(
    (await mailbox(t, email)).map(({ data }) => data),
    [{}],
  );
  assert.equal((await redeem(t, client, user.email, await code(t, user.email))).status, 200);
  const wrong = await redeem(t, client, user.email, '000000');
  assert.deepEqual((await redeem(t, client, email, '000000')).body, wrong.body);
});

test('nothing that was mailed can be read from the database', async () => {
  const { t, client } = await ready();
  const [one, two] = [stranger(), stranger()];
  const otp = await mailedCode(t, client, one);
  await start(t, client, two, { send: 'link' });
  const token = new URL(await lastLink(t, two)).searchParams.get('token')!;
  const db = mongoose.connection.db!;
  const rows = await Promise.all(
    ['passwordless', 'outbox', 'logs'].map((name) => db.collection(name).find().toArray()),
  );
  assert.ok(!JSON.stringify(rows).includes(token));
  assert.ok(!new RegExp(`"${otp}"`).test(JSON.stringify(rows)));
});

test('a request that is not one is refused by field, and an unknown client', async () => {
  const { t, client } = await ready();
  const attempts: Record<string, unknown>[] = [
    { email: 'not an address' },
    { send: 'pigeon' },
    { email: { $ne: null } },
    { client_id: 'client_000000000000000000000000' },
    { client_id: undefined },
    { auth_params: { scope: 1 } },
  ];
  for (const body of attempts)
    assert.equal((await start(t, client, stranger(), body)).status, 400, JSON.stringify(body));
});

test('CORS: the client’s own origins may ask, others not once they are named', async () => {
  const { t, client } = await ready({}, { web_origins: ['https://spa.example.com'] });
  const ask = (origin: string) => start(t, client, stranger(), {}, { origin });
  assert.equal(
    (await ask('https://spa.example.com')).headers.get('access-control-allow-origin'),
    'https://spa.example.com',
  );
  assert.equal((await ask('https://evil.example')).headers.get('access-control-allow-origin'), null);
  const preflight = await w.send(`${t.origin}/passwordless/start`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://spa.example.com',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,auth0-client',
    },
  });
  assert.equal(preflight.status, 204);
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /auth0-client/);
});

/* ——— links ——— */

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');
const params = {
  redirect_uri: REDIRECT,
  state: 's 1',
  scope: 'openid email',
  code_challenge: challenge,
  code_challenge_method: 'S256',
};

/** Asks for a link in a browser, which remembers that it did. */
async function askFromBrowser(
  t: TenantHandle,
  client: Client,
  email: string,
  auth_params: Record<string, string> = params,
  headers: Record<string, string> = {},
) {
  const visit = agent();
  const answer = await visit(`${t.origin}/passwordless/start`, {
    method: 'POST',
    body: JSON.stringify({ client_id: client.client_id, email, send: 'link', auth_params }),
    headers: { 'content-type': 'application/json', ...headers },
  });
  assert.equal(answer.status, 200, answer.text);
  return { visit, link: await lastLink(t, email) };
}

async function tokensFor(t: TenantHandle, client: Client, landed: string | null) {
  assert.ok(landed?.startsWith(REDIRECT), String(landed));
  const { searchParams } = new URL(landed!);
  assert.equal(searchParams.get('state'), 's 1');
  const answer = await tokenRequest(t, client, {
    grant_type: 'authorization_code',
    code: searchParams.get('code')!,
    redirect_uri: REDIRECT,
    code_verifier: verifier,
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
}

test('a link opened where it was asked for logs in at once and returns to the client with a code', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const { visit, link } = await askFromBrowser(t, client, email);
  assert.ok(link.startsWith(`${t.origin}/passwordless/verify_redirect?token=`));
  const at = await follow(visit, await visit(link), REDIRECT);
  const tokens = await tokensFor(t, client, at.location);
  const [user] = await usersOf(t, email);
  assert.deepEqual([decodeJwt(tokens.id_token).sub, user.email_verified_method], [user.id, 'passwordless_otp']);
  const silent = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: REDIRECT,
    prompt: 'none',
  });
  assert.match((await visit(`${t.origin}/authorize?${silent}`)).location ?? '', /[?&]code=/, 'a session is there');
});

test('a mail scanner that opens the link uses nothing up; a person in another browser presses one button', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const { link } = await askFromBrowser(t, client, email);
  for (const method of ['GET', 'HEAD', 'GET']) {
    const scanned = await agent()(link, { method });
    assert.deepEqual([scanned.status, scanned.location], [200, null]);
    assert.deepEqual(scanned.headers.getSetCookie(), []);
  }
  assert.deepEqual(await usersOf(t, email), []);
  const visit = agent();
  const page = await visit(link);
  for (const shown of ['Log in to Orders', email]) assert.ok(page.text.includes(shown), shown);
  const at = await follow(visit, await submit(visit, page, { token: fieldOf(page, 'token') }), REDIRECT);
  await tokensFor(t, client, at.location);
});

test('a browser that loads pages ahead of time does not log in by that', async () => {
  const { t, client } = await ready();
  const { visit, link } = await askFromBrowser(t, client, stranger());
  assert.equal((await visit(link, { headers: { 'sec-purpose': 'prefetch;prerender' } })).location, null);
  assert.equal((await visit(link, { method: 'HEAD' })).location, null);
  assert.match((await visit(link)).location ?? '', /\/authorize/);
});

test('another site cannot press the button, and log a browser in as somebody else', async () => {
  const { t, client } = await ready();
  const { link } = await askFromBrowser(t, client, stranger());
  const victim = agent();
  const page = await victim(link);
  const forged = await submit(victim, page, { token: fieldOf(page, 'token') }, { origin: 'https://evil.example' });
  assert.deepEqual([forged.status, forged.location], [403, null]);
  assert.deepEqual(forged.headers.getSetCookie(), []);
});

test('a page that the client did not name makes no browser the one that asked, and logs nobody in as somebody else', async () => {
  const { t, client } = await ready();
  const acts = async (origin: string) => {
    const { visit, link } = await askFromBrowser(t, client, stranger(), params, { origin });
    return /\/authorize/.test((await visit(link)).location ?? '');
  };
  for (const origin of [new URL(REDIRECT).origin, t.origin]) assert.equal(await acts(origin), true, origin);
  for (const origin of ['https://evil.example', 'null']) assert.equal(await acts(origin), false, origin);
});

test('a link is good once: of many presses at once one logs in, and the rest say what happened', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const { link } = await askFromBrowser(t, client, email);
  const visit = agent();
  const page = await visit(link);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => submit(agent(), page, { token: fieldOf(page, 'token') })),
  );
  assert.equal(answers.filter(({ status }) => status === 303).length, 1);
  for (const answer of answers.filter(({ status }) => status !== 303)) {
    assert.equal(answer.status, 410);
    assert.match(answer.text, /This link was used already/);
  }
  assert.equal((await usersOf(t, email)).length, 1);
  assert.match((await visit(link)).text, /This link was used already/);
});

test('a link lives one hour, on its tenant only', async () => {
  const { t, client } = await ready();
  const other = await ready();
  const { visit, link } = await askFromBrowser(t, client, stranger());
  assert.equal((await agent()(link.replace(t.origin, other.t.origin))).status, 404);
  assert.equal((await agent()(`${t.origin}/passwordless/verify_redirect?token=nonsense`)).status, 404);
  assert.equal((await agent()(`${t.origin}/passwordless/verify_redirect`)).status, 400);
  w.clock.advance({ seconds: 3601 });
  const late = await visit(link);
  assert.equal(late.status, 410);
  assert.match(late.text, /This link has expired/);
});

test('a link returns to a registered callback only, and a client without any gets none', async () => {
  const { t, client } = await ready();
  const bare = await t.client({ callbacks: [] });
  const ask = (who: Client, auth_params?: Record<string, string>) =>
    start(t, who, stranger(), { send: 'link', auth_params });
  assert.equal((await ask(client, { redirect_uri: 'https://evil.example/' })).status, 400);
  assert.equal((await ask(bare)).status, 400);
  const pushing = await t.client({ require_pushed_authorization_requests: true });
  assertRefused(await ask(pushing), 400, 'invalid_request', /pushed or signed/);
  const { visit, link } = await askFromBrowser(t, client, stranger(), { prompt: 'none', client_id: 'x', request: 'y' });
  const at = await visit(link);
  const query = new URL(at.location!).searchParams;
  assert.deepEqual([query.get('prompt'), query.get('request'), query.get('client_id')], [null, null, client.client_id]);
  assert.equal(query.get('redirect_uri'), REDIRECT, 'the first callback without another');
});

test('a link ends the session of whoever used the browser before', async () => {
  const { t, client } = await ready();
  const [first, second] = [stranger(), stranger()];
  const one = await askFromBrowser(t, client, first);
  await follow(one.visit, await one.visit(one.link), REDIRECT);
  await start(t, client, second, { send: 'link', auth_params: params });
  const page = await one.visit(await lastLink(t, second));
  const at = await follow(one.visit, await submit(one.visit, page, { token: fieldOf(page, 'token') }), REDIRECT);
  const tokens = await tokensFor(t, client, at.location);
  assert.equal(decodeJwt(tokens.id_token).sub, (await usersOf(t, second))[0].id);
});

test('a third-party client still asks for consent, and a suspended user gets nowhere', async () => {
  const { t } = await ready();
  const client = await t.client({ is_first_party: false });
  const { visit, link } = await askFromBrowser(t, client, stranger());
  const page = await follow(visit, await visit(link), REDIRECT);
  assert.match(page.text, /to use your account/);
  const user = await t.user();
  const suspended = await askFromBrowser(t, client, user.email);
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  const refusedPage = await suspended.visit(suspended.link);
  assert.equal(refusedPage.status, 403);
  assert.match(refusedPage.text, /This account is suspended/);
});

test('discovery lists the grant', async () => {
  const { t } = await ready();
  const { grant_types_supported } = await discovery(t);
  assert.ok(grant_types_supported.includes(OTP));
});

/** The login page that an app's request leads to, in a browser of its own. */
async function atLogin(t: TenantHandle, client: Client, more: Record<string, string> = {}) {
  const visit = agent();
  const request = requestOf(client, { scope: 'openid email', state: 's1', ...more });
  return { visit, page: await follow(visit, await visit(authorizeUrl(t, request.parameters))) };
}

const addressIn = ({ text }: { text: string }, end: string) => new RegExp(`href="([^"]*/${end}[^"]*)"`).exec(text)?.[1];

test('the login page mails a code that goes on with the login it was asked in, and remembers the way', async () => {
  const { t, client, connection } = await ready();
  const email = stranger();
  const { visit, page } = await atLogin(t, client);
  assert.match(page.text, /name="password"/, 'passwords come first: theirs is the default connection');
  assert.match(page.text, /Log in by email/);
  assert.doesNotMatch(page.text, /Last used/);
  const ask = await visit(t.origin + addressIn(page, 'mail')!);
  const asked = await follow(visit, await submit(visit, ask, { email, send: 'code' }));
  assert.match(asked.text, /autocomplete="one-time-code"/);
  assert.ok(!asked.url.includes('@') && !asked.url.includes(encodeURIComponent(email)), 'no address in an address');
  const wrong = await submit(visit, asked, { code: '000000x' });
  assert.deepEqual([wrong.status, /aria-invalid="true"/.test(wrong.text)], [401, true]);
  const typed = (await code(t, email)).replace(/(...)(...)/, '$1 $2');
  const done = await follow(visit, await submit(visit, wrong, { code: typed }));
  const back = new URL(done.location!);
  assert.deepEqual([back.origin + back.pathname, back.searchParams.get('state')], [REDIRECT, 's1']);
  assert.equal((await usersOf(t, email))[0].email_verified, true);
  const next = await follow(visit, await visit(authorizeUrl(t, requestOf(client, { prompt: 'login' }).parameters)));
  assert.match(next.text, /Last used/);
  assert.match(next.headers.get('set-cookie') ?? '', /^(?!.*@)/);
  assert.equal(connection.position, undefined);
});

test('a form of elsewhere has nothing mailed, and a code is for the browser of the flow', async () => {
  const { t, client } = await ready();
  const email = stranger();
  const { visit, page } = await atLogin(t, client, { connection: 'mail' });
  const form = { email, send: 'code' };
  assert.equal((await submit(visit, page, { ...form, csrf: 'x' })).status, 403);
  assert.equal((await submit(visit, page, form, { origin: 'https://evil.example' })).status, 403);
  assert.equal((await submit(agent(), page, form)).status, 410);
  assert.deepEqual(await mailbox(t, email), []);
});

test('a tenant without passwords, or with mail before them, asks for the address alone; a password is a link away', async () => {
  const { t, client, connection } = await ready();
  assert.match((await atLogin(t, client)).page.text, /name="password"/);
  await t.api('POST', `/connection/${t.connection}`, { position: 1 });
  const { visit, page } = await atLogin(t, client);
  assert.match(page.text, /Send a code/);
  assert.doesNotMatch(page.text, /name="password"/);
  const [, other] = /href="([^"]*way=password[^"]*)"/.exec(page.text)!;
  assert.match((await visit(t.origin + other)).text, /name="password"/);
  await t.api('POST', `/connection/${t.connection}`, { enabled: false });
  const alone = (await atLogin(t, client)).page;
  assert.match(alone.text, /Send a code/);
  assert.doesNotMatch(alone.text, /way=password/);
  await t.api('POST', `/connection/${connection.id}`, { enabled_clients: [] });
  assert.match((await atLogin(t, client)).page.text, /There is no way to log in here yet/);
});

test('what no page can run yet does not show, and an app that nobody verified has no mail sent', async () => {
  const { t, client } = await ready();
  const github = { connection_name: 'github', connection_type: 'github', client_id: 'x', client_secret: 'y' };
  await t.call('POST', '/connection', github);
  assert.doesNotMatch((await atLogin(t, client)).page.text, /github/i);
  const { body } = await w.send(`${t.origin}/oidc/register`, {
    method: 'POST',
    json: { client_name: 'Agent', redirect_uris: [REDIRECT] },
  });
  const { visit, page } = await atLogin(t, body);
  assert.doesNotMatch(page.text, /Log in by email/);
  assert.equal((await visit(`${page.url}/mail`)).status, 403);
});

test('a link from the login page goes on with all that the app asked for, or is not offered', async () => {
  const { t, client } = await ready();
  const user = await t.user();
  const asking = { connection: 'mail', nonce: 'n1' };
  const { visit, page } = await atLogin(t, client, asking);
  assert.match(
    (await follow(visit, await submit(visit, page, { email: user.email, send: 'link' }))).text,
    /Check your/,
  );
  const back = new URL((await follow(visit, await visit(await lastLink(t, user.email)))).location!);
  assert.deepEqual([back.origin + back.pathname, back.searchParams.get('state')], [REDIRECT, 's1']);
  const pushing = await t.client({ require_pushed_authorization_requests: true });
  const [a, b] = ['https://a.example.com', 'https://b.example.com'];
  for (const identifier of [a, b]) await t.api('POST', '/api', { name: identifier, identifier });
  const strict: Record<string, () => Promise<Awaited<ReturnType<typeof atLogin>>>> = {
    claims: () => atLogin(t, client, { ...asking, claims: '{"id_token":{"email":{"essential":true}}}' }),
    consent: () => atLogin(t, client, { ...asking, prompt: 'login consent' }),
    resources: async () => {
      const visit = agent();
      const address = authorizeUrl(t, requestOf(client, asking).parameters);
      return { visit, page: await follow(visit, await visit(`${address}&resource=${a}&resource=${b}`)) };
    },
    pushed: async () => {
      const visit = agent();
      const { request_uri } = (await push(t, pushing, requestOf(pushing, asking).parameters)).body;
      const { client_id } = pushing;
      return { visit, page: await follow(visit, await visit(authorizeUrl(t, { client_id, request_uri }))) };
    },
  };
  for (const [why, arrive] of Object.entries(strict)) {
    const other = await t.user();
    const { visit, page } = await arrive();
    assert.match(page.text, /Send a code/, why);
    assert.doesNotMatch(page.text, /value="link"/, why);
    await submit(visit, page, { email: other.email, send: 'link' });
    assert.deepEqual(
      (await mailbox(t, other.email)).map(({ type }) => type),
      ['passwordless_code'],
      why,
    );
  }
});

test('a connection may ask who it is first: the same next page for anybody, with or without an account', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const client = await t.client();
  await t.api('POST', `/connection/${t.connection}`, { identifier_first: true });
  const shown = async (email: string) => {
    const { visit, page } = await atLogin(t, client);
    assert.doesNotMatch(page.text, /name="password"/);
    assert.match((await submit(visit, page, { email: '' })).text, /Enter your email or username/);
    const then = await submit(visit, page, { email });
    assert.match(then.text, new RegExp(`value="${email}"[^>]* readonly`));
    return { visit, then };
  };
  const { visit, then } = await shown(user.email);
  const nobody = stranger();
  assert.equal(wordsOf((await shown(nobody)).then), wordsOf(then));
  const wrong = await submit(visit, then, { email: user.email, password: 'wrong' });
  assert.match(wrong.text, /readonly[\s\S]*Wrong email or password/);
  const done = await follow(visit, await submit(visit, wrong, { email: user.email, password: user.password }));
  assert.ok(done.location!.startsWith(REDIRECT));
});
