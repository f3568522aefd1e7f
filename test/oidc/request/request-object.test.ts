/** How authorization requests come and how they are answered: signed (RFC 9101), pushed (RFC 9126), and as JWTs (JARM). */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, test } from 'node:test';
import { createLocalJWKSet, decodeJwt, jwtVerify, SignJWT, UnsecuredJWT } from 'jose';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import {
  agent,
  arrive,
  authorizeUrl,
  bearer,
  type Client,
  type ClientKey,
  clientKey,
  discovery,
  oauthSettings,
  ordersApi,
  post,
  publishedKeys,
  push,
  REDIRECT,
  redeem,
  requestObject,
  requestOf,
  signIn,
  type TenantHandle,
  tokensOf,
  world,
} from '../../kit/index.ts';

const w = await world();

/** A push by way of another address of this machine; answers the status. */
const pushFrom = (localAddress: string, t: { origin: string }, client: Client, form: Record<string, string>) =>
  new Promise<number | undefined>((resolve, reject) => {
    const sent = request(`http://127.0.0.1:${w.port}/oauth/par`, {
      method: 'POST',
      localAddress,
      headers: { host: new URL(t.origin).host, 'content-type': 'application/x-www-form-urlencoded' },
    });
    sent.on('response', (answer) => resolve(answer.resume().statusCode)).on('error', reject);
    sent.end(`${new URLSearchParams({ ...form, client_id: client.client_id })}`);
  });

/** A tenant that takes signed requests, a user, and a client with a key. */
async function signing(alg = 'ES256', fields: Record<string, unknown> = {}) {
  const t = await w.tenant();
  await oauthSettings(t, { request_objects: true });
  const key = await clientKey(alg);
  return { t, key, client: await t.client({ jwks: key.jwks, ...fields }), user: await t.user() };
}
const signedUrl = (t: { origin: string }, client: Client, request: string, beside: Record<string, string> = {}) =>
  authorizeUrl(t, { client_id: client.client_id, request, ...beside });

describe('a signed request', () => {
  test('is taken from openid-client, with each algorithm that discovery names', async () => {
    const { t, user } = await signing();
    const algs = (await discovery(t)).request_object_signing_alg_values_supported as string[];
    assert.deepEqual(algs, ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']);
    const visit = agent();
    for (const alg of algs) {
      const key = await clientKey(alg);
      const client = await t.client({ jwks: key.jwks, require_signed_request_object: true });
      const config = await t.discover(client);
      const { verifier, parameters } = requestOf(client, { state: 'signed' });
      const url = await oidc.buildAuthorizationUrlWithJAR(config, parameters, { key: key.privateKey, kid: key.kid });
      assert.ok(!url.searchParams.has('redirect_uri'));
      const landed = await signIn(visit, url.href, user);
      const tokens = await oidc.authorizationCodeGrant(config, landed, {
        pkceCodeVerifier: verifier,
        expectedState: 'signed',
      });
      assert.equal(tokens.claims()?.sub, user.id);
    }
  });

  test('carries audience and offline_access like any other', async () => {
    const { t, key, client, user } = await signing();
    const api = await ordersApi(t);
    for (const name of ['audience', 'resource']) {
      const { verifier, parameters } = requestOf(client, {
        scope: 'openid offline_access read:orders',
        [name]: api.identifier,
      });
      const url = signedUrl(t, client, await requestObject(t, client, key, parameters));
      const code = (await signIn(agent(), url, user)).searchParams.get('code')!;
      const { body } = await redeem(t, client, { code, verifier });
      assert.equal(decodeJwt(body.access_token).aud, api.identifier, name);
      assert.equal(decodeJwt(body.access_token).scope, 'openid read:orders');
      assert.ok(body.refresh_token, name);
    }
    const { parameters } = requestOf(client, { audience: api.identifier, resource: 'https://other.example.com' });
    const differing = await arrive(signedUrl(t, client, await requestObject(t, client, key, parameters)));
    assert.equal(differing.error, 'invalid_target');
    const unknown = requestOf(client, { audience: 'https://nowhere.example.com' }).parameters;
    assert.equal(
      (await arrive(signedUrl(t, client, await requestObject(t, client, key, unknown)))).error,
      'invalid_target',
    );
  });

  test('is read as one in the open is: spaces, claims that ask for nothing, and the spelling of an Api', async () => {
    const { t, key, client, user } = await signing();
    const { identifier } = await ordersApi(t);
    const spelled = identifier.replace(/^https:../, 'HTTPS://');
    const { verifier, parameters } = requestOf(client, { scope: ' openid  read:orders ', resource: spelled });
    const request = await requestObject(t, client, key, { ...parameters, claims: {} });
    const { body } = await push(t, client, { request });
    const pushed = authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri });
    const visit = agent();
    for (const url of [signedUrl(t, client, request), pushed]) {
      const code = (await signIn(visit, url, user)).searchParams.get('code')!;
      const tokens = await redeem(t, client, { code, verifier }, { resource: identifier });
      const { aud, scope } = decodeJwt(tokens.body.access_token);
      assert.deepEqual([aud, scope], [identifier, 'openid read:orders']);
    }
    // A mistake in the scope is heard of before what would have gone with it.
    const refusals = [
      [{ scope: 'openid,email', nonce: 'n' }, 'invalid_scope'],
      [{ audience: identifier, resource: ['https://other.example.com', identifier] }, 'invalid_target'],
      [{ claims: '{' }, 'invalid_request'],
    ] as const;
    for (const [claims, error] of refusals) {
      const object = await requestObject(t, client, key, { ...requestOf(client).parameters, ...claims });
      assert.equal((await arrive(signedUrl(t, client, object))).error, error, JSON.stringify(claims));
    }
  });

  test('is all that counts: parameters beside it are not looked at (RFC 9101 §6.3)', async () => {
    const { t, key, client, user } = await signing();
    const { verifier, parameters } = requestOf(client, { state: 'signed' });
    const landed = await signIn(
      agent(),
      signedUrl(t, client, await requestObject(t, client, key, parameters), {
        scope: 'openid email',
        state: 'forged',
        nonce: 'forged',
        redirect_uri: 'https://evil.example.com',
      }),
      user,
    );
    assert.equal(landed.searchParams.get('state'), 'signed');
    const { body } = await redeem(t, client, { code: landed.searchParams.get('code')!, verifier });
    assert.equal(body.scope, 'openid');
    assert.equal(decodeJwt(body.id_token).nonce, undefined);
    // What the object lacks is lacking, however much of it there is outside.
    const { code_challenge: _, ...without } = parameters;
    const spa = await t.client({ token_endpoint_auth_method: 'none', jwks: key.jwks });
    const object = await requestObject(t, spa, key, { ...without, client_id: spa.client_id });
    assert.equal(
      (await arrive(signedUrl(t, spa, object, { ...parameters, client_id: spa.client_id }))).error,
      'invalid_request',
    );
  });

  test('is refused when it is for somebody else, of somebody else, too old, or in part unsigned', async () => {
    const { t, key, client } = await signing();
    const [other, stranger] = [await w.tenant(), await t.client({ jwks: (await clientKey()).jwks })];
    const { parameters } = requestOf(client);
    const now = Math.floor(Date.now() / 1000);
    const sign = (claims: object, header = {}, by: ClientKey = key) =>
      requestObject(t, client, by, { ...parameters, ...claims }, header);
    const secret = new TextEncoder().encode(client.client_secret);
    const bare = { ...parameters, iss: client.client_id, aud: t.origin, exp: now + 60 };
    const cases: [string, string | Promise<string>][] = [
      ['another tenant as aud', sign({ aud: other.origin })],
      ['the token endpoint as aud', sign({ aud: `${t.origin}/oauth/token` })],
      ['no aud', sign({ aud: undefined })],
      ['another client as iss', sign({ iss: stranger.client_id })],
      ['no iss', sign({ iss: undefined })],
      ['another client_id', sign({ client_id: stranger.client_id })],
      ['expired', sign({ exp: now - 60 })],
      ['no exp', sign({ exp: undefined })],
      ['good for a day', sign({ exp: now + 86_400 })],
      ['not yet valid', sign({ nbf: now + 120 })],
      ['a request in the request', sign({ request: 'x' })],
      ['a request_uri in the request', sign({ request_uri: 'https://evil.example.com/object' })],
      ['the client as sub, as in its assertions', sign({ sub: client.client_id })],
      ['a proof of DPoP', sign({}, { typ: 'dpop+jwt' })],
      ['an access token', sign({}, { typ: 'at+jwt' })],
      ['a key that is not the client’s', sign({}, {}, { ...(await clientKey()), kid: key.kid })],
      ['a header that is critical and unknown', sign({}, { crit: ['exp2'], exp2: 1 }).catch(() => 'x.y.z')],
      ['nobody', new UnsecuredJWT(bare).encode()],
      ['the shared secret', new SignJWT(bare).setProtectedHeader({ alg: 'HS256' }).sign(secret)],
      ['changed after signing', tamper(await sign({}), { scope: 'openid email' })],
      ['no JWT at all', 'x'],
    ];
    for (const [name, object] of cases) {
      const at = await arrive(signedUrl(t, client, await object, { redirect_uri: REDIRECT, response_type: 'code' }));
      assert.equal(at.code, undefined, name);
      assert.ok(at.error === 'invalid_request_object' || (at.status === 400 && !at.location), `${name}: ${at.status}`);
    }
    // An honest one, to prove that the cases fail for what they are named after.
    assert.equal((await arrive(signedUrl(t, client, await sign({})))).status, 200, 'the login page');
    // The request of one client in the name of another, which has keys of its own.
    const borrowed = await arrive(signedUrl(t, stranger, await sign({}), { redirect_uri: REDIRECT }));
    assert.equal(borrowed.code, undefined);
    assert.notEqual(borrowed.status, 200);
    // A redirect is checked as ever, whoever signed it.
    const evil = await arrive(signedUrl(t, client, await sign({ redirect_uri: 'https://evil.example.com' })));
    assert.deepEqual([evil.status, evil.location], [400, null]);
  });

  test('ends with its exp, and may be opened again before', async () => {
    const { t, key, client } = await signing();
    const url = signedUrl(t, client, await requestObject(t, client, key, requestOf(client).parameters));
    for (const _ of ['first', 'reload']) assert.equal((await arrive(url)).status, 200, 'a login page');
    w.clock.advance({ seconds: 80 });
    assert.equal((await arrive(url)).status, 400);
  });

  test('may be pushed too, and must be where the client says so', async () => {
    const { t, key, client, user } = await signing('PS256', { require_signed_request_object: true });
    const { verifier, parameters } = requestOf(client, { scope: 'openid offline_access' });
    const plain = await push(t, client, parameters);
    assert.deepEqual([plain.status, plain.body.error], [400, 'invalid_request']);
    assert.equal((await arrive(authorizeUrl(t, parameters))).error, 'invalid_request');
    const forged = await push(t, client, { request: new UnsecuredJWT(parameters).encode() });
    assert.deepEqual([forged.status, forged.body.error], [400, 'invalid_request_object']);

    const request = await requestObject(t, client, key, parameters);
    const { body, status } = await push(t, client, { request, scope: 'openid email' });
    assert.equal(status, 201);
    const url = authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri });
    const code = (await signIn(agent(), url, user)).searchParams.get('code')!;
    const tokens = await redeem(t, client, { code, verifier });
    assert.equal(tokens.body.scope, 'openid offline_access');
    assert.ok(tokens.body.refresh_token);
  });

  test('is for accounts that take them: elsewhere it is refused, and so is a client that may send nothing else', async () => {
    const t = await w.tenant();
    const key = await clientKey();
    const client = await t.client({ jwks: key.jwks });
    const strict = await t.client({ jwks: key.jwks, require_signed_request_object: true });
    const off = await discovery(t);
    assert.equal(off.request_parameter_supported, undefined);
    assert.equal(off.request_object_signing_alg_values_supported, undefined);
    assert.equal(off.request_uri_parameter_supported, false);
    const { parameters } = requestOf(client);
    const request = await requestObject(t, client, key, parameters);
    assert.equal((await arrive(signedUrl(t, client, request, parameters))).error, 'request_not_supported');
    assert.equal((await arrive(authorizeUrl(t, requestOf(strict).parameters))).error, 'invalid_request');
    assert.equal((await push(t, strict, requestOf(strict).parameters)).body.error, 'invalid_request');
    await oauthSettings(t, { request_objects: true });
    assert.equal((await discovery(t)).request_parameter_supported, true);
    assert.equal((await arrive(signedUrl(t, client, request))).status, 200);
  });
});

/** The same signature under other claims. */
function tamper(jwt: string, claims: object): string {
  const [header, , signature] = jwt.split('.');
  const payload = Buffer.from(JSON.stringify({ ...decodeJwt(jwt), ...claims })).toString('base64url');
  return [header, payload, signature].join('.');
}

describe('a pushed request', () => {
  const use = (t: { origin: string }, client: Client, request_uri: string, more = {}) =>
    authorizeUrl(t, { client_id: client.client_id, request_uri, ...more });

  test('keeps offline_access and audience, and hides its parameters from the browser', async () => {
    const t = await w.tenant();
    const [client, user, api] = [await t.client(), await t.user(), await ordersApi(t)];
    const config = await t.discover(client);
    const { verifier, parameters } = requestOf(client, {
      scope: 'openid offline_access read:orders',
      audience: api.identifier,
    });
    const url = await oidc.buildAuthorizationUrlWithPAR(config, parameters);
    assert.deepEqual([...url.searchParams.keys()].sort(), ['client_id', 'request_uri']);
    const landed = await signIn(agent(), url.href, user);
    const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier: verifier });
    assert.equal(decodeJwt(tokens.access_token).aud, api.identifier);
    assert.ok(tokens.refresh_token);
  });

  test('works once, however many browsers come back from their logins at once', async () => {
    const t = await w.tenant();
    const [client, user] = [await t.client(), await t.user()];
    const { parameters } = requestOf(client);
    const { body } = await push(t, client, parameters);
    // Browsers that are logged in, each with a login of its own to come back from.
    const visits = await Promise.all(
      [1, 2, 3].map(async () => {
        const visit = agent();
        await tokensOf(t, client, user, {}, visit);
        return visit;
      }),
    );
    const outcomes = await Promise.all(visits.map((visit) => arrive(use(t, client, body.request_uri), visit)));
    assert.equal(outcomes.filter(({ code }) => code).length, 1);
    // Who opens it when it is used up already is not sent anywhere: the address to return to was in the request.
    for (const { code, error, status } of outcomes)
      assert.ok(code || error === 'invalid_request_uri' || status === 400, `${status} ${error}`);
    const late = await arrive(use(t, client, body.request_uri), visits[0]);
    assert.deepEqual([late.status, late.code], [400, undefined]);
  });

  test('starts logins for a minute, and is used up by the first of them however late it ends', async () => {
    const t = await w.tenant();
    const [client, user] = [await t.client(), await t.user()];
    const { body } = await push(t, client, requestOf(client).parameters);
    assert.equal(body.expires_in, 60);
    const [slow, slower] = [agent(), agent()];
    const open = await Promise.all([slow, slower].map((visit) => arrive(use(t, client, body.request_uri), visit)));
    assert.deepEqual(
      open.map(({ status }) => status),
      [200, 200],
    );
    w.clock.advance({ seconds: 90 });
    assert.equal((await arrive(use(t, client, body.request_uri))).status, 400, 'too late to start');
    assert.ok((await signIn(slow, open[0]!.url, user)).searchParams.get('code'), 'a person may take their time');
    assert.equal((await signIn(slower, open[1]!.url, user)).searchParams.get('error'), 'invalid_request_uri');
  });

  test('is its own client’s and its own tenant’s', async () => {
    const [t, other] = [await w.tenant(), await w.tenant()];
    const [client, stranger, foreign] = [await t.client(), await t.client(), await other.client()];
    const { body } = await push(t, client, requestOf(client).parameters);
    for (const [where, who] of [
      [t, stranger],
      [other, foreign],
      [other, client],
    ] as [TenantHandle, Client][]) {
      const at = await arrive(use(where, who, body.request_uri, { redirect_uri: REDIRECT, response_type: 'code' }));
      assert.notEqual(at.status, 200);
      assert.equal(at.code, undefined);
    }
    const elsewhere = await arrive(use(t, client, 'https://evil.example.com/object', { redirect_uri: REDIRECT }));
    assert.equal(elsewhere.code, undefined);
    assert.notEqual(elsewhere.status, 200, 'nothing is fetched from addresses in requests');
    assert.equal((await arrive(use(t, client, body.request_uri))).status, 200, 'and it still works for its client');
  });

  test('is pushed by its authenticated client, whole, and with an address that is registered', async () => {
    const t = await w.tenant();
    const [client, stranger] = [await t.client(), await t.client()];
    const { parameters } = requestOf(client);
    const form = { ...parameters, client_secret: client.client_secret };
    const pushed = (body: Record<string, string>) => post(t, '/oauth/par', body);
    const { body } = await push(t, client, parameters);
    const cases: [Record<string, string>, number, string][] = [
      [parameters, 401, 'invalid_client'],
      [{ ...form, client_secret: stranger.client_secret }, 401, 'invalid_client'],
      [{ ...form, request_uri: body.request_uri }, 400, 'request_uri_not_supported'],
      [{ ...form, redirect_uri: 'https://evil.example.com' }, 400, 'invalid_request'],
      [{ ...form, response_type: 'token' }, 400, 'unsupported_response_type'],
    ];
    for (const [sent, status, error] of cases) {
      const answer = await pushed(sent);
      assert.deepEqual([answer.status, answer.body.error], [status, error]);
    }
  });

  test('is taken from one address, for all clients without a secret together, 300 times in five minutes', async () => {
    const [t, other] = [await w.tenant(), await w.tenant()];
    const open = { token_endpoint_auth_method: 'none' };
    const [client, sibling, confidential] = [await t.client(open), await t.client(open), await t.client()];
    const { parameters } = requestOf(client);
    const many = (count: number) =>
      Promise.all(Array.from({ length: count }, () => push(t, client, parameters).then(({ status }) => status)));
    // What is refused anyhow leaves nothing here, and costs nothing.
    for (let refused = 0; refused < 3; refused++)
      assert.equal((await push(t, client, { ...parameters, response_type: 'token' })).status, 400);
    const statuses = [...(await many(155)), ...(await many(155))];
    assert.equal(statuses.filter((status) => status === 201).length, 300);
    assert.equal(statuses.filter((status) => status === 429).length, 10);
    const rows = mongoose.connection.db!.collection('protocol');
    assert.equal(await rows.countDocuments({ account: t.id, kind: 'PushedAuthorizationRequest' }), 300);

    const { status, body, headers } = await push(t, client, parameters);
    assert.deepEqual([status, body.error], [429, 'invalid_request']);
    assert.deepEqual(Object.keys(body), ['error', 'error_description']);
    const wait = Number(headers.get('retry-after'));
    assert.ok(wait > 0 && wait <= 300, `${wait} s`);
    assert.equal(headers.get('cache-control'), 'no-store');

    const disguised = await push(t, client, parameters, { 'x-forwarded-for': '198.51.100.7' });
    assert.equal(disguised.status, 429, 'nobody says himself where he is');
    assert.equal(await pushFrom('127.0.0.2', t, client, parameters), 201, 'another address');
    assert.equal(
      (await push(t, sibling, requestOf(sibling).parameters)).status,
      429,
      'another client is not counted anew',
    );
    const foreign = await other.client(open);
    assert.equal((await push(other, foreign, requestOf(foreign).parameters)).status, 201, 'another tenant');
    const counters = mongoose.connection.db!.collection('limits');
    const before = await counters.find().sort({ _id: 1 }).toArray();
    assert.equal((await push(t, confidential, requestOf(confidential).parameters)).status, 201);
    assert.deepEqual(await counters.find().sort({ _id: 1 }).toArray(), before, 'who has a secret is not counted');
    assert.equal((await arrive(authorizeUrl(t, parameters))).status, 200, 'logins go on in the open');

    w.clock.advance({ seconds: wait + 1 });
    assert.equal((await push(t, client, parameters)).status, 201);
  });

  test('is the only way in where the account or the client says so', async () => {
    const t = await w.tenant();
    const [free, strict, user] = [
      await t.client(),
      await t.client({ require_pushed_authorization_requests: true }),
      await t.user(),
    ];
    assert.equal((await discovery(t)).require_pushed_authorization_requests, undefined);
    assert.equal((await arrive(authorizeUrl(t, requestOf(free).parameters))).status, 200);
    assert.equal((await arrive(authorizeUrl(t, requestOf(strict).parameters))).error, 'invalid_request');
    await oauthSettings(t, { require_pushed_authorization_requests: true });
    assert.equal((await discovery(t)).require_pushed_authorization_requests, true);
    const visit = agent();
    for (const client of [free, strict]) {
      const { parameters } = requestOf(client);
      assert.equal((await arrive(authorizeUrl(t, parameters))).error, 'invalid_request');
      const { body } = await push(t, client, parameters);
      assert.ok((await signIn(visit, use(t, client, body.request_uri), user)).searchParams.get('code'));
    }
    // Our own pages go on logging people in: /activate asks who is there by way of /authorize.
    const activate = await arrive(`${t.origin}/activate`, agent());
    assert.equal(activate.status, 200);
    await oauthSettings(t, { require_pushed_authorization_requests: false });
    assert.equal((await arrive(authorizeUrl(t, requestOf(free).parameters))).status, 200);
  });
});

describe('an answer as a JWT (JARM)', () => {
  async function answering() {
    const t = await w.tenant();
    await oauthSettings(t, { jwt_response_modes: true });
    return { t, client: await t.client(), user: await t.user() };
  }

  test('is signed by the issuer for the client, and openid-client takes it', async () => {
    const { t, client, user } = await answering();
    const document = await discovery(t);
    assert.deepEqual(document.authorization_signing_alg_values_supported, ['RS256', 'PS256', 'ES256', 'EdDSA']);
    for (const mode of ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt'])
      assert.ok((document.response_modes_supported as string[]).includes(mode), mode);
    const config = await t.discover(client);
    oidc.useJwtResponseMode(config);
    const { verifier, parameters } = requestOf(client, { state: 'the state', response_mode: 'jwt' });
    const landed = await signIn(agent(), oidc.buildAuthorizationUrl(config, parameters).href, user);
    assert.deepEqual([...landed.searchParams.keys()], ['response'], 'the code travels signed, and only so');
    const tokens = await oidc.authorizationCodeGrant(config, landed, {
      pkceCodeVerifier: verifier,
      expectedState: 'the state',
    });
    assert.equal(tokens.claims()?.sub, user.id);
  });

  test('is signed as the client wants', async () => {
    const { t, user } = await answering();
    const visit = agent();
    for (const alg of ['PS256', 'ES256', 'EdDSA', 'RS256']) {
      const client = await t.client({ authorization_signed_response_alg: alg });
      const { parameters } = requestOf(client, { response_mode: 'jwt' });
      const landed = await signIn(visit, authorizeUrl(t, parameters), user);
      const keys = publishedKeys(t);
      const options = { issuer: t.origin, audience: client.client_id, algorithms: [alg] };
      const { payload } = await jwtVerify(landed.searchParams.get('response')!, keys, options);
      assert.ok(payload.code, alg);
    }
    for (const alg of ['none', 'HS256', 'ES384'])
      assert.equal(
        (await t.call('POST', '/client', { name: 'x', authorization_signed_response_alg: alg })).status,
        400,
      );
  });

  test('comes in every mode, for errors too', async () => {
    const { t, client, user } = await answering();
    const keys = publishedKeys(t);
    const open = async (jwt: string) =>
      (await jwtVerify(jwt, keys, { issuer: t.origin, audience: client.client_id, algorithms: ['RS256'] })).payload;
    const visit = agent();
    await tokensOf(t, client, user, {}, visit);
    const ask = async (response_mode: string, more: Record<string, string> = {}) => {
      const { parameters } = requestOf(client, { response_mode, state: 's', ...more });
      return visit(authorizeUrl(t, parameters));
    };
    for (const mode of ['jwt', 'query.jwt']) {
      const { searchParams } = new URL((await ask(mode)).location!);
      const { code, state, exp, iss } = await open(searchParams.get('response')!);
      assert.ok(code && exp! - Date.now() / 1000 <= 600);
      assert.deepEqual([state, iss], ['s', t.origin]);
    }
    const fragment = new URLSearchParams(new URL((await ask('fragment.jwt')).location!).hash.slice(1));
    assert.ok((await open(fragment.get('response')!)).code);
    const page = await ask('form_post.jwt');
    assert.equal(page.status, 200);
    assert.ok((await open(/name="response" value="([^"]+)"/.exec(page.text)![1]!)).code);
    const refused = new URL(
      (await ask('query.jwt', { scope: 'openid', audience: 'https://nowhere.example.com' })).location!,
    );
    assert.equal((await open(refused.searchParams.get('response')!)).error, 'invalid_target');
  });

  test('is for accounts that want it', async () => {
    const t = await w.tenant();
    const client = await t.client();
    const document = await discovery(t);
    assert.equal(document.authorization_signing_alg_values_supported, undefined);
    assert.ok(!(document.response_modes_supported as string[]).includes('jwt'));
    const at = await arrive(authorizeUrl(t, requestOf(client, { response_mode: 'query.jwt' }).parameters));
    assert.equal(at.error, 'unsupported_response_mode');
  });
});

test('userinfo is a JWT for a client that wants it so, and openid-client verifies it', async () => {
  const t = await w.tenant();
  const [plain, user] = [await t.client(), await t.user()];
  const algorithms = (await discovery(t)).userinfo_signing_alg_values_supported;
  assert.deepEqual(algorithms, ['RS256', 'PS256', 'ES256', 'EdDSA']);
  const visit = agent();
  for (const alg of algorithms) {
    const client = await t.client({ userinfo_signed_response_alg: alg });
    const { tokens, config } = await tokensOf(t, client, user, { scope: 'openid email' }, visit);
    const headers = bearer(tokens.access_token);
    const answer = await w.send(`${t.origin}/userinfo`, { headers });
    assert.match(answer.headers.get('content-type') ?? '', /^application\/jwt/);
    const keys = createLocalJWKSet((await w.send(`${t.origin}/.well-known/jwks.json`)).body);
    const { payload } = await jwtVerify(answer.text, keys, {
      issuer: t.origin,
      audience: client.client_id,
      algorithms: [alg],
    });
    assert.deepEqual([payload.sub, payload.email], [user.id, user.email]);
    assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, user.id)).email, user.email);
  }
  const others = await tokensOf(t, plain, user, { scope: 'openid email' }, visit);
  const json = await w.send(`${t.origin}/userinfo`, {
    headers: bearer(others.tokens.access_token),
  });
  assert.match(json.headers.get('content-type') ?? '', /^application\/json/);
});
