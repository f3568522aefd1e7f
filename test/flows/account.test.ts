/** The account pages: what somebody may change and end of their own, how fresh their login has to be, and who may not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Agent,
  agent,
  assertRefused,
  authorizeUrl,
  follow,
  formOf,
  logged,
  logIn,
  type Page,
  refresh,
  requestOf,
  submit,
  type TenantHandle,
  tokensOf,
  type User,
  wordsOf,
  world,
} from '../kit/index.ts';

const w = await world({ env: { TRUST_PROXY: '1' } });
const t = await w.tenant();
const other = await w.tenant('Other');
const client = await t.client({ name: 'Orders' });

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1';

/** A browser that says what it is, somewhere. */
function device(userAgent = FIREFOX, ip = '203.0.113.7'): Agent {
  const visit = agent();
  return (url, init = {}) =>
    visit(url, { ...init, headers: { 'user-agent': userAgent, 'x-forwarded-for': ip, ...(init.headers as object) } });
}

const at = (path: string, tenant: TenantHandle = t) => `${tenant.origin}${path}`;
/** Opens a page of ours, logging in where that is asked for. */
async function open(visit: Agent, path: string, user: User, tenant = t): Promise<Page> {
  const page = await follow(visit, await visit(at(path, tenant)));
  return logIn(visit, page, user);
}
const later = (seconds: number) => w.clock.advance({ seconds });
const profileOf = (user: User) => t.api('GET', `/user/${user.id}`);
const linkTo = (page: Page, name: RegExp): string => {
  for (const [, href, words] of page.text.matchAll(/<a[^>]* href="([^"]*)"[^>]*>([\s\S]*?)<\/a>/g))
    if (name.test(wordsOf({ text: words! }))) return new URL(href!.replaceAll('&#x2F;', '/'), page.url).href;
  return assert.fail(`no link ${name} on ${page.url}`);
};

describe('the account page', () => {
  test('is for people what is the list of accounts for programs, and comes after a login', async () => {
    const user = await t.user();
    const visit = device();
    const page = await open(visit, '/account?lang=es', user);
    assert.equal(page.url, at('/account?lang=es'));
    assert.match(wordsOf(page), /Tu cuenta.*Ada Lovelace/);
    const headers = { cookie: 'cardea_sess=x' };
    assertRefused(await w.send(at('/account'), { headers }), 401, 'unauthorized');
    const html = { accept: 'text/html', authorization: `Bearer ${t.adminToken}` };
    assert.match((await w.send(at('/account'), { headers: html })).headers.get('content-type')!, /json/);
    for (const name of ['x-frame-options', 'cache-control'])
      assert.match(page.headers.get(name)!, /DENY|no-store/, name);
  });

  test('knows nobody by another tenant’s cookie, nor whoever is suspended or gone', async () => {
    const [user, gone] = [await t.user(), await t.user()];
    const [visit, theirs] = [device(), device()];
    await open(visit, '/account', user);
    await open(theirs, '/account', gone);
    const cookies = async (by: Agent) => (await by(at('/account'))).status;
    assert.deepEqual([await cookies(visit), await cookies(theirs)], [200, 200]);
    // A cookie of one host, sent to another by hand.
    const session = await sessionCookie(user);
    const foreign = await w.send(at('/account/sessions', other), { headers: { accept: 'text/html', cookie: session } });
    assert.match(foreign.headers.get('location')!, /\/authorize\?/);
    await t.api('POST', `/user/${user.id}`, { suspended: true });
    await t.api('DELETE', `/user/${gone.id}`);
    for (const by of [visit, theirs])
      for (const path of ['/account', '/account/profile', '/account/sessions', '/account/sessions/others'])
        assert.match((await by(at(path))).location!, /\/authorize\?/);
  });
});

/** A session's cookie as it goes over the wire. */
async function sessionCookie(user: User): Promise<string> {
  const visit = agent();
  let cookie = '';
  const watching: Agent = async (url, init) => {
    const page = await visit(url, init);
    cookie =
      page.headers
        .getSetCookie()
        .find((line) => line.startsWith('cardea_sess='))
        ?.split(';')[0] ?? cookie;
    return page;
  };
  await open(watching, '/account', user);
  return cookie;
}

describe('the profile', () => {
  test('is changed as far as it is the user’s to change', async () => {
    const user = await t.user({ user_metadata: { plan: 'free' }, nickname: 'Ada' });
    const visit = device();
    const page = await open(visit, '/account/profile', user);
    const saved = await submit(visit, page, {
      name: ' Ada King ',
      given_name: 'Ada',
      nickname: '',
      locale: 'es',
      picture: 'https://pictures.example/a.png',
    });
    assert.equal(saved.location, at('/account/profile?done=saved'));
    const { name, given_name, nickname, locale, picture, user_metadata } = await profileOf(user);
    assert.deepEqual(
      [name, given_name, nickname, locale, picture],
      ['Ada King', 'Ada', null, 'es', 'https://pictures.example/a.png'],
    );
    assert.deepEqual(user_metadata, { plan: 'free' });
    assert.match(wordsOf(await visit(saved.location!)), /Your profile is saved/);
    const [row] = await logged(t, `user.profile_changed user:${user.id}`);
    assert.deepEqual(row.data.fields, ['name', 'given_name', 'nickname', 'picture', 'locale']);
    assert.equal((await submit(visit, page, { name: 'Ada King' })).status, 303);
    assert.equal((await logged(t, `user.profile_changed user:${user.id}`)).length, 1, 'nothing was changed');
  });

  test('is not changed by what is wrong, unknown, forged, or of somebody else’s session', async () => {
    const user = await t.user();
    const visit = device();
    const page = await open(visit, '/account/profile', user);
    const wrong = await submit(visit, page, { name: 'A\u202eda', picture: 'javascript:alert(1)', nickname: 'Ada' });
    assert.equal(wrong.status, 400);
    assert.equal(wrong.text.match(/aria-invalid/g)?.length, 2);
    assert.match(wrong.text, /name="nickname" value="Ada"/, 'what was typed stays');
    assert.equal((await submit(visit, page, { name: 'x'.repeat(301) })).status, 400);
    for (const field of ['email', 'email_verified', 'user_metadata', 'suspended'])
      assert.equal((await submit(visit, page, { [field]: 'x' })).status, 400, field);
    assert.equal((await submit(visit, page, { csrf: 'guessed', name: 'Eve' })).status, 403);
    assert.equal((await submit(visit, page, { name: 'Eve' }, { origin: 'https://evil.example' })).status, 403);
    const mallory = device();
    await open(mallory, '/account', await t.user());
    assert.equal((await submit(mallory, page, { name: 'Eve' })).status, 403);
    assert.match((await submit(agent(), page, { name: 'Eve' })).location!, /\/authorize\?/);
    assert.equal((await profileOf(user)).name, 'Ada Lovelace');
  });

  test('is saved so many times in ten minutes', async () => {
    const user = await t.user();
    const visit = device();
    const page = await open(visit, '/account/profile', user);
    const tried = await Promise.all(Array.from({ length: 65 }, (_, n) => submit(visit, page, { name: `Ada ${n}` })));
    const refused = tried.filter(({ status }) => status === 429);
    assert.equal(refused.length, 5);
    assert.ok(Number(refused[0]!.headers.get('retry-after')) > 0);
    const bystander = device();
    assert.equal((await submit(bystander, await open(bystander, '/account/profile', await t.user()), {})).status, 303);
  });
});

describe('devices', () => {
  const offline = { scope: 'openid offline_access' };
  /** A browser in which the app was used, and what the app may go on with. */
  async function loggedIn(user: User, visit: Agent) {
    const { tokens } = await tokensOf(t, client, user, offline, visit);
    return tokens.refresh_token!;
  }
  const works = async (token: string) => (await refresh(t, client, token)).status === 200;

  test('are listed with what is known of them, this one first, and nobody else’s', async () => {
    const user = await t.user();
    const [here, phone] = [device(), device(IPHONE, '2001:db8:1:2::7')];
    await loggedIn(user, here);
    await loggedIn(user, phone);
    await loggedIn(await t.user(), device('curl/8'));
    later(3 * 3600);
    const words = wordsOf(await open(here, '/account/sessions', user));
    assert.match(
      words,
      /Firefox on Windows This device Last used this minute · near 203\.0\.113\.… Logged in on .* For Orders Safari on iPhone Last used 3 hours ago · near 2001:db8:1:…/,
    );
    assert.ok(!words.includes('do not know'));
    assert.ok(!words.includes('203.0.113.7'), 'about where is enough');
  });

  test('one is logged out for good, with its refresh tokens, and the others are not', async () => {
    const user = await t.user();
    const [here, phone] = [device(), device(IPHONE)];
    const kept = await loggedIn(user, here);
    const lost = await loggedIn(user, phone);
    const list = await open(here, '/account/sessions', user);
    const asked = await here(linkTo(list, /Log out Safari on iPhone/));
    assert.match(wordsOf(asked), /Log out Safari on iPhone\?/);
    assert.equal((await phone(at('/account'))).status, 200, 'looking ends nothing');
    const [ended, twice] = await Promise.all([submit(here, asked), submit(here, asked)]);
    for (const one of [ended, twice]) assert.equal(one.location, at('/account/sessions?done=ended'));
    assert.match(wordsOf(await here(ended.location!)), /Some apps take a few minutes/);
    assert.match((await phone(at('/account'))).location!, /\/authorize\?/);
    assert.deepEqual([await works(kept), await works(lost)], [true, false]);
    assert.equal((await logged(t, `user.sessions_ended user:${user.id}`)).length, 1);
    assert.equal((await here(asked.url)).location, at('/account/sessions'), 'it is over');
  });

  test('nobody ends what is not theirs', async () => {
    const [user, mallory] = [await t.user(), await t.user()];
    const [theirs, second, hers] = [device(), device(IPHONE), device()];
    const token = await loggedIn(user, theirs);
    await loggedIn(user, second);
    const asked = await theirs(linkTo(await open(theirs, '/account/sessions', user), /Log out Safari/));
    const form = formOf(await hers(linkToOthers(await open(hers, '/account/sessions', mallory))));
    assert.equal((await hers(asked.url)).location, at('/account/sessions'));
    const tried = await hers(asked.url, { form: { csrf: form.csrf }, headers: { origin: t.origin } });
    assert.equal(tried.location, at('/account/sessions?done=ended'), 'answered alike');
    assert.equal((await theirs(asked.url, { form: {}, headers: { origin: t.origin } })).status, 403);
    assert.equal((await second(at('/account'))).status, 200);
    assert.equal(await works(token), true);
    assert.equal((await logged(t, `user.sessions_ended user:${mallory.id}`)).length, 0);
  });
  /** Offered where there are others; the address is the same for all. */
  const linkToOthers = (page: Page) => new URL('/account/sessions/others', page.url).href;

  test('all others are logged out at once, browsers and programs, and this one goes on', async () => {
    const user = await t.user();
    const [here, phone] = [device(), device(IPHONE)];
    const kept = await loggedIn(user, here);
    const lost = await loggedIn(user, phone);
    const program = await programOf(user);
    const list = await open(here, '/account/sessions', user);
    assert.match(wordsOf(list), /Apps that stay connected.*Sync/);
    const asked = await here(linkTo(list, /Log out everywhere else/));
    assert.equal((await submit(here, asked)).status, 303);
    assert.deepEqual([await works(kept), await works(lost)], [true, false]);
    assert.equal((await refresh(t, program.client, program.token)).status, 400);
    assert.equal((await here(at('/account'))).status, 200);
    assert.match((await phone(at('/account'))).location!, /\/authorize\?/);
    assert.match(wordsOf(await here(at('/account/sessions'))), /on this device alone/);
  });

  test('a program that stays connected is cut off by itself', async () => {
    const user = await t.user();
    const here = device();
    const kept = await loggedIn(user, here);
    const { client: sync, token } = await programOf(user);
    const asked = await here(linkTo(await open(here, '/account/sessions', user), /Log out Sync/));
    assert.match(wordsOf(asked), /Log out Sync\?/);
    await submit(here, asked);
    assert.equal((await refresh(t, sync, token)).status, 400);
    assert.equal(await works(kept), true);
  });

  /** A client without a browser, and what it goes on with. */
  async function programOf(user: User) {
    const sync = await t.client({ name: 'Sync', grant_types: ['password', 'refresh_token'] });
    const { body } = await w.send(at('/oauth/token'), {
      method: 'POST',
      form: {
        grant_type: 'password',
        username: user.email,
        password: user.password,
        scope: 'openid offline_access',
        client_id: sync.client_id,
        client_secret: sync.client_secret,
      },
    });
    return { client: sync, token: body.refresh_token as string };
  }

  test('ending needs a login of the last ten minutes, which leads back to what was being done', async () => {
    const user = await t.user();
    const [here, phone] = [device(), device(IPHONE)];
    await loggedIn(user, here);
    await loggedIn(user, phone);
    const list = await open(here, '/account/sessions', user);
    const link = linkTo(list, /Log out Safari/);
    const asked = await here(link);
    later(601);
    assert.equal((await here(at('/account/sessions'))).status, 200, 'looking does not');
    const late = await submit(here, asked);
    assert.match(late.location!, /max_age=600/);
    assert.equal((await phone(at('/account'))).status, 200);
    const login = await follow(here, await here(link));
    assert.match(login.text, new RegExp(`value="${user.email}"`));
    const back = await logIn(here, login, user);
    assert.equal(back.url, link);
    assert.equal((await submit(here, back)).location, at('/account/sessions?done=ended'));
    assert.match((await phone(at('/account'))).location!, /\/authorize\?/);
  });
});

test('a login at the app leads to no account page of somebody else', async () => {
  const [ada, grace] = [await t.user(), await t.user({ name: 'Grace Hopper' })];
  const visit = device();
  await open(visit, '/account', ada);
  const page = await follow(visit, await visit(authorizeUrl(t, requestOf(client, { prompt: 'login' }).parameters)));
  await logIn(visit, page, grace);
  assert.match(wordsOf(await visit(at('/account'))), /Grace Hopper/);
});
