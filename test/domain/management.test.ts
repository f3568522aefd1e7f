/** Who may call the management API, for which account, and what the operator may do with accounts and their keys. */
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import mongoose from 'mongoose';
import { resumeAccounts } from '../../src/domain/account/account-provisioning.ts';
import { isReserved } from '../../src/domain/account/slug.ts';
import { publicSecrets } from '../../src/domain/client/public-secrets.ts';
import { type Signer, signingKeysOf } from '../../src/domain/key/signing-key.ts';
import { failAt, WRITES } from '../kit/faults.ts';
import {
  type Answer,
  assertRefused,
  credentialsOf,
  encodePart,
  forge,
  type Json,
  post,
  publishedKeys,
  REDIRECT,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  world,
} from '../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const as = (
  token: string | undefined,
  method = 'GET',
  path = '/role',
  json?: unknown,
  headers?: Record<string, string>,
) => w.call(acme.origin, token, method, path, json, headers);

/** RFC 9728 §5.1 */
const about = `resource_metadata="${acme.origin}/.well-known/oauth-protected-resource"`;

/* ——— tokens ——— */

test('a call without a token is 401 with a challenge, with a bad one the challenge says so', async () => {
  const none = await as(undefined);
  assertRefused(none, 401, 'unauthorized');
  const schemes = `Bearer ${about}, DPoP algs="ES256 EdDSA Ed25519 PS256"`;
  assert.equal(none.headers.get('www-authenticate'), schemes);
  assert.equal((await as(acme.adminToken)).status, 200);
  for (const authorization of ['Basic YTpi', 'Bearer', 'Bearer ', `Bearer ${acme.adminToken} x`, acme.adminToken]) {
    const answer = await as(undefined, 'GET', '/role', undefined, { authorization });
    assertRefused(answer, 401, 'unauthorized');
  }
  for (const token of [
    'x',
    'a.b.c',
    '...',
    `${acme.adminToken}x`,
    acme.adminToken.slice(0, -8),
    acme.adminToken.split('.', 2).join('.'),
  ]) {
    const answer = await as(token);
    assertRefused(answer, 401, 'invalid_token');
    assert.equal(answer.headers.get('www-authenticate'), `Bearer error="invalid_token", ${about}`);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
  }
  // RFC 9110 §11.1: the scheme has no case. RFC 6750 §2.3 is not offered: addresses end up in logs.
  assert.equal(
    (await as(undefined, 'GET', '/role', undefined, { authorization: `bEARER ${acme.adminToken}` })).status,
    200,
  );
  assertRefused(await as(undefined, 'GET', `/role?access_token=${acme.adminToken}`), 401, 'unauthorized');
});

test('a token for another audience is 403', async () => {
  await acme.api('POST', '/api', {
    name: 'Orders',
    identifier: 'https://orders',
    permissions: [{ value: 'read:roles' }],
  });
  const orders = await acme.machineToken(await acme.client(), 'https://orders');
  assert.equal(decodeJwt(orders).aud, 'https://orders');
  assertRefused(await as(orders), 403, 'aud_mismatch');
  const user = await acme.user();
  const { tokens } = await tokensOf(acme, await acme.client(), user);
  assertRefused(await as(tokens.access_token), 403, 'aud_mismatch');
  assertRefused(await as(tokens.id_token), 401, 'invalid_token');
});

test('the audience has an older name', async () => {
  const token = await acme.machineToken(acme.admin, `faable:management:${acme.id}`, 'read:roles');
  assert.equal((await as(token)).status, 200);
  const foreign = await post(acme, '/oauth/token', {
    grant_type: 'client_credentials',
    ...acme.admin,
    audience: `faable:management:${other.id}`,
  });
  assert.deepEqual([foreign.status, foreign.body.error], [400, 'invalid_target']);
});

test("another tenant's token is worth nothing here", async () => {
  assert.equal((await w.call(other.origin, other.adminToken, 'GET', '/role')).status, 200);
  assertRefused(await as(other.adminToken), 403, 'aud_mismatch');
  assertRefused(await as(other.adminToken, 'POST', '/role', { name: 'intruder' }), 403, 'aud_mismatch');
  assert.deepEqual((await acme.api('GET', '/role?query=name:intruder')).results, []);
});

test('account_id names the account; a foreign and a missing one are answered alike', async () => {
  const role = await acme.api('POST', '/role', { name: 'by header' });
  const named = (account_id: string, origin = acme.origin) =>
    w.call(origin, acme.adminToken, 'GET', `/role/${role.id}`, undefined, { account_id });
  assert.deepEqual((await named(acme.id)).body, role);
  assert.deepEqual((await named('')).body, role);
  assert.deepEqual((await named(acme.id, other.origin)).body, role, 'at whatever host the call arrives');
  assert.deepEqual((await named(acme.id, w.originOf())).body, role);

  const refusals: Answer<unknown>[] = [];
  for (const id of [other.id, 'account_000000000000000000000000', 'x', '{"$gt":""}', `${acme.id}, ${other.id}`])
    refusals.push(await named(id));
  const varying = new Set(['x-request-id', 'date']);
  const shown = (answer: Answer<unknown>) => [
    answer.status,
    answer.text,
    [...answer.headers].filter(([name]) => !varying.has(name)),
  ];
  for (const refusal of refusals) {
    assertRefused(refusal, 403, 'aud_mismatch');
    assert.deepEqual(shown(refusal), shown(refusals[0]!));
  }
  assertRefused(await w.call(other.origin, acme.adminToken, 'GET', `/role/${role.id}`), 403, 'aud_mismatch');
});

/* ——— forgery ——— */

const rs256 = (key: KeyObject) => (input: Buffer) => sign('sha256', input, key).toString('base64url');

test('a forged token is 401, however it was made', async () => {
  const [own] = (await signingKeysOf(acme.id)) as Signer[];
  const [foreign] = (await signingKeysOf(other.id)) as Signer[];
  const claims = decodeJwt(acme.adminToken);
  const header = { alg: 'RS256', typ: 'at+jwt', kid: own!.kid };
  assert.equal((await as(forge(header, claims, rs256(own!.privateKey)))).status, 200, 'the forge itself works');

  const mine = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = mine.publicKey.export({ format: 'jwk' });
  const pem = own!.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const hmac = (secret: string | Buffer) => (input: Buffer) =>
    createHmac('sha256', secret).update(input).digest('base64url');
  const edited = { ...claims, scope: `${claims.scope} delete:accounts` };
  const [h, , s] = acme.adminToken.split('.');
  const forged: Record<string, string> = {
    "another tenant's key under its own kid": forge(
      { ...header, kid: foreign!.kid },
      claims,
      rs256(foreign!.privateKey),
    ),
    "another tenant's key under our kid": forge(header, claims, rs256(foreign!.privateKey)),
    "another tenant's key, claiming its account": forge(
      { ...header, kid: foreign!.kid },
      { ...claims, aud: acme.audience, account: acme.id },
      rs256(foreign!.privateKey),
    ),
    "our key, claiming another's account": forge(
      header,
      { ...claims, account: other.id, aud: other.audience },
      rs256(own!.privateKey),
    ),
    'a key of nobody': forge(header, claims, rs256(mine.privateKey)),
    'a key that the header brings along': forge({ ...header, jwk }, claims, rs256(mine.privateKey)),
    'a key that the header points to': forge(
      { ...header, jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x' },
      claims,
      rs256(mine.privateKey),
    ),
    'no signature': forge({ ...header, alg: 'none' }, claims, () => ''),
    'no signature, with one': forge({ ...header, alg: 'none' }, claims, rs256(own!.privateKey)),
    NONE: forge({ ...header, alg: 'NONE' }, claims, () => 'AA'),
    'HS256 over the public key as PEM': forge({ ...header, alg: 'HS256' }, claims, hmac(pem)),
    'HS256 over the public key as DER': forge(
      { ...header, alg: 'HS256' },
      claims,
      hmac(own!.publicKey.export({ format: 'der', type: 'spki' })),
    ),
    'HS256 over the public modulus': forge(
      { ...header, alg: 'HS256' },
      claims,
      hmac(Buffer.from(own!.publicJwk.n!, 'base64url')),
    ),
    'another algorithm over our key': forge({ ...header, alg: 'RS512' }, claims, (input) =>
      sign('sha512', input, own!.privateKey).toString('base64url'),
    ),
    'an edited payload': `${h}.${encodePart(edited)}.${s}`,
    'an edited header': `${encodePart({ ...header, x: 1 })}.${acme.adminToken.split('.')[1]}.${s}`,
    'an id token’s type': forge({ ...header, typ: 'JWT' }, claims, rs256(own!.privateKey)),
    'no type': forge({ alg: 'RS256', kid: own!.kid }, claims, rs256(own!.privateKey)),
    'a critical extension': forge({ ...header, crit: ['exp'] }, claims, rs256(own!.privateKey)),
    'no kid': forge({ alg: 'RS256', typ: 'at+jwt' }, claims, rs256(own!.privateKey)),
    'an expired one': forge(header, { ...claims, exp: Math.floor(Date.now() / 1000) }, rs256(own!.privateKey)),
    'one without an end': forge(header, { ...claims, exp: undefined }, rs256(own!.privateKey)),
    'a subject that is nobody': forge(
      header,
      { ...claims, sub: 'user_000000000000000000000000' },
      rs256(own!.privateKey),
    ),
    'no claims': forge(header, 'null' as never, rs256(own!.privateKey)),
    'a very long one': forge(header, { ...claims, x: 'a'.repeat(20_000) }, rs256(own!.privateKey)).slice(0, 15_000),
  };
  for (const kid of [
    '../../etc/passwd',
    "' or 1=1",
    '',
    'a'.repeat(43),
    { $gt: '' },
    ['x'],
    1,
    null,
    '__proto__',
    `${own!.kid}\0`,
  ])
    forged[`the kid ${JSON.stringify(kid)}`] = forge({ ...header, kid }, claims, rs256(mine.privateKey));
  for (const [what, token] of Object.entries(forged)) {
    const answer = await as(token);
    assert.deepEqual([answer.status, answer.body?.code], [401, 'invalid_token'], what);
  }
  const absent = { ...claims, aud: [acme.audience, 'x'] };
  assertRefused(await as(forge(header, absent, rs256(own!.privateKey))), 403, 'aud_mismatch');
});

test('no tenant can have an Api under a reserved identifier', async () => {
  const wanted = [
    `cardea:management:${other.id}`,
    `faable:management:${other.id}`,
    'cardea:platform',
    'Cardea:Platform',
    'FAABLE:x',
    `cardea:management:${acme.id}`,
    'urn:cardea:audience-and-resource-differ',
  ];
  for (const identifier of wanted)
    assertRefused(
      await acme.call('POST', '/api', { name: 'x', identifier }),
      400,
      'validation',
      /identifier.*reserved/,
    );
  const none = [
    ' cardea:platform',
    'cardea:platform ',
    '\tcardea:platform',
    'https://x#y',
    'a b',
    'a\u202eb',
    'a\u200bb',
  ];
  // Tokens that are for no Api are for this one.
  const userinfo = [`${acme.origin}/userinfo`, `${acme.origin.toUpperCase()}/%75serinfo`];
  for (const identifier of [...none, ...userinfo])
    assertRefused(await acme.call('POST', '/api', { name: 'x', identifier }), 400, 'validation', /identifier/);
  assert.equal((await acme.call('POST', '/api', { name: 'x', identifier: 'my-cardea:platform' })).status, 200);
});

/* ——— permissions ——— */

type Operation = { method: string; path: string; permission: string };

async function operations(): Promise<Operation[]> {
  const document = (await w.send(`${acme.origin}/docs/json`)).body;
  return Object.entries(document.paths as Record<string, Record<string, Record<string, string>>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).flatMap(([method, operation]) =>
        operation['x-permission']
          ? {
              method: method.toUpperCase(),
              path: path.replaceAll(/\{(\w+)_id\}/g, '$1_000000000000000000000000'),
              permission: operation['x-permission'],
            }
          : [],
      ),
  );
}

test('each operation needs its permission, and nothing but it', async () => {
  const all = await operations();
  assert.ok(all.length > 40, `${all.length} operations are documented with their permission`);
  const catalogue = decodeJwt(acme.adminToken).scope as string;
  const without = new Map<string, string>();
  const only = new Map<string, string>();
  for (const permission of new Set(all.map(({ permission }) => permission))) {
    const rest = catalogue.split(' ').filter((scope) => scope !== permission);
    without.set(permission, await acme.token(rest.join(' ')));
    if (rest.length < catalogue.split(' ').length) only.set(permission, await acme.token(permission));
  }
  assert.deepEqual([...without.keys()].filter((permission) => !only.has(permission)).sort(), [
    'create:accounts',
    'delete:accounts',
  ]);
  for (const { method, path, permission } of all) {
    const what = `${method} ${path}`;
    const body = method === 'POST' ? { nothing_known: true } : undefined;
    const refused = await as(without.get(permission), method, path, body);
    assert.deepEqual(
      [refused.status, refused.body?.code, refused.body?.details],
      [403, 'insufficient_scope', { missing: permission }],
      what,
    );
    assert.match(refused.body.message, new RegExp(permission));
    assert.equal(
      refused.headers.get('www-authenticate'),
      `Bearer error="insufficient_scope", scope="${permission}", ${about}`,
    );
    assertRefused(await as(undefined, method, path, body), 401, 'unauthorized');
    if (!only.has(permission)) continue;
    const allowed = await as(only.get(permission), method, path, body);
    assert.ok(
      ![401, 403].includes(allowed.status) && allowed.status < 500,
      `${what}: ${allowed.status} ${allowed.text}`,
    );
  }
});

test('a client that asks for no scope gets the whole catalogue, one that asks gets what it asked for', async () => {
  const whole = (decodeJwt(acme.adminToken).scope as string).split(' ');
  const listed = (await acme.api('GET', `/api?query=identifier:"${acme.audience}"`)).results[0].permissions;
  assert.deepEqual(whole.toSorted(), listed.map(({ value }: { value: string }) => value).sort());
  const some = decodeJwt(await acme.token('read:roles read:users delete:everything create:accounts'));
  assert.equal(some.scope, 'read:roles read:users');
});

test('a client’s grants narrow what it may ask of each Api', async () => {
  const [api] = (await acme.api('GET', `/api?query=identifier:"${acme.audience}"`)).results;
  const client = await acme.client({ grants: [{ api: api.id, scope: ['read:roles'] }] });
  const token = await acme.machineToken(client, acme.audience);
  assert.equal(decodeJwt(token).scope, 'read:roles');
  assert.equal((await as(token)).status, 200);
  assertRefused(await as(token, 'GET', '/user'), 403, 'insufficient_scope', /read:users/);
  const none = await acme.client({ grants: [] });
  const refused = await tokenRequest(acme, none, { grant_type: 'client_credentials', audience: acme.audience });
  assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_target']);
});

test('a public client has no secret: not made, not registered, not kept, not rotated', async () => {
  const method = (token_endpoint_auth_method: string) => ({ token_endpoint_auth_method });
  const read = (id: string) => acme.api<Json>('GET', `/client/${id}`);
  const made: Json = await acme.client(method('none'));
  assert.ok(!('client_secret' in made) && !('client_secret' in (await read(made.id))));
  assertRefused(await acme.call('POST', `/client/${made.id}/rotate-secret`), 400, 'invalid_request', /no secret/);
  assert.ok(!('client_secret' in (await read(made.id))));

  const registered = async (fields: object) =>
    (
      await w.send<Json>(`${acme.origin}/oidc/register`, {
        method: 'POST',
        json: { redirect_uris: [REDIRECT], ...fields },
      })
    ).body;
  const guest = await registered(method('none'));
  for (const member of ['client_secret', 'client_secret_expires_at']) assert.ok(!(member in guest), member);
  assert.ok(!('client_secret' in (await read(guest.client_id))));
  const confidential = await registered(method('client_secret_basic'));
  assert.deepEqual([typeof confidential.client_secret, confidential.client_secret_expires_at], ['string', 0]);

  const { id, client_secret }: Json = await acme.client();
  const updated = await acme.api('POST', `/client/${id}`, method('none'));
  assert.ok(!('client_secret' in updated));
  const again = await acme.api('POST', `/client/${id}`, method('client_secret_post'));
  assert.match(again.client_secret, /^[\w-]{48}$/);
  assert.notEqual(again.client_secret, client_secret, 'another one');
  const other = await acme.api('POST', `/client/${id}`, method('client_secret_basic'));
  assert.equal(other.client_secret, again.client_secret, 'which stays with a way to say it');

  const rows = mongoose.connection.collection<{ _id: string; client_secret?: string }>('clients');
  await rows.updateOne({ _id: made.id }, { $set: { client_secret: 'of an earlier release' } });
  assert.deepEqual(await publicSecrets.run(), { public_clients_without_their_secret: 1 });
  assert.deepEqual(await publicSecrets.run(), undefined);
  assert.ok(!(await rows.findOne({ _id: made.id }))!.client_secret);
  assert.ok((await rows.findOne({ _id: id }))!.client_secret);
});

test('a user gets of the management API only what the user’s roles grant', async () => {
  const [api] = (await acme.api('GET', `/api?query=identifier:"${acme.audience}"`)).results;
  const client = await acme.client();
  const reader = await acme.user();
  const nobody = await acme.user();
  const role = await acme.api('POST', '/role', {
    name: 'reader',
    permissions: [{ api: api.id, value: 'read:users' }],
  });
  await acme.api('POST', `/role/${role.id}/users`, { users: [reader.id] });
  const asked = { scope: 'openid read:users delete:users create:accounts', audience: acme.audience };

  const tokenOf = async (user: typeof reader) => (await tokensOf(acme, client, user, asked)).tokens.access_token;
  const token = await tokenOf(reader);
  assert.equal(decodeJwt(token).sub, reader.id);
  assert.equal((await as(token, 'GET', '/user')).status, 200);
  assertRefused(await as(token, 'DELETE', `/user/${nobody.id}`), 403, 'insufficient_scope', /delete:users/);
  assertRefused(await as(token, 'POST', '/account', { name: 'x', team: 'x' }), 403, 'insufficient_scope');
  assertRefused(await as(await tokenOf(nobody), 'GET', '/user'), 403, 'insufficient_scope', /read:users/);

  await acme.api('POST', `/user/${reader.id}`, { suspended: true });
  assertRefused(await as(token, 'GET', '/user'), 403, 'user_suspended', /user is suspended/);
  await acme.api('POST', `/user/${reader.id}`, { suspended: false });
  // What the suspension ended stays ended; a new login is a new start.
  assertRefused(await as(token, 'GET', '/user'), 401, 'invalid_token');
  const again = await tokenOf(reader);
  assert.equal((await as(again, 'GET', '/user')).status, 200);
  await acme.api('DELETE', `/user/${reader.id}`);
  assertRefused(await as(again, 'GET', '/user'), 401, 'invalid_token');
});

/* ——— operator ——— */

test('the operator makes an account, whose first client is shown this once', async () => {
  const token = await w.operatorToken();
  const root = (method: string, path: string, json?: unknown, headers?: Record<string, string>) =>
    w.call(w.originOf(), token, method, path, json, headers);
  const made = await root('POST', '/account', { name: 'Made Once', team: 'team_1', metadata: { plan: 'free' } });
  assert.equal(made.status, 201, made.text);
  const { management_client, ...metadata } = made.body.metadata;
  assert.deepEqual(metadata, { plan: 'free' });
  assert.deepEqual(Object.keys(management_client).sort(), ['client_id', 'client_secret']);
  const { id, slug } = made.body;
  assert.equal(made.body.domain, `${slug}.localhost`);
  const own = await w.machineToken(w.originOf(slug), management_client, `cardea:management:${id}`);

  const answers = [
    await root('GET', `/account/${id}`),
    await root('POST', `/account/${id}`, { name: 'Made Once' }),
    await root('GET', '/account?pageSize=200'),
    await w.call(w.originOf(slug), own, 'GET', '/account/current'),
    await w.send(`${w.originOf()}/account/host/${slug}.localhost`),
    await w.call(w.originOf(slug), own, 'GET', `/log`),
  ];
  for (const { status, text } of answers) {
    assert.equal(status, 200, text);
    assert.ok(!text.includes(management_client.client_secret) && !text.includes('management_client'));
  }
  assert.deepEqual(answers[0]!.body.metadata, { plan: 'free' });

  // By header or by host, the operator picks a tenant.
  const there = await w.call(w.originOf(slug), own, 'POST', '/role', { name: 'there' });
  assert.equal((await root('GET', `/role/${there.body.id}`, undefined, { account_id: id })).status, 200);
  assert.equal((await w.call(w.originOf(slug), token, 'GET', `/role/${there.body.id}`)).status, 200);
  assertRefused(await root('GET', `/role/${there.body.id}`), 404, 'not_found');
  assertRefused(
    await root('GET', `/role/${there.body.id}`, undefined, { account_id: 'account_000000000000000000000000' }),
    403,
    'aud_mismatch',
  );
});

test('creating an account is refused without what it needs', async () => {
  const token = await w.operatorToken();
  const create = (json: unknown) => w.call(w.originOf(), token, 'POST', '/account', json);
  assertRefused(await create({ name: 'x' }), 400, 'validation', /\/team is required/);
  assertRefused(await create({ team: 'x' }), 400, 'validation', /\/name is required/);
  assertRefused(await create({ name: 'x', team: 'x', root: true }), 400, 'validation', /\/root is not known/);
  assertRefused(
    await create({ name: 'x', team: 'x', default_connection: acme.connection }),
    422,
    'invalid_reference',
    /default_connection/,
  );
  const narrow = await w.operatorToken('read:accounts');
  assertRefused(
    await w.call(w.originOf(), narrow, 'POST', '/account', { name: 'x', team: 'x' }),
    403,
    'insufficient_scope',
    /create:accounts/,
  );
});

test('the operator lists every account, an administrator only their own', async () => {
  const token = await w.operatorToken();
  const all: string[] = [];
  let next: string | null = null;
  do {
    const page: Answer<{ results: { id: string }[]; next: string | null }> = await w.call(
      w.originOf(),
      token,
      'GET',
      `/account?pageSize=2${next ? `&cursor=${next}` : ''}`,
    );
    all.push(...page.body.results.map(({ id }) => id));
    next = page.body.next;
  } while (next);
  assert.equal(new Set(all).size, all.length);
  assert.ok(all.includes(acme.id) && all.includes(other.id));
  assert.equal(all.length, await mongoose.models.AuthAccount!.countDocuments());

  const own = await acme.api('GET', '/account');
  assert.deepEqual(
    own.results.map(({ id }: { id: string }) => id),
    [acme.id],
  );
  assert.equal(own.next, null);
});

test('an administrator reaches their own account and makes or deletes none', async () => {
  assert.equal((await acme.call('GET', `/account/${acme.id}`)).status, 200);
  const missing = await acme.call('GET', '/account/account_000000000000000000000000');
  assertRefused(missing, 404, 'not_found');
  assert.equal((await acme.call('GET', `/account/${other.id}`)).text, missing.text);
  assert.equal((await acme.call('POST', `/account/${other.id}`, { name: 'mine now' })).text, missing.text);
  assertRefused(
    await acme.call('POST', '/account', { name: 'x', team: 'x' }),
    403,
    'insufficient_scope',
    /create:accounts/,
  );
  assertRefused(await acme.call('DELETE', `/account/${acme.id}`), 403, 'insufficient_scope', /delete:accounts/);
  assert.equal((await other.api('GET', '/account/current')).name, 'Other');
});

test('the platform audience is the operator’s alone', async () => {
  const ask = (origin: string, client: { client_id: string; client_secret: string }, audience: string) =>
    w.send(`${origin}/oauth/token`, {
      method: 'POST',
      form: {
        grant_type: 'client_credentials',
        ...credentialsOf(client),
        audience,
      },
    });
  const operator = { client_id: w.operator.id, client_secret: w.operator.secret };
  assert.equal((await ask(w.originOf(), operator, 'cardea:platform')).status, 200);
  assert.equal((await ask(acme.origin, acme.admin, 'cardea:platform')).body.error, 'invalid_target');
  assert.equal((await ask(acme.origin, operator, 'cardea:platform')).body.error, 'invalid_client');
  assert.equal((await ask(w.originOf(), operator, acme.audience)).body.error, 'invalid_target');
  assert.equal(
    (await ask(w.originOf(), { ...operator, client_secret: `${operator.client_secret}x` }, 'cardea:platform')).body
      .error,
    'invalid_client',
  );
  // A client of the installation's own account is a client like any other.
  const made = await w.call(w.originOf(), await w.operatorToken(), 'POST', '/client', { name: 'Root client' });
  assert.equal((await ask(w.originOf(), made.body, 'cardea:platform')).body.error, 'invalid_target');
});

/** Every row of the database that mentions the text, as `collection: row`. */
async function mentions(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const collection of await mongoose.connection.db!.collections()) {
    for (const row of await collection.find({}).toArray()) {
      const json = JSON.stringify(row);
      if (json.includes(text)) found.push(`${collection.collectionName}: ${json}`);
    }
  }
  return found;
}

test('deleting an account takes everything of it along', async () => {
  const t = await w.tenant('Doomed');
  const user = await t.user();
  const client = await t.client();
  const role = await t.api('POST', '/role', { name: 'x' });
  await t.api('POST', '/rolemember', { role: role.id, users: [user.id] });
  await tokensOf(t, client, user, { scope: 'openid offline_access' });
  const kept = await mentions(other.id);
  const filled = new Set((await mentions(t.id)).map((row) => row.split(':')[0]));
  for (const name of [
    'users',
    'clients',
    'credentials',
    'roles',
    'rolemembers',
    'connections',
    'apis',
    'logs',
    'signing_keys',
    'protocol',
    'accounts',
  ])
    assert.ok(filled.has(name), `the test fills ${name}`);

  // Through the doomed account's own host, where the call itself would leave a row.
  const token = await w.operatorToken();
  const gone = await w.call(t.origin, token, 'DELETE', `/account/${t.id}`, undefined, { account_id: t.id });
  assert.equal(gone.status, 200, gone.text);
  assert.equal(gone.body.id, t.id);
  // Besides what tells that it went: the operator's trail, and for a day the mark for other instances.
  const left = (await mentions(t.id)).filter(
    (row) => !row.includes('"type":"admin.account.') && !row.startsWith('changes:'),
  );
  assert.deepEqual(left, []);
  assert.deepEqual(await mentions(other.id), kept);

  assertRefused(await w.send(`${t.origin}/role`), 404, 'unknown_host');
  assert.equal((await w.send(`${t.origin}/.well-known/jwks.json`)).status, 404);
  assertRefused(await t.call('GET', '/role'), 404, 'unknown_host');
  assertRefused(
    await w.call(acme.origin, t.adminToken, 'GET', '/role', undefined, { account_id: t.id }),
    401,
    'invalid_token',
  );
  assertRefused(await w.call(w.originOf(), token, 'GET', `/account/${t.id}`), 404, 'not_found');
  assertRefused(await w.call(w.originOf(), token, 'DELETE', `/account/${t.id}`), 404, 'not_found');
  assertRefused(await w.send(`${w.originOf()}/account/host/${t.slug}.localhost`), 404, 'not_found');
  // The trail of it is the installation's own.
  const trail = await w.call(w.originOf(), token, 'GET', '/log?query=type:admin.account.deleted');
  assert.equal(trail.body.results[0].data.subject, t.id);
});

test('the installation’s own account cannot be deleted', async () => {
  const token = await w.operatorToken();
  const { body: root } = await w.call(w.originOf(), token, 'GET', '/account/current');
  assertRefused(await w.call(w.originOf(), token, 'DELETE', `/account/${root.id}`), 409, 'protected');
  assert.equal((await w.call(w.originOf(), token, 'GET', '/account/current')).status, 200);
});

test('accounts of one name get addresses of their own, also when made at once', async () => {
  const token = await w.operatorToken();
  const made = await Promise.all(
    Array.from({ length: 6 }, () => w.call(w.originOf(), token, 'POST', '/account', { name: 'Twín & Co.', team: 'x' })),
  );
  assert.deepEqual(
    made.map(({ status }) => status),
    Array(6).fill(201),
  );
  assert.deepEqual(made.map(({ body }) => body.slug).sort(), [
    'twin-co',
    'twin-co-2',
    'twin-co-3',
    'twin-co-4',
    'twin-co-5',
    'twin-co-6',
  ]);
  for (const { body } of made) {
    const found = await w.send(`${w.originOf(body.slug)}/account/host/${body.domain}`);
    assert.equal(found.body.id, body.id);
  }
  const named: [name: string, slug: RegExp][] = [
    ['wpad', /^wpad-2$/],
    ['Ærøskøbing Straße', /^aeroskobing-strasse$/],
    // Latin letters alone are left, and two hyphens in a row would mean an encoded name.
    ['ab 東京 Cafe', /^ab-cafe$/],
    ['日本', /^tenant-[a-z0-9]{8}$/],
    ['x'.repeat(200), /^x{40}$/],
  ];
  for (const [name, slug] of named) {
    const { status, body } = await w.call(w.originOf(), token, 'POST', '/account', { name, team: 'x' });
    assert.equal(status, 201);
    assert.match(body.slug, slug, name);
  }
});

test('the address of an account may be chosen with its looks when it is made: what is reserved, taken or was is refused', async () => {
  const token = await w.operatorToken();
  const make = (fields: object) =>
    w.call(w.originOf(), token, 'POST', '/account', { name: 'Chosen', team: 'x', ...fields });
  const branding = { primary_color: '#0a7', tos_uri: 'https://acme.example/terms' };
  const racers = await Promise.all([1, 2, 3].map(() => make({ slug: 'my-own', branding })));
  assert.deepEqual(racers.map(({ status }) => status).sort(), [201, 409, 409]);
  const made = racers.find(({ status }) => status === 201)!.body;
  assert.deepEqual([made.slug, made.domain, made.branding], ['my-own', 'my-own.localhost', branding]);
  const shown = await w.send(`${w.originOf('my-own')}/account/host/my-own.localhost`);
  assert.deepEqual([shown.body.id, shown.body.branding], [made.id, branding]);
  const taken = await make({ slug: 'my-own' });
  assertRefused(taken, 409, 'conflict', /slug/);
  assert.deepEqual(taken.body.details, { fields: ['slug'] });

  for (const slug of ['login', 'log-in', 'wpad', 'mail2', 'xn--80ak6aa92e', '127'])
    assertRefused(await make({ slug }), 400, 'validation', /slug.*reserved/);
  for (const slug of ['', 'Acme', 'a.b', '-a', 'a-', 'a_b', 'ñ', 'x'.repeat(64), null, 1])
    assertRefused(await make({ slug }), 400, 'validation', /slug/);
  assertRefused(await make({ branding: { primary_color: 'red' } }), 400, 'validation', /primary_color/);

  assert.equal((await w.call(w.originOf(), token, 'DELETE', `/account/${made.id}`)).status, 200);
  const retired = await make({ slug: 'my-own' });
  assert.equal(retired.text, taken.text, 'as one that is taken');
  assert.equal(await mongoose.models.AuthAccount!.countDocuments({ slug: 'my-own' }), 0, 'nothing is left');
});

test('no account gets a host that means something, to programs or people', () => {
  const reserved =
    'www www2 mail webmail smtp imap pop ftp ns1 mx2 wpad autodiscover autoconfig isatap localhost mta-sts ' +
    'login log-in log-on sign-out e-mail sso oauth oidc id auth auth-0 accounts admin postmaster support security billing cardea status docs 127 xn--80ak6aa92e';
  for (const slug of reserved.split(' ')) assert.ok(isReserved(slug), slug);
  for (const slug of ['acme', 'mailroom', 'login-corp', 'idea', '7-eleven', 'x-company'])
    assert.ok(!isReserved(slug), slug);
});

test('the host of a deleted account is nobody’s again, also when the deletion was killed', async () => {
  const token = await w.operatorToken();
  const make = async () =>
    (await w.call<Json>(w.originOf(), token, 'POST', '/account', { name: 'Once', team: 'x' })).body;
  const first = await make();
  assert.equal(first.slug, 'once');
  const killed = failAt(1, WRITES, (what) => what === 'delete accounts');
  assert.equal((await w.call(w.originOf(), token, 'DELETE', `/account/${first.id}`)).status, 500);
  killed.restore();
  await resumeAccounts();
  assert.equal((await w.call(w.originOf(), token, 'GET', `/account/${first.id}`)).status, 404);
  assert.equal((await make()).slug, 'once-2');
});

/* ——— keys ——— */

const jwksOf = async (t: TenantHandle): Promise<string[]> =>
  (await w.send(`${t.origin}/.well-known/jwks.json`)).body.keys.map(({ kid }: { kid: string }) => kid).sort();
const kidOf = (token: string) => decodeProtectedHeader(token).kid;

test('rotating: the queued key was published before it signs, and what the old one signed still verifies', async () => {
  const before = await acme.api('GET', '/account/keys');
  assert.deepEqual(Object.keys(before).sort(), ['kids_active', 'next_in_queue_kid', 'production_kid']);
  assert.deepEqual(await jwksOf(acme), before.kids_active.toSorted());
  assert.ok(before.kids_active.includes(before.next_in_queue_kid));
  const old = await acme.token();
  assert.equal(kidOf(old), before.production_kid);

  const rotated = await acme.api('POST', '/account/keys/rotate', {});
  assert.equal(rotated.previous_production_kid, before.production_kid);
  assert.equal(rotated.production_kid, before.next_in_queue_kid);
  assert.ok(!before.kids_active.includes(rotated.next_in_queue_kid));
  assert.ok(!Number.isNaN(Date.parse(rotated.rotated_at)));
  const after = await acme.api('GET', '/account/keys');
  assert.deepEqual(after.kids_active.toSorted(), [...before.kids_active, rotated.next_in_queue_kid].sort());
  assert.deepEqual(await jwksOf(acme), after.kids_active.toSorted());

  const fresh = await acme.token();
  assert.equal(kidOf(fresh), rotated.production_kid);
  const keys = publishedKeys(acme);
  for (const token of [old, fresh]) {
    const { payload } = await jwtVerify(token, keys, {
      issuer: acme.origin,
      audience: acme.audience,
      typ: 'at+jwt',
      algorithms: ['RS256'],
    });
    assert.equal(payload.account, acme.id);
    assert.equal((await as(token)).status, 200);
  }
  assert.ok((await jwksOf(other)).every((kid) => !after.kids_active.includes(kid)));
  const published = (await w.send(`${acme.origin}/.well-known/jwks.json`)).text;
  assert.ok(!/"(d|p|q|dp|dq|qi)":/.test(published), 'no private part is published');
});

test('no two rotations promote the same key, and one that loses leaves nothing behind', async () => {
  w.clock.advance({ seconds: 3600 });
  const before = await acme.api('GET', '/account/keys');
  const answers = await Promise.all(Array.from({ length: 5 }, () => acme.call('POST', '/account/keys/rotate', {})));
  const won = answers.filter(({ status }) => status === 200).map(({ body }) => body);
  assert.ok(won.length === 1 && answers.every(({ status }) => status === 200 || status === 409));
  const promoted = won.map(({ production_kid }) => production_kid);
  assert.equal(new Set(promoted).size, won.length);
  assert.ok(promoted.includes(before.next_in_queue_kid));
  const after = await acme.api('GET', '/account/keys');
  assert.equal(after.kids_active.length, before.kids_active.length + won.length);
  assert.ok(promoted.includes(after.production_kid));
  assert.equal(kidOf(await acme.token()), after.production_kid);
});

test('an expired token is 401', async () => {
  const token = await acme.token('read:roles');
  assert.equal((await as(token)).status, 200);
  w.clock.advance({ seconds: (decodeJwt(token).exp as number) - Math.floor(Date.now() / 1000) });
  const expired = await as(token);
  assertRefused(expired, 401, 'invalid_token');
  assert.equal(expired.headers.get('www-authenticate'), `Bearer error="invalid_token", ${about}`);
  assert.equal((await as(await acme.token('read:roles'))).status, 200);
});
