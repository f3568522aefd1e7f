/** Tokens bound to a key (RFC 9449): where they are bound, where the proof is asked for, and what passes for one. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';
import { decodeJwt, exportJWK, SignJWT, UnsecuredJWT } from 'jose';
import * as oidc from 'openid-client';
import {
  agent,
  arrive,
  assertRefused,
  authorizeUrl,
  type Client,
  codeOf,
  epochSeconds,
  type Form,
  introspect,
  ordersApi,
  prover,
  push,
  REDIRECT,
  redeem,
  requestOf,
  signIn,
  type TenantHandle,
  tokenRequest,
  type User,
  world,
} from '../../kit/index.ts';

const w = await world();
const jktOf = (token: string) => (decodeJwt(token).cnf as { jkt?: string } | undefined)?.jkt;

const codeFor = (t: TenantHandle, client: Client, user: User, more: Form = {}) =>
  codeOf(t, client, user, { scope: 'openid email offline_access', ...more });
const spa = (t: TenantHandle, fields: Record<string, unknown> = {}) =>
  t.client({ token_endpoint_auth_method: 'none', ...fields });
const tokenUrl = (t: { origin: string }) => `${t.origin}/oauth/token`;
const userinfoUrl = (t: { origin: string }) => `${t.origin}/userinfo`;

describe('at the token endpoint', () => {
  test('openid-client gets bound tokens, refreshes them and reads userinfo with them', async () => {
    const t = await w.tenant();
    const [client, user] = [await spa(t), await t.user()];
    const config = await oidc.discovery(new URL(t.origin), client.client_id, undefined, oidc.None(), {
      execute: [oidc.allowInsecureRequests],
    });
    for (const alg of config.serverMetadata().dpop_signing_alg_values_supported!) {
      const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair(alg));
      const thumbprint = await DPoP.calculateThumbprint();
      const { verifier, parameters } = requestOf(client, { scope: 'openid offline_access', dpop_jkt: thumbprint });
      const landed = await signIn(agent(), oidc.buildAuthorizationUrl(config, parameters).href, user);
      const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier: verifier }, undefined, {
        DPoP,
      });
      assert.deepEqual([tokens.token_type, jktOf(tokens.access_token)], ['dpop', thumbprint], alg);
      const next = await oidc.refreshTokenGrant(config, tokens.refresh_token!, undefined, { DPoP });
      assert.equal(jktOf(next.access_token), thumbprint);
      const info = await oidc.fetchUserInfo(config, next.access_token, user.id, { DPoP });
      assert.equal(info.sub, user.id);
    }
    assert.deepEqual(config.serverMetadata().dpop_signing_alg_values_supported, ['ES256', 'EdDSA', 'Ed25519', 'PS256']);
  });

  test('every grant binds: machines, passwords, token exchange', async () => {
    const t = await w.tenant();
    const api = await ordersApi(t);
    const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange';
    const client = await t.client({ grant_types: ['client_credentials', 'password', 'refresh_token', exchange] });
    const user = await t.user();
    const key = await prover();
    const bound = async (form: Record<string, string>) => {
      const dpop = await key.prove('POST', tokenUrl(t));
      const answer = await tokenRequest(t, client, form, { dpop });
      assert.equal(answer.status, 200, answer.text);
      assert.deepEqual([answer.body.token_type, jktOf(answer.body.access_token)], ['DPoP', key.thumbprint]);
      return answer.body.access_token as string;
    };
    await bound({ grant_type: 'client_credentials', audience: api.identifier });
    const subject_token = await bound({
      grant_type: 'password',
      username: user.email,
      password: user.password,
      audience: api.identifier,
    });
    await bound({
      grant_type: exchange,
      subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: api.identifier,
    });
  });

  test('a public client’s refresh token needs its key, a confidential one has its secret for that', async () => {
    const t = await w.tenant();
    const user = await t.user();
    const [mine, thief] = [await prover(), await prover()];
    const header = async (by: typeof mine) => ({ dpop: await by.prove('POST', tokenUrl(t)) });
    const refresh = (client: Client, refresh_token: string, headers: object) =>
      tokenRequest(t, client, { grant_type: 'refresh_token', refresh_token }, headers);

    const open = await spa(t);
    const { body } = await redeem(t, open, await codeFor(t, open, user), {}, await header(mine));
    for (const headers of [{}, await header(thief)]) {
      const refused = await refresh(open, body.refresh_token, headers);
      assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
    }
    assert.equal((await refresh(open, body.refresh_token, await header(mine))).status, 200, 'and it was not used up');

    const kept = await t.client();
    const tokens = await redeem(t, kept, await codeFor(t, kept, user), {}, await header(mine));
    const next = await refresh(kept, tokens.body.refresh_token, await header(thief));
    assert.equal(jktOf(next.body.access_token), thief.thumbprint, 'a client may change its key');
  });

  test('a code that was asked for with a key is worth nothing without it', async () => {
    const t = await w.tenant();
    const [client, user] = [await spa(t), await t.user()];
    const [mine, thief] = [await prover(), await prover()];
    for (const headers of [{}, { dpop: await thief.prove('POST', tokenUrl(t)) }]) {
      const code = await codeFor(t, client, user, { dpop_jkt: mine.thumbprint });
      const refused = await redeem(t, client, code, {}, headers);
      assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
    }
    // Pushed with a proof: the key is taken from there (§10.1), and has to be the one that is named.
    const { verifier, parameters } = requestOf(client);
    const proof = async (by: typeof mine) => ({ dpop: await by.prove('POST', `${t.origin}/oauth/par`) });
    const conflicting = await push(t, client, { ...parameters, dpop_jkt: mine.thumbprint }, await proof(thief));
    assert.deepEqual([conflicting.status, conflicting.body.error], [400, 'invalid_request']);
    const { body } = await push(t, client, parameters, await proof(mine));
    const url = authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri });
    const code = (await signIn(agent(), url, user)).searchParams.get('code')!;
    const stolen = await redeem(t, client, { code, verifier }, {}, { dpop: await thief.prove('POST', tokenUrl(t)) });
    assert.deepEqual([stolen.status, stolen.body.error], [400, 'invalid_grant']);
  });

  test('a client that is to use it cannot do without', async () => {
    const t = await w.tenant();
    const api = await ordersApi(t);
    const [client, user] = [await t.client({ dpop_bound_access_tokens: true }), await t.user()];
    const machine = { grant_type: 'client_credentials', audience: api.identifier as string };
    const bare = await tokenRequest(t, client, machine);
    assert.deepEqual([bare.status, bare.body.error], [400, 'invalid_grant']);
    assert.equal((await redeem(t, client, await codeFor(t, client, user))).body.error, 'invalid_grant');
    const key = await prover();
    const dpop = await key.prove('POST', tokenUrl(t));
    assert.equal((await tokenRequest(t, client, machine, { dpop })).body.token_type, 'DPoP');
  });

  test('what is no proof for this request is refused', async () => {
    const t = await w.tenant();
    const api = await ordersApi(t);
    const client = await t.client();
    const key = await prover();
    const prove = (claims: object, header: object = {}) =>
      key.prove('POST', tokenUrl(t), { claims: claims as never, header });
    const good = { jti: randomUUID(), htm: 'POST', htu: tokenUrl(t), iat: epochSeconds() };
    const secret = new TextEncoder().encode('a secret that is long enough for HS256');
    const cases: [string, string | Promise<string>][] = [
      ['another method', prove({ htm: 'GET' })],
      ['another endpoint', prove({ htu: userinfoUrl(t) })],
      ['another host', prove({ htu: 'https://elsewhere.example.com/oauth/token' })],
      ['no address', prove({ htu: undefined })],
      ['old', prove({ iat: epochSeconds() - 3600 })],
      ['of the future', prove({ iat: epochSeconds() + 3600 })],
      ['without time', prove({ iat: undefined })],
      ['without id', prove({ jti: undefined })],
      ['another typ', prove({}, { typ: 'JWT' })],
      ['a private key in the header', prove({}, { jwk: await exportJWK(key.privateKey) })],
      ['a key that did not sign', prove({}, { jwk: (await prover()).jwk })],
      ['no key', prove({}, { jwk: undefined, kid: 'x' })],
      ['a nonce of nobody’s', prove({ nonce: 'made up' })],
      ['unsigned', new UnsecuredJWT(good).encode()],
      [
        'a shared secret',
        new SignJWT(good)
          .setProtectedHeader({ alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'AAAA' } as never })
          .sign(secret),
      ],
      ['another signature', prove({}).then((jwt) => `${jwt.slice(0, -10)}AAAAAAAAAA`)],
      ['two', Promise.all([prove({}), prove({})]).then((both) => both.join(', '))],
      ['rubbish', 'x'],
    ];
    for (const [name, proof] of cases) {
      const answer = await tokenRequest(
        t,
        client,
        { grant_type: 'client_credentials', audience: api.identifier },
        { dpop: await proof },
      );
      assert.equal(answer.status, 400, name);
      assert.match(answer.body.error, /^(invalid_dpop_proof|use_dpop_nonce)$/, name);
      assert.equal(answer.body.access_token, undefined);
    }
  });

  test('one proof works once, however many send it at once', async () => {
    const t = await w.tenant();
    const api = await ordersApi(t);
    const client = await t.client();
    const key = await prover();
    const form = { grant_type: 'client_credentials', audience: api.identifier as string };
    // From a clock that is ahead, which makes the proof good for longer.
    const dpop = await key.prove('POST', tokenUrl(t), { claims: { iat: epochSeconds() + 250 } });
    const answers = await Promise.all([1, 2, 3, 4].map(() => tokenRequest(t, client, form, { dpop })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400, 400, 400]);
    w.clock.advance({ seconds: 400 });
    const late = await tokenRequest(t, client, form, { dpop });
    assert.deepEqual([late.status, late.body.error], [400, 'invalid_grant'], 'remembered for as long as it is good');
  });

  test('a device whose clock is wrong is given a nonce to go by, which is the tenant’s own', async () => {
    const [t, other] = [await w.tenant(), await w.tenant()];
    const api = await ordersApi(t);
    const [client, foreign] = [await t.client(), await other.client()];
    const key = await prover();
    const lost = { iat: epochSeconds() - 86_400 };
    const ask = async (nonce?: string) =>
      tokenRequest(
        t,
        client,
        { grant_type: 'client_credentials', audience: api.identifier },
        { dpop: await key.prove('POST', tokenUrl(t), { claims: { ...lost, ...(nonce && { nonce }) } }) },
      );
    const first = await ask();
    assert.deepEqual([first.status, first.body.error], [400, 'use_dpop_nonce']);
    const nonce = first.headers.get('dpop-nonce')!;
    assert.equal((await ask(nonce)).status, 200);
    const theirs = await tokenRequest(
      other,
      foreign,
      { grant_type: 'client_credentials', audience: other.audience },
      { dpop: await key.prove('POST', tokenUrl(other), { claims: { ...lost, nonce } }) },
    );
    assert.equal(theirs.body.error, 'use_dpop_nonce', 'no tenant’s nonce works at another');
    w.clock.advance({ seconds: 600 });
    assert.equal((await ask(nonce)).body.error, 'use_dpop_nonce');
  });

  test('a browser may read what it needs to go on', async () => {
    const t = await w.tenant();
    const client = await spa(t);
    const answer = await tokenRequest(
      t,
      client,
      { grant_type: 'refresh_token', refresh_token: 'x' },
      { origin: 'https://app.example.com', dpop: 'x' },
    );
    const exposed = answer.headers.get('access-control-expose-headers') ?? '';
    for (const name of ['DPoP-Nonce', 'WWW-Authenticate']) assert.ok(exposed.includes(name), exposed);
    const info = await w.send(userinfoUrl(t), { headers: { origin: 'https://app.example.com' } });
    assert.match(info.headers.get('www-authenticate') ?? '', /^Bearer .*DPoP .*algs="ES256 EdDSA Ed25519 PS256"/);
    for (const name of ['DPoP-Nonce', 'WWW-Authenticate'])
      assert.ok(info.headers.get('access-control-expose-headers')?.includes(name));
    const preflight = await w.send(userinfoUrl(t), {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example.com',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,dpop',
      },
    });
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /dpop/);
  });
});

describe('a bound token', () => {
  async function bound() {
    const t = await w.tenant();
    const [client, user, key] = [await spa(t), await t.user(), await prover()];
    const dpop = await key.prove('POST', tokenUrl(t));
    const { body } = await redeem(t, client, await codeFor(t, client, user), {}, { dpop });
    return { t, client, user, key, token: body.access_token as string, refresh_token: body.refresh_token as string };
  }

  test('opens userinfo with its key only', async () => {
    const { t, client, user, key, token } = await bound();
    const thief = await prover();
    const info = (scheme: string, dpop?: string, bearer = token) =>
      w.send(userinfoUrl(t), { headers: { authorization: `${scheme} ${bearer}`, ...(dpop && { dpop }) } });
    const proof = (by: typeof key, options = {}) => by.prove('GET', userinfoUrl(t), { token, ...options });
    const seen = await proof(key);
    assert.equal((await info('DPoP', seen)).body.sub, user.id);
    const refused: [string, Awaited<ReturnType<typeof info>>][] = [
      ['as Bearer', await info('Bearer')],
      ['as Bearer with a proof', await info('Bearer', await proof(key))],
      ['without a proof', await info('DPoP')],
      ['by another key', await info('DPoP', await proof(thief))],
      ['the same proof again', await info('DPoP', seen)],
      ['a proof for no token', await info('DPoP', await proof(key, { token: undefined }))],
      ['a proof for another token', await info('DPoP', await proof(key, { token: 'x.y.z' }))],
      ['a proof for another method', await info('DPoP', await key.prove('POST', userinfoUrl(t), { token }))],
    ];
    for (const [name, { status, body, headers }] of refused) {
      assert.ok(status === 401 || status === 400, `${name}: ${status}`);
      assert.equal(body.sub, undefined, name);
      assert.match(headers.get('www-authenticate') ?? '', /DPoP|Bearer/, name);
    }
    // A token that nobody bound does not become one by a proof.
    const loose = (await redeem(t, client, await codeFor(t, client, user))).body.access_token;
    const dressed = await key.prove('GET', userinfoUrl(t), { token: loose });
    assert.equal((await info('DPoP', dressed, loose)).status, 401);
  });

  test('is introspected with its key', async () => {
    const { t, client, key, token } = await bound();
    const resource = await t.client();
    const { body } = await introspect(t, resource, token);
    assert.deepEqual(
      [body.active, body.token_type, body.cnf, body.client_id],
      [true, 'DPoP', { jkt: key.thumbprint }, client.client_id],
    );
  });
});

describe('the management API', () => {
  async function management() {
    const t = await w.tenant();
    const key = await prover();
    const dpop = await key.prove('POST', tokenUrl(t));
    const form = { grant_type: 'client_credentials', audience: t.audience };
    const { body } = await tokenRequest(t, t.admin as Client, form, { dpop });
    assert.equal(body.token_type, 'DPoP');
    const token = body.access_token as string;
    const url = `${t.origin}/role`;
    const call = (scheme: string, proof?: string, path = '/role', bearer = token) =>
      w.send(`${t.origin}${path}`, {
        headers: { authorization: `${scheme} ${bearer}`, ...(proof && { dpop: proof }) },
      });
    return { t, key, token, url, call };
  }

  test('takes a bound token with its proof, and openid-client sends both', async () => {
    const { t, key, token, url, call } = await management();
    for (const [scheme, path] of [
      ['DPoP', '/role'],
      ['dpop', '/role?q=x'],
    ] as const)
      assert.equal((await call(scheme, await key.prove('GET', url, { token }), path)).status, 200);
    const config = await t.discover(t.admin);
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
    const own = await oidc.clientCredentialsGrant(config, { audience: t.audience }, { DPoP });
    const answer = await oidc.fetchProtectedResource(
      config,
      own.access_token,
      new URL(`${t.origin}/role`),
      'POST',
      JSON.stringify({ name: 'Bound' }),
      new Headers({ 'content-type': 'application/json' }),
      { DPoP },
    );
    assert.equal(answer.status, 200);
  });

  test('takes it with nothing less', async () => {
    const { t, key, token, url, call } = await management();
    const thief = await prover();
    const proof = (options: Parameters<typeof key.prove>[2] = {}, method = 'GET', to = url) =>
      key.prove(method, to, { token, ...options });
    const cases: [string, string, string | undefined][] = [
      ['as Bearer', 'Bearer', undefined],
      ['as Bearer, with a proof', 'Bearer', await proof()],
      ['without a proof', 'DPoP', undefined],
      ['by another key', 'DPoP', await thief.prove('GET', url, { token })],
      [
        'by another key that names the right one',
        'DPoP',
        await thief.prove('GET', url, { token, header: { jwk: key.jwk } }),
      ],
      ['for no token', 'DPoP', await proof({ token: undefined })],
      ['for another token', 'DPoP', await proof({ token: t.adminToken })],
      ['for another method', 'DPoP', await proof({}, 'POST')],
      ['for another address', 'DPoP', await proof({}, 'GET', `${t.origin}/user`)],
      ['for another host', 'DPoP', await proof({}, 'GET', 'http://elsewhere.example.com/role')],
      ['old', 'DPoP', await proof({ claims: { iat: epochSeconds() - 400 } })],
      ['of the future', 'DPoP', await proof({ claims: { iat: epochSeconds() + 400 } })],
      ['without an id', 'DPoP', await proof({ claims: { jti: undefined } })],
      ['of another type', 'DPoP', await proof({ header: { typ: 'JWT' } })],
      ['with the private key in it', 'DPoP', await proof({ header: { jwk: await exportJWK(key.privateKey) } })],
      ['unsigned', 'DPoP', new UnsecuredJWT({ htm: 'GET', htu: url, iat: epochSeconds(), jti: 'x' }).encode()],
      ['two', 'DPoP', `${await proof()}, ${await proof()}`],
      ['too long', 'DPoP', await proof({ claims: { padding: 'x'.repeat(5000) } })],
      ['rubbish', 'DPoP', 'x'],
    ];
    for (const [name, scheme, sent] of cases) {
      const answer = await call(scheme, sent);
      assertRefused(answer, 401, 'invalid_dpop_proof');
      assert.equal(
        answer.headers.get('www-authenticate'),
        `DPoP error="invalid_dpop_proof", algs="ES256 EdDSA Ed25519 PS256", resource_metadata="${t.origin}/.well-known/oauth-protected-resource"`,
        name,
      );
    }
    const loose = await key.prove('GET', url, { token: t.adminToken });
    assertRefused(await call('DPoP', loose, '/role', t.adminToken), 401, 'invalid_token');
    // Somebody else's tenant stays somebody else's, proof or not.
    const other = await w.tenant();
    const there = await w.send(`${other.origin}/role`, {
      headers: { authorization: `DPoP ${token}`, dpop: await key.prove('GET', `${other.origin}/role`, { token }) },
    });
    assertRefused(there, 403, 'aud_mismatch');
  });

  test('takes a proof once, however many send it at once', async () => {
    const { key, token, url, call } = await management();
    const proof = await key.prove('GET', url, { token, claims: { iat: epochSeconds() + 250 } });
    const answers = await Promise.all([1, 2, 3, 4].map(() => call('DPoP', proof)));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401, 401, 401]);
    w.clock.advance({ seconds: 400 });
    assertRefused(await call('DPoP', proof), 401, 'invalid_dpop_proof');
  });
});

test('an authorization request cannot be bound to two keys', async () => {
  const t = await w.tenant();
  const client = await spa(t);
  const { parameters } = requestOf(client);
  const url = `${authorizeUrl(t, parameters)}&dpop_jkt=a&dpop_jkt=b`;
  const at = await arrive(url);
  assert.equal(at.error, 'invalid_request');
  assert.ok(at.location?.startsWith(REDIRECT));
});
