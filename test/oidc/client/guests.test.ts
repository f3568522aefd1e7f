/**
 * What a client may do that nobody vouches for and through which nobody has logged in here: nothing with the tenant's
 * name, host and mail, and nothing that tells who is logged in. Beside each refusal the client that may.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import mongoose from 'mongoose';
import {
  type Agent,
  agent,
  authorizeUrl,
  type Client,
  fieldOf,
  follow,
  introspect,
  ordersApi,
  requestOf,
  signIn,
  submit,
  tokensOf,
  wordsOf,
  world,
} from '../../kit/index.ts';

const w = await world();
const t = await w.tenant('Acme');
const user = await t.user();
const HOST = 'https://stranger.example';
const CALLBACK = `${HOST}/cb`;
const BYE = `${HOST}/bye`;

const register = (fields: Record<string, unknown> = {}) =>
  w.send(`${t.origin}/oidc/register`, {
    method: 'POST',
    json: { client_name: 'Agent', redirect_uris: [CALLBACK], post_logout_redirect_uris: [BYE], ...fields },
  });
async function stranger(fields: Record<string, unknown> = {}): Promise<Client> {
  const answer = await register(fields);
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
}
const urlOf = (client: Client, parameters: Record<string, string> = {}) =>
  authorizeUrl(t, requestOf(client, { redirect_uri: CALLBACK, state: 's1', ...parameters }).parameters);
const logIn = (visit: Agent, client: Client) => signIn(visit, urlOf(client), user, CALLBACK);
/** What differs between two pages of one kind. */
const withoutIds = (text: string) =>
  text.replace(/nonce[-="]+[^"'>]+/g, '').replace(/name="(?:to|csrf)" value="[^"]*"/g, '');

let guest: Client;
before(async () => {
  guest = await stranger();
});

const ERRORS: [parameters: Record<string, string>, error: string][] = [
  [{ prompt: 'none' }, 'login_required'],
  [{ response_type: 'token' }, 'unsupported_response_type'],
  [{ response_type: 'nonsense' }, 'unsupported_response_type'],
  [{ scope: 'no:such' }, 'invalid_scope'],
  [{ code_challenge_method: 'S1' }, 'invalid_request'],
  [{ prompt: 'none', response_mode: 'fragment' }, 'login_required'],
];

test('an answer without a login is a page that names where it leads, and goes on by a button of its own', async () => {
  for (const [parameters, error] of ERRORS) {
    const visit = agent();
    const page = await visit(urlOf(guest, parameters));
    const what = JSON.stringify(parameters);
    assert.deepEqual([page.status, page.location], [400, null], what);
    assert.match(wordsOf(page), /Go on to stranger\.example\?.*Acme does not know this app/, what);
    assert.ok(!page.text.includes('cb?') && !page.text.includes('refresh'), 'nothing on it leads there by itself');
    assert.match(page.headers.get('content-security-policy')!, /frame-ancestors 'none'/);
    const on = await submit(visit, page, { to: fieldOf(page, 'to') });
    assert.equal(on.status, 303);
    const landed = new URL(on.location!.replace('#', '?'));
    assert.equal(`${landed.origin}${landed.pathname}`, CALLBACK);
    assert.deepEqual([landed.searchParams.get('error'), landed.searchParams.get('state')], [error, 's1'], what);
  }
  // By a form, of which the person sends what a script would have sent.
  const form = await agent()(urlOf(guest, { prompt: 'none', response_mode: 'form_post' }));
  assert.equal(form.status, 400);
  assert.ok(!form.text.includes('<script'));
  assert.deepEqual([fieldOf(form, 'error'), fieldOf(form, 'state')], ['login_required', 's1']);
  assert.ok(form.text.includes(`action="${CALLBACK}"`));
  // An app's own scheme, which no link of a page could spell.
  const native = await stranger({ redirect_uris: ['com.example.app:/cb'] });
  const visit = agent();
  const page = await visit(urlOf(native, { redirect_uri: 'com.example.app:/cb', prompt: 'none' }));
  assert.deepEqual([page.status, page.location], [400, null]);
  assert.match((await submit(visit, page, { to: fieldOf(page, 'to') })).location!, /^com\.example\.app:\/cb\?/);
});

test('that button is of our own page alone, and of its own tenant', async () => {
  const page = await agent()(urlOf(guest, { prompt: 'none' }));
  const [to, csrf] = [fieldOf(page, 'to'), fieldOf(page, 'csrf')];
  const other = await w.tenant();
  const post = (form: Record<string, string>, origin = t.origin, at = t.origin) =>
    agent()(`${at}/flow/leave`, { form, headers: { origin } });
  for (const [what, answer] of Object.entries({
    'from elsewhere': await post({ to, csrf }, 'https://evil.example'),
    'without its proof': await post({ to }),
    'another address': await post({ to: `${to}x`, csrf }),
    'at another tenant': await post({ to, csrf }, other.origin, other.origin),
  }))
    assert.ok(answer.status >= 400 && answer.location === null, `${what}: ${answer.status} ${answer.location}`);
  assert.equal((await post({ to, csrf })).status, 303);
});

test('a client of the tenant, one that is verified, and one that was logged in with here are answered at once', async () => {
  const own = await t.client({ callbacks: [CALLBACK], is_first_party: false });
  const verified = await stranger();
  await t.api('POST', `/client/${verified.client_id}`, { is_verified: true });
  const visit = agent();
  const known = await stranger();
  await logIn(visit, known);
  for (const client of [own, verified, known])
    for (const [parameters, error] of ERRORS) {
      if (parameters.prompt && client === known) continue;
      const answer = await (client === known ? visit : agent())(urlOf(client, parameters));
      assert.equal(answer.status, 303, `${client.client_id} ${JSON.stringify(parameters)}`);
      assert.match(answer.location!, new RegExp(`^https://stranger.example/cb[?#].*error=${error}`));
    }
  // Of the browser, not of the client: elsewhere it is a guest, and so is every other client here.
  assert.equal((await agent()(urlOf(known, { prompt: 'none' }))).status, 400);
  assert.equal((await visit(urlOf(guest, { prompt: 'none' }))).status, 400);
});

test('tokens are renewed silently after the first login, and the end of the session is told', async () => {
  const client = await stranger();
  const visit = agent();
  await logIn(visit, client);
  const renewed = await visit(urlOf(client, { prompt: 'none' }));
  assert.match(renewed.location!, /^https:\/\/stranger\.example\/cb\?code=/);
  await submit(visit, await visit(`${t.origin}/logout`), { logout: 'yes' });
  const over = await visit(urlOf(client, { prompt: 'none' }));
  assert.match(over.location!, /error=login_required/);
});

test('whether a browser is logged in, even with consent from elsewhere, no stranger learns by asking', async () => {
  const client = await stranger();
  await logIn(agent(), client);
  const [known, fresh] = [agent(), agent()];
  await logIn(known, await t.client({ callbacks: [CALLBACK] }));
  for (const response_mode of ['query', 'fragment', 'form_post', 'web_message']) {
    const url = urlOf(client, { prompt: 'none', response_mode });
    const [inside, outside] = [await known(url), await fresh(url)];
    assert.deepEqual([inside.status, inside.location], [outside.status, null], response_mode);
    assert.equal(withoutIds(inside.text), withoutIds(outside.text), response_mode);
    if (response_mode === 'web_message') assert.match(inside.text, /login_required/);
  }
});

test('a cookie that says who is known is worth nothing when it is of another tenant, or made up', async () => {
  const other = await w.tenant();
  const [theirs, visitor] = [await other.user(), agent()];
  const answer = await w.send(`${other.origin}/oidc/register`, {
    method: 'POST',
    json: { client_name: 'Agent', redirect_uris: [CALLBACK] },
  });
  let cookie = '';
  const watching: Agent = async (url, init) => {
    const page = await visitor(url, init);
    cookie = page.headers.getSetCookie().find((line) => line.startsWith('cardea_apps=')) ?? cookie;
    return page;
  };
  const request = requestOf(answer.body as never, { redirect_uri: CALLBACK }).parameters;
  await signIn(watching, authorizeUrl(other, request), theirs, CALLBACK);
  assert.match(cookie, /^cardea_apps=s\d[^;]{20,600}; path=\/; expires=.*; samesite=lax; httponly$/i);
  for (const value of [cookie.split(';')[0]!, 'cardea_apps=s1.AAAA', 'cardea_apps=[]']) {
    const page = await agent()(urlOf(guest, { prompt: 'none' }), { headers: { cookie: value } });
    assert.deepEqual([page.status, page.location], [400, null]);
  }
});

test('after a logout the browser goes to a stranger’s address by a button that names it', async () => {
  const logout = (client: Client, more = '') =>
    `${t.origin}/logout?client_id=${client.client_id}&post_logout_redirect_uri=${encodeURIComponent(BYE)}&state=s2${more}`;
  const visit = agent();
  const nobody = await visit(logout(guest));
  assert.deepEqual([nobody.status, nobody.location], [200, null]);
  assert.match(wordsOf(nobody), /You are logged out.*Continue to stranger\.example/);
  assert.ok(!nobody.text.includes('logout.js') && !nobody.text.includes('http-equiv="refresh"'));
  const on = await submit(visit, nobody, { to: fieldOf(nobody, 'to') });
  assert.equal(on.location, `${BYE}?state=s2`);
  // Somebody is there, and says so to the question, which was no question about the address.
  await logIn(visit, await t.client({ callbacks: [CALLBACK] }));
  const asked = await submit(visit, await visit(logout(guest)), { logout: 'yes' });
  assert.deepEqual([asked.status, asked.location], [200, null]);
  assert.match(wordsOf(asked), /Continue to stranger\.example/);
  // A hint of one's own proves nothing about this browser.
  const { tokens } = await tokensOf(
    t,
    await stranger({ redirect_uris: [CALLBACK, 'http://127.0.0.1:9/callback'] }),
    user,
  );
  const hinted = await agent()(`${logout(guest).replace(/client_id=[^&]*/, `id_token_hint=${tokens.id_token}`)}`);
  assert.deepEqual([hinted.status, hinted.location], [200, null]);
  // And programs that ask for no page are sent nowhere either.
  const program = await agent()(logout(guest), { headers: { accept: 'application/json' } });
  assert.deepEqual([program.status, program.location], [200, null]);

  const own = await t.client({ callbacks: [CALLBACK], logout_urls: [BYE] });
  assert.equal((await agent()(logout(own))).location, `${BYE}?state=s2`);
  const client = await stranger();
  const known = agent();
  await logIn(known, client);
  const out = await submit(known, await known(logout(client)), { logout: 'yes' });
  assert.equal(out.location, `${BYE}?state=s2`);
});

test('the login page says whose app it is not and where it leads, until somebody has logged in through it', async () => {
  const visit = agent();
  const client = await stranger();
  const page = await follow(visit, await visit(urlOf(client)), CALLBACK);
  const warning = /Acme does not know this app.*Takes you to stranger\.example/;
  assert.match(wordsOf(page), warning);
  assert.match(wordsOf(page), /Back to stranger\.example/);
  // Going back is a person's act.
  const csrf = fieldOf(page, 'csrf');
  const back = await visit(`${page.url}/back`, { form: { csrf }, headers: { origin: t.origin } });
  assert.match(
    (await visit(back.location!)).location!,
    /^https:\/\/stranger\.example\/cb\?error=access_denied.*state=s1/,
  );
  await logIn(visit, client);
  const again = await follow(visit, await visit(urlOf(client, { prompt: 'login' })), CALLBACK);
  assert.doesNotMatch(wordsOf(again), /does not know this app/);
  assert.match(wordsOf(again), /Back to Agent/);
  const chosen = await follow(visit, await visit(urlOf(guest, { prompt: 'select_account' })), CALLBACK);
  assert.match(wordsOf(chosen), warning);
  const own = await follow(visit, await visit(urlOf(await t.client({ callbacks: [CALLBACK] }), { prompt: 'login' })));
  assert.doesNotMatch(wordsOf(own), /does not know this app|stranger\.example/);
});

test('a stranger has a name, and no message in its place', async () => {
  const names = [
    'Agent',
    'Claude Code (plugin:slack)',
    'VS Code - Insiders',
    'Cal.com',
    'Dr. Who',
    'Yahoo!',
    'エージェント',
    'عميل',
    'Notes 👩‍💻 2026',
    'mcp-remote v1.2.3',
  ];
  for (const client_name of names) assert.equal((await stranger({ client_name })).client_name, client_name);
  const messages = [
    'Good Bank. Your account is locked: call +1 900 555 0100',
    'Acme support: log in again',
    'You won! Log in',
    'Call 900-555-0100',
    'Call 9005550100',
    'https://evil.example',
    'www.evil.example',
    'evil.example/login',
    'help@evil.example',
    'mailto:help',
    'Acme\u202eknaB',
    'Ac\u200bme',
    'Acme\nBank',
    'Acme\u0007',
    'A\u0301\u0301\u0301\u0301\u0301',
    '...',
    'A'.repeat(61),
    '账户已锁定：请致电',
  ];
  for (const client_name of messages) {
    const answer = await register({ client_name });
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_client_metadata'], client_name);
    assert.match(answer.body.error_description, /^client_name (holds|is)/);
  }
  // One that was registered before names were judged.
  const before = await stranger();
  await mongoose.connection
    .db!.collection('clients')
    .updateOne({ _id: before.client_id as never }, { $set: { name: messages[0] } });
  await t.api('POST', `/client/${before.client_id}`, { description: 'seen' });
  const visit = agent();
  const page = await follow(visit, await visit(urlOf(before)));
  assert.match(page.text, /<h1>Log in to stranger\.example<\/h1>/);
});

test('no mail goes out on the word of a stranger, whatever it has been given', async () => {
  const client = await stranger();
  const start = (client_id: string, send: string) =>
    w.send(`${t.origin}/passwordless/start`, { method: 'POST', json: { client_id, email: user.email, send } });
  for (const send of ['link', 'code']) {
    const answer = await start(client.client_id, send);
    assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_request'], answer.text);
    assert.match(answer.text, /once an administrator has verified it/);
  }
  await t.api('POST', `/client/${client.client_id}`, { is_verified: true });
  assert.doesNotMatch((await start(client.client_id, 'link')).text, /verified/);
});

test('a stranger asks about its own tokens alone', async () => {
  await ordersApi(t);
  const asker = await stranger({ redirect_uris: ['http://127.0.0.1:9/callback'] });
  const own = await tokensOf(t, asker, user);
  const foreign = await tokensOf(t, await t.client(), user);
  assert.equal((await introspect(t, asker, own.tokens.access_token)).body.active, true);
  assert.deepEqual((await introspect(t, asker, foreign.tokens.access_token)).body, { active: false });
  await t.api('POST', `/client/${asker.client_id}`, { is_verified: true });
  assert.equal((await introspect(t, asker, foreign.tokens.access_token)).body.active, true);
});

test('verifying is an administrator’s, told in the client, and takes the client out of its own hands', async () => {
  const client = await stranger();
  const read = () => t.api('GET', `/client/${client.client_id}`);
  assert.equal((await read()).is_verified, false);
  const own = () =>
    w.send(`${t.origin}/oidc/register/${client.client_id}`, {
      headers: { authorization: `Bearer ${client.registration_access_token}` },
    });
  assert.equal((await own()).status, 200);
  assert.ok(!('is_verified' in (await stranger({ is_verified: true }))));
  await t.api('POST', `/client/${client.client_id}`, { is_verified: true });
  assert.deepEqual([(await read()).is_verified, (await read()).is_first_party], [true, false]);
  assert.equal((await own()).status, 401);
  await t.api('POST', `/client/${client.client_id}`, { is_verified: false });
  assert.equal((await agent()(urlOf(client, { prompt: 'none' }))).status, 400);
  const refused = await t.call('POST', `/client/${client.client_id}`, { is_first_party: true, is_verified: false });
  assert.equal(refused.status, 400);
  assert.match(refused.text, /is_verified/);
  const listed = (await t.api('GET', '/client?query=is_verified:false')).results;
  assert.ok(listed.length > 0 && listed.every((one: Client) => one.registration && one.is_verified === false));
});
