/** The end of a session: who may ask for it, where the browser goes, and that every relying party hears of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64url, decodeJwt, decodeProtectedHeader } from 'jose';
import * as oidc from 'openid-client';
import {
  type Agent,
  assertRefused,
  type Client,
  follow,
  formOf,
  post,
  REDIRECT,
  type TenantHandle,
  tokensOf,
  type User,
  userinfo,
  world,
} from '../../kit/index.ts';
import { logoutReceiver } from '../../kit/logout-receiver.ts';

const w = await world();
const BYE = 'https://app.example.com/bye';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

const out = (visit: Agent, t: { origin: string }, query: Record<string, string> = {}, path = '/logout') =>
  visit(`${t.origin}${path}?${new URLSearchParams(query)}`);

const silent = (visit: Agent, t: TenantHandle, client: Client) =>
  visit(
    `${t.origin}/authorize?${new URLSearchParams({
      response_type: 'code',
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      scope: 'openid',
      prompt: 'none',
    })}`,
  );
const isLoggedIn = async (visit: Agent, t: TenantHandle, client: Client): Promise<boolean> =>
  new URL((await silent(visit, t, client)).location!).searchParams.has('code');

async function party(t: TenantHandle, fields: Record<string, unknown> = {}) {
  const receiver = await logoutReceiver();
  const client = await t.client({ backchannel_logout_uri: receiver.url, ...fields });
  return { receiver, client, tokens: () => receiver.tokens(t.origin, client.client_id) };
}

async function signedIn(fields: Record<string, unknown> = {}) {
  const t = await w.tenant();
  const client = await t.client({ logout_urls: [BYE], ...fields });
  const user = await t.user();
  const { tokens, visit } = await tokensOf(t, client, user);
  return { t, client, user, visit, hint: tokens.id_token!, tokens };
}

/* ——— back-channel ——— */

test('discovery tells that relying parties are told', async () => {
  const t = await w.tenant();
  const { body } = await w.send(`${t.origin}/.well-known/openid-configuration`);
  for (const name of ['backchannel', 'frontchannel'])
    for (const what of ['logout_supported', 'logout_session_supported'])
      assert.equal(body[`${name}_${what}`], true, `${name}_${what}`);
});

test('at logout each client of the session gets a logout token of its own, and nobody else does', async () => {
  const [t, other] = [await w.tenant(), await w.tenant('Other')];
  const [one, two, absent] = [
    await party(t),
    await party(t, { backchannel_logout_session_required: true }),
    await party(t),
  ];
  const foreign = await party(other);
  const [user, somebody] = [await t.user(), await t.user()];
  const first = await tokensOf(t, one.client, user);
  const second = await tokensOf(t, two.client, user, {}, first.visit);
  await tokensOf(t, absent.client, somebody);
  await tokensOf(other, foreign.client, await other.user({ email: user.email }));

  await out(first.visit, t, { id_token_hint: first.tokens.id_token! });
  await w.deliver();
  for (const [{ tokens: received, receiver }, tokens] of [
    [one, first.tokens],
    [two, second.tokens],
  ] as const) {
    const [told, ...more] = await received();
    assert.deepEqual(more, []);
    assert.equal(told!.sub, user.id);
    assert.ok(told!.sid, 'sid is named whether or not it was asked for');
    assert.equal(told!.sid, decodeJwt(tokens.id_token!).sid);
    assert.equal(receiver.state.headers[0]!['content-type'], 'application/x-www-form-urlencoded');
  }
  assert.notEqual((await one.tokens())[0]!.sid, (await two.tokens())[0]!.sid, 'a sid is its client’s own');
  assert.deepEqual([await absent.tokens(), await foreign.tokens()], [[], []]);
});

test('a relying party that is down hears it when it is back, by a token that is fresh', async () => {
  const t = await w.tenant();
  const { receiver, client, tokens } = await party(t);
  receiver.state.answer = (response) => response.writeHead(500).end();
  const { visit, tokens: own } = await tokensOf(t, client, await t.user());
  await out(visit, t, { id_token_hint: own.id_token! });
  await w.deliver();
  const [stale] = receiver.state.bodies.splice(0);
  receiver.state.answer = (response) => response.writeHead(204).end();
  w.clock.advance({ seconds: 600 });
  await w.deliver();
  const [told, ...more] = await tokens();
  assert.deepEqual(more, []);
  const before = decodeJwt(new URLSearchParams(stale).get('logout_token')!);
  assert.ok(told!.iat! >= before.iat! + 600);
  assert.notEqual(told!.jti, before.jti);
  assert.equal(told!.sid, before.sid);
  w.clock.advance({ seconds: 7200 });
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 1, '204 is a yes');
});

test('400 is a refusal that is logged and tried again; a redirect is not followed', async () => {
  const t = await w.tenant();
  const [refusing, redirecting, elsewhere] = [await party(t), await party(t), await logoutReceiver()];
  refusing.receiver.state.answer = (response) => response.writeHead(400).end('{"error":"invalid_request"}');
  redirecting.receiver.state.answer = (response) => response.writeHead(307, { location: elsewhere.url }).end();
  const user = await t.user();
  const first = await tokensOf(t, refusing.client, user);
  await tokensOf(t, redirecting.client, user, {}, first.visit);
  await out(first.visit, t, { id_token_hint: first.tokens.id_token! });
  await w.deliver();
  const { results } = await t.api('GET', '/log?query=type:auth.logout.backchannel');
  const told = results.map((row: { status: string; data: { error: string } }) => [row.status, row.data.error]);
  assert.deepEqual(told.sort(), [
    ['failed', 'answered 307'],
    ['failed', 'answered 400'],
  ]);
  assert.deepEqual(elsewhere.state.bodies, []);
  w.clock.advance({ seconds: 60 });
  await w.deliver();
  assert.equal(refusing.receiver.state.bodies.length, 2);
});

test('an address inside somebody’s network is not called, and the tenant does not learn what is there', async () => {
  const t = await w.tenant();
  const client = await t.client({ backchannel_logout_uri: 'http://169.254.169.254/latest' });
  const { visit, tokens } = await tokensOf(t, client, await t.user());
  await out(visit, t, { id_token_hint: tokens.id_token! });
  await w.deliver();
  const { results } = await t.api('GET', '/log?query=type:auth.logout.backchannel');
  assert.equal(results[0].data.error, 'the address is not one that may be called');
});

for (const [what, end] of [
  ['suspended', (t: TenantHandle, user: User) => t.api('POST', `/user/${user.id}`, { suspended: true })],
  ['deleted', (t: TenantHandle, user: User) => t.api('DELETE', `/user/${user.id}`)],
  [
    'given another password',
    (t: TenantHandle, user: User) =>
      t.api('POST', `/credentials/${user.credential}/set-password`, { password: 'Another-horse-2' }),
  ],
] as const)
  test(`a user who is ${what} is logged out everywhere: of each session, and where only a grant is left`, async () => {
    const t = await w.tenant();
    const [both, later, strict] = [
      await party(t),
      await party(t),
      await party(t, { backchannel_logout_session_required: true }),
    ];
    const [user, stays] = [await t.user(), await t.user()];
    const [phone, laptop] = [await tokensOf(t, both.client, user), await tokensOf(t, both.client, user)];
    await tokensOf(t, both.client, stays);
    // Of this session only the refresh tokens are left.
    for (const one of [later, strict]) {
      const left = await tokensOf(t, one.client, user, { scope: 'openid offline_access' });
      assert.ok(left.tokens.refresh_token);
      await out(left.visit, t, { id_token_hint: left.tokens.id_token! });
      await w.deliver();
      one.receiver.state.bodies.length = 0;
    }
    await end(t, user);
    await w.deliver();
    const told = await both.tokens();
    assert.deepEqual(new Set(told.map(({ sub }) => sub)), new Set([user.id]));
    assert.deepEqual(
      told.map(({ sid }) => sid).sort(),
      [phone, laptop].map(({ tokens }) => decodeJwt(tokens.id_token!).sid).sort(),
    );
    const [whole, ...more] = await later.tokens();
    assert.deepEqual([whole!.sub, whole!.sid, more], [user.id, undefined, []]);
    assert.deepEqual(await strict.tokens(), [], 'who asked for sid gets nothing without');
    assert.equal(await isLoggedIn(phone.visit, t, both.client), false);
  });

test('somebody else’s login in the same browser ends the session that was there', async () => {
  const t = await w.tenant();
  const { client, tokens } = await party(t);
  const [ada, grace] = [await t.user(), await t.user()];
  const first = await tokensOf(t, client, ada);
  await tokensOf(t, client, grace, { prompt: 'login' }, first.visit);
  await w.deliver();
  assert.deepEqual(
    (await tokens()).map(({ sub }) => sub),
    [ada.id],
  );
  assert.equal((await userinfo(t, first.tokens.access_token)).status, 401);
});

test('where a client may be told is checked when it is written', async () => {
  const t = await w.tenant();
  const app = { name: 'App', callbacks: ['https://app.example.com/callback'] };
  for (const fields of [
    { backchannel_logout_uri: 'https://app.example.com/out#here' },
    { backchannel_logout_uri: 'ftp://app.example.com/' },
    { backchannel_logout_uri: '/out' },
    { frontchannel_logout_uri: 'https://evil.example/out' },
    { frontchannel_logout_uri: 'http://app.example.com/out' },
    { frontchannel_logout_uri: 'https://app.example.com:8443/out' },
    { frontchannel_logout_uri: 'https://app.example.com/out#here' },
    { frontchannel_logout_uri: 'javascript:alert(1)' },
  ])
    assertRefused(await t.call('POST', '/client', { ...app, ...fields }), 400, 'validation');
  const made = await t.api('POST', '/client', { ...app, frontchannel_logout_uri: 'https://app.example.com/out?a=1' });
  assertRefused(
    await t.call('POST', `/client/${made.id}`, { callbacks: ['https://new.example.com/callback'] }),
    400,
    'validation',
    /frontchannel_logout_uri/,
  );
  await t.api('POST', `/client/${made.id}`, { name: 'Renamed' });
  await t.api('POST', `/client/${made.id}`, { callbacks: [], frontchannel_logout_uri: null });
});

/* ——— front-channel ——— */

test('the browser opens a frame for each app of the session that asked, named where it asked for that', async () => {
  const t = await w.tenant();
  const uri = (path: string) => ({ frontchannel_logout_uri: `http://127.0.0.1:9/${path}` });
  const plain = await t.client({ ...uri('plain?a=1'), logout_urls: [BYE] });
  const named = await t.client({ ...uri('named?a=1'), frontchannel_logout_session_required: true });
  const absent = await t.client(uri('absent'));
  const user = await t.user();
  const first = await tokensOf(t, plain, user);
  const second = await tokensOf(t, named, user, {}, first.visit);
  assert.ok(absent);
  const page = await out(first.visit, t, {
    id_token_hint: first.tokens.id_token!,
    post_logout_redirect_uri: BYE,
    state: 'a b',
  });
  assert.equal(page.status, 200);
  const sid = decodeJwt(second.tokens.id_token!).sid as string;
  const frames = [...page.text.matchAll(/<iframe[^>]*src="([^"]*)"/g)].map(([, src]) => src!.replaceAll('&amp;', '&'));
  assert.deepEqual(frames.sort(), [
    `http://127.0.0.1:9/named?${new URLSearchParams({ a: '1', iss: t.origin, sid })}`,
    'http://127.0.0.1:9/plain?a=1',
  ]);
  const policy = page.headers.get('content-security-policy')!;
  assert.match(policy, /frame-src http:\/\/127\.0\.0\.1:9;/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.equal(page.headers.get('cache-control'), 'no-store');
  assert.equal(await isLoggedIn(first.visit, t, plain), false, 'the session is over before the page is there');

  const next = /<a [^>]*id="onward" href="([^"]*)"/.exec(page.text)![1]!.replaceAll('&amp;', '&');
  assert.ok(page.text.includes(`content="3;url=${next.replaceAll('&', '&amp;')}"`), 'goes on without a script');
  assert.equal((await first.visit(`${t.origin}${next}`)).location, `${BYE}?state=a+b`);

  const again = await tokensOf(t, plain, user);
  const api = await again.visit(
    `${t.origin}/logout?${new URLSearchParams({ id_token_hint: again.tokens.id_token! })}`,
    { headers: { accept: 'application/json' } },
  );
  assert.deepEqual(JSON.parse(api.text), { status: 'logout' }, 'what is no browser has no frames');
});

test('a page without frames may open none', async () => {
  const { t, visit, hint } = await signedIn();
  const page = await out(visit, t, { id_token_hint: hint });
  assert.equal(page.status, 200);
  assert.ok(!page.text.includes('<iframe'));
  assert.match(page.headers.get('content-security-policy')!, /default-src 'none'/);
  assert.doesNotMatch(page.headers.get('content-security-policy')!, /frame-src/);
});

/* ——— RP-initiated ——— */

test('logout returns to the app with its state: by openid-client, by POST, with an expired hint, by the old name', async () => {
  for (const how of ['get', 'post', 'expired', 'returnTo']) {
    const { t, client, visit, hint } = await signedIn();
    const query: Record<string, string> = { id_token_hint: hint, state: 'a&b=ü' };
    query[how === 'returnTo' ? 'returnTo' : 'post_logout_redirect_uri'] = BYE;
    if (how === 'expired') w.clock.advance({ seconds: 2 * 3600 });
    const left =
      how === 'post'
        ? await visit(`${t.origin}/logout`, { form: query, headers: { origin: 'https://app.example.com' } })
        : await visit(oidc.buildEndSessionUrl(await t.discover(client), query).href);
    assert.equal(left.status, 303, `${how}: ${left.text.slice(0, 200)}`);
    const landed = new URL(left.location!);
    assert.equal(`${landed.origin}${landed.pathname}`, BYE);
    assert.deepEqual([...landed.searchParams], [['state', 'a&b=ü']]);
    assert.equal(await isLoggedIn(visit, t, client), false);
  }
});

test('with a valid hint and nowhere to go: JSON for programs, for people a page that leads on', async () => {
  const { t, visit, hint } = await signedIn({ client_uri: 'https://app.example.com/start' });
  const page = await out(visit, t, { id_token_hint: hint, ui_locales: 'es' });
  assert.match(page.text, /<html lang="es"/);
  assert.ok(page.text.includes('href="https://app.example.com/start"'));
  const json = await visit(`${t.origin}/logout?id_token_hint=${hint}`, { headers: { accept: '*/*' } });
  assert.deepEqual(JSON.parse(json.text), { status: 'logout' });
});

test('who is not proved to mean this session asks first: no hint, another user, another session, another logout_hint', async () => {
  const { t, client, user, visit, hint } = await signedIn();
  const others = await tokensOf(t, client, await t.user());
  const elsewhere = await tokensOf(t, client, user);
  for (const query of [
    {},
    { client_id: client.client_id, post_logout_redirect_uri: BYE },
    { id_token_hint: others.tokens.id_token! },
    { id_token_hint: elsewhere.tokens.id_token! },
    { id_token_hint: hint, logout_hint: 'somebody@example.com' },
    { logout_hint: user.email },
  ] as Record<string, string>[]) {
    const page = await out(visit, t, query);
    assert.match(page.text, /action="\/logout\/confirm["?]/, JSON.stringify(query));
    assert.ok(page.text.includes(user.email), 'it says who is logged in');
    assert.equal(await isLoggedIn(visit, t, client), true);
  }
  const page = await out(visit, t, {
    client_id: client.client_id,
    post_logout_redirect_uri: BYE,
    state: 's',
    ui_locales: 'es',
  });
  assert.match(page.text, /<html lang="es"/);
  const { action, csrf } = formOf(page);
  const stayed = await visit(action, { form: { csrf }, headers: { origin: t.origin } });
  assert.equal(new URL(stayed.location!).pathname, '/');
  assert.equal(await isLoggedIn(visit, t, client), true);
  const left = await visit(action, { form: { csrf, logout: 'yes' }, headers: { origin: t.origin } });
  assert.equal(left.location, `${BYE}?state=s`);
  assert.equal((await follow(visit, await visit(action), BYE)).location, `${BYE}?state=s`, 'a reload');
  assert.equal(await isLoggedIn(visit, t, client), false);

  const back = await tokensOf(t, client, user, {}, visit);
  const named = await out(visit, t, { id_token_hint: back.tokens.id_token!, logout_hint: user.email.toUpperCase() });
  assert.ok(!named.text.includes('/logout/confirm'), 'a logout_hint that fits is no reason to ask');
});

test('a hint that is not an id token of ours is refused with a page, and ends nothing', async () => {
  const { t, client, user, visit, hint, tokens } = await signedIn();
  const other = await w.tenant('Other');
  const foreign = await tokensOf(other, await other.client(), await other.user());
  const { receiver, client: told } = await party(t);
  const heard = await tokensOf(t, told, user);
  await out(heard.visit, t, { id_token_hint: heard.tokens.id_token! });
  await w.deliver();
  const logoutToken = new URLSearchParams(receiver.state.bodies[0]).get('logout_token')!;
  const [header, payload, signature] = hint.split('.') as [string, string, string];
  const forged = (fields: object) => base64url.encode(JSON.stringify({ ...decodeJwt(hint), ...fields }));
  const none = base64url.encode(JSON.stringify({ alg: 'none' }));
  const hmac = base64url.encode(
    JSON.stringify({ ...JSON.parse(Buffer.from(header, 'base64url').toString()), alg: 'HS256' }),
  );
  for (const [what, bad] of Object.entries({
    'no JWT': 'nonsense',
    empty: '..',
    'another payload': `${header}.${forged({ sub: 'user_x' })}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'alg none': `${none}.${payload}.`,
    'alg none, signed': `${none}.${payload}.${signature}`,
    'another algorithm': `${hmac}.${payload}.${signature}`,
    'another tenant’s': foreign.tokens.id_token!,
    'an access token': tokens.access_token,
    'a logout token': logoutToken,
  })) {
    for (const html of [true, false]) {
      const accept = html ? 'text/html' : 'application/json';
      const answer = await visit(
        `${t.origin}/logout?${new URLSearchParams({ id_token_hint: bad, post_logout_redirect_uri: BYE })}`,
        { headers: { accept } },
      );
      assert.deepEqual([answer.status, answer.location], [200, null], what);
      assert.match(answer.text, /action="\/logout\/confirm/, `${what}: it is no hint, and the user is asked`);
    }
    const posted = await visit(`${t.origin}/logout`, { form: { id_token_hint: bad, returnTo: BYE } });
    assert.deepEqual([posted.status, posted.location], [200, null], what);
  }
  const mismatch = await out(visit, t, { id_token_hint: hint, client_id: told.client_id });
  assert.match(mismatch.text, /action="\/logout\/confirm/);
  assert.equal(await isLoggedIn(visit, t, client), true);
});

test('a hint outlives the rotation of the key that signed it', async () => {
  const { t, client, visit, hint } = await signedIn();
  await t.api('POST', '/account/keys/rotate', {});
  assert.equal((await out(visit, t, { id_token_hint: hint, post_logout_redirect_uri: BYE })).location, BYE);
  assert.equal(await isLoggedIn(visit, t, client), false);
});

test('a hint of a revoked key or of a deleted client is no hint: the user is asked, and logged out', async () => {
  for (const end of [
    async (t: TenantHandle, kid: string) => {
      await t.api('POST', '/account/keys/rotate', {});
      await t.api('POST', `/account/keys/${kid}/revoke`);
    },
    (t: TenantHandle, _kid: string, client: string) => t.api('DELETE', `/client/${client}`),
  ]) {
    const { t, client, visit, hint, user } = await signedIn();
    const other = await t.client({ logout_urls: [BYE] });
    await tokensOf(t, other, user, {}, visit);
    await end(t, decodeProtectedHeader(hint).kid!, client.client_id);
    t.renew();
    const page = await out(visit, t, { id_token_hint: hint, post_logout_redirect_uri: BYE });
    assert.deepEqual([page.status, page.location], [200, null]);
    assert.equal(await isLoggedIn(visit, t, other), true);
    const vouched = await out(visit, t, {
      id_token_hint: hint,
      post_logout_redirect_uri: BYE,
      client_id: client.client_id,
    });
    const { action, csrf } = formOf(vouched);
    const left = await visit(action, { form: { csrf, logout: 'yes' }, headers: { origin: t.origin } });
    assert.equal(left.location, (await t.call('GET', `/client/${client.client_id}`)).status === 200 ? BYE : null);
    assert.equal(await isLoggedIn(visit, t, other), false);
  }
});

test('the browser is sent to registered addresses only, to the letter, whichever way it is asked', async () => {
  const { t, client, visit, hint } = await signedIn();
  const stranger = await t.client({ logout_urls: ['https://other.example.com/bye'] });
  for (const name of ['post_logout_redirect_uri', 'returnTo'])
    for (const target of [
      'https://evil.example/',
      '//evil.example',
      'https:evil.example',
      'https://app.example.com/bye/',
      'https://app.example.com/bye?x',
      'https://app.example.com/BYE',
      'https://app.example.com:443/bye',
      'https://APP.example.com/bye',
      'https://app.example.com/bye#x',
      'https://app.example.com/./bye',
      'https://app.example.com/bye%2F',
      'https://app.example.com\\@evil.example/bye',
      'https://app.example.com@evil.example/bye',
      ' https://app.example.com/bye',
      'javascript:alert(1)',
      'data:text/html,x',
      '/flow',
      'https://other.example.com/bye',
    ])
      for (const whose of [{ id_token_hint: hint }, { client_id: client.client_id }] as Record<string, string>[])
        for (const path of ['/logout', '/v2/logout']) {
          const answer = await out(visit, t, { ...whose, [name]: target }, path);
          assert.deepEqual([answer.status, answer.location], [200, null], `${path} ${name}=${target}`);
          assert.match(answer.text, /action="\/logout\/confirm/, 'the user is asked, and stays with us');
        }
  const twice = await visit(`${t.origin}/logout?client_id=${client.client_id}&returnTo=${BYE}&returnTo=${BYE}`);
  assert.equal(twice.status, 400, 'a parameter comes once');
  const borrowed = await out(visit, t, { client_id: stranger.client_id, returnTo: BYE });
  assert.deepEqual([borrowed.status, borrowed.location], [200, null]);
  assert.match(borrowed.text, /you stay here afterwards/, 'the page says so');
  const { action, csrf } = formOf(borrowed);
  const left = await visit(action, { form: { csrf, logout: 'yes' }, headers: { origin: t.origin } });
  assert.deepEqual([left.status, left.location], [200, null]);
  assert.match(left.text, /you stay here afterwards/);
  assert.equal(await isLoggedIn(visit, t, client), false);
  const both = await out(visit, t, {
    id_token_hint: hint,
    post_logout_redirect_uri: BYE,
    returnTo: 'https://evil.example',
  });
  assert.equal(both.location, BYE, 'the standard’s name wins');
});

test('/v2/logout is what apps written for Auth0 call', async () => {
  const { t, client, visit, hint } = await signedIn();
  const query = { client_id: client.client_id, returnTo: BYE, federated: '' };
  const page = await out(visit, t, query, '/v2/logout');
  const { action, csrf } = formOf(page);
  assert.equal(await isLoggedIn(visit, t, client), true, 'a link on another site ends nothing');
  const left = await visit(action, { form: { csrf, logout: 'yes' }, headers: { origin: t.origin } });
  assert.equal(left.location, BYE);
  assert.equal((await out(visit, t, query, '/v2/logout')).location, BYE, 'without a session it goes on');
  const nowhere = await out(visit, t, { returnTo: 'https://evil.example' }, '/v2/logout');
  assert.deepEqual([nowhere.status, nowhere.location], [200, null]);
  const json = await w.send(`${t.origin}/v2/logout`);
  assert.deepEqual(json.body, { status: 'logout' });
  assert.equal((await out(visit, t, { id_token_hint: hint, returnTo: BYE }, '/v2/logout')).location, BYE);
});

/* ——— what ends with it ——— */

test('what was granted in a session ends with it, offline access excepted; other sessions go on', async () => {
  const { t, client, user, visit, tokens, hint } = await signedIn();
  const lasting = await t.client();
  const offline = await tokensOf(t, lasting, user, { scope: 'openid offline_access' }, visit);
  const elsewhere = await tokensOf(t, client, user);
  assert.equal((await userinfo(t, tokens.access_token)).status, 200);
  await out(visit, t, { id_token_hint: hint });
  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
  const refreshed = await oidc.refreshTokenGrant(offline.config, offline.tokens.refresh_token!);
  assert.equal((await userinfo(t, refreshed.access_token)).status, 200);
  assert.equal((await userinfo(t, elsewhere.tokens.access_token)).status, 200);
  assert.equal(await isLoggedIn(elsewhere.visit, t, client), true);
});

test('a device let in from a session goes with it, unless it was let in for good', async () => {
  const t = await w.tenant();
  const tv = await t.client({
    name: 'TV',
    token_endpoint_auth_method: 'none',
    callbacks: [],
    grant_types: [DEVICE, 'refresh_token'],
    response_types: [],
  });
  const web = await t.client();
  const user = await t.user();
  const { visit, tokens } = await tokensOf(t, web, user);
  const allow = async (scope: string) => {
    const { body } = await post(t, '/oauth/device/code', { client_id: tv.client_id, scope });
    const page = await follow(
      visit,
      await visit(`${t.origin}/confirm?user_code=${body.user_code}`),
      'http://no.invalid',
    );
    const { action, csrf } = formOf(page);
    const device_code = /name="device_code" value="([^"]*)"/.exec(page.text)![1]!;
    await visit(action, { form: { csrf, device_code, decision: 'allow' }, headers: { origin: t.origin } });
    return () =>
      post(t, '/oauth/token', { grant_type: DEVICE, client_id: tv.client_id, device_code: body.device_code });
  };
  const passing = (await (await allow('openid'))()).body;
  const lasting = (await (await allow('openid offline_access'))()).body;
  const [waiting, waitingForGood] = [await allow('openid'), await allow('openid offline_access')];
  assert.equal((await userinfo(t, passing.access_token)).status, 200);
  await out(visit, t, { id_token_hint: tokens.id_token! });
  assert.equal((await userinfo(t, passing.access_token)).status, 401);
  assert.equal((await userinfo(t, lasting.access_token)).status, 200);
  const refused = await waiting();
  assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
  assert.equal((await waitingForGood()).status, 200);
});

test('two logouts at once end one session, and tell each client', async () => {
  const t = await w.tenant();
  const { client, tokens } = await party(t);
  const { visit, tokens: own } = await tokensOf(t, client, await t.user());
  const answers = await Promise.all([1, 2, 3].map(() => out(visit, t, { id_token_hint: own.id_token! })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200],
  );
  await w.deliver();
  const told = await tokens();
  assert.ok(told.length >= 1);
  assert.equal(new Set(told.map(({ sid }) => sid)).size, 1);
});
