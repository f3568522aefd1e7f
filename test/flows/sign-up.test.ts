/** Signing up: by the API and on the page, what becomes of one address at once, of crashes, and what nobody is told. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { settleAbandonedClaims } from '../../src/domain/user/claim.ts';
import { failAt, interrupt, WRITES } from '../kit/faults.ts';
import {
  type Agent,
  agent,
  assertRefused,
  authorizeUrl,
  fieldOf,
  follow,
  type Json,
  logged,
  type Page,
  passwordGrant,
  REDIRECT,
  requestOf,
  submit,
  type TenantHandle,
  wordsOf,
  world,
} from '../kit/index.ts';
import { followLink, lastLink, mailbox } from '../kit/mailbox.ts';

const w = await world({ env: { TRUST_PROXY: '1' } });
const t = await w.tenant();
const other = await w.tenant('Other');
const client = await t.client({ name: 'Orders', client_uri: 'https://orders.example.com/' });
const door = await t.client({ grant_types: ['password', 'refresh_token'] });
const password = 'Correct-horse-1';

let count = 0;
const address = () => `new${++count}@example.com`;
/** Each from a network of their own. */
const from = () => ({ 'x-forwarded-for': `198.51.${100 + Math.floor(++count / 250)}.${count % 250}` });
const signUp = (fields: Json, at: TenantHandle = t, headers: Record<string, string> = from()) =>
  w.send(`${at.origin}/dbconnections/signup`, {
    method: 'POST',
    json: { client_id: client.client_id, password, ...fields },
    headers,
  });
const opens = async (email: string, word = password) =>
  (await passwordGrant(t, door, { email, password: word } as never)).status;
const usersWith = async (email: string, at = t): Promise<Json[]> =>
  (await at.api('GET', `/user?query=email:${email}`)).results;
const credentialsWith = async (email: string, at = t): Promise<Json[]> =>
  (await at.api('GET', `/credentials?query=email:${email}`)).results;
const accountSays = (fields: object, at = t) => at.api('POST', `/account/${at.id}`, fields);

describe('POST /dbconnections/signup', () => {
  test('makes a user who logs in with the password, and whose address nobody has proved', async () => {
    const email = address();
    const profile = { name: 'Ana Soto', given_name: 'Ana', family_name: 'Soto', user_metadata: { plan: 'free' } };
    const answer = await signUp({ email: `  ${email.toUpperCase()} `, username: `ana${count}`, ...profile });
    const { status, user_id, email_verified } = answer.body;
    assert.deepEqual([answer.status, status, email_verified], [200, 'created', false]);
    const user = await t.api('GET', `/user/${user_id}`);
    for (const [field, value] of Object.entries({ email, email_verified: false, ...profile }))
      assert.deepEqual(user[field], value, field);
    assert.deepEqual([await opens(email), await opens(user.username), await opens(email, 'wrong')], [200, 200, 400]);
    const [row] = await logged(t, `auth.signup user:${user_id}`);
    assert.deepEqual([row.status, row.client, row.connection], ['success', client.client_id, t.connection]);
    assert.ok(!JSON.stringify(row).includes(email));
    assert.deepEqual(await usersWith(email, other), []);
  });

  test('refuses what is taken, weak, leaked, malformed, or of a client that nobody vouches for', async () => {
    const email = address();
    const known = await t.user();
    assert.equal((await signUp({ email, username: 'taken' })).status, 200);
    const { id } = await t.api('POST', '/user', { email: address() });
    const { email: nameless } = await t.api('GET', `/user/${id}`);
    const { body: stranger } = await w.send(`${t.origin}/oidc/register`, {
      method: 'POST',
      json: { client_name: 'Agent', redirect_uris: [REDIRECT] },
    });
    const refused: [Json, number, string, RegExp?][] = [
      [{ email }, 409, 'email_taken'],
      [{ email: known.email }, 409, 'email_taken'],
      [{ email: nameless }, 409, 'email_taken'],
      [{ email: address(), username: 'Taken' }, 409, 'username_taken'],
      [{ email: address(), password: 'short' }, 400, 'password_policy', /at least 8 characters/],
      [{ email: address(), password: 'Password1' }, 400, 'password_breached'],
      [{ email: 'nobody' }, 400, 'validation', /email/],
      [{ email: address(), username: 'a b' }, 400, 'validation', /username/],
      [{ email: address(), email_verified: true }, 400, 'validation', /email_verified/],
      [{ email: address(), user_metadata: { $set: 1 } }, 400, 'validation', /user_metadata/],
      [{ email: address(), connection: 'nowhere' }, 400, 'invalid_request', /connection/],
      [{ email: address(), client_id: 'client_000000000000000000000000' }, 400, 'invalid_request', /client_id/],
      [{ email: address(), client_id: stranger.client_id }, 400, 'invalid_request', /verified/],
    ];
    for (const [fields, status, code, words] of refused) {
      assertRefused(await signUp(fields), status, code, words);
      if (fields.email.includes('new') && status === 400) assert.deepEqual(await usersWith(fields.email), []);
    }
    assert.equal((await credentialsWith(email)).length, 1);
    const [row] = await logged(t, `auth.signup.failed connection:${t.connection}`);
    assert.deepEqual([row.status, row.data.reason], ['failed', 'username_taken']);
  });

  test('is closed where the account or the connection says so, and for the first code of a stranger too', async () => {
    await t.api('POST', `/connection/${t.connection}`, { disable_signup: true });
    assertRefused(await signUp({ email: address() }), 403, 'signup_disabled');
    await t.api('POST', `/connection/${t.connection}`, { disable_signup: false });
    await accountSays({ disable_signup: true });
    assertRefused(await signUp({ email: address() }), 403, 'signup_disabled');
    await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
    const json = { client_id: client.client_id, email: address(), send: 'code' };
    assert.equal((await w.send(`${t.origin}/passwordless/start`, { method: 'POST', json })).status, 200);
    assert.equal((await mailbox(t, json.email)).filter(({ data }) => data.code).length, 0);
    await accountSays({ disable_signup: false });
    assert.equal((await signUp({ email: address() })).status, 200);
  });

  test('asks for a username where the connection does', async () => {
    const fields = { connection_name: 'named', connection_type: 'database', requires_username: true };
    await t.api('POST', '/connection', fields);
    assertRefused(await signUp({ email: address(), connection: 'named' }), 400, 'validation', /username/);
    const answer = await signUp({ email: address(), connection: 'named', username: 'named' });
    assert.equal(answer.status, 200, answer.text);
  });

  test('of one address at once makes one user and one credential, in each tenant', async () => {
    const email = address();
    const answers = await Promise.all(Array.from({ length: 5 }, () => signUp({ email })));
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409]);
    const [[user, ...more], credentials] = [await usersWith(email), await credentialsWith(email)];
    assert.deepEqual([more, credentials.map((one) => one.user)], [[], [user!.id]]);
    const elsewhere = await other.client();
    assert.equal((await signUp({ email, client_id: elsewhere.client_id }, other)).status, 200);
    assert.equal((await usersWith(email)).length, 1);
  });

  test('killed anywhere, leaves a whole account or an address that is free', async () => {
    await accountSays({ notification_settings: { verify_email_auto_send: true } });
    let complete = false;
    for (let n = 1; !complete; n += 1) {
      assert.ok(n < 30, 'it does not end');
      const email = address();
      const fault = failAt(n, WRITES, (what) => !/ limits$/.test(what));
      await signUp({ email });
      fault.restore();
      complete = fault.refused.length === 0;
      w.clock.advance({ seconds: 61 });
      await settleAbandonedClaims();
      const [made, held] = [(await usersWith(email)).length, (await credentialsWith(email)).length];
      const at = `${n}: ${fault.refused[0]}`;
      assert.equal(made, held, at);
      assert.equal((await signUp({ email })).status, made ? 409 : 200, at);
      assert.equal(await opens(email), 200, at);
    }
    await accountSays({ notification_settings: { verify_email_auto_send: false } });
  });

  test('takes an address over from a sign-up that died, without waiting for who sweeps', async () => {
    const email = address();
    let dead = false;
    const fault = failAt(1, WRITES, (what) => {
      dead ||= what === 'insert users';
      return dead;
    });
    assert.equal((await signUp({ email })).status, 500);
    fault.restore();
    assert.equal((await credentialsWith(email)).length, 1, 'the process is gone');
    w.clock.advance({ seconds: 61 });
    assert.equal((await signUp({ email })).status, 200);
    assert.equal((await credentialsWith(email)).length, 1);
  });

  test('that took so long that the sweep looked after it is not undone by that', async () => {
    const email = address();
    const late = interrupt({ name: 'update', collection: 'credentials' }, async () => {
      w.clock.advance({ seconds: 61 });
      await settleAbandonedClaims();
    });
    assert.equal((await signUp({ email })).status, 200);
    assert.deepEqual([late.times, await opens(email)], [1, 200]);
  });

  test('allows so many from one network, and with one address, before it looks at any', async () => {
    const [here, email] = [from(), address()];
    for (let n = 0; n < 10; n += 1) await signUp({ email }, t, here);
    const refused = await signUp({ email }, t, here);
    assertRefused(refused, 429, 'too_many_requests');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assertRefused(await signUp({ email }), 409, 'email_taken');
    assert.equal((await signUp({ email: address() }, t, here)).status, 200);
  });

  test('is for pages of the client: of other origins none may read the answer', async () => {
    const spa = await t.client({ web_origins: ['https://spa.example.com'] });
    const origins: [string, string | null][] = [
      ['https://spa.example.com', 'https://spa.example.com'],
      ['https://evil.example.com', null],
    ];
    for (const [origin, allowed] of origins) {
      const answer = await signUp({ email: address(), client_id: spa.client_id }, t, { ...from(), origin });
      assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
    }
  });
});

describe('who signed up', () => {
  test('again and again with one address, and deleting the account each time, fills no mailbox', async () => {
    await accountSays({ notification_settings: { verify_email_auto_send: true } });
    const email = address();
    for (let n = 0; n < 12; n += 1) {
      const { status, body } = await signUp({ email });
      assert.equal(status, 200);
      await t.api('DELETE', `/user/${body.user_id}`);
    }
    const { user_id } = (await signUp({ email })).body;
    assert.equal((await mailbox(t, email)).length, 10);
    await t.api('POST', `/user/${user_id}/verify-email/start`, {});
    assert.equal((await mailbox(t, email)).length, 11);
    await accountSays({ notification_settings: { verify_email_auto_send: false } });
  });

  test('proves the address by the mail that the account has sent, and keeps the password', async () => {
    await accountSays({ notification_settings: { verify_email_auto_send: true, welcome_email_enabled: true } });
    const email = address();
    const { user_id } = (await signUp({ email })).body;
    const mails = await mailbox(t, email);
    assert.deepEqual(mails.map(({ type }) => type).toSorted(), ['verify_email', 'welcome']);
    const welcome = mails.find(({ type }) => type === 'welcome')!.data;
    assert.deepEqual([welcome.app, welcome.link], ['Orders', 'https://orders.example.com/']);
    assert.equal((await followLink(mails.find(({ type }) => type === 'verify_email')!.data.link)).status, 'verified');
    assert.equal((await t.api('GET', `/user/${user_id}`)).email_verified_method, 'verification_flow');
    assert.equal(await opens(email), 200);
    await accountSays({ notification_settings: { verify_email_auto_send: false, welcome_email_enabled: false } });
  });

  test('is asked whether it was them, where no page of the client had their browser sign up', async () => {
    await accountSays({ notification_settings: { verify_email_auto_send: true } });
    const asksAt = async (origin: string) => {
      const [email, visit] = [address(), agent()];
      await visit(`${t.origin}/dbconnections/signup`, {
        method: 'POST',
        body: JSON.stringify({ client_id: client.client_id, email, password }),
        headers: { 'content-type': 'application/json', origin, ...from() },
      });
      return (await visit(await lastLink(t, email))).status === 200;
    };
    assert.deepEqual(
      [await asksAt(new URL(REDIRECT).origin), await asksAt('https://evil.example.com'), await asksAt('null')],
      [false, true, true],
    );
    await accountSays({ notification_settings: { verify_email_auto_send: false } });
  });

  test('with an address of somebody else is out as soon as that one reads the mail', async () => {
    const email = address();
    await signUp({ email });
    await w.send(`${t.origin}/dbconnections/change_password`, { method: 'POST', json: { email }, headers: from() });
    const state = new URL(await lastLink(t, email)).searchParams.get('ticket');
    const json = { state, new_password: 'Another-horse-2' };
    assert.equal((await w.send(`${t.origin}/reset-change`, { method: 'POST', json })).status, 200);
    assert.deepEqual([await opens(email), await opens(email, 'Another-horse-2')], [400, 200]);
  });
});

describe('the page', () => {
  const start = (parameters = {}, of = client) =>
    authorizeUrl(t, requestOf(of, { screen_hint: 'signup', ...parameters }).parameters);
  const open = async (visit: Agent, url = start()): Promise<Page> => follow(visit, await visit(url));
  const send = (visit: Agent, page: Page, fields: Record<string, string>, headers = from()) =>
    submit(visit, page, { password, ...fields }, headers);
  const hrefIn = (page: Page, words: string) => {
    const found = [...page.text.matchAll(/<a [^>]*href="([^"]+)"[^>]*>([^<]*)</g)].find(([, , text]) => text === words);
    assert.ok(found, `no ${words} on ${page.url}: ${page.text}`);
    return new URL(found[1]!.replaceAll('&amp;', '&'), page.url).href;
  };

  test('is opened by screen_hint and from the login page, and leads back', async () => {
    const visit = agent();
    const first = await open(visit, start({ login_hint: 'hint@example.com' }));
    assert.match(wordsOf(first), /Sign up for Orders/);
    assert.equal(fieldOf(first, 'email'), 'hint@example.com');
    const login = await follow(visit, await visit(hrefIn(first, 'Log in')));
    assert.match(wordsOf(login), /Log in to Orders/);
    const wrong = await submit(visit, login, { email: 'typed@example.com', password });
    const again = await follow(visit, await visit(hrefIn(wrong, 'Sign up')));
    assert.equal(fieldOf(again, 'email'), 'typed@example.com');
    assert.ok(!again.url.includes('typed'), 'no address is in an address');
    assert.match(wordsOf(await visit(`${again.url}&lang=es`)), /Crea tu cuenta en Orders/);
  });

  test('logs in who signs up there, who goes on to the app; a second press of the button does so too', async () => {
    const [visit, email] = [agent(), address()];
    const page = await open(visit);
    const answers = await Promise.all([send(visit, page, { email }), send(visit, page, { email })]);
    assert.equal((await usersWith(email)).length, 1);
    assert.ok(answers.some(({ location }) => location?.includes('/authorize/')));
    const landed = await follow(visit, answers.find(({ location }) => location?.includes('/authorize/'))!);
    assert.ok(new URL(landed.location!).searchParams.get('code'));
    const [{ id, logins_count }] = (await usersWith(email)) as [Json];
    assert.ok(logins_count >= 1);
    const rows = await logged(t, `auth.login user:${id}`);
    assert.ok(rows.some(({ data }) => data.signup === true));
    assert.equal((await send(visit, page, { email: address() })).status, 410, 'a page of before says so');
  });

  test('lets whoever proves the address in the same browser stay logged in, and nobody else', async () => {
    await accountSays({ notification_settings: { verify_email_auto_send: true } });
    const stays = async (follows: (link: string, visit: Agent) => Promise<{ status: string | null }>) => {
      const [visit, email] = [agent(), address()];
      await follow(visit, await send(visit, await open(visit), { email }));
      assert.equal((await follows(await lastLink(t, email), visit)).status, 'verified');
      return (await visit(`${t.origin}/account`)).status === 200;
    };
    const inTheirs = async (link: string, visit: Agent) => ({
      status: new URL((await visit(link)).location!).searchParams.get('status'),
    });
    assert.deepEqual([await stays(inTheirs), await stays((link) => followLink(link))], [true, false]);
    await accountSays({ notification_settings: { verify_email_auto_send: false } });
  });

  test('tells at each field what is wrong with it, and keeps what was typed but the password', async () => {
    const visit = agent();
    const page = await open(visit);
    const cases: [Record<string, string>, number, RegExp][] = [
      [{ email: '', password: '' }, 400, /Enter your email\..*Choose a password\./],
      [{ email: 'nobody' }, 400, /not an email address/],
      [{ email: 'ana@example.com', password: 'aaa' }, 400, /Choose a password that has all of this/],
      [{ email: 'ana@example.com', password: 'Password1' }, 400, /leaked/],
      [{ email: 'ana@example.com', csrf: 'made up' }, 403, /open for too long/],
    ];
    for (const [fields, status, words] of cases) {
      const wrong = await send(visit, page, fields);
      assert.equal(wrong.status, status);
      assert.match(wordsOf(wrong), words);
      if (fields.email && status === 400) assert.equal(fieldOf(wrong, 'email'), fields.email);
      assert.ok(!wrong.text.includes(`value="${password}"`));
    }
    const foreign = await send(visit, page, { email: address() }, {
      ...from(),
      origin: 'https://evil.example',
    } as never);
    assert.equal(foreign.status, 403);
    assert.match(wordsOf(await visit(`${page.url.split('?')[0]}/signup?lang=es`)), /Crea tu cuenta/);
  });

  test('asks for a username where the connection does, and says when somebody has it', async () => {
    const { id } = await t.api('POST', '/connection', {
      connection_name: 'handles',
      connection_type: 'database',
      requires_username: true,
    });
    const visit = agent();
    const page = await open(visit, start({ connection_id: id }));
    assert.match(wordsOf(await send(visit, page, { email: address() })), /Choose a username/);
    assert.match(wordsOf(await send(visit, page, { email: address(), username: 'a b' })), /no spaces/);
    const email = address();
    const done = await send(visit, page, { email, username: 'ana' });
    assert.ok((await follow(visit, done)).location?.startsWith(REDIRECT));
    const second = agent();
    const taken = await send(second, await open(second, start({ connection_id: id })), {
      email: address(),
      username: 'Ana',
    });
    assert.deepEqual([taken.status, /Somebody else has this username/.test(wordsOf(taken))], [409, true]);
    // With it nobody learns of an address either, and its owner is not written to.
    const about = await send(second, await open(second, start({ connection_id: id })), {
      email,
      username: 'Ana',
      password: 'Another-horse-2',
    });
    assert.deepEqual(
      [about.status, wordsOf(about).replaceAll(email, '')],
      [409, wordsOf(taken).replaceAll(fieldOf(taken, 'email'), '')],
    );
    assert.deepEqual(await mailbox(t, email), []);
    assertRefused(await signUp({ email, username: 'ana', connection: 'handles' }), 409, 'username_taken');
    // Whoever it is comes in by their own.
    const again = agent();
    const entered = await send(again, await open(again, start({ connection_id: id })), { email, username: 'ana' });
    assert.ok((await follow(again, entered)).location?.startsWith(REDIRECT));
  });

  test('does not say that an address has an account: its owner is written to, and goes on with the password', async () => {
    const [owner, visit] = [await t.user(), agent()];
    const sent = await follow(
      visit,
      await send(visit, await open(visit), { email: owner.email, password: 'Another-horse-2' }),
    );
    assert.equal(sent.status, 200);
    assert.match(wordsOf(sent), new RegExp(`We sent a mail to ${owner.email}`));
    assert.doesNotMatch(wordsOf(sent), /already|taken|exists/);
    assert.ok(!sent.url.includes(owner.email));
    const [mail, ...more] = await mailbox(t, owner.email);
    assert.deepEqual(
      [mail!.type, mail!.data.app, mail!.data.link, more],
      ['account_exists', 'Orders', 'https://orders.example.com/', []],
    );
    assert.equal((await visit(mail!.data.reset_link)).status, 200);
    await send(visit, await visit(hrefIn(sent, 'Use another email')), {
      email: owner.email,
      password: 'Another-horse-2',
    });
    assert.equal((await mailbox(t, owner.email)).length, 1, 'once in three minutes');
    const landed = await follow(
      visit,
      await send(visit, await visit(hrefIn(sent, 'Use another email')), owner as never),
    );
    assert.ok(landed.location?.startsWith(REDIRECT));
    await t.api('POST', `/user/${owner.id}`, { suspended: true });
    const late = agent();
    const suspended = await send(late, await open(late), { email: owner.email, password: owner.password });
    assert.deepEqual([suspended.status, /suspended/.test(wordsOf(suspended))], [403, true]);
  });

  test('guesses a password no more often than the login page lets', async () => {
    const [owner, here, visit] = [await t.user(), from(), agent()];
    const page = await open(visit);
    for (let n = 0; n < 10; n += 1) await send(visit, page, { email: owner.email, password: `Wrong-horse-${n}` }, here);
    const login = await visit(hrefIn(page, 'Log in'));
    const { email } = owner;
    assert.equal((await submit(visit, login, { email, password: owner.password }, here)).status, 429);
    const refused = await send(visit, page, { email, password: owner.password }, here);
    assert.equal(refused.status, 429);
    assert.match(wordsOf(refused), /Too many tries\. Try again in/);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
  });

  test('is not there where nobody may sign up, from the login page neither', async () => {
    const visit = agent();
    const page = await open(visit);
    for (const [path, closed] of [
      [`/connection/${t.connection}`, { disable_signup: true }],
      [`/account/${t.id}`, { disable_signup: true }],
    ] as const) {
      await t.api('POST', path, closed);
      const login = await open(agent());
      assert.match(wordsOf(login), /Log in to Orders/);
      assert.doesNotMatch(wordsOf(login), /Sign up/);
      for (const shown of [
        await send(visit, page, { email: address() }),
        await visit(hrefIn(page, 'Log in').replace('/login', '/signup')),
      ]) {
        assert.equal(shown.status, 403);
        assert.match(wordsOf(shown), /Nobody can sign up here/);
      }
      await t.api('POST', path, { disable_signup: false });
    }
  });

  test('names the terms that the account has', async () => {
    assert.doesNotMatch(wordsOf(await open(agent())), /By signing up/);
    await accountSays({
      branding: { tos_uri: 'https://acme.example/terms', policy_uri: 'https://acme.example/privacy' },
    });
    assert.match(wordsOf(await open(agent())), /By signing up you agree to: Terms .*Privacy/);
  });
});
