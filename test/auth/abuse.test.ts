/** What somebody who has proven nothing learns, uses up and sets off: at each door that is open to strangers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { networkLimit } from '../../src/auth/network-limit.ts';
import { accountById } from '../../src/domain/account/account.ts';
import { TICKET_PATHS } from '../../src/domain/link/ticket.ts';
import { MAILS } from '../../src/domain/message/index.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { limiter } from '../../src/store/limiter.ts';
import { failAt, settled } from '../kit/faults.ts';
import {
  type Agent,
  agent,
  authorizeUrl,
  fieldOf,
  follow,
  type Page,
  requestOf,
  submit,
  type User,
  wordsOf,
  world,
} from '../kit/index.ts';
import { lastLink, mailbox } from '../kit/mailbox.ts';

const w = await world({ env: { TRUST_PROXY: '1' } });
const t = await w.tenant();
await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
const OTP = 'http://auth0.com/oauth/grant-type/passwordless/otp';
const door = await t.client({ grant_types: ['password', OTP, 'authorization_code'] });
const START = authorizeUrl(t, requestOf(door).parameters);

type From = Record<string, string>;
let networks = 0;
/** A network of somebody’s own. */
const elsewhere = (): From => {
  networks += 1;
  return { 'x-forwarded-for': `198.${18 + (networks >> 8)}.${networks & 255}.1` };
};
const post = (path: string, json: object, headers: From) => w.send(t.origin + path, { method: 'POST', json, headers });
const guess = (email: string, password: string, headers: From) =>
  w.send(`${t.origin}/oauth/token`, {
    method: 'POST',
    headers,
    form: {
      grant_type: 'password',
      client_id: door.client_id,
      client_secret: door.client_secret,
      username: email,
      password,
    },
  });
const codeTo = (email: string, headers: From, send = 'code') =>
  post('/passwordless/start', { client_id: door.client_id, email, send }, headers);
const forgot = (email: string, headers: From) => post('/dbconnections/change_password', { email }, headers);
const NEW = 'Another-horse-2';
const loginPage = async (visit: Agent, headers: From): Promise<Page> => {
  const first = await visit(START, { headers });
  return visit(first.location!, { headers });
};

describe('a lockout', () => {
  test('is not outrun by tries at once', async () => {
    const user = await t.user();
    const here = elsewhere();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => guess(user.email, `wrong ${n}`, here)));
    const looked = answers.filter(({ text }) => !/Too many/.test(text));
    assert.equal(looked.length, 10);
    assert.match((await guess(user.email, user.password, here)).text, /Too many/, 'the right one too');
    assert.equal((await guess(user.email, user.password, elsewhere())).status, 200, 'and nowhere else');
  });

  test('keeps nobody from a mailed code or link, nor from a reset, after which the new password opens', async () => {
    const victims = [await t.user(), await t.user(), await t.user()] as [User, User, User];
    // As a hundred guesses from everywhere do, without the hours that their hashes take.
    const everywhere = limiter('login-everywhere', 100, 86_400);
    for (const { email } of victims) await everywhere.take(`${t.id} ${t.connection} ${email}`, 100);
    const [one, two, three] = victims;
    const home = elsewhere();
    for (const { email, password } of victims) assert.match((await guess(email, password, home)).text, /Too many/);

    assert.equal((await codeTo(one.email, home)).status, 200);
    const { code: otp } = (await mailbox(t, one.email)).at(-1)!.data;
    const client = { client_id: door.client_id, client_secret: door.client_secret };
    const form = { grant_type: OTP, ...client, username: one.email, otp };
    assert.equal((await w.send(`${t.origin}/oauth/token`, { method: 'POST', form, headers: home })).status, 200);

    assert.equal((await codeTo(two.email, home, 'link')).status, 200);
    const visit = agent();
    const button = await visit(await lastLink(t, two.email), { headers: home });
    const pressed = await submit(visit, button, { token: fieldOf(button, 'token') }, home);
    assert.match((await follow(visit, pressed)).location ?? '', /[?&]code=/);

    assert.equal((await forgot(three.email, home)).status, 200);
    const state = new URL(await lastLink(t, three.email)).searchParams.get('ticket');
    assert.equal((await post('/reset-change', { state, new_password: NEW }, home)).status, 200);
    assert.equal((await guess(three.email, NEW, home)).status, 200);
  });
});

/** By the clock, whoever asks what. */
const POLLED = /^find changes$/;
const COMMANDS = ['find', 'aggregate', 'count', 'distinct', 'insert', 'update', 'delete', 'findAndModify'];

describe('whether an address has an account', () => {
  /** Each answers what somebody sees of it, without what they typed. */
  const doors: Record<string, (email: string, from: From) => Promise<{ status: number; text: string }>> = {
    'a reset': forgot,
    'a code': codeTo,
    'a link': (email, from) => codeTo(email, from, 'link'),
    'a password': (email, from) => guess(email, 'Wrong-horse-9', from),
    async 'the page of a reset'(email, headers) {
      const visit = agent();
      const page = await visit(`${t.origin}/flow/reset-password`, { headers });
      const sent = await submit(visit, page, { email }, headers);
      return { status: sent.status, text: new URL(sent.location!).pathname };
    },
  };

  for (const [name, open] of Object.entries(doors))
    test(`shows at ${name} in no answer and in no work: the database is asked the same`, async () => {
      const [known, suspended] = [await t.user(), await t.user()];
      await t.api('POST', `/user/${suspended.id}`, { suspended: true });
      // What is held in memory is there for all of them.
      await open('first@example.com', elsewhere());
      await settled();
      const seen = [];
      for (const email of [known.email, suspended.email, `nobody${networks}@example.com`]) {
        const network = elsewhere();
        const { passed, restore } = failAt(Number.POSITIVE_INFINITY, COMMANDS);
        const { status, text } = await open(email, network);
        await settled();
        restore();
        seen.push({
          status,
          text: text.replace(/"[\w-]{20,}"/g, ''),
          work: passed.filter((what) => !POLLED.test(what)).sort(),
        });
      }
      assert.deepEqual(seen[1], seen[0]);
      assert.deepEqual(seen[2], seen[0]);
    });
});

describe('a mail scanner', () => {
  /** Has a mail with a link sent, and does what its reader would; one for each kind that has links. */
  const links: Record<string, () => Promise<{ to: string; use(visit: Agent, page: Page): Promise<void> }>> = {
    async verify_email() {
      const { id, email } = await t.user();
      await t.api('POST', `/user/${id}`, { email_verified: false });
      await t.api('POST', `/user/${id}/verify-email/start`, {});
      return { to: email, use: pressing(async () => (await t.api('GET', `/user/${id}`)).email_verified === true) };
    },
    async change_email() {
      const { id } = await t.user();
      const to = `changed${networks}@example.com`;
      await t.api('POST', `/user/${id}/change-email`, { new_email: to });
      return { to, use: pressing(async () => (await t.api('GET', `/user/${id}`)).email === to) };
    },
    async team_invite() {
      const { id } = await t.api('POST', '/team', { name: 'Blue' });
      const to = `invited${networks}@example.com`;
      await t.api('POST', `/team/${id}/invite`, { email: to });
      const isIn = async () => (await t.api('GET', `/teammember?query=team:${id}`)).results.length === 1;
      return { to, use: pressing(isIn) };
    },
    async reset_password() {
      const user = await t.user();
      assert.equal((await forgot(user.email, elsewhere())).status, 200);
      return {
        to: user.email,
        async use(visit, page) {
          await submit(visit, page, { state: fieldOf(page, 'state'), new_password: NEW });
          assert.equal((await guess(user.email, NEW, elsewhere())).status, 200);
        },
      };
    },
    async passwordless_link() {
      const { email } = await t.user();
      assert.equal((await codeTo(email, elsewhere(), 'link')).status, 200);
      return {
        to: email,
        async use(visit, page) {
          const done = await follow(visit, await submit(visit, page, { token: fieldOf(page, 'token') }));
          assert.match(done.location ?? '', /[?&]code=/);
        },
      };
    },
  };

  const pressing = (isDone: () => Promise<boolean>) => async (visit: Agent, page: Page) => {
    assert.equal(await isDone(), false, 'opening does nothing');
    await submit(visit, page, { ticket: fieldOf(page, 'ticket'), decision: 'yes' });
    assert.equal(await isDone(), true);
  };

  for (const [type, send] of Object.entries(links))
    test(`uses up no link of ${type}, however it asks`, async () => {
      const { to, use } = await send();
      const link = await lastLink(t, to);
      for (const method of ['HEAD', 'GET', 'GET']) {
        const scan = await agent()(link, { method, headers: { 'user-agent': 'scanner' } });
        assert.deepEqual([scan.status, scan.location, scan.headers.getSetCookie()], [200, null, []]);
      }
      const visit = agent();
      await use(visit, await visit(link));
    });

  test('has its case for every kind of mail with a link of ours', () => {
    const acting = MAILS.filter(({ samples }) =>
      Object.values(samples as Record<string, { link?: string }>).some(({ link }) => isActing(link)),
    );
    assert.deepEqual(acting.map(({ type }) => type).sort(), Object.keys(links).sort());
  });
  /** One that does something, and does not only lead somewhere. */
  const isActing = (link = 'https://none.example/') =>
    [...Object.values(TICKET_PATHS), '/passwordless/verify_redirect'].includes(new URL(link).pathname);
});

describe('a page that sends somebody away', () => {
  const pages: Record<string, (visit: Agent, lang: string, headers: From) => Promise<Page>> = {
    async login(visit, lang, headers) {
      const page = await loginPage(visit, headers);
      const there = await visit(`${page.url}?lang=${lang}`, { headers });
      return submit(visit, there, { email: 'somebody@example.com', password: 'wrong' }, headers);
    },
    async 'sign-up'(visit, lang, headers) {
      const page = await loginPage(visit, headers);
      const there = await visit(`${page.url}/signup?lang=${lang}`, { headers });
      return submit(visit, there, { email: `n${networks}@example.com`, password: 'Correct-horse-1' }, headers);
    },
    async reset(visit, lang, headers) {
      const page = await visit(`${t.origin}/flow/reset-password?lang=${lang}`, { headers });
      return submit(visit, page, { email: 'somebody@example.com' }, headers);
    },
  };

  for (const [name, open] of Object.entries(pages))
    test(`tells at ${name} for how long, as the header does, in both languages`, async () => {
      const tenant = asTenant((await accountById(t.id))!, t.origin);
      for (const [lang, words] of [
        ['en', /in (\d+) minutes?\./],
        ['es', /(\d+) minutos?\./],
      ] as const) {
        const headers = elsewhere();
        const limit = networkLimit(`${name}-address`, 100, 900);
        await Promise.all(Array.from({ length: 100 }, () => limit.consume(tenant, headers['x-forwarded-for']!)));
        // Some of the quarter of an hour is over.
        w.clock.advance({ seconds: 130 });
        const page = await open(agent(), lang, headers);
        assert.equal(page.status, 429, wordsOf(page));
        const seconds = Number(page.headers.get('retry-after'));
        assert.ok(seconds > 700 && seconds <= 770, `${seconds}`);
        assert.equal(Number(words.exec(wordsOf(page))?.[1]), Math.ceil(seconds / 60), wordsOf(page));
      }
    });
});
