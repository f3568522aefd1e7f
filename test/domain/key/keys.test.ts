/** Signing keys: algorithms made on demand, rotation by hand and by the clock, the end of old keys, and compromised ones. */
import assert from 'node:assert/strict';
import { constants, createHmac, sign } from 'node:crypto';
import { test } from 'node:test';
import { createRemoteJWKSet, customFetch, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import { tendKeys } from '../../../src/domain/key/key-schedule.ts';
import { SIGNING_ALGS, type Signer, signingKeysOf } from '../../../src/domain/key/signing-key.ts';
import {
  assertRefused,
  type Client,
  discovery,
  forge,
  introspect,
  logged,
  publishedKeys,
  revoke,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();
const DAY = 86_400;
const audienceOf = (alg: string) => `https://${alg.toLowerCase()}.example.com`;

const apiWith = (t: TenantHandle, signing_alg: string, more: Record<string, unknown> = {}) =>
  t.api('POST', '/api', { name: signing_alg, identifier: audienceOf(signing_alg), signing_alg, ...more });

type Jwk = { kid: string; alg: string; kty: string; [member: string]: string };
const jwksOf = async (t: { origin: string }): Promise<Jwk[]> =>
  (await w.send(`${t.origin}/.well-known/jwks.json`)).body.keys;
const kidsOf = async (t: { origin: string }) => (await jwksOf(t)).map(({ kid }) => kid);
const kidOf = (token: string) => decodeProtectedHeader(token).kid as string;

const isActive = async (t: TenantHandle, client: Client, token: string) =>
  (await introspect(t, client, token)).body.active;
/** The contract's answer, and who signs and waits per algorithm. */
const keys = async (t: TenantHandle) => {
  const body = await t.api('GET', '/account/keys');
  const { results } = await t.api('GET', '/account/keys/states');
  const algorithms: Record<string, Record<string, string>> = {};
  for (const { alg, state, kid } of results) algorithms[alg] = { ...algorithms[alg], [state]: kid };
  return { ...body, algorithms };
};
const rotate = (t: TenantHandle) => t.api('POST', '/account/keys/rotate');
async function revokeKey(t: TenantHandle, kid: string, token?: string) {
  const answer = await w.call(t.origin, token ?? (await t.token()), 'POST', `/account/keys/${kid}/revoke`);
  await t.renew();
  return answer;
}
const stored = (kid: string) => mongoose.connection.db!.collection('signing_keys').findOne({ _id: kid as never });

/* ——— algorithms ——— */

test('an account signs RS256 until somebody asks for more, and then with keys of their own per algorithm', async () => {
  const t = await w.tenant();
  assert.deepEqual([...new Set((await jwksOf(t)).map(({ alg }) => alg))], ['RS256']);
  for (const alg of SIGNING_ALGS) await apiWith(t, alg);
  const published = await jwksOf(t);
  for (const alg of SIGNING_ALGS) assert.equal(published.filter((key) => key.alg === alg).length, 2, alg);
  assert.equal(new Set(published.map(({ kid }) => kid)).size, 8);
  assert.ok(published.every((key) => !['d', 'p', 'q', 'dp', 'dq', 'qi'].some((secret) => secret in key)));
  const { algorithms, kids_active } = await keys(t);
  assert.deepEqual(Object.keys(algorithms).sort(), [...SIGNING_ALGS].sort());
  assert.equal(kids_active.length, 8);
});

test('access tokens carry the Api’s algorithm, verify with a strict verifier, and can be looked up and revoked here', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const [client, foreign] = [await t.client(), await other.client()];
  const user = await t.user();
  for (const alg of SIGNING_ALGS) {
    await apiWith(t, alg);
    await apiWith(other, alg);
    const { tokens } = await tokensOf(t, client, user, { audience: audienceOf(alg) });
    for (const token of [await t.machineToken(client, audienceOf(alg)), tokens.access_token]) {
      const { protectedHeader } = await jwtVerify(token, publishedKeys(t), {
        issuer: t.origin,
        audience: audienceOf(alg),
        typ: 'at+jwt',
        algorithms: [alg],
      });
      assert.equal(protectedHeader.alg, alg);
      assert.equal(await isActive(t, client, token), true, alg);
      assert.equal(await isActive(other, foreign, token), false, `${alg} at another tenant`);
      await assert.rejects(jwtVerify(token, publishedKeys(other)), /no applicable key/);
      assert.equal((await revoke(t, client, token)).status, 200);
      assert.equal(await isActive(t, client, token), false, `${alg}, revoked`);
    }
  }
});

test('an Api may change its algorithm; the management Api may not', async () => {
  const t = await w.tenant();
  const api = await apiWith(t, 'RS256');
  const client = await t.client();
  const algNow = async () => decodeProtectedHeader(await t.machineToken(client, api.identifier)).alg;
  assert.equal(await algNow(), 'RS256');
  await t.api('POST', `/api/${api.id}`, { signing_alg: 'EdDSA' });
  assert.equal(await algNow(), 'EdDSA');
  assertRefused(await t.call('POST', `/api/${api.id}`, { signing_alg: 'HS256' }), 400, 'validation');
  assertRefused(await t.call('POST', `/api/${api.id}`, { signing_alg: 'none' }), 400, 'validation');
  const { results } = await t
    .api('GET', `/api?query=identifier:${encodeURIComponent(`"${t.audience}"`)}`)
    .catch(() => t.api('GET', '/api?q=management'));
  assertRefused(await t.call('POST', `/api/${results[0].id}`, { signing_alg: 'ES256' }), 409, 'protected');
});

test('id tokens are signed as the client wants, and are good as a logout hint', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const document = await discovery(t);
  assert.deepEqual(document.id_token_signing_alg_values_supported, [...SIGNING_ALGS], 'also before anybody asked');
  for (const alg of SIGNING_ALGS) {
    const client = await t.client({ id_token_signed_response_alg: alg });
    const { tokens } = await tokensOf(t, client, user, { scope: 'openid offline_access' });
    const config = await oidc.discovery(
      new URL(t.origin),
      client.client_id,
      { client_secret: client.client_secret, id_token_signed_response_alg: alg },
      undefined,
      { execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks] },
    );
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
    for (const token of [tokens.id_token!, refreshed.id_token!])
      await jwtVerify(token, publishedKeys(t), { issuer: t.origin, audience: client.client_id, algorithms: [alg] });
    assert.equal(decodeProtectedHeader(tokens.access_token).alg, 'RS256', 'the access token is the Api’s business');
    const out = await w.send(`${t.origin}/logout?id_token_hint=${refreshed.id_token}`);
    assert.deepEqual(out.body, { status: 'logout' }, alg);
  }
});

test('of many who first ask for an algorithm at once all get it, and one pair of keys is made', async () => {
  const t = await w.tenant();
  const made = await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      n % 2
        ? t.call('POST', '/client', { name: `c${n}`, id_token_signed_response_alg: 'ES256' })
        : t.call('POST', '/api', { name: `a${n}`, identifier: `https://a${n}.example.com`, signing_alg: 'ES256' }),
    ),
  );
  assert.deepEqual([...new Set(made.map(({ status }) => status))], [200]);
  assert.equal((await jwksOf(t)).filter(({ alg }) => alg === 'ES256').length, 2);
  assert.equal((await signingKeysOf(t.id)).length, 4, 'the losers leave no key behind');
  const client = await t.client();
  assert.equal(decodeProtectedHeader(await t.machineToken(client, 'https://a0.example.com')).alg, 'ES256');
});

test('an account and its keys from before there were algorithms go on working', async () => {
  const t = await w.tenant();
  const db = mongoose.connection.db!;
  await db
    .collection('accounts')
    .updateOne({ _id: t.id as never }, { $unset: { keys_more: 1, keys_rotated_at: 1, oauth_settings: 1 } });
  await t.api('POST', `/account/${t.id}`, { metadata: {} });
  await rotate(t);
  await apiWith(t, 'ES256');
  const client = await t.client();
  await jwtVerify(await t.machineToken(client, audienceOf('ES256')), publishedKeys(t), { algorithms: ['ES256'] });
  await tendKeys();
  assert.equal((await keys(t)).kids_active.length, 5);
});

test('a row that asks for an algorithm whose keys were never made gets them, late but not never', async () => {
  const t = await w.tenant();
  const [api, client, user] = [await apiWith(t, 'RS256'), await t.client(), await t.user()];
  const db = mongoose.connection.db!;
  await db.collection('apis').updateOne({ _id: api.id }, { $set: { signing_alg: 'ES256' } });
  await db
    .collection('clients')
    .updateOne({ _id: client.client_id as never }, { $set: { id_token_signed_response_alg: 'EdDSA' } });
  const machine = await t.machineToken(await t.client(), api.identifier);
  assert.equal(decodeProtectedHeader(machine).alg, 'ES256');
  const first = await tokenRequest(t, client, { grant_type: 'client_credentials' });
  assert.deepEqual(
    [first.status, first.body.error, first.headers.get('retry-after')],
    [503, 'temporarily_unavailable', '2'],
  );
  const { tokens } = await tokensOf(t, client, user).catch(() => tokensOf(t, { ...client }, user));
  assert.equal(decodeProtectedHeader(tokens.id_token!).alg, 'EdDSA');
});

/* ——— confusion ——— */

test('the key says how a token is signed, never the token: every mix of algorithms is refused', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  for (const alg of SIGNING_ALGS) {
    await apiWith(t, alg);
    await apiWith(other, alg);
  }
  const client = await t.client();
  const own = Object.fromEntries(((await signingKeysOf(t.id)) as Signer[]).map((key) => [key.alg, key]));
  const theirs = Object.fromEntries(((await signingKeysOf(other.id)) as Signer[]).map((key) => [key.alg, key]));
  const ways: Record<string, (key: Signer) => (input: Buffer) => Buffer> = {
    RS256: (key) => (input) => sign('sha256', input, key.privateKey),
    PS256: (key) => (input) =>
      sign('sha256', input, { key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
    ES256: (key) => (input) => sign('sha256', input, { key: key.privateKey, dsaEncoding: 'ieee-p1363' }),
    EdDSA: (key) => (input) => sign(null, input, key.privateKey),
  };
  const claims = decodeJwt(await t.machineToken(client, audienceOf('ES256')));
  const management = decodeJwt(t.adminToken);
  const header = (alg: string, kid: string) => ({ alg, typ: 'at+jwt', kid });

  for (const alg of SIGNING_ALGS) {
    const forged = forge(header(alg, own[alg]!.kid), claims, ways[alg]!(own[alg]!));
    assert.equal(await isActive(t, client, forged), true, `the forge itself works: ${alg}`);
  }
  const attempts: [string, object, (input: Buffer) => Buffer][] = [];
  for (const alg of SIGNING_ALGS) {
    const key = own[alg]!;
    for (const said of [...SIGNING_ALGS, 'none', 'HS256', 'RS512', 'ES384', 'Ed25519', 'rs256', ''].filter(
      (a) => a !== alg,
    ))
      attempts.push([`${alg}'s key, said to be ${said}`, header(said, key.kid), ways[alg]!(key)]);
    const spki = key.publicKey.export({ format: 'pem', type: 'spki' });
    for (const said of ['HS256', alg])
      attempts.push([
        `an HMAC over ${alg}'s public key, said to be ${said}`,
        header(said, key.kid),
        (input) => createHmac('sha256', spki).update(input).digest(),
      ]);
    attempts.push([`nothing under ${alg}'s key`, header(alg, key.kid), () => Buffer.alloc(0)]);
    attempts.push([`zeros under ${alg}'s key`, header(alg, key.kid), () => Buffer.alloc(64)]);
    attempts.push([`another tenant's ${alg} key under ours`, header(alg, key.kid), ways[alg]!(theirs[alg]!)]);
    attempts.push([
      `another tenant's ${alg} key under its own`,
      header(alg, theirs[alg]!.kid),
      ways[alg]!(theirs[alg]!),
    ]);
    for (const wrong of SIGNING_ALGS.filter((a) => a !== alg))
      attempts.push([`${wrong}'s key under ${alg}'s kid`, header(alg, key.kid), ways[wrong]!(own[wrong]!)]);
  }
  attempts.push(['PSS by the RS256 key', header('PS256', own.RS256!.kid), ways.PS256!(own.RS256!)]);
  attempts.push(['PKCS #1 by the PS256 key', header('PS256', own.PS256!.kid), ways.RS256!(own.PS256!)]);
  attempts.push([
    'ES256 as DER',
    header('ES256', own.ES256!.kid),
    (input) => sign('sha256', input, own.ES256!.privateKey),
  ]);
  for (const [what, head, signer] of attempts) {
    assert.equal(await isActive(t, client, forge(head, claims, signer)), false, what);
    const answer = await w.call(t.origin, forge(head, management, signer), 'GET', '/account/current');
    assert.deepEqual([answer.status, (answer.body as { code?: string }).code], [401, 'invalid_token'], what);
  }
});

/* ——— rotation ——— */

test('rotation promotes the queued key of every algorithm; several at once promote no key twice', async () => {
  const t = await w.tenant();
  await apiWith(t, 'ES256');
  const client = await t.client();
  const before = await keys(t);
  const token = await t.token();
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => w.call(t.origin, token, 'POST', '/account/keys/rotate')),
  );
  const won = answers.filter(({ status }) => status === 200).map(({ body }) => body.production_kid);
  assert.ok(won.length === 1 && answers.every(({ status }) => status === 200 || status === 409));
  assert.equal(new Set(won).size, won.length);
  const after = await keys(t);
  for (const alg of ['RS256', 'ES256']) {
    const { production, queued } = after.algorithms[alg]!;
    assert.equal(production, before.algorithms[alg]!.queued, alg);
    assert.notEqual(production, before.algorithms[alg]!.production, alg);
    assert.ok(!before.kids_active.includes(queued), alg);
  }
  assert.equal(after.production_kid, after.algorithms.RS256!.production);
  assert.equal((await signingKeysOf(t.id)).length, 6, 'four before, two new, and none of the losers’');
  assert.equal(kidOf(await t.machineToken(client, audienceOf('ES256'))), after.algorithms.ES256!.production);
});

test('a rotation and a first request for an algorithm at once both happen', async () => {
  const t = await w.tenant();
  const [rotated, made] = await Promise.all([
    t.call('POST', '/account/keys/rotate'),
    t.call('POST', '/api', { name: 'x', identifier: audienceOf('EdDSA'), signing_alg: 'EdDSA' }),
  ]);
  assert.deepEqual([rotated.status, made.status], [200, 200], rotated.text + made.text);
  const { algorithms, kids_active } = await keys(t);
  const rows = (await signingKeysOf(t.id)).map(({ kid }) => kid);
  assert.deepEqual([...kids_active].sort(), rows.sort());
  for (const alg of ['RS256', 'EdDSA']) assert.ok(kids_active.includes(algorithms[alg]!.production), alg);
});

test('a relying party that remembers the key set sees no bad signature through two rotations', async () => {
  const t = await w.tenant();
  for (const alg of SIGNING_ALGS) await apiWith(t, alg);
  const client = await t.client();
  let fetched = 0;
  // It never asks again by itself: whatever verifies was published when it last looked.
  const set = createRemoteJWKSet(new URL(`${t.origin}/.well-known/jwks.json`), {
    cooldownDuration: 3_600_000,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    [customFetch]: (url, options) => {
      fetched += 1;
      return fetch(url, options as RequestInit);
    },
  });
  const held: string[] = [];
  const look = async () => {
    for (const alg of SIGNING_ALGS) held.push(await t.machineToken(client, audienceOf(alg)));
    for (const token of held) await jwtVerify(token, set, { issuer: t.origin });
  };
  await look();
  for (const turn of [1, 2]) {
    await rotate(t);
    await look();
    assert.equal(fetched, turn, 'no key was news');
    await set.reload();
    w.clock.advance({ seconds: 3600 });
  }
  assert.equal(new Set(held.map(kidOf)).size, 12, 'three keys of each algorithm signed');
});

test('a rotation within an hour of another is refused with the time, since not everybody knows the next key yet', async () => {
  const t = await w.tenant();
  const rotated = await rotate(t);
  w.clock.advance({ seconds: 600 });
  const refused = await t.call('POST', '/account/keys/rotate');
  assertRefused(refused, 409, 'rotated_recently', /published at .* revoked instead/);
  assert.equal(refused.headers.get('retry-after'), '3000');
  assert.equal(Date.parse(refused.body.details.retry_at), Date.parse(rotated.rotated_at) + 3_600_000);
  assert.equal((await keys(t)).production_kid, rotated.production_kid);
  // A key that somebody else may have ends at once; the one that then waits is news to everybody.
  w.clock.advance({ seconds: 3000 });
  assert.equal((await revokeKey(t, rotated.next_in_queue_kid)).status, 200);
  assertRefused(await t.call('POST', '/account/keys/rotate'), 409, 'rotated_recently');
  w.clock.advance({ seconds: 3600 });
  const { next_in_queue_kid } = await keys(t);
  assert.equal((await rotate(t)).production_kid, next_in_queue_kid);
});

test('keys rotate by the clock where the account says so: once, whoever runs it, and nowhere else', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  await t.api('POST', `/account/${t.id}`, { oauth_settings: { key_rotation_days: 7 } });
  const before = await keys(t);
  const elsewhere = await keys(other);
  w.clock.advance({ seconds: 7 * DAY - 60 });
  await tendKeys();
  assert.equal((await keys(t)).production_kid, before.production_kid, 'not before its time');
  w.clock.advance({ seconds: 120 });
  await Promise.all([tendKeys(), tendKeys(), tendKeys()]);
  const after = await keys(t);
  assert.equal(after.production_kid, before.next_in_queue_kid);
  assert.equal(after.kids_active.length, 3);
  await tendKeys();
  assert.equal((await keys(t)).production_kid, after.production_kid, 'the next one is a week away');
  assert.equal((await keys(other)).production_kid, elsewhere.production_kid);
  const rows = await logged(t, 'admin.account.keys_rotated');
  assert.deepEqual(
    rows.map(({ data }: { data: object }) => data),
    [
      {
        actor_kind: 'system',
        subject: t.id,
        previous_production_kid: before.production_kid,
        production_kid: after.production_kid,
      },
    ],
  );
  assert.equal((await logged(other, 'admin.account.keys_rotated')).length, 0);
  await t.api('POST', `/account/${t.id}`, { oauth_settings: { key_rotation_days: null } });
  w.clock.advance({ seconds: 30 * DAY });
  await tendKeys();
  assert.equal((await keys(t)).production_kid, after.production_kid, 'only when asked');
  for (const days of [0, -1, 1.5, 4000, '7'])
    assertRefused(
      await t.call('POST', `/account/${t.id}`, { oauth_settings: { key_rotation_days: days } }),
      400,
      'validation',
    );
});

test('a key that signs no more loses its private part at once, and is published until all that it signed is dead', async () => {
  const [t, long] = [await w.tenant(), await w.tenant()];
  await apiWith(t, 'RS256', { token_lifetime: 30 * DAY });
  await long.api('POST', `/account/${long.id}`, { session_settings: { absolute_lifetime: 60 * DAY } });
  const client = await t.client();
  const token = await t.machineToken(client, audienceOf('RS256'));
  const [old, oldLong] = [(await keys(t)).production_kid, (await keys(long)).production_kid];
  await rotate(t);
  await rotate(long);
  w.clock.advance({ seconds: 120 });
  await tendKeys();
  const row = await stored(old);
  assert.equal(row?.private_sealed, undefined, 'nobody can sign with it any more');
  assert.ok((await stored((await keys(t)).production_kid))?.private_sealed);
  w.clock.advance({ seconds: 30 * DAY - 300 });
  await tendKeys();
  assert.ok((await kidsOf(t)).includes(old));
  assert.equal(await isActive(t, client, token), true, 'alive to its last minute');
  w.clock.advance({ seconds: 2 * 3600 });
  await Promise.all([tendKeys(), tendKeys()]);
  assert.ok(!(await kidsOf(t)).includes(old));
  assert.equal(await stored(old), null);
  assert.equal((await keys(t)).kids_active.length, 2);
  assert.ok((await kidsOf(long)).includes(oldLong), 'a login session that old may still log out by its id token');
  w.clock.advance({ seconds: 31 * DAY });
  await tendKeys();
  assert.ok(!(await kidsOf(long)).includes(oldLong));
  await t.token();
});

test('the note of a rotation that a crash kept from happening takes no key away', async () => {
  const t = await w.tenant();
  const { production_kid } = await keys(t);
  await mongoose.connection
    .db!.collection('signing_keys')
    .updateOne({ _id: production_kid as never }, { $set: { retired_at: new Date() } });
  w.clock.advance({ seconds: 40 * DAY });
  await tendKeys();
  const row = await stored(production_kid);
  assert.ok(row?.private_sealed && row.retired_at === undefined);
  assert.equal(kidOf(await t.token()), production_kid);
});

/* ——— compromised keys ——— */

test('a revoked key is out at once: nothing that it signed works here, the queued one signs, refresh tokens live on', async () => {
  const t = await w.tenant();
  const [client, user] = [await t.client({ grants: await t.managementGrants() }), await t.user()];
  const { tokens, config } = await tokensOf(t, client, user, { scope: 'openid offline_access' });
  const admin = await t.token();
  const machine = await t.machineToken(client, t.audience);
  const before = await keys(t);
  assert.equal(kidOf(admin), before.production_kid);
  assert.equal((await userinfo(t, tokens.access_token)).status, 200);
  assert.equal((await w.call(t.origin, admin, 'GET', '/account/current')).status, 200);

  const { status, body } = await revokeKey(t, before.production_kid, admin);
  assert.equal(status, 200);
  assert.deepEqual([body.revoked_kid, body.production_kid], [before.production_kid, before.next_in_queue_kid]);
  assert.ok(!body.kids_active.includes(before.production_kid) && body.kids_active.length === 2);
  assert.deepEqual((await kidsOf(t)).sort(), [...body.kids_active].sort());
  assert.equal(await stored(before.production_kid), null, 'the private part is gone');

  assert.equal((await userinfo(t, tokens.access_token)).status, 401);
  assert.equal(await isActive(t, client, machine), false);
  assertRefused(await w.call(t.origin, admin, 'GET', '/account/current'), 401, 'invalid_token');
  const hinted = await w.send(`${t.origin}/logout?id_token_hint=${tokens.id_token}`);
  const unhinted = await w.send(`${t.origin}/logout`);
  assert.deepEqual([hinted.status, hinted.body], [unhinted.status, unhinted.body], 'what it signed is no hint');
  await assert.rejects(jwtVerify(machine, publishedKeys(t)), /no applicable key/);

  const fresh = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
  assert.equal(kidOf(fresh.access_token), before.next_in_queue_kid);
  assert.equal((await userinfo(t, fresh.access_token)).status, 200);
  const [row] = await logged(t, 'admin.account.key_revoked');
  assert.deepEqual([row.data.subject, row.data.actor_kind], [before.production_kid, 'client']);
});

test('keys can be revoked until all that there were are gone: something always signs, something always waits', async () => {
  const t = await w.tenant();
  await apiWith(t, 'ES256');
  const client = await t.client();
  const first = (await keys(t)).kids_active as string[];
  assert.equal(first.length, 4);
  for (const kid of first) {
    assert.equal((await revokeKey(t, kid)).status, 200);
    const { algorithms, kids_active } = await keys(t);
    assert.equal(kids_active.length, 4);
    assert.equal(kidOf(await t.machineToken(client, audienceOf('ES256'))), algorithms.ES256!.production);
    assert.equal(kidOf(await t.token()), algorithms.RS256!.production);
  }
  assert.deepEqual(
    (await signingKeysOf(t.id)).filter(({ kid }) => first.includes(kid)),
    [],
  );
});

test('an old key that only verifies can be revoked, and takes nobody’s place', async () => {
  const t = await w.tenant();
  const old = await t.token();
  const rotated = await rotate(t);
  const { body } = await revokeKey(t, kidOf(old));
  assert.deepEqual([body.production_kid, body.next_in_queue_kid], [rotated.production_kid, rotated.next_in_queue_kid]);
  assert.equal(body.kids_active.length, 2);
  assertRefused(await w.call(t.origin, old, 'GET', '/account/current'), 401, 'invalid_token');
});

test('of two who revoke one key one does; with a rotation beside it both happen', async () => {
  const t = await w.tenant();
  const [{ production_kid, next_in_queue_kid }, token] = [await keys(t), await t.token()];
  const twice = await Promise.all([1, 2, 3].map(() => revokeKey(t, next_in_queue_kid, token)));
  assert.deepEqual(twice.map(({ status }) => status).sort(), [200, 404, 404]);
  const [revoked, rotated] = await Promise.all([
    revokeKey(t, production_kid, token),
    w.call(t.origin, token, 'POST', '/account/keys/rotate'),
  ]);
  assert.equal(revoked.status, 200);
  assert.ok([200, 401, 409].includes(rotated.status), rotated.text);
  const { kids_active, ...now } = await keys(t);
  assert.ok(!kids_active.includes(production_kid) && kids_active.includes(now.production_kid));
  assert.deepEqual((await signingKeysOf(t.id)).map(({ kid }) => kid).sort(), kids_active.toSorted());
});

test('nobody else’s keys: another tenant’s kid is as absent as one that never was, and a permission is needed', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const theirs = await keys(other);
  const foreign = await revokeKey(t, theirs.production_kid);
  const missing = await revokeKey(t, 'a'.repeat(43));
  assertRefused(foreign, 404, 'not_found');
  assert.deepEqual(foreign.body, missing.body);
  assert.deepEqual(await keys(other), theirs);
  const { production_kid } = await keys(t);
  assertRefused(
    await revokeKey(t, production_kid, await t.token('read:keys')),
    403,
    'insufficient_scope',
    /update:keys/,
  );
  const anonymous = await w.call(t.origin, undefined, 'POST', `/account/keys/${production_kid}/revoke`);
  assertRefused(anonymous, 401, 'unauthorized');
  assertRefused(
    await w.call(other.origin, await t.token(), 'POST', `/account/keys/${theirs.production_kid}/revoke`),
    403,
    'aud_mismatch',
  );
});
