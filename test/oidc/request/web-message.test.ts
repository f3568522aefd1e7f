/** Authorization responses that are pages: silent renewal in an iframe, login in a popup, and forms that post themselves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jwtVerify } from 'jose';
import type { Page } from 'playwright-core';
import { browsers, typeLogin } from '../../kit/browser.ts';
import {
  agent,
  type Client,
  follow,
  listen,
  oauthSettings,
  publishedKeys,
  REDIRECT,
  signIn,
  type TenantHandle,
  type User,
  world,
} from '../../kit/index.ts';

const w = await world();
const visit = browsers();

/** Listens as browser SDKs do. */
const APP = `<!doctype html><title>App</title><h1>App</h1><script>
const heard = (origin) => new Promise((resolve) => addEventListener('message', (event) => {
  if (event.origin === origin && event.data?.type === 'authorization_response') resolve(event.data);
}));
const inFrame = (url, origin) => {
  const frame = document.createElement('iframe');
  frame.src = url;
  document.body.append(frame);
  return heard(origin);
};
const inPopup = (url, origin) => {
  open(url, 'login', 'width=400,height=600');
  return heard(origin);
};
</script>`;

type Received = { posts: URLSearchParams[]; addresses: URL[] };

/** A browser app's own server: an empty page to run things in, and an address that says what it was sent. */
async function appServer() {
  const received: Received = { posts: [], addresses: [] };
  const { port, serve } = await listen();
  serve(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://app.invalid');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method === 'POST') received.posts.push(new URLSearchParams(Buffer.concat(chunks).toString()));
    const { onward } = Object.fromEntries(url.searchParams);
    if (url.pathname === '/onward') return response.writeHead(303, { location: onward! }).end();
    received.addresses.push(url);
    response.writeHead(200, { 'content-type': 'text/html' }).end(APP);
  });
  return { port, received };
}

const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';
const authorizeUrl = (t: TenantHandle, clientId: string, parameters: Record<string, string>) =>
  `${t.origin}/authorize?${new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    scope: 'openid',
    state: 'the state',
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    ...parameters,
  })}`;

/** Logs in at the tenant, as a person would, and leaves the session in the browser. */
async function logIn(page: Page, url: string, user: User) {
  await page.goto(url);
  await typeLogin(page, user);
}

type Message = { type: string; response: Record<string, string> };

/** `null` when the browser refuses to show the frame, which it says in its console. */
const inFrame = (page: Page, url: string, from: string): Promise<Message | null> =>
  Promise.race([
    page.evaluate<Message>(`inFrame(${JSON.stringify(url)}, ${JSON.stringify(from)})`),
    page.waitForEvent('console', (line) => line.text().includes('frame-ancestors')).then(() => null),
  ]);

test('a browser app renews silently in an iframe, and learns when there is no session', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const { port } = await appServer();
  // Another port of the same site: what the session cookie reaches without TLS.
  const app = `http://app.${t.slug}.localhost:${port}`;
  const client = await t.client({ callbacks: [`${app}/`], token_endpoint_auth_method: 'none' });
  const silent = authorizeUrl(t, client.client_id, {
    redirect_uri: `${app}/`,
    response_mode: 'web_message',
    prompt: 'none',
  });
  await visit({}, async (page) => {
    await page.goto(app);
    const before = await inFrame(page, silent, t.origin);
    const { error, state, iss, error_description, ...rest } = before!.response;
    assert.deepEqual([error, state, iss], ['login_required', 'the state', t.origin]);
    assert.ok(error_description);
    assert.deepEqual(rest, {});

    await logIn(page, authorizeUrl(t, client.client_id, { redirect_uri: `${app}/` }), user);
    await page.waitForURL(/code=/);
    const after = await inFrame(page, silent, t.origin);
    assert.deepEqual(Object.keys(after!.response).sort(), ['code', 'iss', 'state']);
    assert.equal(after!.response.iss, t.origin);
    assert.match(after!.response.code!, /^[\w-]{43,}$/);
  });
});

test('no page of another origin can frame the answer, and a framed login page is refused', async () => {
  const t = await w.tenant();
  const { port } = await appServer();
  const { port: elsewhere } = await appServer();
  const app = `http://app.${t.slug}.localhost:${port}`;
  const client = await t.client({ callbacks: [`${app}/`] });
  const ask = (parameters: Record<string, string>) =>
    authorizeUrl(t, client.client_id, { redirect_uri: `${app}/`, response_mode: 'web_message', ...parameters });
  const refused: string[] = [];
  await visit({}, async (page) => {
    await page.goto(`http://app.${t.slug}.localhost:${elsewhere}`);
    assert.equal(await inFrame(page, ask({ prompt: 'none' }), t.origin), null);
    await page.goto(app);
    assert.equal(await inFrame(page, ask({}), t.origin), null);
  }).catch((error: Error) => refused.push(error.message));
  assert.match(refused.join(), /frame-ancestors/, 'the browser says why');
  assert.equal(refused.join().match(/frame-ancestors http:/g)?.length, 1);
});

test('the policy names the redirect and the origins of the client, never everybody, and no frame option contradicts', async () => {
  const t = await w.tenant();
  const client = await t.client({ web_origins: ['https://portal.example.com'] });
  const answer = async (parameters: Record<string, string>) =>
    w.send(
      authorizeUrl(t, client.client_id, { redirect_uri: REDIRECT, response_mode: 'web_message', prompt: 'none' }) +
        `&${new URLSearchParams(parameters)}`,
    );
  const { status, headers, text } = await answer({});
  assert.equal(status, 200);
  const policy = headers.get('content-security-policy') ?? '';
  assert.match(policy, /frame-ancestors http:\/\/127\.0\.0\.1:9 https:\/\/portal\.example\.com$/);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self';/);
  assert.equal(headers.get('x-frame-options'), null);
  assert.equal(headers.get('cache-control'), 'no-store');
  assert.match(text, /data-target="http:\/\/127\.0\.0\.1:9"/);
  const relay = await answer({ web_message_uri: 'https://evil.example.com', web_message_target: 'x' });
  assert.equal(relay.status, 400, 'relay mode is not served');
  assert.match(relay.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
  const foreign = await w.send(
    authorizeUrl(t, client.client_id, {
      redirect_uri: 'https://evil.example.com/',
      response_mode: 'web_message',
      prompt: 'none',
    }),
  );
  assert.equal(foreign.status, 400);
  assert.match(foreign.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
  assert.doesNotMatch(foreign.text, /data-target/);
});

test('what comes back is exact and cannot leave its place in the page', async () => {
  const t = await w.tenant();
  const client = await t.client();
  const state = `"><script>alert(1)</script>'&amp;\u2028\u202e\u0007 ünï "`;
  const ask = (response_mode: string) =>
    w.send(authorizeUrl(t, client.client_id, { redirect_uri: REDIRECT, response_mode, prompt: 'none', state }));
  const decode = (text: string) =>
    text
      .replace(/&quot;/g, '"')
      .replace(/&lt;/g, '<')
      .replace(/&gt;/g, '>')
      .replace(/&#39;/g, "'")
      .replace(/&amp;/g, '&');
  const message = /data-message="([^"]*)"/.exec((await ask('web_message')).text)![1]!;
  assert.equal(JSON.parse(decode(message)).response.state, state);
  const { text } = await ask('form_post');
  assert.equal(decode(/name="state" value="([^"]*)"/.exec(text)![1]!), state);
  assert.doesNotMatch(text, /<script>/);
});

test('a popup logs in on the hosted page, tells its opener alone, and closes', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const { port } = await appServer();
  const app = `http://127.0.0.1:${port}`;
  const client = await t.client({ callbacks: [`${app}/`], token_endpoint_auth_method: 'none' });
  const url = authorizeUrl(t, client.client_id, { redirect_uri: `${app}/`, response_mode: 'web_message' });
  await visit({}, async (page) => {
    await page.goto(app);
    const popped = page.waitForEvent('popup');
    const answer = page.evaluate<Message>(`inPopup(${JSON.stringify(url)}, ${JSON.stringify(t.origin)})`);
    const popup = await popped;
    const closed = popup.waitForEvent('close');
    await popup.getByLabel('Email').fill(user.email);
    await popup.getByLabel('Password', { exact: true }).fill(user.password);
    await popup.getByRole('button', { name: 'Log in', exact: true }).click();
    const { response } = await answer;
    assert.ok(response.code);
    assert.equal(response.state, 'the state');
    await closed;
  });
});

for (const javaScriptEnabled of [true, false])
  test(`form_post reaches the app ${javaScriptEnabled ? 'by itself' : 'with one press of a button, without scripts'}`, async () => {
    const t = await w.tenant();
    const user = await t.user();
    const { port, received } = await appServer();
    const { port: other, received: onward } = await appServer();
    const home = `http://127.0.0.1:${other}/home`;
    const callback = `http://localhost:${port}/onward?onward=${encodeURIComponent(home)}`;
    const client = await t.client({ callbacks: [callback] });
    const url = authorizeUrl(t, client.client_id, { redirect_uri: callback, response_mode: 'form_post' });
    await visit({ javaScriptEnabled }, async (page) => {
      await logIn(page, url, user);
      if (!javaScriptEnabled) {
        await page.getByRole('heading', { name: 'Continue to Orders' }).waitFor();
        await page.getByRole('button', { name: 'Continue' }).click();
      }
      // An app may go on to another of its origins.
      await page.waitForURL(home);
    });
    assert.equal(received.posts.length, 1);
    const answer = Object.fromEntries(received.posts[0]!);
    assert.deepEqual(Object.keys(answer).sort(), ['code', 'iss', 'state']);
    assert.equal(answer.state, 'the state');
    assert.equal(onward.addresses.length, 1);
  });

test('query and fragment answer by redirect; hybrid and implicit stay off', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const client = await t.client();
  const ask = (parameters: Record<string, string>) =>
    authorizeUrl(t, client.client_id, { redirect_uri: REDIRECT, ...parameters });
  const visitor = agent();
  const query = await signIn(visitor, ask({}), user);
  assert.ok(query.searchParams.get('code'));
  const fragment = await signIn(visitor, ask({ response_mode: 'fragment' }), user);
  const inFragment = new URLSearchParams(fragment.hash.slice(1));
  assert.ok(inFragment.get('code'));
  assert.equal(inFragment.get('state'), 'the state');
  assert.equal(fragment.search, '');
  for (const response_type of ['token', 'id_token', 'code id_token', 'code token', 'none']) {
    const { location } = await follow(visitor, await visitor(ask({ response_type, nonce: 'n' })), REDIRECT);
    const answer = new URL(location!);
    const values = new URLSearchParams(answer.search || answer.hash.slice(1));
    assert.equal(values.get('error'), 'unsupported_response_type', response_type);
    assert.equal(values.get('iss'), t.origin);
  }
  const unknown = await visitor(ask({ response_mode: 'pigeon' }));
  const values = new URL(unknown.location!).searchParams;
  assert.deepEqual([values.get('error'), values.get('state')], ['unsupported_response_mode', 'the state']);
});

test('discovery names the response modes that work', async () => {
  const t = await w.tenant();
  const { body } = await w.send(`${t.origin}/.well-known/openid-configuration`);
  for (const mode of ['query', 'fragment', 'form_post', 'web_message'])
    assert.ok(body.response_modes_supported.includes(mode), mode);
});

test('an app whose callback goes on to another of its origins is reached from the login page', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const { port, received } = await appServer();
  const { port: other } = await appServer();
  const home = `http://127.0.0.1:${other}/home`;
  const callback = `http://localhost:${port}/onward?onward=${encodeURIComponent(home)}`;
  const client = await t.client({ callbacks: [callback] });
  await visit({}, async (page) => {
    await logIn(page, authorizeUrl(t, client.client_id, { redirect_uri: callback }), user);
    await page.waitForURL(home);
  });
  assert.equal(received.posts.length, 0);
});

test('an app of another site renews by the cookie as it is set over TLS', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const { port } = await appServer();
  const app = `http://127.0.0.1:${port}`;
  const client = await t.client({ callbacks: [`${app}/`], token_endpoint_auth_method: 'none' });
  const silent = authorizeUrl(t, client.client_id, {
    redirect_uri: `${app}/`,
    response_mode: 'web_message',
    prompt: 'none',
  });
  await visit({}, async (page) => {
    await logIn(page, authorizeUrl(t, client.client_id, { redirect_uri: `${app}/` }), user);
    await page.waitForURL(/code=/);
    const lax = await inFrame(page, silent, t.origin);
    assert.equal(lax!.response.error, 'login_required', 'without TLS the cookie stays on its site');
    // Chromium takes Secure cookies on *.localhost, so that the other kind can be tried here.
    const [cookie] = (await page.context().cookies(t.origin)).filter(({ name }) => name === 'cardea_sess');
    assert.deepEqual([cookie!.sameSite, cookie!.secure, cookie!.httpOnly], ['Lax', false, true]);
    await page.context().addCookies([{ ...cookie!, sameSite: 'None', secure: true }]);
    assert.ok((await inFrame(page, silent, t.origin))!.response.code);
  });
});

/** An answer as a JWT (JARM), read as an app has to: issuer, audience and end. */
async function opened(t: TenantHandle, client: Client, jwt: string) {
  const keys = publishedKeys(t);
  const { payload } = await jwtVerify(jwt, keys, {
    issuer: t.origin,
    audience: client.client_id,
    algorithms: ['RS256'],
    requiredClaims: ['exp'],
  });
  const { iss, aud, exp, ...answer } = payload;
  assert.ok(exp! <= Date.now() / 1000 + 600, 'JARM §2.1: ten minutes at most');
  return answer as Record<string, string>;
}

test('answers as JWTs are on our pages too: words, policy, frames, and errors', async () => {
  const t = await w.tenant();
  await oauthSettings(t, { jwt_response_modes: true });
  const client = await t.client({
    callbacks: [REDIRECT, 'com.example.app:/callback'],
    web_origins: ['https://portal.example.com'],
  });
  const user = await t.user();
  const ask = (response_mode: string, more: Record<string, string> = {}) =>
    authorizeUrl(t, client.client_id, { redirect_uri: REDIRECT, response_mode, ui_locales: 'es', ...more });
  const visitor = agent();
  await signIn(visitor, authorizeUrl(t, client.client_id, { redirect_uri: REDIRECT }), user);
  const frames = {
    'form_post.jwt': /frame-ancestors 'none'$/,
    'web_message.jwt': /http:\/\/127\.0\.0\.1:9 https:\/\/portal\.example\.com$/,
  };
  for (const [mode, ancestors] of Object.entries(frames)) {
    const jwtOf = (text: string) =>
      mode === 'form_post.jwt'
        ? /name="response" value="([^"]+)"/.exec(text)![1]!
        : /data-message="[^"]*&quot;response&quot;:\{&quot;response&quot;:&quot;([^&]+)&quot;\}/.exec(text)![1]!;
    const granted = await visitor(ask(mode));
    const refused = await agent()(ask(mode, { prompt: 'none' }));
    for (const { status, headers, text } of [granted, refused]) {
      const policy = headers.get('content-security-policy') ?? '';
      assert.equal(status, 200, mode);
      assert.match(policy, /default-src 'none'.*script-src 'self';/);
      assert.match(policy, ancestors);
      assert.equal(headers.get('x-frame-options'), mode === 'form_post.jwt' ? 'DENY' : null);
      assert.equal(headers.get('cache-control'), 'no-store');
      assert.match(text, /<html lang="es"/);
      assert.doesNotMatch(text, /<script>|the state/, 'nothing inline, and nothing beside the JWT');
    }
    assert.match(
      granted.text,
      mode === 'form_post.jwt' ? /action="http:\/\/127\.0\.0\.1:9\// : /data-target="http:\/\/127\.0\.0\.1:9"/,
    );
    const { code, state, ...rest } = await opened(t, client, jwtOf(granted.text));
    assert.match(code!, /^[\w-]{43,}$/);
    assert.deepEqual([state, rest], ['the state', {}]);
    const { error, error_description, ...others } = await opened(t, client, jwtOf(refused.text));
    assert.deepEqual([error, others], ['login_required', { state: 'the state' }]);
    assert.ok(error_description);

    const native = await visitor(ask(mode, { redirect_uri: 'com.example.app:/callback' }));
    const landed = new URL(native.location!);
    assert.equal(landed.protocol, 'com.example.app:');
    assert.deepEqual([...landed.searchParams.keys()], ['response']);
    assert.ok((await opened(t, client, landed.searchParams.get('response')!)).code);

    const foreign = await visitor(ask(mode, { redirect_uri: 'https://evil.example.com/' }));
    assert.equal(foreign.status, 400);
    assert.match(foreign.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
    assert.doesNotMatch(foreign.text, /data-target|name="response"/);
  }
});

test('where an account does not answer as JWTs, no page does', async () => {
  const t = await w.tenant();
  const client = await t.client();
  for (const response_mode of ['form_post.jwt', 'web_message.jwt']) {
    const { location } = await agent()(authorizeUrl(t, client.client_id, { redirect_uri: REDIRECT, response_mode }));
    assert.equal(new URL(location!).searchParams.get('error'), 'unsupported_response_mode');
  }
});

test('a form and a message with a JWT reach the app, and no other origin frames the message', async () => {
  const t = await w.tenant();
  await oauthSettings(t, { jwt_response_modes: true });
  const user = await t.user();
  const { port, received } = await appServer();
  const { port: elsewhere } = await appServer();
  const app = `http://app.${t.slug}.localhost:${port}`;
  const client = await t.client({ callbacks: [`${app}/`], token_endpoint_auth_method: 'none' });
  const ask = (response_mode: string, more: Record<string, string> = {}) =>
    authorizeUrl(t, client.client_id, { redirect_uri: `${app}/`, response_mode, ...more });
  const silent = ask('web_message.jwt', { prompt: 'none' });
  await visit({}, async (page) => {
    await logIn(page, ask('form_post.jwt'), user);
    await page.waitForURL(`${app}/`);
    assert.equal(received.posts.length, 1);
    assert.deepEqual([...received.posts[0]!.keys()], ['response']);
    assert.ok((await opened(t, client, received.posts[0]!.get('response')!)).code);
    const { response } = (await inFrame(page, silent, t.origin))!;
    assert.deepEqual(Object.keys(response), ['response']);
    const { code, state } = await opened(t, client, response.response!);
    assert.ok(code);
    assert.equal(state, 'the state');
  });
  await assert.rejects(
    visit({}, async (page) => {
      await page.goto(`http://app.${t.slug}.localhost:${elsewhere}`);
      assert.equal(await inFrame(page, silent, t.origin), null);
    }),
    /frame-ancestors/,
  );
});
