/**
 * A tour of every page as a person meets it, and of every link that is mailed; then everything that those pages lead to
 * is opened too. No address of ours is without a route, and no page leaves its reader without a way on.
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { ERROR_PAGES } from '../../src/flows/error/error-pages.ts';
import { pages } from '../../src/flows/index.ts';
import { OUTCOMES } from '../../src/flows/link/link-done-page.ts';
import { translator } from '../../src/look/words.ts';
import { type Agent, agent, authorizeUrl, type Client, formOf, REDIRECT, requestOf, world } from '../kit/index.ts';
import { lastLink } from '../kit/mailbox.ts';

const w = await world();
const t = await w.tenant();
const user = await t.user();

type Shown = Pick<Awaited<ReturnType<Agent>>, 'status' | 'text' | 'url' | 'location'>;
/** With a form it is posted. */
type Link = { url: string; form?: Record<string, string> };
type Stop = { shown: Shown; visit: Agent };

/** Everything that any browser of the tour was shown, redirects too. */
const seen: Stop[] = [];

/** A browser of the tour: keeps what it is shown, and follows redirects as far as our own pages go. */
function browser() {
  const visit: Agent = agent();
  async function open(address: string, form?: Record<string, string>): Promise<Shown> {
    const url = new URL(address, t.origin).href;
    let shown: Shown = await visit(url, form && { form, headers: { origin: t.origin } });
    seen.push({ shown, visit });
    for (let hop = 0; shown.location?.startsWith(`${t.origin}/`) && hop < 10; hop++) {
      shown = await visit(shown.location);
      seen.push({ shown, visit });
    }
    return shown;
  }
  /** Presses a button of the page's form, with what is hidden in it. */
  async function press(shown: Shown, fields: Record<string, string>): Promise<Shown> {
    const { action, csrf } = formOf(shown);
    return open(action, { ...hiddenOf(shown.text), csrf, ...fields });
  }
  async function logIn(address: string, who = user): Promise<Shown> {
    const page = await open(address);
    return page.text.includes('name="password"') ? press(page, { email: who.email, password: who.password }) : page;
  }
  return { open, press, logIn };
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
const decoded = (text: string) => text.replace(/&(#39|\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
const hiddenOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [
      name!,
      decoded(value!),
    ]),
  );

/** Where a page leads within its own origin: links, forms, frames, scripts, and redirects. */
function linksOf({ text, url, location, status }: Shown): Link[] {
  const found: { address: string; form?: Record<string, string> }[] = location ? [{ address: location }] : [];
  for (const [tag] of text.startsWith('<!doctype html>') ? text.matchAll(/<[a-z][^>]*>/g) : []) {
    const value = (name: string) => new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1];
    if (tag.startsWith('<form')) continue;
    const refresh = /url=(.*)/.exec(value('content') ?? '')?.[1];
    for (const address of [value('href'), value('src'), value('data-discovery-path'), refresh])
      if (address) found.push({ address: decoded(address) });
    const posted = value('formaction');
    if (posted) found.push({ address: decoded(posted), form: {} });
  }
  for (const [form, method, action] of text.matchAll(/<form[^>]* method="(\w+)" action="([^"]*)"[\s\S]*?<\/form>/g)) {
    // Without its proof a form changes nothing.
    const { csrf, ...fields } = hiddenOf(form);
    found.push({ address: decoded(action!), form: method === 'post' ? fields : undefined });
  }
  const here = new URL(url);
  return found.flatMap(({ address, form }) => {
    const target = new URL(address, url);
    // The language menu of a page that says there is nothing at its address.
    const isItself = status === 404 && target.pathname === here.pathname;
    return target.origin === here.origin && !isItself ? [{ url: target.href.split('#')[0]!, form }] : [];
  });
}

/** Addresses that differ in ids alone lead to the same page. */
function kindOf({ url, form }: Link): string {
  const { pathname, searchParams } = new URL(url);
  const fold = (part: string) => (/^(?=.*\d)[\w.~-]{20,}$/.test(part) ? '*' : part);
  const query = [...searchParams].map(([name, value]) => `${name}=${fold(value)}`).sort();
  return `${form ? 'POST' : 'GET'} ${pathname.split('/').map(fold).join('/')}?${query.join('&')}`;
}

/** Opens all that the pages lead to, and what that leads to. */
async function crawl(start: readonly Stop[]): Promise<{ opened: Stop[]; dead: string[] }> {
  const opened: Stop[] = [];
  const dead: string[] = [];
  const known = new Set<string>();
  const queue = [...start];
  for (let at = queue.shift(); at; at = queue.shift()) {
    const { visit, shown: from } = at;
    for (const link of linksOf(from)) {
      const kind = kindOf(link);
      if (known.has(kind)) continue;
      known.add(kind);
      assert.ok(known.size < 1000, `the crawl does not end: ${kind}`);
      const shown = await visit(link.url, link.form && { form: link.form, headers: { origin: t.origin } });
      if ([404, 405].includes(shown.status) || shown.status >= 500)
        dead.push(`${shown.status} ${kind} from ${from.url}`);
      opened.push({ shown, visit });
      queue.push({ shown, visit });
    }
  }
  return { opened, dead };
}

const CLOSE = /You can close this page|puedes cerrar esta página/i;

/** A link or a form in what the page says itself, or the word that there is nothing more to do. */
function isDeadEnd({ text }: Shown): boolean {
  const main = /<main[\s\S]*<\/main>/.exec(text)?.[0];
  if (!main) return false;
  const leads = /<a [^>]*href="[^"]|<button/.test(main);
  // What is wrong is told with what to do about it: see below.
  const isError = main.includes('class="reference"');
  return !leads && !isError && !CLOSE.test(main);
}

const request = (client: Client, parameters: Record<string, string> = {}) =>
  authorizeUrl(t, requestOf(client, parameters).parameters);

/** How a person comes to see each page, and its heading. A page of the list without a stop fails the tour. */
const tour: Record<string, (one: ReturnType<typeof browser>) => Promise<[Shown, RegExp][]>> = {
  async outbox({ open }) {
    return [[await open('/dev/outbox'), />What would have been sent</]];
  },

  async message({ open }) {
    const user = await t.user();
    await t.api('POST', `/user/${user.id}/verify-email/start`, {});
    await w.deliver();
    const { results } = (await w.send(`${t.origin}/dev/outbox`, { headers: { accept: 'application/json' } })).body;
    const page = await open(`/dev/outbox/${results[0].id}`);
    assert.match(page.text, /<pre[^>]*>[^<]+<br>/, 'its lines stay');
    return [[page, />Confirm your email for /]];
  },

  async landing({ open }) {
    return [[await open('/'), /log in to Acme/]];
  },
  async playground({ open }) {
    return [[await open('/playground'), /Playground/]];
  },
  async login({ open, press }) {
    const page = await open(request(await t.client()));
    const wrong = await press(page, { email: user.email, password: 'wrong' });
    assert.equal(wrong.status, 401);
    return [
      [page, /Log in to Orders/],
      [wrong, /Log in to Orders/],
    ];
  },
  async 'sign-up'({ open, press }) {
    const page = await open(request(await t.client(), { screen_hint: 'signup' }));
    return [
      [page, /Sign up for Orders/],
      [await press(page, { email: 'nobody', password: 'weak' }), /Sign up for Orders/],
    ];
  },
  async 'sign-up-sent'({ open, press }) {
    const page = await open(request(await t.client(), { screen_hint: 'signup' }));
    return [[await press(page, { email: user.email, password: 'Another-horse-2' }), /Check your inbox/]];
  },
  async 'mail-ask'({ open }) {
    await mailConnection();
    const login = await open(request(await t.client()));
    const [, byMail] = /href="(\/flow\/[^/]+\/mail)"/.exec(login.text) ?? assert.fail('no way by mail');
    return [[await open(byMail!), /We mail you a code/]];
  },
  async 'mail-code'({ open, press }) {
    const page = await open(request(await t.client(), { connection: await mailConnection() }));
    const code = await press(page, { email: (await t.user()).email, send: 'code' });
    return [
      [code, /Type the code from the mail/],
      [await press(code, { code: '12' }), /This code is wrong/],
    ];
  },
  async 'mail-sent'({ open, press }) {
    const page = await open(request(await t.client(), { connection: await mailConnection() }));
    return [[await press(page, { email: (await t.user()).email, send: 'link' }), /Check your inbox/]];
  },
  async 'signed-in'({ open, logIn }) {
    const client = await t.client();
    await logIn(request(client));
    return [[await open(request(client, { prompt: 'select_account' })), /Continue to Orders/]];
  },
  async consent({ logIn }) {
    const client = await t.client({ name: 'Partner', is_first_party: false });
    return [[await logIn(request(client, { scope: 'openid email' })), /Allow Partner to use your account/]];
  },
  async 'form-post'({ logIn }) {
    const at = await logIn(request(await t.client(), { response_mode: 'form_post' }));
    return [[at, /Continue to Orders/]];
  },
  async 'web-message'({ open }) {
    const url = request(await t.client(), { response_mode: 'web_message', prompt: 'none' });
    return [[await open(url), /You can close this page/]];
  },
  async leave({ open }) {
    const { body } = await w.send(`${t.origin}/oidc/register`, {
      method: 'POST',
      json: { client_name: 'Agent', redirect_uris: [REDIRECT] },
    });
    return [[await open(request(body, { prompt: 'none' })), /Go on to the app on this device/]];
  },
  async account({ logIn }) {
    return [[await logIn('/account'), />Your account</]];
  },
  async profile({ logIn, press }) {
    const page = await logIn('/account/profile');
    return [
      [page, />Your profile</],
      [await press(page, { name: 'Ada' }), /Your profile is saved/],
      [await press(page, { picture: 'nowhere' }), /Enter a web address/],
    ];
  },
  async 'account-email'({ logIn, press }) {
    const page = await logIn('/account/email', await t.user());
    return [
      [page, />Your email</],
      [await press(page, { new_email: 'ada.king@example.com' }), /Check your inbox/],
      [await press(page, { new_email: 'nowhere' }), /Enter an email address/],
    ];
  },
  async 'account-password'({ logIn, press }) {
    const page = await logIn('/account/password', await t.user());
    return [
      [page, />Choose another password</],
      [await press(page, { new_password: 'weak' }), /Choose a password that has all of this/],
      [await press(page, { new_password: 'Another-horse-2' }), /Your password is changed/],
    ];
  },
  async 'account-data'({ logIn }) {
    return [[await logIn('/account/data'), />Download your data</]];
  },
  async 'account-delete'({ logIn, press }) {
    const page = await logIn('/account/delete');
    return [
      [page, /Delete your account at Acme\?/],
      [await press(page, { confirm: 'no' }), /Type it as it stands above/],
    ];
  },
  async 'account-deleted'({ logIn, press }) {
    const gone = await t.user();
    return [[await press(await logIn('/account/delete', gone), { confirm: gone.email }), /Your account is deleted/]];
  },
  async devices({ logIn }) {
    return [[await logIn('/account/sessions'), />Where you are logged in</]];
  },
  async 'device-end'({ logIn, press }) {
    const page = await logIn('/account/sessions/others');
    return [
      [page, /Log out everywhere else\?/],
      [await press(page, {}), /Some apps take a few minutes/],
    ];
  },
  async apps({ logIn, press }) {
    const client = await t.client({ name: 'Partner', is_first_party: false });
    await press(await logIn(request(client, { scope: 'openid email' })), { decision: 'allow' });
    return [[await logIn('/flow/apps'), /Apps with access to your account/]];
  },
  async 'app-remove'({ logIn, open, press }) {
    const list = await logIn('/flow/apps');
    const [, asked] = /href="(\/flow\/apps\/[^"]+)"/.exec(list.text) ?? assert.fail('no app to remove');
    const page = await open(asked!);
    await press(page, {});
    return [[page, /Remove the access of Partner/]];
  },
  async 'device-activate'({ open }) {
    return [
      [await open('/activate'), /Connect a device/],
      [await open('/flow/device-code/confirm'), /Connect a device/],
    ];
  },
  async 'device-confirm'({ logIn }) {
    return [[await logIn((await deviceCode()).verification_uri_complete), /on another device/]];
  },
  async 'device-done'({ logIn, press }) {
    const decide = async (decision: string) =>
      press(await logIn((await deviceCode()).verification_uri_complete), { decision });
    return [
      [await decide('allow'), /Your device is connected/],
      [await decide('deny'), /The device was not connected/],
    ];
  },
  async 'email-link'({ open, press }) {
    await mailConnection();
    const client = await t.client();
    const email = 'link@example.com';
    const json = { client_id: client.client_id, email, send: 'link', auth_params: { redirect_uri: REDIRECT } };
    assert.equal((await w.send(`${t.origin}/passwordless/start`, { method: 'POST', json })).status, 200);
    const link = await lastLink(t, email);
    const page = await open(link);
    await press(page, {});
    assert.match((await open(link)).text, /This link was used already/);
    return [[page, /Log in to Orders/]];
  },
  async 'link-confirm'({ open }) {
    const ada = await t.user();
    await t.api('POST', `/user/${ada.id}/verify-email/start`);
    return [[await open(await lastLink(t, ada.email)), /Confirm your email/]];
  },
  async 'link-done'({ open, press }) {
    const shown: [Shown, RegExp][] = [];
    const follow = async (email: string, heading: RegExp) => {
      const link = await lastLink(t, email);
      shown.push([await press(await open(link), { decision: 'yes' }), heading]);
      return link;
    };
    const ada = await t.user();
    await t.api('POST', `/user/${ada.id}/verify-email/start`);
    const link = await follow(ada.email, /Your email is confirmed/);
    shown.push([await open(link), /was confirmed before/], [await open(`${link}x`), /This link does not work/]);

    await t.api('POST', `/user/${ada.id}/change-email`, {
      new_email: 'ada.new@example.com',
      verification_mode: 'old_and_new',
    });
    await follow('ada.new@example.com', /One step is left/);
    await follow(ada.email, /Your email has changed/);

    const team = await t.api('POST', '/team', { name: 'Crew' });
    await t.api('POST', `/team/${team.id}/invite`, { email: 'guest@example.com' });
    await follow('guest@example.com', /You are part of the team/);
    return shown;
  },
  async 'reset-ask'({ open }) {
    const login = await open(request(await t.client()));
    const [, forgot] = /href="(\/flow\/reset-password[^"]+)"/.exec(login.text) ?? assert.fail('no way to a reset');
    return [[await open(decoded(forgot!)), /Reset your password/]];
  },
  async 'reset-sent'({ open, press }) {
    const sent = await press(await open('/flow/reset-password'), { email: (await t.user()).email });
    return [[sent, /Check your inbox/]];
  },
  async 'reset-password'({ open }) {
    return [[await open(await resetLink()), /Choose a new password/]];
  },
  async 'reset-done'({ open, press }) {
    const link = await resetLink();
    const weak = await press(await open(link), { new_password: 'weak' });
    return [
      [await press(weak, { new_password: 'Another-horse-2' }), /Your password is changed/],
      [await open(link), /This link was used already/],
      [await open(`${link}x`), /This link does not work/],
    ];
  },
  async logout({ logIn, open }) {
    await logIn(request(await t.client()));
    return [[await open('/logout'), /Log out\?/]];
  },
  async 'signed-out'({ logIn, open, press }) {
    await logIn(request(await t.client()));
    return [[await press(await open('/logout'), { logout: 'yes' }), /You are logged out/]];
  },
  async error({ open }) {
    const page = await open(request(await t.client()));
    const expired = await browser().press(page, { email: user.email, password: user.password });
    return [
      [await open('/nowhere'), /This page does not exist/],
      [await open('/passwordless/verify_redirect?token=x'), /This link does not work/],
      [expired, /This login is over/],
      [await open('/authorize?client_id=nobody'), /This login link is broken/],
    ];
  },
};

let mail: string | undefined;
async function mailConnection(): Promise<string> {
  const made = { connection_name: 'mail', connection_type: 'passwordless_email' };
  mail ??= (await t.api('POST', '/connection', made)).connection_name as string;
  return mail;
}

async function resetLink(): Promise<string> {
  const { email } = await t.user();
  await w.send(`${t.origin}/dbconnections/change_password`, { method: 'POST', json: { email } });
  return lastLink(t, email);
}

let television: Client | undefined;
async function deviceCode(): Promise<{ verification_uri_complete: string }> {
  television ??= await t.client({
    name: 'TV',
    token_endpoint_auth_method: 'none',
    callbacks: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    response_types: [],
  });
  const form = { client_id: television.client_id, scope: 'openid' };
  return (await w.send(`${t.origin}/oauth/device/code`, { method: 'POST', form })).body;
}

describe('the tour', () => {
  test('has a stop at every page', () => {
    assert.deepEqual(Object.keys(tour).sort(), pages.map(({ name }) => name).sort());
  });

  for (const [name, stop] of Object.entries(tour))
    test(`shows ${name}`, async () => {
      for (const [shown, heading] of await stop(browser())) {
        assert.match(
          shown.text,
          /<html lang="en"/,
          `${name}: ${shown.status} ${shown.url} ${shown.text.slice(0, 300)}`,
        );
        assert.match(shown.text, heading);
      }
    });

  test('shows the reference', async () => {
    assert.equal((await browser().open('/docs')).status, 200);
  });
});

describe('mailed links', () => {
  const one = browser();
  const heading = async (address: string) => /<h1>([^<]*)/.exec((await one.open(address)).text)?.[1];

  test('end on a page that has words for every status they may end with', async () => {
    const { paths } = (await w.send(`${t.origin}/docs/json`)).body;
    const told = {
      '/verify-email': 'verify-email',
      '/change-email-verify': 'email-change',
      '/invite-verify': 'team-invite',
    };
    for (const [path, link] of Object.entries(told)) {
      const [, statuses] = /\?status=([a-z_|]+)/.exec(paths[path].get.description)!;
      const known = [...statuses!.split('|'), 'declined', ...(link === 'verify-email' ? ['disowned'] : [])];
      assert.deepEqual(known.sort(), Object.keys(OUTCOMES[link as keyof typeof OUTCOMES]).sort(), path);
      const headings = await Promise.all(known.map((status) => heading(`/flow/${link}-done?status=${status}`)));
      assert.equal(new Set(headings).size, headings.length, `each of ${link} has a heading of its own`);
      assert.ok(headings.every(Boolean));
    }
  });

  test('end on a page that does not believe a status that it does not know', async () => {
    for (const query of ['', '?status=', '?status=done', '?status=__proto__', '?status=verified&status=verified'])
      assert.equal(await heading(`/flow/verify-email-done${query}`), 'This link does not work', query);
    assert.equal(await heading('/flow/email-change-done?status=verified&lang=es'), 'Este enlace no funciona');
  });
});

describe('the crawl', () => {
  let found: Awaited<ReturnType<typeof crawl>>;
  before(async () => {
    found = await crawl(seen);
  });

  test('finds no address of ours without a route', () => {
    assert.ok(found.opened.length > 50, `${found.opened.length} addresses are opened`);
    assert.deepEqual(found.dead, []);
  });

  test('finds no page without a way on', () => {
    const ends = [...seen, ...found.opened].map(({ shown }) => shown).filter(isDeadEnd);
    assert.deepEqual([...new Set(ends.map(({ url }) => url))], []);
  });

  test('would find them', async () => {
    const page = (main: string): Stop => ({
      shown: {
        status: 200,
        location: null,
        url: `${t.origin}/`,
        text: `<!doctype html><main><h1>Hello</h1>${main}</main>`,
      },
      visit: agent(),
    });
    const lost = page(
      '<a href="/nowhere?a=1&amp;b=2">On</a> <form method="post" action="/docs"><button>On</button></form>',
    );
    const { dead } = await crawl([lost]);
    assert.deepEqual(
      dead.map((line) => line.split(' from ')[0]),
      ['404 GET /nowhere?a=1&b=2', '405 POST /docs?'],
    );
    assert.ok(isDeadEnd(page('<p>That was it.</p>').shown));
    assert.ok(!isDeadEnd(page('<p>You can close this page.</p>').shown));
  });

  test('error pages say what to do', () => {
    const say = translator('en');
    for (const { messageKey } of Object.values(ERROR_PAGES))
      assert.match(say(messageKey, { count: 2, tenant: 'Acme' }), /\b(?:again|app|Contact|Check)\b/, messageKey);
  });
});
