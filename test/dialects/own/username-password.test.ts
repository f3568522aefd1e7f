/** A login page of the account's own: what its form is worth, to whom, from where, how often and for how long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interrupt } from '../../kit/faults.ts';
import {
  type Agent,
  agent,
  assertRefused,
  type Client,
  challengeOf,
  fieldOf,
  follow,
  logged,
  type Page,
  pkce,
  REDIRECT,
  submit,
  type TenantHandle,
  type User,
  world,
} from '../../kit/index.ts';

const w = await world({ env: { TRUST_PROXY: '1' } });
const t = await w.tenant();
const other = await w.tenant('Other');
const client = await t.client({ web_origins: ['https://login.example.com'] });
const user = await t.user();
const ORIGIN = 'https://login.example.com';

let count = 0;
const from = () => ({ 'x-forwarded-for': `198.51.100.${++count}` });
type Asked = { at?: TenantHandle; of?: Client; who?: User; origin?: string; visit?: Agent; headers?: object };
async function ask(
  fields: object = {},
  { at = t, of = client, who = user, origin, visit = agent(), headers }: Asked = {},
) {
  const { client_id } = of;
  const { email: username, password } = who;
  const body = { client_id, username, password, state: 'the state', redirect_uri: REDIRECT, ...fields };
  const page = await visit(`${at.origin}/usernamepassword/login`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...from(), ...(origin && { origin }), ...headers },
  });
  return { visit, page };
}
/** As the page's own script does: a form that a page of an origin posts. */
const bring = (visit: Agent, page: Page, fields: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  submit(
    visit,
    page,
    { wa: fieldOf(page, 'wa'), wresult: fieldOf(page, 'wresult'), wctx: fieldOf(page, 'wctx'), ...fields },
    headers,
  );
const refusal = (page: Page) => ({ ...page, body: JSON.parse(page.text) });
const codeIn = ({ location }: Page) => new URL(location ?? 'about:blank').searchParams.get('code');

test('the form logs the browser in and goes on to the app, with what the app asked for', async () => {
  const { visit, page } = await ask({ nonce: 'n', audience: undefined }, { origin: ORIGIN });
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type')!, /text\/html/);
  assert.equal(page.headers.get('access-control-allow-origin'), ORIGIN);
  assert.equal(fieldOf(page, 'wa'), 'wsignin1.0');
  const landed = await follow(visit, await bring(visit, page, {}, { origin: ORIGIN }));
  assert.ok(landed.location?.startsWith(REDIRECT));
  assert.equal(new URL(landed.location!).searchParams.get('state'), 'the state');
  assert.ok(codeIn(landed));
  const [row] = await logged(t, `auth.login user:${user.id}`);
  assert.deepEqual([row.client, row.data.method], [client.client_id, 'password']);
});

test('`redirect_to` goes on to a path of this origin, and to no other', async () => {
  const to = async (redirect_to: string) => {
    const { visit, page } = await ask({ redirect_to }, { origin: ORIGIN });
    return (await bring(visit, page, {}, { origin: ORIGIN })).location!;
  };
  assert.equal(await to('/flow/apps?x=1'), `${t.origin}/flow/apps?x=1`);
  for (const foreign of ['https://evil.example.com/', '//evil.example.com', 'javascript:alert(1)'])
    assert.equal(new URL(await to(foreign)).pathname, '/authorize', foreign);
});

test('of many who bring one form at once one is logged in by it; who is in goes on, anybody else to the login page', async () => {
  const { visit, page } = await ask({}, { origin: ORIGIN });
  const visitors = Array.from({ length: 6 }, () => agent());
  const answers = await Promise.all(visitors.map((one) => bring(one, page, {}, { origin: ORIGIN })));
  const ends = await Promise.all(answers.map((answer, n) => follow(visitors[n]!, answer)));
  assert.equal(ends.filter(codeIn).length, 1);
  for (const end of ends.filter((one) => !codeIn(one))) assert.match(end.text, /Log in to Orders/);
  assert.ok(!codeIn(await follow(visit, await bring(visit, page, {}, { origin: ORIGIN }))));
});

test('the form is worth nothing after a minute, after a change of the password, or for a user who is suspended', async () => {
  const ends = async (who: User, act: () => unknown) => {
    const { visit, page } = await ask({}, { who, origin: ORIGIN });
    await act();
    return follow(visit, await bring(visit, page, {}, { origin: ORIGIN }));
  };
  const ada = await t.user();
  assert.match((await ends(ada, () => w.clock.advance({ seconds: 61 }))).text, /Log in to Orders/);
  const password = { password: 'Another-horse-2' };
  const changed = await ends(ada, () => t.api('POST', `/credentials/${ada.credential}/set-password`, password));
  assert.match(changed.text, /Log in to Orders/);
  const eve = await t.user();
  w.clock.advance({ seconds: 1 });
  const meanwhile = interrupt({ name: 'insert', collection: 'logs' }, () =>
    t.api('POST', `/credentials/${eve.credential}/set-password`, password),
  );
  assert.match((await ends(eve, () => assert.equal(meanwhile.times, 1))).text, /Log in to Orders/);
  const ben = await t.user();
  const late = await ends(ben, () => t.api('POST', `/user/${ben.id}`, { suspended: true }));
  assert.equal(late.status, 403);
});

test('nobody is logged in as somebody else by a form of another page, tenant, request, or of nobody', async () => {
  const { page } = await ask({}, { origin: ORIGIN });
  const byNobody = await ask();
  const theirs = await ask({}, { at: other, of: await other.client(), who: await other.user() });
  const cases: [Page, Record<string, string>, Record<string, string>, number][] = [
    [page, {}, { origin: 'https://evil.example.com' }, 403],
    [page, {}, { origin: 'null' }, 403],
    [byNobody.page, {}, {}, 403],
    [byNobody.page, {}, { origin: ORIGIN }, 403],
    [page, { wctx: fieldOf(page, 'wctx').replace('the state', 'another') }, { origin: ORIGIN }, 410],
    [page, { wresult: fieldOf(theirs.page, 'wresult') }, { origin: ORIGIN }, 410],
    [page, { wresult: fieldOf(page, 'wresult').slice(0, -4) }, { origin: ORIGIN }, 410],
    [page, { wresult: 'none', wctx: '{}' }, { origin: ORIGIN }, 410],
    [page, { wa: 'wsignout1.0' }, { origin: ORIGIN }, 400],
  ];
  for (const [form, fields, headers, status] of cases) {
    const victim = agent();
    const answer = await bring(victim, form, fields, headers);
    assert.equal(answer.status, status, JSON.stringify([fields, headers]).slice(0, 80));
    assert.match(answer.text, /<html/);
    assert.equal((await victim(`${t.origin}/me`, { headers: { accept: 'application/json' } })).status, 401);
  }
  // The one that asked without being a page is told by its cookie.
  assert.ok(codeIn(await follow(byNobody.visit, await bring(byNobody.visit, byNobody.page))));
});

test('only a client of the account takes passwords, on pages that it names, and without a secret with a challenge', async () => {
  const partner = await t.client({ is_first_party: false });
  const spa = await t.client({ token_endpoint_auth_method: 'none' });
  const pushing = await t.client({ require_pushed_authorization_requests: true });
  const refused: [object, Asked, number, string, RegExp?][] = [
    [{}, { of: pushing }, 400, 'invalid_request', /pushed or signed/],
    [{}, { of: partner }, 403, 'forbidden', /account itself/],
    [{ client_id: 'client_000000000000000000000000' }, {}, 400, 'invalid_request', /client_id/],
    [{}, { origin: 'https://evil.example.com' }, 403, 'forbidden', /web_origins/],
    [{}, { of: await t.client(), origin: 'https://evil.example.com' }, 403, 'forbidden', /web_origins/],
    [{}, { of: spa }, 400, 'invalid_request', /code_challenge/],
    [{ code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' }, { of: spa }, 400, 'invalid_request', /S256/],
    [{ redirect_uri: 'https://evil.example.com/' }, {}, 400, 'invalid_request', /redirect_uri/],
    [{ connection: 'nowhere' }, {}, 400, 'invalid_request', /connection/],
    [{ tenant: 'acme' }, {}, 400, 'validation', /tenant/],
  ];
  for (const [fields, asked, status, code, words] of refused)
    assertRefused(refusal((await ask(fields, asked)).page) as never, status, code, words);
  const { verifier } = pkce();
  const challenge = { code_challenge: challengeOf(verifier), code_challenge_method: 'S256' };
  const { visit, page } = await ask(challenge, { of: spa, origin: new URL(REDIRECT).origin });
  const code = codeIn(await follow(visit, await bring(visit, page, {}, { origin: new URL(REDIRECT).origin })))!;
  const form = { grant_type: 'authorization_code', client_id: spa.client_id, code, redirect_uri: REDIRECT };
  const redeem = (code_verifier: string) =>
    w.send(`${t.origin}/oauth/token`, { method: 'POST', form: { ...form, code_verifier } });
  assert.equal((await redeem(verifier)).status, 200);
});

test('a wrong password and an unknown user are one answer, and guesses are counted with those of the login page', async () => {
  const [ada, here] = [await t.user(), from()];
  const wrong = (who: object) => ask(who, { who: ada, headers: here });
  const answers = [
    (await wrong({ password: 'Wrong-horse-1' })).page,
    (await wrong({ username: 'nobody@example.com' })).page,
  ];
  for (const answer of answers) assertRefused(refusal(answer) as never, 401, 'wrong_credentials');
  assert.equal(answers[0]!.text, answers[1]!.text);
  for (let n = 0; n < 9; n += 1) await wrong({ password: 'Wrong-horse-1' });
  const locked = (await wrong({})).page;
  assertRefused(refusal(locked) as never, 429, 'locked_out');
  assert.ok(Number(locked.headers.get('retry-after')) > 0);
});
