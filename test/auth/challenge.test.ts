/** What an account may ask of strangers before something is sent: work, or a service's word; by the pages and by the API. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import mongoose from 'mongoose';
import { browsers } from '../kit/browser.ts';
import { failAt } from '../kit/faults.ts';
import {
  agent,
  assertRefused,
  authorizeUrl,
  fieldOf,
  follow,
  requestOf,
  submit,
  wordsOf,
  world,
} from '../kit/index.ts';
import { mailbox } from '../kit/mailbox.ts';
import { listen } from '../kit/server.ts';

const service = await listen();
const w = await world({ env: { TURNSTILE_URL: `${service.origin}/v0` } });
const t = await w.tenant();
const other = await w.tenant('Other');
await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
const client = await t.client({ grant_types: ['http://auth0.com/oauth/grant-type/passwordless/otp'] });
const user = await t.user();
type At = { origin: string };

const set = (of: typeof t, patch: object) => of.call('POST', `/account/${of.id}`, patch);
const settle = async (of: typeof t, patch: object) => assert.equal((await set(of, patch)).status, 200);
const work = { challenge_settings: { provider: 'proof_of_work' } };
await settle(t, work);
await settle(other, work);

const challenged = async (at: At, occasion: string) =>
  (await w.send(`${at.origin}/challenge?for=${occasion}`)).body as { challenge: string; difficulty: number };

/** What a page's script does. */
function solved({ challenge, difficulty }: { challenge: string; difficulty: number }, from = 0): string {
  for (let n = from; ; n += 1) {
    const found = `${challenge}:${n}`;
    if (createHash('sha256').update(found).digest().readUInt32BE(0) >>> (32 - difficulty) === 0) return found;
  }
}

let count = 0;
const stranger = () => `stranger${++count}@example.com`;
const forgot = (email: string, challenge_response?: string, at: At = t) =>
  w.send(`${at.origin}/dbconnections/change_password`, { method: 'POST', json: { email, challenge_response } });
const codeFor = (email: string, challenge_response?: string) =>
  w.send(`${t.origin}/passwordless/start`, {
    method: 'POST',
    json: { client_id: client.client_id, email, send: 'code', challenge_response },
  });

describe('work', () => {
  test('is asked of whoever has a mail sent, whether or not the address has an account', async () => {
    for (const email of [user.email, stranger()])
      for (const ask of [forgot, codeFor])
        assertRefused(await ask(email), 400, 'challenge_required', /GET \/challenge/);
    assert.deepEqual(await mailbox(t, user.email), []);
    assert.equal((await forgot(user.email, solved(await challenged(t, 'password_reset')))).status, 200);
    assert.equal((await codeFor(user.email, solved(await challenged(t, 'passwordless')))).status, 200);
    assert.deepEqual(
      (await mailbox(t, user.email)).map(({ type }) => type),
      ['reset_password', 'passwordless_code'],
    );
  });

  test('is asked of whoever signs up, before anything is hashed or looked up', async () => {
    const door = await t.client({ is_first_party: true });
    const signUp = (email: string, challenge_response?: string) =>
      w.send(`${t.origin}/dbconnections/signup`, {
        method: 'POST',
        json: { client_id: door.client_id, email, password: 'Correct-horse-1', challenge_response },
      });
    const email = stranger();
    for (const address of [email, user.email]) assertRefused(await signUp(address), 400, 'challenge_required');
    assertRefused(await signUp(email, solved(await challenged(t, 'passwordless'))), 400, 'challenge_failed');
    assert.equal((await signUp(email, solved(await challenged(t, 'sign_up')))).status, 200);
    const step = agent();
    const login = await follow(step, await step(authorizeUrl(t, requestOf(door).parameters)));
    const page = await step(`${login.url}/signup`);
    const typed = { email: stranger(), password: 'Correct-horse-1' };
    const refused = await submit(step, page, typed);
    assert.deepEqual([refused.status, /could not tell you from a program/.test(wordsOf(refused))], [400, true]);
    const [, challenge] = /data-challenge="([^"]+)"/.exec(refused.text)!;
    const challenge_response = solved({ challenge: challenge!, difficulty: 16 });
    const landed = await follow(step, await submit(step, refused, { ...typed, challenge_response }));
    assert.match(landed.location ?? '', /[?&]code=/);
  });

  test('is good once: of many at once one passes', async () => {
    const response = solved(await challenged(t, 'password_reset'));
    const answers = await Promise.all(Array.from({ length: 8 }, () => forgot(stranger(), response)));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const refused of answers.filter(({ status }) => status !== 200))
      assertRefused(refused, 400, 'challenge_failed');
  });

  test('is for one account and one occasion, for half an hour, and counts as it was asked; nothing is kept of the rest', async () => {
    const mine = await challenged(t, 'password_reset');
    const response = solved(mine);
    const [over, , ...rest] = mine.challenge.split('.');
    const easier = { challenge: [over, '1', ...rest].join('.'), difficulty: 1 };
    const later = { challenge: [Number(over) + 9, '16', ...rest].join('.'), difficulty: 16 };
    const undone = Array.from({ length: 50 }, (_, n) => `${mine.challenge}:${n}`).find(
      (one) => createHash('sha256').update(one).digest()[0] !== 0,
    )!;
    const wrong = [
      undone,
      solved(easier),
      solved(later),
      solved(await challenged(t, 'passwordless')),
      solved(await challenged(other, 'password_reset')),
      mine.challenge,
      `${response}:1`,
      'x'.repeat(2000),
    ];
    const { passed, restore } = failAt(Number.POSITIVE_INFINITY);
    for (const one of wrong) assertRefused(await forgot(stranger(), one), 400, 'challenge_failed');
    restore();
    // The network's own count of who asks, and nothing else.
    assert.deepEqual([...new Set(passed)], ['findAndModify limits']);
    assertRefused(await forgot(stranger(), response, other), 400, 'challenge_failed');
    w.clock.advance({ seconds: 1801 });
    assertRefused(await forgot(stranger(), response), 400, 'challenge_failed');
    assert.equal((await forgot(stranger(), solved(await challenged(t, 'password_reset')))).status, 200);
  });

  test('is asked where the account says so', async () => {
    await settle(other, { challenge_settings: { on: ['sign_up'] } });
    assert.equal((await forgot(stranger(), undefined, other)).status, 200);
    assert.deepEqual(await challenged(other, 'password_reset'), { provider: 'none' });
  });
});

describe('a service', () => {
  type Asked = { path?: string; type?: string; body: string };
  const asked: Asked[] = [];
  const good = new Set<string>();
  let answer: object | undefined;
  service.serve((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      asked.push({ path: request.url, type: request.headers['content-type'], body });
      const { secret, response: token, ...more } = Object.fromEntries(new URLSearchParams(body));
      const strict = request.method === 'POST' && request.url === '/v0/siteverify' && Object.keys(more).length === 0;
      if (!strict || answer === undefined) return void response.writeHead(500).end();
      const said =
        secret !== 'the secret of acme'
          ? { success: false, 'error-codes': ['invalid-input-secret'] }
          : good.delete(token!)
            ? { success: true }
            : { success: false, 'error-codes': ['timeout-or-duplicate'] };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ ...said, ...answer }));
    });
  });

  test('is set up with both of its keys, of which one is a secret', async () => {
    const turnstile = { provider: 'turnstile', site_key: 'site-1' };
    assertRefused(await set(t, { challenge_settings: turnstile }), 400, 'validation', /challenge_secret/);
    assertRefused(
      await set(t, { challenge_settings: { provider: 'turnstile' }, challenge_secret: 'x' }),
      400,
      'validation',
      /site_key/,
    );
    const made = await set(t, { challenge_settings: turnstile, challenge_secret: 'the secret of acme' });
    assert.equal(made.body.challenge_secret, 'the secret of acme', 'for who may see keys');
    const reader = await t.token('read:accounts');
    const { body: seen } = await w.call(t.origin, reader, 'GET', `/account/${t.id}`);
    assert.equal(seen.challenge_secret, '********');
    await settle(t, { challenge_secret: '********' });
    assertRefused(await set(t, { challenge_secret: null }), 400, 'validation');
    const row = await mongoose.connection.db!.collection('accounts').findOne({ _id: t.id as never });
    assert.match(row!.challenge_secret, /^s2\./);
    assert.deepEqual(await challenged(t, 'passwordless'), {
      provider: 'turnstile',
      site_key: 'site-1',
      script_url: `${service.origin}/v0/api.js`,
    });
  });

  test('is asked once for each token, with the account’s secret and nothing of who asks', async () => {
    answer = {};
    good.add('token-1');
    assertRefused(await forgot(stranger()), 400, 'challenge_required');
    assert.deepEqual(asked, []);
    assert.equal((await forgot(stranger(), 'token-1')).status, 200);
    assertRefused(await forgot(stranger(), 'token-1'), 400, 'challenge_failed');
    assertRefused(await codeFor(stranger(), 'made-up'), 400, 'challenge_failed');
    assert.equal((asked as Asked[])[0]!.body, 'secret=the+secret+of+acme&response=token-1');
  });

  test('that is away, or knows the account no more, lets nobody in and accuses nobody', async () => {
    answer = { success: 'yes' };
    assertRefused(await forgot(stranger(), 'token-2'), 503, 'upstream_failed');
    answer = undefined;
    const refused = await forgot(stranger(), 'token-2');
    assertRefused(refused, 503, 'upstream_failed');
    assert.equal(refused.headers.get('retry-after'), '60');
    answer = {};
    await settle(t, { challenge_secret: 'another secret' });
    assertRefused(await forgot(stranger(), 'token-2'), 503, 'upstream_failed');
    await settle(t, { challenge_secret: 'the secret of acme' });
  });

  test('is shown on the page, which may load it and nothing else', async () => {
    const page = await agent()(`${t.origin}/flow/reset-password`);
    assert.match(page.text, /class="cf-turnstile" data-sitekey="site-1"/);
    const policy = page.headers.get('content-security-policy')!;
    assert.ok(policy.includes(`script-src 'self' ${service.origin};`), policy);
    assert.ok(policy.includes(`frame-src ${service.origin};`), policy);
    await settle(t, work);
    const own = await agent()(`${t.origin}/flow/reset-password`);
    assert.ok(own.headers.get('content-security-policy')!.includes("script-src 'self';"));
  });
});

describe('the page', () => {
  const visit = browsers();

  test('says what is missing, without script too, and takes what was solved', async () => {
    const known = await t.user();
    const step = agent();
    const page = await step(`${t.origin}/flow/reset-password?lang=es`);
    assert.match(page.text, /<noscript>.*necesita JavaScript/s);
    const refused = await submit(step, page, { email: known.email });
    assert.equal(refused.status, 400);
    assert.match(wordsOf(refused), /No hemos podido distinguirte de un programa/);
    assert.equal(fieldOf(refused, 'email'), known.email);
    const [, challenge] = /data-challenge="([^"]+)"/.exec(refused.text)!;
    const challenge_response = solved({ challenge: challenge!, difficulty: 16 });
    const sent = await follow(step, await submit(step, refused, { email: known.email, challenge_response }));
    assert.match(wordsOf(sent), new RegExp(known.email));
    assert.equal((await mailbox(t, known.email)).length, 1);
  });

  test('does the work by itself, and sends along which button was pressed', async () => {
    const [known, other] = [await t.user(), await t.user()];
    const door = await t.client();
    await visit({}, async (tab) => {
      // Somebody who is faster than the work: it begins when the form is sent.
      const eager = "work();\n    field.form.addEventListener('submit', function (event) {";
      const late = "field.form.addEventListener('submit', function (event) {\n setTimeout(work);";
      const script = readFileSync(new URL('../../views/assets/challenge.js', import.meta.url), 'utf8');
      assert.ok(script.includes(eager));
      const body = script.replace(eager, late);
      await tab.route(/challenge\.\w+\.js/, (route) => route.fulfill({ contentType: 'text/javascript', body }));
      await tab.goto(authorizeUrl(t, requestOf(door).parameters));
      await tab.goto(`${new URL(tab.url()).origin}${new URL(tab.url()).pathname}/mail`);
      await tab.getByLabel('Email').fill(other.email);
      await tab.getByRole('button', { name: 'link' }).click();
      await tab.getByText('Check your inbox').first().waitFor();
      await tab.unroute(/challenge\.\w+\.js/);
      await tab.goto(`${t.origin}/flow/reset-password`);
      await tab.getByLabel('Email').fill(known.email);
      await tab.getByLabel('Email').press('Enter');
      await tab.getByText('Check your inbox').first().waitFor();
    });
    assert.equal((await mailbox(t, known.email)).length, 1);
    assert.equal((await mailbox(t, other.email)).at(-1)!.type, 'passwordless_link');
  });
});
