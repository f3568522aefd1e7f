/** The account pages: what somebody may change and end of their own, how fresh their login has to be, and who may not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import mongoose from 'mongoose';
import {
  type Agent,
  agent,
  assertRefused,
  authorizeUrl,
  fieldOf,
  follow,
  formOf,
  logged,
  logIn,
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
import { followLink, lastLink, mailbox } from '../kit/mailbox.ts';

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

const NEW = 'Another-horse-2';
const opens = async (user: User, password: string) => {
  const door = await passwordDoor();
  return (await passwordGrant(t, door, { ...user, password })).status === 200;
};
let door: ReturnType<TenantHandle['client']> | undefined;
const passwordDoor = () => (door ??= t.client({ name: 'Sync', grant_types: ['password', 'refresh_token'] }));
const mails = async (to: string) => (await mailbox(t, to)).map(({ type }) => type);

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

  test('of very many some are told, and this one is always among them', async () => {
    const user = await t.user();
    const here = device();
    await loggedIn(user, here);
    const rows = mongoose.connection.collection<{ _id: string; payload: string }>('protocol');
    const own = (await rows.findOne({ user: user.id, kind: 'Session' }))!;
    const longer = new Date(Date.now() + 400 * 86_400_000);
    const copies = Array.from({ length: 205 }, (_, n) => {
      const payload = JSON.stringify({ ...JSON.parse(own.payload), uid: `copy${n}`, seen: undefined });
      return { ...own, _id: `${own._id}${n}`, uid: `copy${n}`, payload, expires_at: longer };
    });
    await rows.insertMany(copies);
    assert.match(wordsOf(await open(here, '/account/sessions', user)), /Firefox on Windows This device/);
    const listed = await t.api('GET', `/user/${user.id}/sessions?pageSize=200`);
    assert.deepEqual([listed.results.length, listed.next], [200, null]);
    await t.api('POST', `/user/${user.id}`, { suspended: true });
    assert.equal(await rows.countDocuments({ user: user.id }), 0, 'all of them end');
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
    const sync = await passwordDoor();
    const { body } = await passwordGrant(t, sync, user, { scope: 'openid offline_access' });
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

/** Subjects of what an address has got of one kind. */
async function delivered(to: string, kind: string): Promise<string[]> {
  later(3);
  await w.deliver();
  const url = `${t.origin}/dev/outbox?${new URLSearchParams({ to })}`;
  const { results } = (await w.send(url, { headers: { accept: 'application/json' } })).body;
  return results.flatMap(({ template, subject }: Record<string, string>) => (template === kind ? subject : []));
}

/** A browser that was logged in by a mailed link. */
async function byMail(email: string): Promise<Agent> {
  await t.call('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
  const visit = device();
  const json = { client_id: client.client_id, email, send: 'link', auth_params: { redirect_uri: REDIRECT } };
  await w.send(at('/passwordless/start'), { method: 'POST', json });
  const page = await visit(await lastLink(t, email));
  await follow(visit, await submit(visit, page, { token: fieldOf(page, 'token') }));
  return visit;
}

describe('what would carry the account off', () => {
  const GUARDED = [
    '/account/email',
    '/account/password',
    '/account/data',
    '/account/delete',
    '/account/sessions/others',
  ];

  test('needs a login of the last ten minutes, to look at and to do', async () => {
    const user = await t.user();
    const visit = device();
    await open(visit, '/account', user);
    const pages = await Promise.all(GUARDED.map((path) => visit(at(path))));
    assert.deepEqual(
      pages.map(({ status }) => status),
      GUARDED.map(() => 200),
    );
    later(601);
    const fields: Record<string, string>[] = [
      { new_email: 'eve@example.com' },
      { new_password: NEW },
      {},
      { confirm: user.email },
      {},
    ];
    for (const [n, page] of pages.entries()) {
      assert.match((await visit(page.url)).location!, /max_age=600/, page.url);
      const which = fieldOf(page, 'which');
      const late = await submit(visit, page, { ...fields[n], ...(which && { which }) });
      assert.match(late.location!, /max_age=600/, page.url);
      assert.match(late.headers.get('cache-control')!, /no-store/);
    }
    assert.deepEqual([await mails('eve@example.com'), await opens(user, user.password)], [[], true]);
    const back = await open(visit, '/account/email', user);
    assert.equal(back.url, at('/account/email'));
  });

  test('takes nothing that it does not know, that is forged, or that comes without a login', async () => {
    const user = await t.user();
    const visit = device();
    for (const path of GUARDED) {
      const page = await open(visit, path, user);
      assert.equal((await submit(visit, page, { user: 'someone' })).status, 400, path);
      assert.equal((await submit(visit, page, { csrf: 'guessed' })).status, 403, path);
      assert.equal((await submit(visit, page, {}, { origin: 'https://evil.example' })).status, 403, path);
      assert.match((await submit(agent(), page)).location!, /\/authorize\?/, path);
    }
    assert.equal((await visit(at('/account'))).status, 200);
  });
});

describe('the address', () => {
  test('changes when the link that was mailed there is followed, and the login goes on', async () => {
    const user = await t.user();
    const visit = device();
    const page = await open(visit, '/account/email', user);
    const fresh = `new.${user.email}`;
    const sent = await follow(visit, await submit(visit, page, { new_email: ` ${fresh.toUpperCase()} ` }));
    assert.match(wordsOf(sent), new RegExp(`if ${fresh} can be used`));
    assert.ok(!sent.url.includes('example.com'), 'the address is not in the address');
    assert.equal((await profileOf(user)).email, user.email);
    // In the browser that asked for it the link acts at once.
    assert.match((await follow(visit, await visit(await lastLink(t, fresh)))).url, /status=applied/);
    assert.equal((await profileOf(user)).email, fresh);
    assert.equal((await visit(at('/account'))).status, 200);
    assert.deepEqual(await mails(user.email), ['email_changed']);
  });

  test('is agreed to by the old one, where the tenant says so', async () => {
    const strict = await w.tenant('Strict');
    await strict.api('POST', `/account/${strict.id}`, { email_change_verification_mode: 'old_and_new' });
    const user = await strict.user();
    const visit = device();
    const page = await open(visit, '/account/email', user, strict);
    const sent = await follow(visit, await submit(visit, page, { new_email: 'new@example.com' }));
    assert.match(wordsOf(sent), new RegExp(`we also ask ${user.email}`));
    assert.match(
      (await follow(visit, await visit(await lastLink(strict, 'new@example.com')))).url,
      /status=pending_old/,
    );
    assert.equal((await followLink(await lastLink(strict, user.email))).status, 'applied');
  });

  test('stays where whoever asked for another is put out before its link is followed; one’s own change goes on', async () => {
    const end = async (owner: Agent, path: string, user: User, fields: Record<string, string> = {}) => {
      const page = await open(owner, path, user);
      const which = fieldOf(page, 'which');
      assert.equal((await submit(owner, page, { ...fields, ...(which && { which }) })).status, 303, path);
    };
    const json = (body: object) => ({ method: 'POST', json: body });
    const endings: Record<string, (user: User, owner: Agent) => Promise<unknown>> = {
      'another password': (user, owner) => end(owner, '/account/password', user, { new_password: NEW }),
      'another password by a mailed link': async ({ email }) => {
        await w.send(at('/dbconnections/change_password'), json({ email }));
        const state = new URL(await lastLink(t, email)).searchParams.get('ticket');
        assert.equal((await w.send(at('/reset-change'), json({ state, new_password: NEW }))).status, 200);
      },
      'another password by an administrator': (user) =>
        t.api('POST', `/credentials/${user.credential}/set-password`, { password: NEW }),
      'all others logged out': (user, owner) => end(owner, '/account/sessions/others', user),
      'the device logged out': async (user, owner) => {
        const list = await open(owner, '/account/sessions', user);
        await end(owner, new URL(linkTo(list, /Log out Safari/)).pathname, user);
      },
      suspended: async ({ id }) => {
        for (const suspended of [true, false]) await t.api('POST', `/user/${id}`, { suspended });
      },
    };
    for (const [name, put] of Object.entries(endings)) {
      const user = await t.user({ email_verified: true });
      const [thief, owner] = [device(IPHONE), device()];
      const page = await open(thief, '/account/email', user);
      const to = `thief.${user.email}`;
      assert.equal((await submit(thief, page, { new_email: to })).status, 303);
      await put(user, owner);
      assert.equal((await followLink(await lastLink(t, to))).status, 'invalid_link', name);
      assert.equal((await profileOf(user)).email, user.email, name);
    }
    const [user, owner] = [await t.user(), device()];
    const page = await open(owner, '/account/email', user);
    const to = `own.${user.email}`;
    assert.equal((await submit(owner, page, { new_email: to })).status, 303);
    await end(owner, '/account/password', user, { new_password: NEW });
    assert.equal((await followLink(await lastLink(t, to))).status, 'applied');
  });

  test('says nothing of others’, is none that is no address, and is asked for five times in an hour', async () => {
    const [user, neighbour] = [await t.user(), await t.user()];
    const visit = device();
    const page = await open(visit, '/account/email', user);
    const taken = await follow(visit, await submit(visit, page, { new_email: neighbour.email }));
    assert.match(wordsOf(taken), /a link is on its way/);
    assert.deepEqual(await mails(neighbour.email).then((all) => all.filter((type) => type !== 'change_email')), []);
    assert.match(wordsOf(await submit(visit, page, { new_email: user.email })), /This is your email already/);
    assert.equal((await submit(visit, page, { new_email: 'nowhere' })).status, 400);
    for (let n = 0; n < 3; n += 1) await submit(visit, page, { new_email: `n${n}@example.com` });
    const many = await submit(visit, page, { new_email: 'n9@example.com' });
    assert.equal(many.status, 429);
    assert.match(wordsOf(many), /Try again in \d+ minutes/);
    assert.ok(Number(many.headers.get('retry-after')) > 600);
  });
});

describe('the password', () => {
  test('is changed, ends every other login, and its owner is told', async () => {
    const user = await t.user();
    const [here, phone] = [device(), device(IPHONE)];
    await open(phone, '/account', user);
    const held = (await tokensOf(t, client, user, { scope: 'openid offline_access' }, phone)).tokens.refresh_token!;
    const page = await open(here, '/account/password', user);
    const which = fieldOf(page, 'which');
    const weak = await submit(here, page, { which, new_password: 'weak' });
    assert.equal(weak.status, 400);
    assert.match(weak.text, /class="broken"/);
    assert.equal((await submit(here, page, { which, new_password: '' })).status, 400);
    assert.equal(
      (await submit(here, page, { which, new_password: NEW })).location,
      at('/account/password?done=changed'),
    );
    assert.deepEqual([await opens(user, user.password), await opens(user, NEW)], [false, true]);
    assert.equal((await here(at('/account'))).status, 200);
    assert.match((await phone(at('/account'))).location!, /\/authorize\?/);
    assert.equal((await refresh(t, client, held)).status, 400);
    assert.deepEqual(await delivered(user.email, 'password_changed'), ['Your password at Acme has changed']);
    const [row] = await logged(t, `credential.password_changed user:${user.id}`);
    assert.deepEqual([row.data.initiated_by, row.data.spared], ['user', undefined]);
  });

  test('is no way to fill a mailbox that may be somebody else’s: three mails an hour, and five links that verify', async () => {
    const user = await t.user();
    const visit = device();
    for (let n = 0; n < 5; n += 1) {
      const page = await open(visit, '/account/password', user);
      const new_password = `Another-horse-${n}`;
      assert.equal((await submit(visit, page, { which: fieldOf(page, 'which'), new_password })).status, 303);
    }
    assert.deepEqual(await mails(user.email), Array(3).fill('password_changed'));
    const { access_token } = (await passwordGrant(t, await passwordDoor(), { ...user, password: 'Another-horse-4' }))
      .body;
    const start = () => w.call(t.origin, access_token, 'POST', `/user/${user.id}/verify-email/start`, {});
    const asked = await Promise.all(Array.from({ length: 7 }, start));
    assert.deepEqual(asked.map(({ status }) => status).toSorted(), [...Array(5).fill(200), 429, 429]);
    assert.equal((await mails(user.email)).filter((type) => type === 'verify_email').length, 5);
    await t.api('POST', `/user/${user.id}/verify-email/start`, {});
  });

  test('of somebody else is not, and of many at once one is set', async () => {
    const [user, mallory] = [await t.user(), await t.user()];
    const [visit, hers] = [device(), device()];
    const page = await open(visit, '/account/password', user);
    const which = fieldOf(page, 'which');
    const form = await open(hers, '/account/password', mallory);
    assert.equal((await submit(hers, form, { which, new_password: NEW })).status, 409);
    assert.equal(await opens(user, user.password), true);
    const passwords = Array.from({ length: 4 }, (_, n) => `Another-horse-${n}`);
    const tried = await Promise.all(passwords.map((new_password) => submit(visit, page, { which, new_password })));
    const works = await Promise.all(passwords.map((password) => opens(user, password)));
    assert.equal(works.filter(Boolean).length, 1);
    assert.equal(tried[works.indexOf(true)]!.status, 303);
    for (const { status } of tried) assert.ok([303, 409].includes(status));
  });

  test('may be chosen by whoever has none, for an address that is proven', async () => {
    const email = `none.${Math.random().toString(36).slice(2)}@example.com`;
    const { id } = await t.api('POST', '/user', { email, email_verified: true });
    const visit = await byMail(email);
    const page = await visit(at('/account/password'));
    assert.match(wordsOf(page), /Choose a password/);
    const which = fieldOf(page, 'which');
    const tried = await Promise.all([1, 2].map(() => submit(visit, page, { which, new_password: NEW })));
    assert.deepEqual(tried.map(({ status }) => status).toSorted(), [303, 409]);
    assert.equal(await opens({ email } as User, NEW), true);
    assert.deepEqual(await delivered(email, 'password_changed'), ['Your password at Acme has changed']);
    assert.equal((await t.api('GET', `/credentials?query=user:${id}`)).results.length, 1);
  });
});

describe('a login in a browser that is new', () => {
  const told = async (user: User) => (await mailbox(t, user.email)).filter(({ type }) => type === 'new_device');
  /** From the app, whoever is logged in. */
  const start = async (visit: Agent, tenant = t, by = client) =>
    follow(visit, await visit(authorizeUrl(tenant, requestOf(by, { prompt: 'login' }).parameters)));
  const comeIn = async (visit: Agent, user: User) => logIn(visit, await start(visit), user);

  test('is told by mail; the first of all is not, nor one where the user came in before', async () => {
    const [user, neighbour] = [await t.user({ locale: 'es' }), await t.user()];
    const [here, phone] = [device(), device(IPHONE, '2001:db8:1:2::7')];
    await comeIn(here, user);
    await comeIn(here, user);
    await comeIn(here, neighbour);
    assert.deepEqual(await told(user), [], 'known');
    await comeIn(phone, user);
    const [mail, ...more] = await told(user);
    assert.deepEqual(more, []);
    const { browser, system, network, link, reset_link } = mail!.data;
    assert.deepEqual([browser, system, network], ['Safari', 'iPhone', '2001:db8:1:…']);
    assert.deepEqual([link, reset_link], [at('/account/sessions'), at('/flow/reset-password')]);
    later(400 * 86_400);
    await t.renew();
    assert.deepEqual(await delivered(user.email, 'new_device'), ['Nuevo acceso a tu cuenta de Acme']);
    const [row] = await logged(t, `user.new_device user:${user.id}`);
    assert.deepEqual([row.data.browser, row.data.system], ['Safari', 'iPhone']);
  });

  test('is told once, however many logins there are at once', async () => {
    const user = await t.user();
    await comeIn(device(), user);
    const phone = device(IPHONE);
    const tabs = [await start(phone), await start(phone), await start(phone)];
    const landed = await Promise.all(
      tabs.map((tab) => submit(phone, tab, { email: user.email, password: user.password })),
    );
    assert.ok(landed.every(({ status }) => status === 303));
    assert.equal((await told(user)).length, 1);
    await comeIn(phone, user);
    assert.equal((await told(user)).length, 1);
  });

  test('is told whatever cookie somebody else has, and not without end', async () => {
    const user = await t.user();
    await comeIn(device(), user);
    const theirs = await t.user();
    const hers = device();
    await comeIn(hers, theirs);
    await comeIn(hers, user);
    assert.equal((await told(user)).length, 1, 'known for another user');
    const stranger = device();
    await comeIn(stranger, user);
    assert.equal((await told(user)).length, 2);
    for (let n = 0; n < 10; n += 1) await comeIn(device(), user);
    assert.equal((await told(user)).length, 10);
  });

  test('by a mailed link is one as well, and who has no address logs in all the same', async () => {
    const email = `link.${Math.random().toString(36).slice(2)}@example.com`;
    await t.api('POST', '/user', { email, email_verified: true });
    await byMail(email);
    later(181);
    await byMail(email);
    assert.equal((await mailbox(t, email)).filter(({ type }) => type === 'new_device').length, 1);
    const username = `ada${Math.random().toString(36).slice(2)}`;
    const { id } = await t.api('POST', '/user', { username });
    await t.api('POST', '/credentials', { user: id, connection: t.connection, username, password: NEW });
    for (const _ of [1, 2]) {
      const landed = await comeIn(device(), { email: username, password: NEW } as User);
      assert.match(landed.location!, /code=/);
    }
    assert.equal((await logged(t, `user.new_device user:${id}`)).length, 1);
  });
});

describe('one’s own data', () => {
  test('is a file with all that is kept, and with no secret in it', async () => {
    const user = await t.user({ user_metadata: { plan: 'free' } });
    const bystander = await t.user({ name: 'Grace Hopper' });
    const visit = device();
    await open(device(), '/account', bystander);
    const { tokens } = await tokensOf(t, client, user, { scope: 'openid offline_access' }, visit);
    const administrator = '198.51.100.77';
    await t.call('POST', `/user/${user.id}`, { nickname: 'Ada' }, { 'x-forwarded-for': administrator });
    const page = await open(visit, '/account/data', user);
    const file = await submit(visit, page);
    assert.match(file.headers.get('content-disposition')!, /attachment; filename="account\.json"/);
    assert.match(file.headers.get('cache-control')!, /no-store/);
    const data = JSON.parse(file.text);
    assert.deepEqual([data.user.id, data.user.user_metadata], [user.id, { plan: 'free' }]);
    assert.deepEqual(
      data.logins.map((one: { email: string; has_password: boolean }) => [one.email, one.has_password]),
      [[user.email, true]],
    );
    assert.equal(data.sessions.length, 1);
    assert.equal(data.sessions[0].agent, FIREFOX);
    assert.ok(data.activity.some(({ type }: { type: string }) => type === 'auth.login'));
    assert.ok(data.activity.some(({ type }: { type: string }) => type === 'admin.user.updated'));
    const others = [bystander.id, bystander.email, administrator];
    for (const secret of ['password_hash', '$argon', 'scrypt', tokens.refresh_token!, ...others])
      assert.ok(!file.text.includes(secret), secret);
    assert.equal((await logged(t, `user.data_exported user:${user.id}`)).length, 1);
  });
});

describe('deleting the account', () => {
  test('takes its name, ends everything, and its owner is told in their own language', async () => {
    const [user, bystander] = [await t.user({ locale: 'es' }), await t.user()];
    const [here, phone] = [device(), device(IPHONE)];
    await open(phone, '/account', user);
    const held = (await tokensOf(t, client, user, { scope: 'openid offline_access' }, phone)).tokens.refresh_token!;
    const page = await open(here, '/account/delete', user);
    for (const confirm of ['', 'yes', bystander.email])
      assert.equal((await submit(here, page, { confirm })).status, 400);
    assert.equal((await t.call('GET', `/user/${user.id}`)).status, 200);
    const tried = await Promise.all([1, 2].map(() => submit(here, page, { confirm: ` ${user.email.toUpperCase()}` })));
    assert.ok(tried.some(({ location }) => location === at('/account/deleted')));
    assert.match(wordsOf(await here(at('/account/deleted'))), /Your account is deleted/);
    assert.equal((await t.call('GET', `/user/${user.id}`)).status, 404);
    for (const by of [here, phone]) assert.match((await by(at('/account'))).location!, /\/authorize\?/);
    assert.equal((await refresh(t, client, held)).status, 400);
    assert.equal(await opens(user, user.password), false);
    assert.equal((await t.call('GET', `/user/${bystander.id}`)).status, 200);
    assert.deepEqual(await delivered(user.email, 'account_deleted'), ['Tu cuenta de Acme está eliminada']);
    assert.equal((await logged(t, `user.deleted_by_user user:${user.id}`)).length, 1);
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
