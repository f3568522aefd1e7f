/** Addresses, names and numbers: made canonical first, judged then, the same at every door. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import mongoose from 'mongoose';
import { canonicalAddresses } from '../../../src/domain/user/canonical-addresses.ts';
import { displayName } from '../../../src/kernel/text/display-name.ts';
import { emailAddress } from '../../../src/kernel/text/email.ts';
import { hostName } from '../../../src/kernel/text/host.ts';
import { phoneNumber } from '../../../src/kernel/text/phone.ts';
import { username } from '../../../src/kernel/text/username.ts';
import { takeDataSteps } from '../../../src/store/migrate.ts';
import {
  arrive,
  assertRefused,
  authorizeUrl,
  requestOf,
  type TenantHandle,
  tokenRequest,
  world,
} from '../../kit/index.ts';
import { mailbox } from '../../kit/mailbox.ts';

const w = await world();
const t = await w.tenant();
const mail = await t.api('POST', '/connection', {
  connection_name: 'mail',
  connection_type: 'passwordless_email',
});
const client = await t.client({ grant_types: ['password', 'http://auth0.com/oauth/grant-type/passwordless/otp'] });
const team = await t.api('POST', '/team', { name: 'Team' });
const OTP = 'http://auth0.com/oauth/grant-type/passwordless/otp';

/** What is no address of one mailbox, however it was written. */
const NO_ADDRESS = [
  'attacker＠evil.example，ceo@corp.example',
  '"ceo@corp.example"<a＠evil.example>',
  'x＠corp.example@evil.example',
  'a@x..com',
  'a@.x.com',
  'a@x.com.',
  'a@-x.com',
  'a@127.0.0.1',
  'a@[127.0.0.1]',
  'a@0x7f.1',
  'a@x%2ecom',
  '"a b"@x.com',
  '<a@x.com>',
  'A <a@x.com>',
  'a@x.com,b@x.com',
  'a@x.com；b@x.com',
  'a@x.com b@x.com',
  'a@x.com\nbcc:b@x.com',
  'a@b@x.com',
  '.a@x.com',
  'a..b@x.com',
  'a.@x.com',
  'a（comment）@x.com',
  '@x.com',
  'a@',
  'a',
  `${'a'.repeat(65)}@x.com`,
  `a@${'x'.repeat(64)}.com`,
];
/** Seen as another address than it is. */
const INVISIBLE = ['a\u200b@x.com', 'a@x\u00ad.com', '\u200eb@x.com', 'a\u2060@x.com', 'a@x.com\u202e'];
/** Several spellings, and the one. */
const ONE_MAILBOX: [spellings: string[], stored: string][] = [
  [
    ['max@bücher.example', 'Max@BÜCHER.example', 'max@xn--bcher-kva.example', 'max@bu\u0308cher.example'],
    'max@xn--bcher-kva.example',
  ],
  [['ｍｉｎ@example.com', 'min＠example.com', ' MIN@EXAMPLE.COM '], 'min@example.com'],
  [['太郎@例え。テスト'], '太郎@xn--r8jz45g.xn--zckzah'],
  [["o'neil+tag@example.com"], "o'neil+tag@example.com"],
];

type Door = (email: string) => Promise<{ status: number; body: Record<string, unknown>; text: string }>;

async function importOne(of: TenantHandle, line: Record<string, unknown>) {
  const answer = await w.send(`${of.origin}/user/import`, {
    method: 'POST',
    body: JSON.stringify(line),
    headers: { authorization: `Bearer ${await of.token()}`, 'content-type': 'application/x-ndjson' },
  });
  const [report] = answer.text.split('\n').map((text) => text && JSON.parse(text));
  // A line's report, told as a call's answer.
  const status = report.status === 'failed' ? 400 : 200;
  return { status, text: answer.text, body: { code: 'validation', message: report.error, id: report.id } };
}
const someone = async () => (await t.api('POST', '/user', { name: 'Somebody' })).id as string;
const subject = await t.user();

/** Every door that an address comes in by, with what it answers of the address where it does. */
const DOORS: Record<string, Door> = {
  'a user is made': (email) => t.call('POST', '/user', { email }),
  'a user is changed': (email) => t.call('POST', `/user/${subject.id}`, { email }),
  'a credential is made': async (email) =>
    t.call('POST', '/credentials', { user: await someone(), connection: t.connection, email }),
  'a credential is changed': (email) => t.call('POST', `/credentials/${subject.credential}`, { email }),
  'an import': (email) => importOne(t, { email }),
  'an invitation': (email) => t.call('POST', `/team/${team.id}/invite`, { email, mode: 'invite' }),
  'a change of email': (new_email) => t.call('POST', `/user/${subject.id}/change-email`, { new_email }),
  'a subscription': (email) =>
    t.call('POST', '/notificationsubscription', {
      events: ['user.created'],
      channel: 'email',
      config: { recipients: [email] },
    }),
};

const start = (email: string, of = t) =>
  w.send(`${of.origin}/passwordless/start`, {
    method: 'POST',
    json: { client_id: client.client_id, email, send: 'code', connection_id: mail.id },
  });

for (const [door, come] of Object.entries(DOORS))
  test(`what is no address, or looks like another, does not come in where ${door}`, async () => {
    for (const email of [...NO_ADDRESS, ...INVISIBLE]) {
      const answer = await come(email);
      assert.equal(answer.status, 400, `${email}: ${answer.text}`);
      assert.equal(answer.body.code, 'validation', answer.text);
    }
    assert.ok((await come(`fine.${Math.random().toString(36).slice(2)}@example.com`)).status < 300);
  });

test('a code is mailed to no such address either, while what cannot be seen is dropped of what people paste', async () => {
  for (const email of NO_ADDRESS) assert.equal((await start(email)).status, 400, email);
  assert.equal((await start('pas\u200bted@example.com\u200e')).status, 200);
  assert.equal((await mailbox(t, 'pasted@example.com')).length, 1);
  const rows = await mongoose.connection
    .collection('outbox')
    .find({ account: t.id, type: /passwordless/ })
    .toArray();
  assert.deepEqual(
    rows.map(({ to }) => to),
    ['pasted@example.com'],
  );
});

test('one mailbox has one spelling, whichever was written, and is found by any', async () => {
  for (const [spellings, stored] of ONE_MAILBOX)
    for (const email of spellings) {
      const of = await t.call('POST', '/user', { email });
      assert.equal(of.body.email, stored, email);
      const found = await t.api('GET', `/user?${new URLSearchParams({ query: `email:"${email}"` })}`);
      assert.ok(
        found.results.some(({ id }: { id: string }) => id === of.body.id),
        email,
      );
    }
  const recipients = ONE_MAILBOX.flatMap(([spellings]) => spellings);
  const { config } = await t.api('POST', '/notificationsubscription', {
    events: ['user.created'],
    channel: 'email',
    config: { recipients },
  });
  assert.deepEqual(
    config.recipients,
    ONE_MAILBOX.map(([, stored]) => stored),
  );
  const owner = await someone();
  const [[first, ...others]] = ONE_MAILBOX[0]!;
  await t.api('POST', '/credentials', { user: owner, connection: t.connection, email: first });
  for (const email of others!) {
    const second = await t.call('POST', '/credentials', { user: owner, connection: t.connection, email });
    assertRefused(second, 409, 'conflict', /email/);
    assert.match((await importOne(t, { email })).text, /"exists"/);
  }
});

test('a login takes every spelling of the identifier, and counts the guesses of all of them as one', async () => {
  const person = await t.user({ email: 'erika@bücher.example' });
  await t.api('POST', `/credentials/${person.credential}`, { username: 'Erika' });
  const logIn = (identifier: string, password = person.password) =>
    tokenRequest(t, client, { grant_type: 'password', username: identifier, password, scope: 'openid' });
  const spellings = [
    'erika@bücher.example',
    'ERIKA@xn--bcher-kva.example',
    'erika＠bücher.example',
    'eri\u200bka@bücher.example\u200e',
    'ERIKA',
    'ｅｒｉｋａ',
    'eri\u200bka',
  ];
  for (const identifier of spellings) assert.equal((await logIn(identifier)).status, 200, identifier);
  for (const identifier of ['"erika"@bücher.example', 'erika@bücher.example,b@x.com', 'erika x'])
    assert.equal((await logIn(identifier)).body.error, 'invalid_grant', identifier);
  const emails = spellings.slice(0, 4);
  for (let guess = 0; guess < 10; guess += 1) await logIn(emails[guess % 4]!, 'wrong');
  assert.equal((await logIn(emails[0]!)).status, 429);
  await start('erika@bücher.example');
  const [message] = (await mailbox(t, 'erika@xn--bcher-kva.example')).filter(({ data }) => data.code);
  const redeemed = await tokenRequest(t, client, {
    grant_type: OTP,
    username: 'Eri\u200bka@XN--BCHER-KVA.example',
    otp: message!.data.code,
    realm: 'email',
    scope: 'openid',
  });
  assert.equal(redeemed.status, 200, redeemed.text);
});

test('a hint of whom the app expects is put into the field without what cannot be seen', async () => {
  const web = await t.client();
  const url = authorizeUrl(t, requestOf(web, { login_hint: 'ada\u202e\u200b@example.com' }).parameters);
  const { text } = await arrive(url);
  assert.match(text, /value="ada ?@example.com"/);
});

const NO_USERNAME = ['', 'a b', 'a@b', 'a＠b', 'a\u200bb', 'a\u0000', 'a\tb', 'x'.repeat(151), ' '];
const NO_PHONE = ['', 'call me', '+', '12\u200e34', '+1 555 0100 or 0101', '555,556', '1'.repeat(41)];
const NO_NAME = ['Ada\u202eevoL', 'Ada\nLovelace', 'Ada\u200b', 'Ada\u0007'];

test('usernames, phone numbers and names are judged as they are kept, by the API and the import alike', async () => {
  const cases = { username: NO_USERNAME, phone: NO_PHONE, name: NO_NAME };
  for (const [field, values] of Object.entries(cases))
    for (const value of values) {
      const made = await t.call('POST', '/user', { [field]: value });
      assertRefused(made, 400, 'validation', new RegExp(field));
      const line = { email: `n${Math.random()}@example.com`, [field]: value };
      // An export of another system writes "" for what is not there.
      if (value !== '') assert.equal((await importOne(t, line)).status, 400, JSON.stringify(line));
    }
  for (const value of NO_USERNAME.slice(1)) {
    const made = await t.call('POST', '/credentials', {
      user: await someone(),
      connection: t.connection,
      username: value,
    });
    assertRefused(made, 400, 'validation');
  }
  const made = await t.api('POST', '/user', { username: ' Größe ', phone: '＋34 600–11', name: ' Zoe\u0308 👩‍👩‍👧 ' });
  assert.deepEqual([made.username, made.phone, made.name], ['größe', '+34 600-11', 'Zoë 👩‍👩‍👧']);
  const found = await t.api('GET', `/user?${new URLSearchParams({ query: 'username:GRÖSSE' })}`);
  assert.deepEqual(found.results, [], 'ß is a letter of its own');
  assert.equal((await t.api('GET', '/user?query=username:GRÖßE')).results[0].id, made.id);
});

test('what is canonical stays as it is, of whatever kind and however strange', () => {
  const kinds = { emailAddress, username, phoneNumber, displayName, hostName };
  const strange = fc.string({ unit: 'binary', maxLength: 12 });
  const nearly = fc
    .tuple(strange, fc.constantFrom('@', '＠'), strange, fc.constantFrom('.x', '。例え', ''))
    .map((parts) => parts.join(''));
  for (const [name, kind] of Object.entries(kinds))
    fc.assert(
      fc.property(fc.oneof(strange, nearly, fc.emailAddress(), fc.domain()), (text) => {
        const canonical = kind.canonical(text);
        if (canonical === undefined) return;
        assert.equal(kind.canonical(canonical), canonical, name);
        if (name === 'emailAddress') assert.match(canonical, /^[^@\s,;<>"()]+@[a-z0-9.-]+$/);
      }),
      { numRuns: 2000 },
    );
});

test('rows of an earlier release get the one spelling, but never become somebody else’s', async () => {
  const of = await w.tenant();
  const old = (collection: string, id: string, fields: Record<string, unknown>) =>
    mongoose.connection.collection<{ _id: string }>(collection).updateOne({ _id: id }, { $set: fields });
  const [alone, proven, late, newer, odd] = [
    await of.user(),
    await of.user(),
    await of.user(),
    await of.user({ email: 'taken@xn--bcher-kva.example' }),
    await of.user(),
  ];
  await old('users', alone.id, { email: 'allein@bücher.example', username: 'Allein', phone: '＋34  600' });
  await old('credentials', alone.credential, { email: 'allein@bücher.example' });
  await old('users', proven.id, { email: 'zwei@bücher.example', email_verified: true });
  await old('users', late.id, { email: 'taken@bücher.example' });
  await old('credentials', late.credential, { email: 'taken@bücher.example' });
  await old('users', odd.id, { email: 'a@x.com,b@x.com' });
  const told: Record<string, unknown>[] = [];
  const tell = (did: Record<string, unknown>) => void told.push(did);
  await takeDataSteps([canonicalAddresses], tell);

  const row = async (id: string) => of.api('GET', `/user/${id}`);
  const changed = await row(alone.id);
  assert.deepEqual(
    [changed.email, changed.username, changed.phone],
    ['allein@xn--bcher-kva.example', 'allein', '+34 600'],
  );
  const { email, email_verified } = await row(proven.id);
  assert.deepEqual([email, email_verified], ['zwei@xn--bcher-kva.example', true]);
  assert.equal((await row(late.id)).email, 'taken@bücher.example');
  assert.equal((await row(newer.id)).email, 'taken@xn--bcher-kva.example');
  assert.equal((await row(odd.id)).email, 'a@x.com,b@x.com');
  const { left } = told[0] as { left: Record<string, string> };
  for (const id of [`${late.id} email`, `${late.credential} email`, `${odd.id} email`]) assert.ok(left[id], id);
  assert.ok(!left[`${alone.id} email`]);
  assert.equal((await of.api('GET', '/user?q=xn--bcher-kva')).results.length, 3);
  const started = await of.call('POST', `/user/${odd.id}/verify-email/start`);
  assert.equal(started.status, 400, started.text);
  await takeDataSteps([canonicalAddresses], tell);
  assert.equal(told.length, 1, 'a step is taken once');
  await mongoose.connection.collection('data_steps').deleteMany({});
  await takeDataSteps([canonicalAddresses], tell);
  assert.deepEqual(told[1]!.changed, {}, 'and changes nothing more when it is');
});
