/** Cookies of ours as a browser has them that reaches the server over TLS: their names, and which are believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorizeUrl, fieldOf, follow, formOf, REDIRECT, requestOf, world } from '../../kit/index.ts';

const w = await world({ env: { PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' } });
const t = await w.tenant();
const [user, client] = [await t.user(), await t.client()];

/** A browser behind the proxy that takes the TLS off; keeps whole lines, and obeys the rules of `__Host-`. */
function browser() {
  const cookies = new Map<string, { value: string; line: string }>();
  const visit = async (url: string, init: { form?: Record<string, string>; planted?: string } = {}) => {
    const own = [...cookies].map(([name, { value }]) => `${name}=${value}`);
    const answer = await w.send(url.replace(/^https:\/\/([^/:]+)/, `http://$1:${w.port}`), {
      ...(init.form && { method: 'POST', form: init.form }),
      headers: { accept: 'text/html', cookie: [...own, ...(init.planted ? [init.planted] : [])].join('; ') },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(';', 1)[0]!.split(/=(.*)/s) as [string, string];
      assert.match(name, /^__Host-cardea_/);
      assert.match(line, /; path=\/(?:;|$)/i, line);
      assert.match(line, /; secure/i, line);
      assert.doesNotMatch(line, /domain=/i, line);
      if (value && !/expires=[^;]*1970/.test(line)) cookies.set(name, { value, line });
      else cookies.delete(name);
    }
    const location = answer.headers.get('location');
    return { ...answer, url, location: location ? new URL(location, url).href : null };
  };
  return { cookies, visit };
}
type Browser = ReturnType<typeof browser>;

// As discovery names it: the tests reach the server without TLS.
const { body } = await w.send(`${t.origin}/.well-known/openid-configuration`);
const start = (parameters: Record<string, string> = {}) =>
  authorizeUrl({ origin: new URL(body.authorization_endpoint).origin }, requestOf(client, parameters).parameters);
const begin = async ({ visit }: Browser) => follow(visit as never, (await visit(start())) as never);
async function finish({ visit }: Browser, page: { text: string; url: string }) {
  const { action, csrf } = formOf(page);
  const sent = await visit(action, { form: { csrf, email: user.email, password: user.password } });
  return follow(visit as never, sent as never, REDIRECT);
}
const SESSION = '__Host-cardea_sess';

test('over TLS it goes along into frames, is closed to scripts, and ends with the session', async () => {
  const one = browser();
  const end = await finish(one, await begin(one));
  assert.ok(new URL(end.location!).searchParams.get('code'));
  const { line } = one.cookies.get(SESSION)!;
  assert.match(line, /; samesite=none/i);
  assert.match(line, /; httponly/i);
  const lasts = Date.parse(/expires=([^;]+)/i.exec(line)![1]!) - Date.now();
  const idle = (await t.api('GET', `/account/${t.id}`)).session_settings.idle_lifetime * 1000;
  assert.ok(Math.abs(lasts - idle) < 10_000, line);
  const out = await one.visit(`${new URL(start()).origin}/logout`);
  await one.visit(formOf(out).action, { form: { csrf: fieldOf(out, 'csrf'), logout: 'yes' } });
  assert.equal(one.cookies.get(SESSION), undefined, 'and is taken back by the same name');
});

test('a cookie that a sibling domain could have set is not believed, nor does it take the place of ours', async () => {
  const [mine, theirs] = [browser(), browser()];
  await finish(mine, await begin(mine));
  const { value } = mine.cookies.get(SESSION)!;
  const silent = async (visitor: Browser, planted?: string) => {
    const { location } = await visitor.visit(start({ prompt: 'none' }), { planted });
    const { searchParams } = new URL(location!);
    return searchParams.get('error') ?? 'code';
  };
  assert.equal(await silent(mine), 'code');
  assert.equal(await silent(mine, 'cardea_sess=planted'), 'code');
  assert.equal(await silent(theirs, `cardea_sess=${value}`), 'login_required');
  assert.equal(await silent(mine, `${SESSION}=planted`), 'login_required', 'of two of one name neither');
  // A flow of another browser, by a bare name.
  const page = await begin(browser());
  const uid = new URL(page.url).pathname.split('/')[2]!;
  assert.equal((await theirs.visit(page.url, { planted: `cardea_flow=${uid}` })).status, 410);
  assert.equal((await theirs.visit(page.url, { planted: `__Host-cardea_flow.${uid}=${uid}` })).status, 200);
});

test('two logins that are open at once each end, and of too many the eldest are forgotten', async () => {
  const one = browser();
  const [first, second] = [await begin(one), await begin(one)];
  for (const page of [second, first]) {
    const end = await finish(one, page);
    assert.ok(end.location?.startsWith(`${REDIRECT}?code=`), end.text);
  }
  const many = browser();
  const pages = [];
  for (let i = 0; i < 12; i += 1) pages.push(await begin(many));
  assert.ok(many.cookies.size <= 18, `${[...many.cookies.keys()]}`);
  assert.equal((await many.visit(pages[0]!.url)).status, 410);
  assert.equal((await many.visit(pages[11]!.url)).status, 200);
  assert.ok((await finish(many, pages[11]!)).location?.startsWith(`${REDIRECT}?code=`));
});

test('without TLS there are no such names, and of two of one name neither is believed', async () => {
  const { believeCookies } = await import('../../../src/kernel/cookies.ts');
  const read = (cookie: string, secure = false, url = '/authorize?x=/flow/u1') => {
    const request = { headers: { cookie }, url };
    believeCookies(request, secure);
    return request.headers.cookie;
  };
  const cases: [cookie: string, believed: string, secure?: boolean, url?: string][] = [
    ['cardea_sess=a; theme=x; theme=y', 'cardea_sess=a; theme=x; theme=y'],
    ['cardea_sess=a; cardea_sess=b; x=1', 'x=1'],
    ['cardea_sess=a; cardea_sess=a', ''],
    ['__Host-cardea_sess=a; cardea_sess=b', 'cardea_sess=a', true],
    ['__host-cardea_sess=a; __Secure-cardea_sess=b', '__host-cardea_sess=a; __Secure-cardea_sess=b', true],
    ['__Host-cardea_flow.u1=a; __Host-cardea_flow.u2=b', 'cardea_flow=a', true, '/flow/u1/login?x'],
    ['__Host-cardea_resume.u1=a; __Host-cardea_flow.u1=b', 'cardea_resume=a; cardea_flow=b', true, '/authorize/u1'],
    ['__Host-cardea_flow.u1=a', '', true],
  ];
  for (const [cookie, believed, secure, url] of cases) assert.equal(read(cookie, secure, url), believed, cookie);
});
