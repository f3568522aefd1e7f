/** Token exchange (RFC 8693): whom we believe, what we make of it, and what nobody gets out of it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type CryptoKey, decodeJwt, exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { isPublicAddress, safeFetch } from '../../../src/connections/safe-fetch.ts';
import {
  type Client,
  discovery,
  introspect,
  listen,
  ORDERS,
  ordersApi,
  publishedKeys,
  refused,
  revoke,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const TYPE = 'urn:ietf:params:oauth:token-type:';

type Form = Record<string, string>;

/** An issuer somewhere else: keys behind an address, and tokens. */
async function issuer() {
  const [first, second] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  const state = {
    keys: [{ kid: 'k1', key: first }],
    fetches: 0,
    answer: undefined as undefined | (() => [number, string, Form?]),
  };
  const { origin, serve } = await listen();
  serve(async (_request, response) => {
    state.fetches += 1;
    const keys = await Promise.all(
      state.keys.map(async ({ kid, key }) => ({ ...(await exportJWK(key.publicKey)), kid, alg: 'ES256' })),
    );
    const [status, body, headers = {}] = state.answer?.() ?? [200, JSON.stringify({ keys })];
    response.writeHead(status, headers).end(body);
  });
  return {
    iss: origin,
    jwks: `${origin}/keys`,
    state,
    second,
    token(claims: JWTPayload = {}, { kid = 'k1', key = first.privateKey as CryptoKey } = {}) {
      return new SignJWT({
        iss: origin,
        aud: 'cardea',
        sub: 'ext|7',
        exp: Math.floor(Date.now() / 1000) + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid })
        .setIssuedAt()
        .sign(key);
    },
  };
}
type Issuer = Awaited<ReturnType<typeof issuer>>;

const exchange = (t: { origin: string }, client: Client, subject_token: string, more: Form = {}) =>
  tokenRequest(t, client, { grant_type: EXCHANGE, subject_token, subject_token_type: `${TYPE}jwt`, ...more });

const trust = (t: TenantHandle, other: Issuer, fields: Record<string, unknown> = {}) =>
  t.api('POST', '/connection', {
    connection_name: `partner${Math.random()}`,
    connection_type: 'oidc',
    issuer: other.iss,
    jwks_url: other.jwks,
    client_id: 'cardea',
    ...fields,
  });

async function ready(fields: Record<string, unknown> = {}) {
  const t = await w.tenant();
  const other = await issuer();
  const connection = await trust(t, other, fields);
  await ordersApi(t);
  return { t, other, connection, client: await t.client() };
}

const OTHER_SECRETS = ['password', 'otp', 'refresh_token', 'code', 'code_verifier', 'device_code'];

describe('a token of an issuer that the tenant trusts', () => {
  test('becomes one of ours: its subject, our audience, half an hour, and nothing to refresh', async () => {
    const { t, other, client } = await ready();
    const answer = await exchange(t, client, await other.token(), {
      audience: ORDERS,
      scope: 'openid offline_access read:orders drop:tables',
    });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(
      [answer.body.issued_token_type, answer.body.token_type, answer.body.expires_in, answer.body.scope],
      [`${TYPE}access_token`, 'Bearer', 1800, 'read:orders'],
    );
    assert.deepEqual([answer.body.refresh_token, answer.body.id_token], [undefined, undefined]);
    const { payload } = await jwtVerify(answer.body.access_token, publishedKeys(t), {
      issuer: t.origin,
      audience: ORDERS,
      typ: 'at+jwt',
    });
    assert.deepEqual([payload.sub, payload.client_id, payload.account], ['ext|7', client.client_id, t.id]);
    assert.equal(payload.exp! - payload.iat!, 1800);
    assert.deepEqual((await t.api('GET', '/user')).results, [], 'nobody was created');
    const [entry] = (await t.api('GET', '/log?query=type:oauth.token.exchanged')).results;
    assert.deepEqual([entry.client, entry.data.issuer, entry.data.subject], [client.client_id, other.iss, 'ext|7']);
  });

  test('without an audience is for nothing in particular, and userinfo knows nobody', async () => {
    const { t, other, client } = await ready();
    const { body } = await exchange(t, client, await other.token());
    assert.equal(decodeJwt(body.access_token).aud, `${t.origin}/userinfo`);
    assert.equal(body.scope, undefined);
    const info = await userinfo(t, body.access_token);
    assert.ok([401, 403].includes(info.status));
    const about = await introspect(t, client, body.access_token);
    assert.deepEqual([about.body.active, about.body.sub], [true, 'ext|7']);
  });

  test('may be an id token or an access token by its type, and nothing else', async () => {
    const { t, other, client } = await ready();
    for (const name of ['id_token', 'access_token'])
      assert.equal((await exchange(t, client, await other.token(), { subject_token_type: TYPE + name })).status, 200);
    for (const more of [
      { subject_token_type: `${TYPE}saml2` },
      { subject_token_type: '' },
      { requested_token_type: `${TYPE}refresh_token` },
      { actor_token_type: `${TYPE}jwt` },
    ] as Form[])
      assert.deepEqual(refused(await exchange(t, client, await other.token(), more)), [400, 'invalid_request']);
    assert.deepEqual(refused(await exchange(t, client, '')), [400, 'invalid_request']);
  });

  test('adds the claims that the connection maps, but none that says who may do what', async () => {
    const { t, other, client } = await ready({
      claims_mapping: {
        email: 'token.email',
        groups: 'token.realm.groups',
        plan: 'token.https://acme.example/plan',
        tier: '"gold"',
        region: "'eu'",
        wanted: 'request.audience',
        missing: 'token.nothing',
        proto: 'token.__proto__',
        leak: 'request.client_secret',
        leaked_assertion: 'request.client_assertion',
        ...Object.fromEntries([...OTHER_SECRETS, 'subject_token'].map((name) => [`leaked_${name}`, `request.${name}`])),
        nonsense: 'process.env',
        sub: 'token.email',
        iss: '"https://evil.example"',
        aud: 'token.email',
        exp: 'token.far',
        iat: 'token.far',
        client_id: 'token.email',
        client: 'token.email',
        account: 'token.email',
        scope: '"admin"',
        jti: '"1"',
        grant_id: '"g"',
        act: '"a"',
      },
    });
    // What other grants take is as secret in this one.
    const everySecret = Object.fromEntries(OTHER_SECRETS.map((name) => [name, 'a secret']));
    const token = await other.token({
      email: 'ada@partner.example',
      realm: { groups: ['a', 'b'] },
      'https://acme.example/plan': 'pro',
      far: 9_999_999_999,
    });
    const claims = decodeJwt(
      (await exchange(t, client, token, { audience: ORDERS, scope: 'read:orders', ...everySecret })).body.access_token,
    );
    const { iat, exp, jti, ...rest } = claims;
    assert.deepEqual(rest, {
      email: 'ada@partner.example',
      groups: ['a', 'b'],
      plan: 'pro',
      tier: 'gold',
      region: 'eu',
      wanted: ORDERS,
      iss: t.origin,
      sub: 'ext|7',
      aud: ORDERS,
      client_id: client.client_id,
      account: t.id,
      scope: 'read:orders',
    });
    assert.equal(exp! - iat!, 1800);
    assert.notEqual(jti, '1');
  });

  test('cannot name one of our users, or a client', async () => {
    const { t, other, client } = await ready();
    const user = await t.user();
    for (const sub of [user.id, client.client_id, '', 'x'.repeat(256)])
      assert.deepEqual(
        refused(await exchange(t, client, await other.token({ sub }))),
        sub ? [400, 'invalid_request'] : [400, 'invalid_request'],
        sub,
      );
    const management = await exchange(t, client, await other.token(), { audience: t.audience, scope: 'read:users' });
    assert.equal(management.body.scope, undefined, 'nobody’s role grants anything');
  });
});

describe('what is refused', () => {
  test('403 for an issuer that nobody trusts: unknown, another tenant’s, disabled, for another client, without keys', async () => {
    const { t, other, connection, client } = await ready();
    const second = await ready();
    const untrusted = [403, 'invalid_request'];
    assert.deepEqual(refused(await exchange(t, client, await second.other.token())), untrusted);
    const neighbour = await t.client();
    const set = (fields: Record<string, unknown>) => t.api('POST', `/connection/${connection.id}`, fields);
    await set({ enabled_clients: [neighbour.client_id] });
    assert.deepEqual(refused(await exchange(t, client, await other.token())), untrusted);
    assert.equal((await exchange(t, neighbour, await other.token())).status, 200);
    await set({ enabled_clients: null, enabled: false });
    assert.deepEqual(refused(await exchange(t, client, await other.token())), untrusted);
    await set({ enabled: true, jwks_url: null });
    assert.deepEqual(refused(await exchange(t, client, await other.token())), untrusted);
    await set({ jwks_url: other.jwks });
    assert.equal((await exchange(t, client, await other.token())).status, 200);
  });

  test('401 for a wrong signature, audience or time', async () => {
    const { t, other, client } = await ready();
    const second = await issuer();
    const good = await other.token();
    const [head, body, signature] = good.split('.') as [string, string, string];
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = decodeJwt(good);
    const soon = Math.floor(Date.now() / 1000);
    const attempts: Record<string, string> = {
      'another issuer’s key': await second.token({ iss: other.iss }),
      'edited claims': `${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
      'no signature': `${encode({ alg: 'none' })}.${body}.`,
      'a shared secret': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
        .sign(Buffer.from(JSON.stringify(await exportJWK(other.second.publicKey)))),
      'another audience': await other.token({ aud: 'somebody else' }),
      'no audience': await other.token({ aud: undefined }),
      expired: await other.token({ exp: soon - 60 }),
      'no expiry': await other.token({ exp: undefined }),
      'not yet': await other.token({ nbf: soon + 600 }),
      'an unknown key': await other.token({}, { kid: 'k9' }),
    };
    for (const [name, token] of Object.entries(attempts))
      assert.deepEqual(refused(await exchange(t, client, token)), [401, 'invalid_request'], name);
    assert.equal((await exchange(t, client, good)).status, 200);
    assert.equal((await exchange(t, client, await other.token({ aud: ['x', 'cardea'] }))).status, 200);
    const [row] = (await t.api('GET', '/log?query=type:oauth.token.exchange.failed')).results;
    assert.equal(row.data.reason, 'refused_subject_token');
  });

  test('400 for what is no token', async () => {
    const { t, client } = await ready();
    for (const token of ['nonsense', 'a.b.c', `${Buffer.from('{}').toString('base64url')}.e30.x`])
      assert.deepEqual(refused(await exchange(t, client, token)), [400, 'invalid_request'], token);
  });

  test('an audience that is not there, a client without the grant, a third-party one', async () => {
    const { t, other, client } = await ready();
    const target = await exchange(t, client, await other.token(), { audience: 'https://nowhere.example.com' });
    assert.deepEqual(refused(target), [400, 'invalid_target']);
    const without = await t.client({ grant_types: ['client_credentials'] });
    assert.deepEqual(refused(await exchange(t, without, await other.token())), [400, 'unauthorized_client']);
    const third = await t.client({ is_first_party: false });
    assert.deepEqual(refused(await exchange(t, third, await other.token())), [400, 'unauthorized_client']);
    const query = new URLSearchParams({ grant_type: EXCHANGE, subject_token: await other.token() });
    assert.equal((await w.send(`${t.origin}/oauth/token?${query}`)).status, 400, 'tokens are not for query strings');
  });
});

describe('the issuer’s keys', () => {
  test('are fetched once for many tokens, and again for a new key, though not for each that is made up', async () => {
    const { t, other, client } = await ready();
    const token = await other.token();
    await Promise.all(Array.from({ length: 10 }, () => exchange(t, client, token)));
    assert.equal(other.state.fetches, 1);
    other.state.keys.push({ kid: 'k2', key: other.second });
    const next = await other.token({}, { kid: 'k2', key: other.second.privateKey as CryptoKey });
    assert.deepEqual(refused(await exchange(t, client, next)), [401, 'invalid_request'], 'a moment ago');
    w.clock.advance({ seconds: 31 });
    assert.equal((await exchange(t, client, next)).status, 200);
    for (const kid of ['x', 'y', 'z']) await exchange(t, client, await other.token({}, { kid }));
    assert.equal(other.state.fetches, 2);
  });

  test('that cannot be had are a 503, and the other side is left in peace for a while', async () => {
    const cases: [string, () => [number, string, Form?]][] = [
      ['an error', () => [500, 'no']],
      ['a redirect', () => [302, '', { location: 'http://127.0.0.1:1/keys' }]],
      ['too much', () => [200, `{"keys":[],"x":"${'x'.repeat(300_000)}"}`]],
      ['no keys', () => [200, '<html>']],
    ];
    for (const [name, answer] of cases) {
      const { t, other, client } = await ready();
      other.state.answer = answer;
      const first = await exchange(t, client, await other.token());
      assert.deepEqual(refused(first), [503, 'temporarily_unavailable'], name);
      await exchange(t, client, await other.token());
      assert.equal(other.state.fetches, 1, name);
      other.state.answer = undefined;
      w.clock.advance({ seconds: 31 });
      assert.equal((await exchange(t, client, await other.token())).status, 200, name);
    }
  });

  test('are never fetched from inside the network in production', async () => {
    const production = { production: true };
    const other = await issuer();
    const port = new URL(other.iss).port;
    for (const address of [
      other.jwks,
      `https://127.0.0.1:${port}/`,
      `https://localhost:${port}/`,
      'https://[::1]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:7f00:1]/',
      'https://2130706433/',
      'https://0x7f.1/',
      'https://10.1.2.3/',
      'https://192.168.1.1/',
      'https://169.254.169.254/latest/meta-data/',
      'https://[fd00:ec2::254]/',
      'https://[fe80::1]/',
      'https://[64:ff9b::7f00:1]/',
      'https://user:secret@example.com/',
      'ftp://example.com/',
      'file:///etc/passwd',
      'nonsense',
    ])
      await assert.rejects(safeFetch(address, production), /refused/, address);
    assert.equal(other.state.fetches, 0);
    assert.ok((await safeFetch(other.jwks, { production: false })).length > 0, 'a developer’s own machine');
    await assert.rejects(safeFetch('http://192.168.1.1/', { production: false }), /refused/);
    for (const address of ['1.1.1.1', '2606:4700:4700::1111']) assert.ok(isPublicAddress(address), address);
  });

  test('that take too long are given up', async () => {
    const { origin, serve } = await listen();
    serve(() => {});
    await assert.rejects(safeFetch(origin, { production: false, timeoutSeconds: 0.2 }), /abort|timeout/i);
  });
});

describe('a token of our own', () => {
  async function own() {
    const { t, client } = await ready();
    const user = await t.user();
    const { tokens } = await tokensOf(t, client, user, { audience: ORDERS, scope: 'openid read:orders create:orders' });
    return { t, client, user, token: tokens.access_token };
  }
  const access: Form = { subject_token_type: `${TYPE}access_token` };

  test('can be narrowed, for the same audience and not for longer', async () => {
    const { t, client, user, token } = await own();
    const { status, body } = await exchange(t, client, token, { ...access, scope: 'read:orders' });
    assert.equal(status, 200);
    const claims = decodeJwt(body.access_token);
    assert.deepEqual(
      [claims.sub, claims.aud, claims.scope, claims.act, body.expires_in, body.refresh_token, body.id_token],
      [user.id, ORDERS, 'read:orders', undefined, 1800, undefined, undefined],
    );
    const narrow = body.access_token;
    w.clock.advance({ seconds: 1000 });
    const again = (await exchange(t, client, narrow, access)).body;
    assert.equal(decodeJwt(again.access_token).scope, 'read:orders', 'without a scope: the same');
    assert.ok(again.expires_in <= 800, String(again.expires_in));
    const wider = await exchange(t, client, narrow, { ...access, scope: 'read:orders create:orders' });
    assert.deepEqual(refused(wider), [400, 'invalid_scope']);
    await t.api('POST', '/api', {
      name: 'Bank',
      identifier: 'https://bank.example.com',
      permissions: [{ value: 'read:orders' }],
    });
    const elsewhere = await exchange(t, client, token, { ...access, audience: 'https://bank.example.com' });
    assert.deepEqual(refused(elsewhere), [400, 'invalid_target']);
  });

  test('can be used by a service in the user’s name: `act` says so, and those before it', async () => {
    const { t, user, token } = await own();
    const [first, second] = [await t.client(), await t.client()];
    const actor = async (client: Client): Promise<Form> => ({
      actor_token: await t.machineToken(client, ORDERS),
      actor_token_type: `${TYPE}access_token`,
    });
    const one = (await exchange(t, first, token, { ...access, ...(await actor(first)) })).body.access_token;
    const claims = decodeJwt(one);
    assert.deepEqual([claims.sub, claims.client_id, claims.act], [user.id, first.client_id, { sub: first.client_id }]);
    const two = (await exchange(t, second, one, { ...access, ...(await actor(second)) })).body.access_token;
    assert.deepEqual(decodeJwt(two).act, { sub: second.client_id, act: { sub: first.client_id } });
    const about = await introspect(t, second, two);
    assert.equal(about.body.active, true);
    const stolen = await exchange(t, second, token, { ...access, ...(await actor(first)) });
    assert.deepEqual(refused(stolen), [401, 'invalid_request'], 'another client’s actor token');
    const alone = await exchange(t, second, token, { ...access, actor_token: 'x' });
    assert.deepEqual(refused(alone), [400, 'invalid_request'], 'without its type');
  });

  test('is worth nothing to a public client that it was not issued to, in another tenant, expired, revoked, or edited', async () => {
    const { t, client, user, token } = await own();
    const other = await ready();
    const app = await t.client({ token_endpoint_auth_method: 'none' });
    assert.deepEqual(refused(await exchange(t, app, token, access)), [403, 'invalid_request']);
    assert.deepEqual(refused(await exchange(other.t, other.client, token, access)), [403, 'invalid_request']);
    const rejected = [401, 'invalid_request'];
    assert.deepEqual(refused(await exchange(t, client, `${token.slice(0, -6)}AAAAAA`, access)), rejected);
    const machine = await t.machineToken(client, ORDERS);
    assert.deepEqual(refused(await exchange(t, client, machine, access)), rejected, 'nobody’s token');
    const derived = (await exchange(t, client, token, access)).body.access_token;
    await revoke(t, client, token);
    assert.deepEqual(refused(await exchange(t, client, token, access)), rejected, 'revoked');
    w.clock.advance({ seconds: 1801 });
    assert.deepEqual(refused(await exchange(t, client, derived, access)), rejected, 'expired');
    const fresh = (await tokensOf(t, client, user, { audience: ORDERS, scope: 'openid read:orders' })).tokens
      .access_token;
    await t.api('POST', `/user/${user.id}`, { suspended: true });
    assert.equal((await exchange(t, client, fresh, access)).status, 401, 'suspending ended the grant');
  });

  test('for userinfo stays one, and works there for its own client', async () => {
    const { t, client } = await ready();
    const user = await t.user();
    const { tokens } = await tokensOf(t, client, user, { scope: 'openid email profile' });
    const { body } = await exchange(t, client, tokens.access_token, { ...access, scope: 'openid email' });
    const info = await userinfo(t, body.access_token);
    assert.deepEqual(info.body, { sub: user.id, email: user.email, email_verified: false });
  });

  test('loses what the user’s roles have lost', async () => {
    const { t } = await ready();
    const client = await t.client({ grants: await t.managementGrants() });
    const user = await t.user();
    const [api] = (await t.api('GET', '/api?pageSize=200')).results.filter(
      ({ identifier }: { identifier: string }) => identifier === t.audience,
    );
    const role = await t.api('POST', '/role', { name: 'Support', permissions: [{ api: api.id, value: 'read:users' }] });
    const member = await t.api('POST', '/rolemember', { users: [user.id], role: role.id });
    const { tokens } = await tokensOf(t, client, user, { audience: t.audience, scope: 'openid read:users' });
    const before = (await exchange(t, client, tokens.access_token, access)).body;
    assert.equal(before.scope, 'read:users');
    await t.api('DELETE', `/rolemember/${member.id}`);
    assert.equal((await exchange(t, client, tokens.access_token, access)).body.scope, undefined);
  });
});

test('discovery lists the grant', async () => {
  const t = await w.tenant();
  const { grant_types_supported } = await discovery(t);
  assert.ok(grant_types_supported.includes(EXCHANGE));
  assert.equal(new Set(grant_types_supported).size, grant_types_supported.length);
});
