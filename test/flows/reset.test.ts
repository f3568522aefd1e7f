/** A forgotten password: what is mailed and to whom, what the link does and ends, and what nobody may learn or keep. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { agreed } from '../kit/contract.ts';
import { failAt, WRITES } from '../kit/faults.ts';
import {
  type Agent,
  agent,
  assertRefused,
  authorizeUrl,
  fieldOf,
  follow,
  logged,
  type Page,
  passwordGrant,
  REDIRECT,
  refresh,
  requestOf,
  submit,
  type TenantHandle,
  tokensOf,
  type User,
  wordsOf,
  world,
} from '../kit/index.ts';
import { lastLink, mailbox } from '../kit/mailbox.ts';

const w = await world({ env: { TRUST_PROXY: '1' } });
const t = await w.tenant();
const other = await w.tenant('Other');
const client = await t.client({ name: 'Orders', client_uri: 'https://orders.example.com/' });
const door = await t.client({ grant_types: ['password', 'refresh_token'] });
const NEW = 'Another-horse-2';

let count = 0;
/** Each from a network of their own. */
const from = () => ({ 'x-forwarded-for': `198.51.${100 + Math.floor(++count / 250)}.${count % 250}` });
const ask = (email: string, more: object = {}, at: { origin: string } = t, headers = from()) =>
  w.send(`${at.origin}/dbconnections/change_password`, { method: 'POST', json: { email, ...more }, headers });
const ticketOf = (link: string) => new URL(link).searchParams.get('ticket')!;
async function linkFor(user: { email: string }, more: object = {}, at: TenantHandle = t): Promise<string> {
  assert.equal((await ask(user.email, more, at)).status, 200);
  return lastLink(at, user.email);
}
const change = (link: string, new_password = NEW, at: { origin: string } = t) =>
  w.send(`${at.origin}/reset-change`, { method: 'POST', json: { state: ticketOf(link), new_password } });
const opens = async (user: User, password: string) => (await passwordGrant(t, door, { ...user, password })).status;
const profile = (id: string) => t.api('GET', `/user/${id}`);
const later = (seconds: number) => w.clock.advance({ seconds });

/** What the tenant's outbox shows of an address, in development. */
async function outboxOf(to: string): Promise<{ template: string; subject: string; text: string; html: string }[]> {
  await w.deliver();
  const url = `${t.origin}/dev/outbox?${new URLSearchParams({ to })}`;
  return (await w.send(url, { headers: { accept: 'application/json' } })).body.results;
}

describe('a reset', () => {
  test('is mailed as a link that sets another password, and ends sessions and tokens', async () => {
    const user = await t.user();
    const bystander = await t.user();
    const offline = { scope: 'openid offline_access' };
    const held = (await tokensOf(t, client, user, offline)).tokens.refresh_token!;
    const theirs = (await tokensOf(t, client, bystander, offline)).tokens.refresh_token!;
    assert.equal((await ask(user.email, { client_id: client.client_id })).status, 200);
    const [mail] = await outboxOf(user.email);
    assert.deepEqual([mail!.template, mail!.subject], ['reset_password', 'Choose a new password for Orders']);
    const link = /https?:\S+\/reset-verify\?ticket=\S+/.exec(mail!.text)![0];
    assert.ok(mail!.html.includes(link));
    assert.deepEqual(agreed('change_password_change', await change(link)), { status: 'ok' });
    assert.deepEqual([await opens(user, user.password), await opens(user, NEW)], [400, 200]);
    assert.equal((await refresh(t, client, held)).status, 400);
    assert.equal((await refresh(t, client, theirs)).status, 200, 'of nobody else');
    const [told] = await outboxOf(user.email);
    assert.deepEqual([told!.template, told!.subject], ['password_changed', 'Your password at Acme has changed']);
    const [row] = await logged(t, `credential.password_changed user:${user.id}`);
    assert.deepEqual([row.data.initiated_by, row.data.credential], ['user', user.credential]);
    const [asked] = await logged(t, `credential.reset_requested user:${user.id}`);
    assert.deepEqual([asked.status, asked.client, asked.connection], ['success', client.client_id, t.connection]);
    for (const text of [JSON.stringify(row), JSON.stringify(asked)]) assert.ok(!text.includes(user.email));
  });

  test('is used once, for an hour; what is wrong with a link is told, and changes nothing', async () => {
    const [used, expired, foreign] = [await t.user(), await t.user(), await other.user()];
    const link = await linkFor(used);
    const theirs = await linkFor(foreign, {}, other);
    assert.equal((await change(link)).status, 200);
    assertRefused(await change(link, 'Yet-another-3'), 410, 'link_used');
    assertRefused(await change(theirs), 404, 'link_unknown');
    assertRefused(await change(`${link}x`), 404, 'link_unknown');
    const old = await linkFor(expired);
    later(3601);
    assertRefused(await change(old), 410, 'link_expired');
    assert.deepEqual([await opens(used, NEW), await opens(expired, expired.password)], [200, 200]);
    const statuses: [string, number, RegExp][] = [
      [link, 410, /was used already/],
      [old, 410, /has expired/],
      [`${link}x`, 404, /does not work/],
    ];
    for (const [address, status, words] of statuses) {
      const page = await agent()(address);
      assert.equal(page.status, status);
      assert.match(page.text, words);
      assert.match(page.text, /href="\/flow\/reset-password/, 'the way on');
    }
  });

  test('of many who follow a link at once one sets the password', async () => {
    const user = await t.user();
    const link = await linkFor(user);
    const passwords = Array.from({ length: 6 }, (_, n) => `Another-horse-${n}`);
    const answers = await Promise.all(passwords.map((password) => change(link, password)));
    const won = answers.findIndex(({ status }) => status === 200);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, ...Array(5).fill(410)]);
    for (const [n, password] of passwords.entries()) assert.equal(await opens(user, password), n === won ? 200 : 400);
  });

  test('two links are good until the password has changed, by whomever', async () => {
    const user = await t.user();
    const first = await linkFor(user);
    later(181);
    const second = await linkFor(user);
    assert.notEqual(first, second);
    assert.equal((await change(first)).status, 200);
    assertRefused(await change(second, 'Yet-another-3'), 410, 'link_used');
    later(181);
    const third = await linkFor(user);
    await t.api('POST', `/credentials/${user.credential}/set-password`, { password: user.password });
    assertRefused(await change(third), 410, 'link_used');
    assert.equal(await opens(user, user.password), 200);
  });

  test('takes a password that the policy of the connection takes, and the link works until then', async () => {
    const strict = await t.api('POST', '/connection', {
      connection_name: 'strict',
      connection_type: 'database',
      password_policy: { level: 'low', min_length: 12 },
    });
    const { id, email } = await t.api('POST', '/user', { email: 'strict@example.com' });
    await t.api('POST', '/credentials', { user: id, connection: strict.id, email, password: 'a long password' });
    const link = await linkFor({ email }, { connection: 'strict' });
    assertRefused(await change(link, 'short'), 400, 'password_policy', /12 characters/);
    assert.equal((await change(link, 'another long one')).status, 200);
  });

  test('of an address that nobody had proved is the first proof, and shuts out whoever set something else', async () => {
    const user = await t.user();
    const offline = { scope: 'openid offline_access' };
    const held = (await tokensOf(t, client, user, offline)).tokens.refresh_token!;
    const second = await t.api('POST', '/connection', { connection_name: 'second', connection_type: 'database' });
    const mallory = { user: user.id, connection: second.id, username: 'mallory', password: user.password };
    await t.api('POST', '/credentials', mallory);
    const google = await t.api('POST', '/connection', { connection_name: 'google', connection_type: 'google_oauth2' });
    await t.api('POST', '/identity', {
      account: t.id,
      user: user.id,
      connection: google.id,
      identity_id: 'mallory',
      profile_data: null,
    });
    const link = await linkFor(user, { connection: t.connection });
    assert.equal((await change(link)).status, 200);
    const proved = await profile(user.id);
    assert.deepEqual([proved.email_verified, proved.email_verified_method], [true, 'password_reset']);
    assert.deepEqual((await t.api('GET', `/identity?query=user:${user.id}`)).results, []);
    const left = (await t.api('GET', `/credentials?query=user:${user.id}`)).results;
    assert.deepEqual(
      left.map(({ id }: { id: string }) => id),
      [user.credential],
    );
    assert.equal((await refresh(t, client, held)).status, 400);
    assert.equal(await opens(user, NEW), 200);
  });

  test('of an address that was proved before ends no other way in', async () => {
    const user = await t.user({ email_verified: true });
    const third = await t.api('POST', '/connection', { connection_name: 'third', connection_type: 'database' });
    const name = { user: user.id, connection: third.id, username: 'ada', password: user.password };
    await t.api('POST', '/credentials', name);
    assert.equal((await change(await linkFor(user, { connection: t.connection }))).status, 200);
    assert.equal((await t.api('GET', `/credentials?query=user:${user.id}`)).results.length, 2);
    assert.equal((await profile(user.id)).email_verified_method, 'manual');
  });

  test('gives a first password to who came without one, where people may sign up', async () => {
    const invited = await t.api('POST', '/user', { email: 'invited@example.com', email_verified: true });
    await t.api('POST', `/account/${t.id}`, { disable_signup: true });
    await ask(invited.email);
    assert.deepEqual(await mailbox(t, invited.email).then((mails) => mails.filter(({ data }) => data.link)), []);
    await t.api('POST', `/account/${t.id}`, { disable_signup: false });
    later(181);
    const link = await linkFor(invited);
    const passwords = Array.from({ length: 4 }, (_, n) => `Another-horse-${n}`);
    const answers = await Promise.all(passwords.map((password) => change(link, password)));
    const won = answers.findIndex(({ status }) => status === 200);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [200, 410, 410, 410]);
    assert.equal(await opens(invited, passwords[won]!), 200);
    const [row, ...more] = (await t.api('GET', `/credentials?query=user:${invited.id}`)).results;
    assert.deepEqual([row.email, row.connection, more], [invited.email, t.connection, []]);
    // Somebody who has one by now, from another link or by an administrator, keeps it.
    const other = await t.api('POST', '/user', { email: 'second@example.com' });
    const late = await linkFor(other);
    const { id: user, email } = other;
    await t.api('POST', '/credentials', { user, email, connection: t.connection, password: 'Their-horse-1' });
    assertRefused(await change(late), 410, 'link_used');
  });

  test('gives a password again to whoever lost it by proving the address otherwise', async () => {
    const user = await t.user();
    await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
    const json = { client_id: client.client_id, email: user.email, send: 'code' };
    await w.send(`${t.origin}/passwordless/start`, { method: 'POST', json });
    const { code } = (await mailbox(t, user.email)).at(-1)!.data;
    const OTP = 'http://auth0.com/oauth/grant-type/passwordless/otp';
    const { client_id, client_secret } = client;
    const form = { grant_type: OTP, client_id, client_secret, username: user.email, otp: code, realm: 'email' };
    assert.equal((await w.send(`${t.origin}/oauth/token`, { method: 'POST', form })).status, 200);
    assert.equal(await opens(user, user.password), 400);
    assert.equal((await change(await linkFor(user))).status, 200);
    assert.equal(await opens(user, NEW), 200);
  });

  test('of a user who has moved on, or is suspended since, changes nothing', async () => {
    const [moved, suspended] = [await t.user(), await t.user()];
    const links = [await linkFor(moved), await linkFor(suspended)];
    await t.api('POST', `/user/${moved.id}`, { email: `new-${moved.email}` });
    await t.api('POST', `/user/${suspended.id}`, { suspended: true });
    for (const link of links) assertRefused(await change(link), 404, 'link_unknown');
    await t.api('POST', `/user/${suspended.id}`, { suspended: false });
    assert.deepEqual([await opens(moved, moved.password), await opens(suspended, suspended.password)], [200, 200]);
  });

  test('killed anywhere, leaves nobody in who knew the old password, and no proof that the old one opens', async () => {
    let complete = false;
    for (let n = 1; !complete; n += 1) {
      assert.ok(n < 30, 'it does not end');
      const user = await t.user();
      const { refresh_token } = (await passwordGrant(t, door, user, { scope: 'openid offline_access' })).body;
      const link = await linkFor(user);
      const fault = failAt(n, WRITES, (what) => !/ limits$/.test(what));
      await change(link);
      fault.restore();
      complete = fault.refused.length === 0;
      const isNew = (await opens(user, NEW)) === 200;
      const isOld = (await opens(user, user.password)) === 200;
      const at = `${n}: ${fault.refused[0]}`;
      assert.notEqual(isNew, isOld, at);
      if (isNew) assert.equal((await refresh(t, door, refresh_token)).status, 400, at);
      if (isOld) assert.equal((await profile(user.id)).email_verified, false, at);
      if (complete) assert.ok(isNew);
    }
  });
});

describe('whoever asks', () => {
  test('hears the same for every address, which costs the same, and only who has a password gets a mail', async () => {
    const [known, suspended] = [await t.user(), await t.user()];
    await t.api('POST', `/user/${suspended.id}`, { suspended: true });
    const { email: nameless } = await t.api('POST', '/user', { email: 'no-credential@example.com' });
    const strangers = [suspended.email, 'nobody@example.com'];
    const written: string[][] = [];
    const answers = [];
    for (const email of [known.email, nameless, ...strangers]) {
      const { passed, restore } = failAt(Number.POSITIVE_INFINITY);
      answers.push(await ask(email, { client_id: client.client_id }));
      restore();
      written.push(passed);
    }
    for (const { status, text } of answers) assert.deepEqual([status, text], [200, '{"status":"ok"}']);
    for (const writes of written) assert.deepEqual(writes, written[0]);
    later(3);
    for (const email of strangers) assert.deepEqual(await outboxOf(email), [], email);
    for (const email of [known.email, nameless]) assert.equal((await outboxOf(email)).length, 1);
  });

  test('has one mail sent in three minutes, whoever asks, and so many from one network', async () => {
    const user = await t.user();
    for (let n = 0; n < 3; n += 1) assert.equal((await ask(user.email)).status, 200);
    assert.equal((await mailbox(t, user.email)).length, 1);
    const namesake = await other.user({ email: user.email });
    assert.ok(await linkFor(namesake, {}, other), 'another tenant counts for itself');
    later(181);
    await ask(user.email);
    assert.equal((await mailbox(t, user.email)).length, 2);
    const crowd = { 'x-forwarded-for': '192.0.2.77' };
    for (let n = 0; n < 100; n += 1) await ask(`crowd${n}@example.com`, {}, t, crowd);
    const refused = await ask('crowd@example.com', {}, t, crowd);
    assertRefused(refused, 429, 'too_many_requests');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal((await ask('crowd@example.com')).status, 200);
  });

  test('names a client that is there and that the tenant knows, or none', async () => {
    const { body: agentClient } = await w.send(`${t.origin}/oidc/register`, {
      method: 'POST',
      json: { client_name: 'Agent', redirect_uris: [REDIRECT] },
    });
    for (const client_id of ['client_000000000000000000000000', agentClient.client_id])
      assertRefused(await ask('ada@example.com', { client_id }), 400, 'invalid_request', /client/);
    assertRefused(await ask('no address'), 400, 'validation', /email/);
  });
});

describe('the pages', () => {
  const START = authorizeUrl(t, requestOf(client, { login_hint: 'hint@example.com' }).parameters);
  const hrefIn = (page: Page, words: RegExp) => {
    const found = [...page.text.matchAll(/<a [^>]*href="([^"]+)"[^>]*>([^<]*)</g)].find(([, , text]) =>
      words.test(text!),
    );
    assert.ok(found, `no ${words} on ${page.url}: ${page.text}`);
    return new URL(found[1]!.replaceAll('&amp;', '&'), page.url).href;
  };
  async function forgot(visit: Agent, start = START): Promise<Page> {
    return visit(hrefIn(await follow(visit, await visit(start)), /Forgot|olvidado/));
  }
  const rename = { new_password: NEW };

  test('lead from "Forgot?" to the login of the app that was interrupted', async () => {
    const user = await t.user();
    const visit = agent();
    const page = await forgot(visit);
    assert.equal(fieldOf(page, 'email'), 'hint@example.com');
    const sent = await follow(visit, await submit(visit, page, hidden(page, { email: user.email })));
    assert.match(wordsOf(sent), new RegExp(`If ${user.email} has an account`));
    assert.ok(!sent.url.includes(user.email), 'no address is in an address');
    const link = await lastLink(t, user.email);
    for (let scans = 0; scans < 3; scans += 1) assert.equal((await agent()(link)).status, 200);
    const form = await visit(link);
    assert.match(wordsOf(form), /At least 8 characters/);
    const weak = await submit(visit, form, { state: fieldOf(form, 'state'), new_password: 'weak' });
    assert.equal(weak.status, 400);
    assert.match(weak.text, /aria-invalid="true"/);
    assert.match(weak.text, /class="broken"/);
    assert.ok(!weak.text.includes('value="weak"'));
    const leaked = await submit(visit, weak, { state: fieldOf(weak, 'state'), new_password: 'Password1' });
    assert.deepEqual([leaked.status, /leaked passwords/.test(wordsOf(leaked))], [400, true]);
    const spanish = await follow(visit, await visit(`${weak.url}&lang=es`));
    assert.match(spanish.text, /Elige una contraseña nueva/);
    const done = await follow(visit, await submit(visit, weak, { state: fieldOf(weak, 'state'), ...rename }));
    assert.match(done.text, /Your password is changed/);
    const login = await visit(hrefIn(done, /^Log in$/));
    const landed = await follow(visit, await submit(visit, login, { email: user.email, password: NEW }));
    assert.ok(landed.location?.startsWith(REDIRECT));
    assert.ok(new URL(landed.location!).searchParams.get('code'));
  });

  test('lead to the app where another browser opened the link, and to the start where none is known', async () => {
    const [one, two] = [await t.user(), await t.user()];
    const visit = agent();
    await submit(visit, await forgot(visit), hidden(await forgot(visit), { email: one.email }));
    const links: [string, string][] = [
      [await lastLink(t, one.email), 'https://orders.example.com/'],
      [await linkFor(two), `${t.origin}/`],
    ];
    for (const [link, home] of links) {
      const elsewhere = agent();
      const form = await elsewhere(link);
      const done = await follow(elsewhere, await submit(elsewhere, form, { state: ticketOf(link), ...rename }));
      assert.equal(hrefIn(done, /^Log in$/), home);
    }
  });

  test('take a form of theirs alone, and say what is wrong where it is', async () => {
    const user = await t.user();
    const link = await linkFor(user);
    const visit = agent();
    const form = await visit(link);
    const forged = await submit(visit, form, { state: ticketOf(link), ...rename, csrf: 'made-up' });
    const foreign = await submit(visit, form, { state: ticketOf(link), ...rename }, { origin: 'https://evil.example' });
    for (const page of [forged, foreign]) {
      assert.equal(page.status, 403);
      assert.match(page.text, /<html/);
    }
    const empty = await submit(visit, form, { state: ticketOf(link), new_password: '' });
    assert.deepEqual([empty.status, /Choose a password\./.test(empty.text)], [400, true]);
    const page = await visit(`${t.origin}/flow/reset-password`);
    for (const [email, words] of [
      ['', /Enter your email/],
      ['nobody', /not an email address/],
    ] as const) {
      const wrong = await submit(visit, page, { email });
      assert.equal(wrong.status, 400);
      assert.match(wrong.text, words);
    }
    assert.equal((await submit(visit, page, { email: user.email, csrf: 'x' })).status, 403);
    assert.equal(await opens(user, user.password), 200);
  });
});

const hidden = (page: Page, more: Record<string, string>) => ({
  client_id: fieldOf(page, 'client_id'),
  flow: fieldOf(page, 'flow'),
  ...more,
});
