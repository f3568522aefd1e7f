/** Clients named by the address of a document about them: whose are taken, what they may say, what a user is told. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import { clientOfDocument } from '../../../src/auth/client-document.ts';
import { asTenant } from '../../../src/kernel/context.ts';
import { Fault } from '../../../src/kernel/fault.ts';
import {
  agent,
  type Client,
  discovery,
  follow,
  listen,
  logged,
  ORDERS,
  oauthSettings,
  ordersApi,
  post,
  REDIRECT,
  refused,
  signIn,
  type TenantHandle,
  tokensOf,
  until,
  wordsOf,
  world,
} from '../../kit/index.ts';
import { logoutReceiver } from '../../kit/logout-receiver.ts';

const w = await world();

async function taking(mode = 'any', hosts: string[] = []) {
  const of = await w.tenant();
  await oauthSettings(of, { client_id_metadata_documents: mode, client_id_metadata_hosts: hosts });
  return of;
}
const t = await taking();
beforeEach(() => mongoose.connection.db!.collection('limits').deleteMany({}));

/** A site that serves one document; what it answers can be changed, and its visits are counted. */
async function site(fields: Record<string, unknown> = {}, path = '/oauth/client.json') {
  const state = {
    document: {} as unknown,
    status: 200,
    headers: { 'content-type': 'application/json' } as Record<string, string>,
    visits: 0,
    cut: false,
    id: '',
  };
  const { origin, serve } = await listen();
  serve((request, response) => {
    state.visits += 1;
    if (state.cut) return void request.socket.destroy();
    response.writeHead(state.status, state.headers);
    response.end(typeof state.document === 'string' ? state.document : JSON.stringify(state.document));
  });
  state.id = `${origin}${path}`;
  state.document = { client_id: state.id, client_name: 'Agent', redirect_uris: [REDIRECT], ...fields };
  return state;
}

async function start(of: TenantHandle, clientId: string, parameters: Record<string, string> = {}) {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: 'openid',
    state: 's',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
    ...parameters,
  });
  const url = `${of.origin}/authorize?${query}`;
  return { url, answer: await w.send(url, { headers: { accept: 'text/html' } }) };
}
const takes = async (of: TenantHandle, clientId: string) => (await start(of, clientId)).answer.status === 303;

test('a user logs in through a client that only published a document, and is told whose it is', async () => {
  const of = await taking();
  await ordersApi(of);
  const published = await site({
    client_uri: 'https://bank.example.com',
    grant_types: ['authorization_code', 'refresh_token', 'made:up'],
    scope: 'whatever another:server has',
    first_party: true,
    is_first_party: true,
    api_grants: [],
  });
  const user = await of.user();
  const config = await oidc.discovery(
    new URL(of.origin),
    published.id,
    { token_endpoint_auth_method: 'none' },
    oidc.None(),
    {
      execute: [oidc.allowInsecureRequests],
    },
  );
  assert.equal(config.serverMetadata().client_id_metadata_document_supported, true);
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid offline_access read:orders',
    resource: ORDERS,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  });
  const visit = agent();
  // First-party clients would be back at the redirect now; this one has to ask.
  const landed = await signIn(visit, url.href, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier });
  assert.equal(tokens.claims()?.aud, published.id);
  const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  assert.ok(renewed.access_token);
  const [consent] = (await of.api('GET', '/log?query=type:auth.consent.granted')).results;
  assert.equal(consent.client, published.id);
  assert.equal(published.visits, 1, 'one fetch for all of it');
  assert.equal(
    (await of.api('GET', '/client')).results.some((row: { name: string }) => row.name === 'Agent'),
    false,
  );

  const again = await follow(visit, await visit(`${url.href}&prompt=consent`), REDIRECT);
  const host = new URL(published.id).host;
  assert.match(again.text, new RegExp(host.replaceAll('.', '\\.')));
  assert.doesNotMatch(again.text, /bank\.example/, 'what it says of its home is not its host');
});

test('a client that published where it wants to hear of logouts hears of them', async () => {
  const of = await taking();
  const receiver = await logoutReceiver();
  const [telling, silent] = [
    await site({ backchannel_logout_uri: receiver.url, token_endpoint_auth_method: 'none' }),
    await site({ token_endpoint_auth_method: 'none' }),
  ];
  const user = await of.user();
  const visit = agent();
  let hint = '';
  for (const { id } of [telling, silent]) {
    const { tokens } = await tokensOf(of, { client_id: id } as Client, user, {}, visit);
    hint = tokens.id_token!;
  }
  await visit(`${of.origin}/logout?id_token_hint=${hint}`);
  // Its host is away at that moment; what was read of it before still holds.
  telling.cut = true;
  await w.deliver();
  const [told, ...more] = await receiver.tokens(of.origin, telling.id);
  assert.deepEqual(more, []);
  assert.equal(told!.sub, user.id);
  assert.ok(told!.sid);
});

test('a client that published keys signs with them', async () => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k' }];
  const published = await site({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys } });
  const config = await oidc.discovery(
    new URL(t.origin),
    published.id,
    undefined,
    oidc.PrivateKeyJwt({ key: privateKey, kid: 'k' }),
    { execute: [oidc.allowInsecureRequests] },
  );
  const parameters = { redirect_uri: REDIRECT, scope: 'openid', response_type: 'code' };
  assert.ok((await oidc.buildAuthorizationUrlWithPAR(config, parameters)).searchParams.get('request_uri'));
  const bare = await post(t, '/oauth/par', { client_id: published.id, ...parameters });
  assert.deepEqual([bare.status, bare.body.error], [401, 'invalid_client']);
});

test('such a client opens nothing as a machine', async () => {
  const published = await site({ grant_types: ['authorization_code', 'client_credentials', 'password'] });
  for (const grant_type of ['client_credentials', 'password']) {
    const form = { grant_type, client_id: published.id, audience: t.audience, username: 'x', password: 'x' };
    const answer = await post(t, '/oauth/token', form);
    assert.deepEqual([answer.status, answer.body.error], [400, 'unauthorized_client'], answer.text);
  }
});

test('only an account that takes them looks, and only where it says', async () => {
  const published = await site();
  const closed = await taking('off');
  const listed = await taking('listed', ['127.0.0.1']);
  const elsewhere = await taking('listed', ['agents.example.com']);
  assert.deepEqual(
    [await takes(closed, published.id), await takes(elsewhere, published.id), published.visits],
    [false, false, 0],
  );
  assert.equal(await takes(listed, published.id), true);
  // What one account has fetched is not for another that does not want it.
  assert.deepEqual([await takes(closed, published.id), await takes(elsewhere, published.id)], [false, false]);
  assert.equal((await discovery(closed)).client_id_metadata_document_supported, undefined);
  assert.equal((await discovery(listed)).client_id_metadata_document_supported, true);
  await oauthSettings(listed, { client_id_metadata_documents: 'off' });
  assert.equal(await takes(listed, published.id), false);
  const made = await w.tenant();
  assert.equal((await discovery(made)).client_id_metadata_document_supported, true);
  assert.equal(await takes(made, published.id), true);
});

test('the name of a document is judged like that of a registration, and its host is named in its place', async () => {
  const head = async (of: TenantHandle, id: string) => {
    const visit = agent();
    const page = await follow(visit, await visit((await start(of, id)).url));
    return { name: /<h1>Log in to (.*?)<\/h1>/.exec(page.text)?.[1], words: wordsOf(page) };
  };
  const spoken = await site({ client_name: 'Acme. Your account is locked: call 900 555 0100' });
  const { host } = new URL(spoken.id);
  assert.equal((await head(t, spoken.id)).name, host);
  const named = await site();
  const stranger = await head(t, named.id);
  assert.equal(stranger.name, 'Agent');
  assert.match(stranger.words, /does not know this app/);
  const vouched = await taking('any', ['127.0.0.1']);
  assert.doesNotMatch((await head(vouched, named.id)).words, /does not know this app/);
});

test('a document that is not about its address, or not to be trusted, is no client', async () => {
  const bad: [string, (of: Awaited<ReturnType<typeof site>>) => void][] = [
    ['another client_id', (of) => Object.assign(of.document as object, { client_id: `${of.id}?x` })],
    ['no client_id', (of) => Object.assign(of.document as object, { client_id: undefined })],
    ['a secret', (of) => Object.assign(of.document as object, { client_secret: 'x' })],
    ['an expiry of one', (of) => Object.assign(of.document as object, { client_secret_expires_at: 0 })],
    [
      'a secret method',
      (of) => Object.assign(of.document as object, { token_endpoint_auth_method: 'client_secret_post' }),
    ],
    ['a shared key', (of) => Object.assign(of.document as object, { token_endpoint_auth_method: 'client_secret_jwt' })],
    ['no key', (of) => Object.assign(of.document as object, { token_endpoint_auth_method: 'private_key_jwt' })],
    ['no redirect', (of) => Object.assign(of.document as object, { redirect_uris: [] })],
    ['a script', (of) => Object.assign(of.document as object, { redirect_uris: ['javascript:alert(1)'] })],
    ['plain http', (of) => Object.assign(of.document as object, { redirect_uris: ['http://app.example.com/'] })],
    ['another redirect', (of) => Object.assign(of.document as object, { redirect_uris: ['https://app.example.com/'] })],
    ['a list', (of) => Object.assign(of, { document: [of.document] })],
    ['a page', (of) => Object.assign(of.headers, { 'content-type': 'text/html' })],
    ['no JSON', (of) => Object.assign(of, { document: '{"client_id"' })],
    ['too large', (of) => Object.assign(of.document as object, { contacts: ['x'.repeat(200)], pad: 'x'.repeat(5200) })],
    ['not found', (of) => Object.assign(of, { status: 404 })],
    ['an error', (of) => Object.assign(of, { status: 500 })],
    ['a redirect', (of) => Object.assign(of, { status: 302, headers: { location: of.id } })],
    ['silence', (of) => Object.assign(of, { cut: true })],
  ];
  for (const [why, spoil] of bad) {
    const published = await site();
    spoil(published);
    const { answer } = await start(t, published.id);
    assert.equal(answer.status, 400, `${why}: ${answer.headers.get('location')}`);
    assert.equal(answer.headers.get('location'), null, why);
    assert.equal(published.visits, 1, why);
  }
});

test('an address that could be read in two ways is not looked at', async () => {
  const published = await site();
  const { host } = new URL(published.id);
  const ids = [
    `http://${host}`,
    `http://${host}/`,
    `http://${host}/oauth/../oauth/client.json`,
    `http://${host}/oauth/./client.json`,
    `http://${host}/oauth/%2e%2e/client.json`,
    `http://user@${host}/oauth/client.json`,
    `${published.id}#part`,
    `${published.id}#`,
    published.id.replace('http:', 'HTTP:'),
    published.id.replace('http:', 'ftp:'),
    published.id.replace('127.0.0.1', '127.1'),
    `http://${host}\\oauth\\client.json`,
    `${published.id} `,
    `http://${host}/${'x'.repeat(500)}`,
    'http://agents.example.com/client.json',
  ];
  for (const id of ids) assert.equal(await takes(t, id), false, id);
  assert.equal(published.visits, 0);
});

test('a document holds for its time, and for a while when its host is silent', async () => {
  const published = await site();
  published.headers['cache-control'] = 'max-age=300';
  assert.deepEqual([await takes(t, published.id), await takes(t, published.id), published.visits], [true, true, 1]);
  (published.document as Record<string, unknown>).redirect_uris = ['https://app.example.com/'];
  assert.equal(await takes(t, published.id), true, 'still fresh');
  w.clock.advance({ seconds: 301 });
  assert.equal(await takes(t, published.id), false, 'the redirect is gone');

  (published.document as Record<string, unknown>).redirect_uris = [REDIRECT];
  w.clock.advance({ seconds: 301 });
  assert.equal(await takes(t, published.id), true);
  published.cut = true;
  w.clock.advance({ seconds: 1000 });
  assert.equal(await takes(t, published.id), true, 'silence is not a no');
  published.cut = false;
  published.status = 404;
  w.clock.advance({ seconds: 100 });
  assert.equal(await takes(t, published.id), false, 'not found is one');
  published.status = 200;
  w.clock.advance({ seconds: 11 });
  assert.equal(await takes(t, published.id), true);
  published.cut = true;
  w.clock.advance({ seconds: 2 * 3600 });
  assert.equal(await takes(t, published.id), false, 'and silence is believed for an hour');
});

test('an address with nothing good at it is left alone for a moment, however many ask', async () => {
  const published = await site();
  published.document = '{}';
  await Promise.all(Array.from({ length: 8 }, () => takes(t, published.id)));
  assert.equal(await takes(t, published.id), false);
  assert.equal(published.visits, 1);
  w.clock.advance({ seconds: 11 });
  await takes(t, published.id);
  assert.equal(published.visits, 2);
});

test('nobody gets to send us to a thousand servers', async () => {
  const of = await taking();
  const published = await site();
  const ids = Array.from({ length: 70 }, (_, n) => `${published.id}?${n}`);
  await Promise.all(ids.map((id) => takes(of, id)));
  assert.equal(published.visits, 60);
  const { answer } = await start(of, `${published.id}?one more`.replaceAll(' ', '-'));
  assert.equal(answer.status, 429, 'no fault of the link');
  const wait = Number(answer.headers.get('retry-after'));
  assert.ok(wait > 60 && wait <= 300, `${wait} s`);
  assert.match(answer.text, new RegExp(`Wait ${Math.ceil(wait / 60)} minutes, then try again`));
  const form = { grant_type: 'authorization_code', client_id: `${published.id}?and-more`, code: 'x' };
  const machine = await w.send(`${of.origin}/oauth/token`, { method: 'POST', form });
  assert.deepEqual(refused(machine), [429, 'invalid_request']);
  assert.ok(Number(machine.headers.get('retry-after')) > 60);
  await until('the log tells', async () =>
    (await logged(of, 'oauth.authorize.failed')).some(({ data }) => data.reason === 'invalid_request'),
  );
});

test('in production only https at a public address is looked at', async () => {
  const account = { oauth: { client_id_metadata_documents: 'any', client_id_metadata_hosts: [] }, id: 'account_x' };
  const tenant = asTenant(account as never, 'https://acme.example.com');
  const asked: string[] = [];
  const options = {
    production: true,
    ip: '192.0.2.1',
    async fetch(address: string) {
      asked.push(address);
      return Response.json({
        client_id: address,
        redirect_uris: ['https://app.example.com/'],
        tos_uri: 'http://x.example/',
      });
    },
  };
  assert.equal(await clientOfDocument(tenant, 'http://127.0.0.1/client.json', options), undefined);
  assert.equal(await clientOfDocument(tenant, 'http://agents.example.com/client.json', options), undefined);
  assert.deepEqual(asked, []);
  await assert.rejects(
    clientOfDocument(tenant, 'https://agents.example.com/client.json', options),
    (error) => error instanceof Fault && /tos_uri/.test(error.message),
  );
  const { publishedFetch } = await import('../../../src/connections/published-fetch.ts');
  for (const id of [
    'https://127.0.0.1/c.json',
    'https://[::1]/c.json',
    'https://169.254.169.254/c.json',
    'https://10.0.0.1/c.json',
  ])
    await assert.rejects(
      clientOfDocument(tenant, id, { ...options, fetch: publishedFetch({ production: true }) }),
      (error) => error instanceof Fault && /refused/.test(String((error.cause as Error).message)),
      id,
    );
});
