/**
 * What every door does with a login that is proven: writes it down once and alike, refuses the suspended, and where a factor
 * is due lets nobody in. There are no factors yet: the test says of whom one is due.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import type { Due } from '../../src/auth/factor-due.ts';
import {
  type Agent,
  agent,
  type Client,
  codeOf,
  follow,
  formOf,
  REDIRECT,
  type TenantHandle,
  tokensOf,
  type User,
  world,
} from '../kit/index.ts';
import { lastLink, mailbox } from '../kit/mailbox.ts';

/** By the user's id. */
const due = new Map<string, Due['kind']>();
const w = await world({
  async factorDue(_tenant, { user }) {
    const kind = due.get(user.id);
    return kind && { kind };
  },
});

const OTP = 'http://auth0.com/oauth/grant-type/passwordless/otp';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const GRANTS = ['authorization_code', 'refresh_token', 'password', OTP, EXCHANGE, DEVICE];

const CHALLENGE = { error: 'mfa_required', error_description: 'Multifactor authentication required.' };
const ENROLLMENT = { error: 'mfa_required', error_description: 'Multifactor authentication enrollment required.' };

async function ready(kind?: Due['kind']) {
  const t = await w.tenant();
  const mail = await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
  const [client, user] = [await t.client({ grant_types: GRANTS }), await t.user()];
  if (kind) due.set(user.id, kind);
  return { t, mail, client, user };
}

const token = (t: TenantHandle, { client_id, client_secret }: Client, form: Record<string, string>) =>
  w.send(`${t.origin}/oauth/token`, { method: 'POST', form: { client_id, client_secret, ...form } });

const byPassword = (t: TenantHandle, client: Client, user: User, password = user.password) =>
  token(t, client, { grant_type: 'password', username: user.email, password, scope: 'openid' });

async function codeFor(t: TenantHandle, client: Client, user: User): Promise<string> {
  const json = { client_id: client.client_id, email: user.email, send: 'code' };
  await w.send(`${t.origin}/passwordless/start`, { method: 'POST', json });
  return (await mailbox(t, user.email)).at(-1)!.data.code;
}

async function byCode(t: TenantHandle, client: Client, user: User, wrong?: string) {
  const code = await codeFor(t, client, user);
  return token(t, client, { grant_type: OTP, username: user.email, otp: wrong ?? code, realm: 'email' });
}

type LogRow = Record<'type' | 'status' | 'client' | 'connection', string> & {
  user?: string;
  data: Record<string, unknown>;
};

/** Everything that the audit trail says about logins, oldest first. */
async function trail(t: TenantHandle) {
  const { results } = await t.api('GET', '/log?pageSize=200');
  return results
    .filter(({ type }: { type: string }) => /^auth\.(login|suspended)/.test(type))
    .map(
      ({
        type,
        status,
        user,
        client,
        connection,
        data: { ip: _, count: _count, first_at: _first, last_at: _last, ...data },
      }: LogRow) => ({
        type,
        status,
        ...(user && { user }),
        client,
        connection,
        data,
      }),
    )
    .reverse();
}

const counted = async (t: TenantHandle, user: User) => {
  const { logins_count, last_login } = await t.api('GET', `/user/${user.id}`);
  return [logins_count, Boolean(last_login)];
};

const authorizeUrl = (t: TenantHandle, client: Client, more: Record<string, string> = {}) =>
  `${t.origin}/authorize?${new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: REDIRECT,
    ...more,
  })}`;

const logIn = (visit: Agent, page: { text: string; url: string }, user: User) => {
  const { action, csrf } = formOf(page);
  const form = { csrf, email: user.email, password: user.password };
  return visit(action, { form, headers: { origin: new URL(action).origin } });
};

/** Whether the browser has a session, as an app sees it. */
async function isSignedIn(visit: Agent, t: TenantHandle, client: Client): Promise<boolean> {
  const answer = await visit(authorizeUrl(t, client, { prompt: 'none' }));
  const { searchParams } = new URL(answer.location!);
  assert.ok(searchParams.has('code') || searchParams.get('error') === 'login_required', answer.location!);
  return searchParams.has('code');
}

describe('the audit trail', () => {
  test('tells of a login by password and by code alike, and counts each once', async () => {
    const { t, mail, client, user } = await ready();
    assert.equal((await byPassword(t, client, user)).status, 200);
    assert.equal((await byCode(t, client, user)).status, 200);
    const row = { type: 'auth.login', status: 'success', user: user.id, client: client.client_id };
    assert.deepEqual(await trail(t), [
      { ...row, connection: t.connection, data: { method: 'password' } },
      { ...row, connection: mail.id, data: { method: 'passwordless_code', signup: false } },
    ]);
    assert.deepEqual(await counted(t, user), [2, true]);
  });

  test('tells of a refusal why, and of whom where there is such a user, and counts no login', async () => {
    const { t, mail, client, user } = await ready();
    await byPassword(t, client, user, 'wrong');
    await byPassword(t, client, { ...user, email: 'nobody@example.com' });
    await byCode(t, client, user, 'wrong');
    await t.api('POST', `/user/${user.id}`, { suspended: true });
    await byPassword(t, client, user);
    const row = { type: 'auth.login.failed', status: 'failed', client: client.client_id, connection: t.connection };
    assert.deepEqual(await trail(t), [
      { ...row, user: user.id, data: { reason: 'wrong_password' } },
      { ...row, data: { reason: 'unknown_user' } },
      { ...row, connection: mail.id, data: { reason: 'wrong_code' } },
      { ...row, type: 'auth.suspended', user: user.id, data: { reason: 'suspended' } },
    ]);
    assert.deepEqual(await counted(t, user), [0, false]);
  });
});

describe('a user who is suspended', () => {
  /** By grant type: what is begun before, and how it goes on afterwards. */
  type Begin = (t: TenantHandle, client: Client, user: User) => Promise<() => ReturnType<typeof token>>;
  const offline = { scope: 'openid offline_access' };
  const BEGUN: Record<string, Begin> = {
    async authorization_code(t, client, user) {
      const { code, verifier } = await codeOf(t, client, user);
      return () =>
        token(t, client, {
          grant_type: 'authorization_code',
          code,
          redirect_uri: REDIRECT,
          code_verifier: verifier,
        });
    },
    async refresh_token(t, client, user) {
      const { refresh_token } = (await tokensOf(t, client, user, offline)).tokens;
      return () => token(t, client, { grant_type: 'refresh_token', refresh_token: refresh_token! });
    },
    async password(t, client, user) {
      return () => byPassword(t, client, user);
    },
    async [OTP](t, client, user) {
      const otp = await codeFor(t, client, user);
      return () => token(t, client, { grant_type: OTP, username: user.email, otp, realm: 'email' });
    },
    async [EXCHANGE](t, client, user) {
      const { access_token } = (await tokensOf(t, client, user)).tokens;
      const subject_token_type = 'urn:ietf:params:oauth:token-type:access_token';
      return () => token(t, client, { grant_type: EXCHANGE, subject_token: access_token!, subject_token_type });
    },
    async [DEVICE](t, client, user) {
      const { visit } = await tokensOf(t, client, user);
      const { body } = await w.send(`${t.origin}/oauth/device/code`, {
        method: 'POST',
        form: { client_id: client.client_id, client_secret: client.client_secret, scope: 'openid' },
      });
      const { device_code, user_code } = body;
      const headers = { 'content-type': 'application/json', accept: 'application/json', origin: t.origin };
      const ask = async (path: string, json: object) => {
        const answer = await visit(`${t.origin}/oauth/device/${path}`, {
          method: 'POST',
          body: JSON.stringify(json),
          headers,
        });
        assert.equal(answer.status, 200, answer.text);
        return JSON.parse(answer.text);
      };
      await ask('authorize', { device_code: (await ask('verify', { user_code })).device_code });
      return () => token(t, client, { grant_type: DEVICE, device_code });
    },
  };

  test('gets nothing by any grant, also not by what was begun before; nor do those come back with the user', async () => {
    const { t, client } = await ready();
    // A code is no first proof of their address, which would end what came before it.
    const [user, neighbour] = [await t.user({ email_verified: true }), await t.user({ email_verified: true })];
    const { body } = await w.send(`${t.origin}/.well-known/openid-configuration`);
    const { grant_types_supported } = body as { grant_types_supported: string[] };
    assert.deepEqual(
      Object.keys(BEGUN).sort(),
      grant_types_supported.filter((type) => type !== 'client_credentials').sort(),
    );
    const goingOn: [string, () => ReturnType<typeof token>, () => ReturnType<typeof token>][] = [];
    for (const [grant, begin] of Object.entries(BEGUN))
      goingOn.push([grant, await begin(t, client, user), await begin(t, client, neighbour)]);
    await t.api('POST', `/user/${user.id}`, { suspended: true });
    const refused = (answer: Awaited<ReturnType<typeof token>>, at: string) => {
      assert.ok(answer.status >= 400 && answer.status < 500, `${at}: ${answer.status} ${answer.text}`);
      assert.equal(answer.body.access_token, undefined, at);
    };
    for (const [grant, theirs, neighbours] of goingOn) {
      refused(await theirs(), grant);
      assert.equal((await neighbours()).status, 200, `${grant} of somebody else`);
    }
    await t.api('POST', `/user/${user.id}`, { suspended: false });
    for (const [grant, theirs] of goingOn)
      if (grant === 'password') assert.equal((await theirs()).status, 200);
      else refused(await theirs(), `${grant}, afterwards`);
  });
});

describe('a factor that is due', () => {
  test('is what the password grant answers, in the words for it; nothing is counted until it is not due', async () => {
    const { t, client, user } = await ready('challenge');
    const neighbour = await t.user();
    assert.equal((await byPassword(t, client, neighbour)).status, 200);
    const answer = await byPassword(t, client, user);
    assert.deepEqual([answer.status, answer.body], [403, CHALLENGE]);
    due.set(user.id, 'enrollment');
    assert.deepEqual((await byPassword(t, client, user)).body, ENROLLMENT);
    assert.deepEqual(await counted(t, user), [0, false]);
    assert.equal((await trail(t)).length, 1, 'the neighbour’s');
    due.delete(user.id);
    assert.equal((await byPassword(t, client, user)).status, 200);
    assert.deepEqual(await counted(t, user), [1, true]);
  });

  test('is told to nobody who has not proved the password, nor to the suspended', async () => {
    const { t, client, user } = await ready('challenge');
    const wrong = await byPassword(t, client, user, 'wrong');
    assert.deepEqual([wrong.status, wrong.body.error], [400, 'invalid_grant']);
    await t.api('POST', `/user/${user.id}`, { suspended: true });
    const suspended = await byPassword(t, client, user);
    assert.deepEqual([suspended.status, suspended.body.error_description], [403, 'user is suspended']);
  });

  test('is what the grant for one-time codes answers, and the code is used up', async () => {
    const { t, client, user } = await ready('enrollment');
    const answer = await byCode(t, client, user);
    assert.deepEqual([answer.status, answer.body], [403, ENROLLMENT]);
    due.delete(user.id);
    const again = await byCode(t, client, user);
    assert.deepEqual([again.status, again.body.error], [401, 'invalid_grant']);
    assert.deepEqual(await counted(t, user), [0, false]);
  });

  test('is what the exchange of one’s own token answers', async () => {
    const { t, client, user } = await ready();
    const { tokens } = await tokensOf(t, client, user);
    const form = {
      grant_type: EXCHANGE,
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    };
    due.set(user.id, 'challenge');
    const answer = await token(t, client, form);
    assert.deepEqual([answer.status, answer.body], [403, CHALLENGE]);
    due.delete(user.id);
    const given = await token(t, client, form);
    assert.equal(given.status, 200, given.text);
    assert.equal(decodeJwt(given.body.access_token).sub, user.id);
    assert.deepEqual(await counted(t, user), [1, true], 'an exchange is no login');
  });
});

describe('half logged in', () => {
  async function halfway() {
    const { t, client, user, mail } = await ready('challenge');
    const visit = agent();
    const page = await follow(visit, await visit(authorizeUrl(t, client)), REDIRECT);
    const answer = await logIn(visit, page, user);
    return { t, mail, client, user, visit, page, answer };
  }

  test('the page leads back to its flow, which asks for no password any more', async () => {
    const { page, answer, visit } = await halfway();
    const flow = new URL(page.url);
    assert.deepEqual([answer.status, new URL(answer.location!).pathname], [303, flow.pathname]);
    const next = await visit(answer.location!);
    assert.equal(next.status, 403);
    assert.ok(!next.text.includes('name="password"'));
    assert.equal((await agent()(answer.location!)).status, 410, 'it is this browser’s alone');
  });

  test('is no login: no session, no code by going on, nothing counted', async () => {
    const { t, client, user, visit, page } = await halfway();
    assert.equal(await isSignedIn(visit, t, client), false);
    const uid = new URL(page.url).pathname.split('/').at(-1)!;
    const resumed = await follow(visit, await visit(`${t.origin}/authorize/${uid}`), REDIRECT);
    assert.ok(resumed.text.includes('name="password"'), 'a new flow begins with the password');
    assert.notEqual(resumed.url, page.url);
    assert.deepEqual(await trail(t), []);
    assert.deepEqual(await counted(t, user), [0, false]);
  });

  test('somebody of whom nothing is due can log in instead, and what was half done is gone', async () => {
    const { t, client, visit, page } = await halfway();
    const neighbour = await t.user();
    const landed = await follow(visit, await logIn(visit, page, neighbour), REDIRECT);
    assert.ok(landed.location?.startsWith(`${REDIRECT}?code=`), String(landed.location));
    assert.equal(await isSignedIn(visit, t, client), true);
    const me = JSON.parse((await visit(`${t.origin}/me`)).text);
    assert.equal(me.id, neighbour.id);
    assert.deepEqual(await counted(t, neighbour), [1, true]);
  });

  test('once nothing is due the same flow ends as any other', async () => {
    const { user, visit, page, t } = await halfway();
    due.delete(user.id);
    const landed = await follow(visit, await logIn(visit, page, user), REDIRECT);
    assert.ok(landed.location?.startsWith(`${REDIRECT}?code=`), String(landed.location));
    assert.deepEqual(await counted(t, user), [1, true]);
  });

  /** A link that was mailed to the user, in the browser that asked for it. */
  async function link(t: TenantHandle, client: Client, user: User, visit = agent()) {
    const auth_params = { redirect_uri: REDIRECT, scope: 'openid' };
    const body = JSON.stringify({ client_id: client.client_id, email: user.email, send: 'link', auth_params });
    await visit(`${t.origin}/passwordless/start`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    return { visit, href: await lastLink(t, user.email) };
  }

  test('a mailed link leads to a flow that is half logged in, and to no other client’s', async () => {
    const { t, client, user } = await ready('challenge');
    const other = await t.client();
    const { visit, href } = await link(t, client, user);
    const authorize = await visit(href);
    assert.equal(new URL(authorize.location!).searchParams.get('prompt'), 'login');
    const flow = await follow(visit, authorize, REDIRECT);
    assert.equal(flow.status, 403);
    assert.match(new URL(flow.url).pathname, /^\/flow\//);
    assert.equal(await isSignedIn(visit, t, client), false);
    assert.deepEqual(await counted(t, user), [0, false]);
    const again = await follow(visit, await visit(authorizeUrl(t, client)), REDIRECT);
    assert.ok(again.text.includes('name="password"'), 'it is carried to one flow');

    w.clock.advance({ seconds: 181 });
    const second = await link(t, client, user);
    await second.visit(second.href);
    const elsewhere = await follow(second.visit, await second.visit(authorizeUrl(t, other)), REDIRECT);
    assert.ok(elsewhere.text.includes('name="password"'));
  });

  test('a mailed link does not go on as whoever else is signed in', async () => {
    const { t, client, user } = await ready('challenge');
    const neighbour = await t.user();
    const visit = agent();
    await follow(
      visit,
      await logIn(visit, await follow(visit, await visit(authorizeUrl(t, client)), REDIRECT), neighbour),
      REDIRECT,
    );
    assert.equal(await isSignedIn(visit, t, client), true);
    const { href } = await link(t, client, user, visit);
    const flow = await follow(visit, await visit(href), REDIRECT);
    assert.equal(flow.status, 403);
    assert.match(new URL(flow.url).pathname, /^\/flow\//);
  });

  test('where nothing is due a mailed link logs in at once', async () => {
    const { t, client, user } = await ready();
    const { visit, href } = await link(t, client, user);
    const landed = await follow(visit, await visit(href), REDIRECT);
    assert.ok(landed.location?.startsWith(`${REDIRECT}?code=`), String(landed.location));
    const [row] = await trail(t);
    assert.deepEqual(row.data, { method: 'passwordless_link', signup: false });
  });
});

describe('a device', () => {
  /** A person who is logged in, and a device that waits for them. */
  async function waiting() {
    const { t, client, user } = await ready();
    const visit = agent();
    const page = await follow(visit, await visit(authorizeUrl(t, client)), REDIRECT);
    await follow(visit, await logIn(visit, page, user), REDIRECT);
    const { client_id, client_secret } = client;
    const asked = await w.send(`${t.origin}/oauth/device/code`, {
      method: 'POST',
      form: { client_id, client_secret, scope: 'openid' },
    });
    const poll = () => token(t, client, { grant_type: DEVICE, device_code: asked.body.device_code });
    return { t, user, visit, userCode: asked.body.user_code as string, poll };
  }

  const json = async (t: TenantHandle, visit: Agent, path: string, body: unknown) => {
    const headers = { 'content-type': 'application/json', accept: 'application/json', origin: t.origin };
    const answer = await visit(`${t.origin}${path}`, { method: 'POST', body: JSON.stringify(body), headers });
    return { status: answer.status, body: JSON.parse(answer.text) };
  };

  test('is not let in by a page while something is due: the page leads to a login', async () => {
    const { t, user, visit, userCode, poll } = await waiting();
    const confirm = () => visit(`${t.origin}/flow/device-code/confirm?user_code=${userCode}`);
    const decide = async (decision: string) => {
      const page = await confirm();
      const { action, csrf } = formOf(page);
      const device_code = /name="device_code" value="([^"]*)"/.exec(page.text)![1]!;
      return visit(action, { form: { csrf, device_code, decision }, headers: { origin: t.origin } });
    };
    due.set(user.id, 'challenge');
    const { pathname, searchParams } = new URL((await decide('allow')).location!);
    assert.deepEqual([pathname, searchParams.get('prompt')], ['/authorize', 'login']);
    assert.equal((await poll()).body.error, 'authorization_pending');
    due.delete(user.id);
    assert.match((await decide('allow')).location!, /status=allowed/);
    assert.equal((await poll()).status, 200);
  });

  test('nor by JSON, which names what is due; refusing it takes no factor', async () => {
    const { t, user, visit, userCode, poll } = await waiting();
    const { device_code } = (await json(t, visit, '/oauth/device/verify', { user_code: userCode })).body;
    due.set(user.id, 'enrollment');
    const answer = await json(t, visit, '/oauth/device/authorize', { device_code });
    assert.deepEqual([answer.status, answer.body], [403, ENROLLMENT]);
    assert.equal((await poll()).body.error, 'authorization_pending');
    assert.deepEqual((await json(t, visit, '/oauth/device/authorize', { device_code, deny: true })).body, {
      success: true,
    });
  });
});
