/** Identities: who is who at a provider, and who sees the provider's tokens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { agreed } from '../../kit/contract.ts';
import { assertRefused, world } from '../../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const MASK = '********';
const SECRETS = { access_token: 'at-secret-1', access_token_secret: 'ats-secret-1', refresh_token: 'rt-secret-1' };
const connectionOf = async (t = acme) =>
  (await t.api('POST', '/connection', { connection_name: `gh${Math.random()}`, connection_type: 'github' }))
    .id as string;
const github = await connectionOf();
const person = async (t = acme) => (await t.api('POST', '/user', { name: 'Ada' })).id as string;
let count = 0;
const input = async (fields: Record<string, unknown> = {}) => ({
  account: acme.id,
  user: await person(),
  connection: github,
  identity_id: `gh-${++count}`,
  profile_data: { login: 'ada' },
  ...fields,
});
const create = async (fields?: Record<string, unknown>) => acme.call('POST', '/identity', await input(fields));
const limited = async (scope: string, method: string, path: string, json?: unknown) =>
  w.call(acme.origin, await acme.token(scope), method, path, json);

test('an identity is created, listed, expanded and deleted', async () => {
  const user = await person();
  const profile_data = { login: 'ada', 'https://claims.example/plan': ['pro'], nested: { a: null } };
  const made = agreed('identity/create', await create({ user, profile_data, metadata: { from: 'test' } }));
  assert.deepEqual([made.user, made.connection, made.profile_data], [user, github, profile_data]);
  assert.ok(!('access_token' in made), 'no token, no field');
  for (const query of [`user:${user}`, `identity_id:${made.identity_id}`, `user:${user} connection:${github}`])
    assert.deepEqual(agreed('identity/list', await acme.call('GET', `/identity?query=${query}`)).results, [made]);
  const whole = agreed('identity/get', await acme.call('GET', `/identity/${made.id}?expand=user,connection`));
  assert.deepEqual([whole.user.id, whole.connection.id], [user, github]);
  assert.deepEqual((await other.api('GET', '/identity')).results, []);
  for (const method of ['GET', 'DELETE'])
    assertRefused(await other.call(method, `/identity/${made.id}`), 404, 'not_found');
  agreed('identity/delete', await acme.call('DELETE', `/identity/${made.id}`));
  assertRefused(await acme.call('GET', `/identity/${made.id}`), 404, 'not_found');
});

test('one account at a provider is one identity, also when it is linked many times at once', async () => {
  const first = (await create()).body;
  assertRefused(await create({ identity_id: first.identity_id }), 409, 'conflict', /identity_id/);
  assert.equal((await create({ identity_id: first.identity_id, connection: await connectionOf() })).status, 200);
  const body = await input();
  const all = await Promise.all(Array.from({ length: 6 }, () => acme.call('POST', '/identity', body)));
  assert.deepEqual(all.map(({ status }) => status).toSorted(), [200, 409, 409, 409, 409, 409]);
});

test('what it refers to has to be there and of this account', async () => {
  for (const [field, value] of Object.entries({
    account: other.id,
    user: await person(other),
    connection: await connectionOf(other),
  })) {
    const foreign = await create({ [field]: value });
    assertRefused(foreign, 422, 'invalid_reference', new RegExp(field));
    const missing = await create({ [field]: `${field}_000000000000000000000000` });
    assert.equal(
      missing.text.replaceAll(/"\w+_[0-9a-f]{24}\\?"/g, ''),
      foreign.text
        .replaceAll(/"\w+_[0-9a-f]{24}\\?"/g, '')
        .replace(value as string, `${field}_000000000000000000000000`),
    );
  }
  for (const field of ['account', 'user', 'identity_id', 'connection', 'profile_data'])
    assertRefused(await create({ [field]: undefined }), 400, 'validation', new RegExp(field));
  assertRefused(await create({ scope: 'x' }), 400, 'validation', /scope/);
  for (const profile_data of [{ $where: 1 }, { _bsontype: 'x' }, { a: 'x'.repeat(70_000) }])
    assertRefused(await create({ profile_data }), 400, 'validation', /profile_data/);
  for (const profile_data of [null, 'ada', ['a'], 7])
    assert.deepEqual(agreed('identity/create', await create({ profile_data })).profile_data, profile_data);
});

test('tokens are sealed, and masked for whoever may not see them', async () => {
  const made = (await create(SECRETS)).body;
  const shown = ({ access_token, access_token_secret, refresh_token }: typeof SECRETS) => ({
    access_token,
    access_token_secret,
    refresh_token,
  });
  assert.deepEqual(shown(made), SECRETS);
  const masked = { access_token: MASK, access_token_secret: MASK, refresh_token: MASK };
  assert.deepEqual(shown((await limited('read:identities', 'GET', `/identity/${made.id}`)).body), masked);
  const [listed] = (await limited('read:identities', 'GET', `/identity?query=id:${made.id}`)).body.results;
  assert.deepEqual(shown(listed), masked);
  assert.deepEqual(
    shown((await limited('read:identities read:identity_tokens', 'GET', `/identity/${made.id}`)).body),
    SECRETS,
  );
  const stored = JSON.stringify(await mongoose.connection.db!.collection('identities').find().toArray());
  for (const secret of Object.values(SECRETS)) assert.ok(!stored.includes(secret));
});

test("the provider's token is answered while it is good", async () => {
  const token = (id: string, query = '') => acme.call('GET', `/identity/${id}/provider-token${query}`);
  const lasting = (await create(SECRETS)).body;
  for (const query of ['', '?fresh=true'])
    assert.deepEqual(agreed('identity/getProviderToken', await token(lasting.id, query)), {
      access_token: SECRETS.access_token,
      refreshed: false,
    });
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const good = (await create({ ...SECRETS, access_token_expires_at: later })).body;
  const answer = await token(good.id);
  assert.deepEqual(agreed('identity/getProviderToken', answer).access_token_expires_at, later);
  assert.equal(answer.headers.get('cache-control'), 'no-store');

  const over = new Date(Date.now() + 5000).toISOString();
  const expired = (await create({ access_token: 'x', access_token_expires_at: over })).body;
  assertRefused(await token(expired.id), 400, 'provider_token_expired');
  assertRefused(await token((await create()).body.id), 400, 'provider_token_expired', /no token/);
  assertRefused(await token('identity_000000000000000000000000'), 404, 'not_found');
  assertRefused(await other.call('GET', `/identity/${good.id}/provider-token`), 404, 'not_found');
  assertRefused(await token(good.id, '?fresh=perhaps'), 400, 'validation', /fresh/);
});

test('each operation needs its permission, and leaves a row in the log', async () => {
  const { id, user } = (await create(SECRETS)).body;
  const cases: [string, string, string, unknown?][] = [
    ['read:identities', 'GET', '/identity'],
    ['read:identities', 'GET', `/identity/${id}`],
    ['read:identity_tokens', 'GET', `/identity/${id}/provider-token`],
    ['create:identities', 'POST', '/identity', await input()],
    ['delete:identities', 'DELETE', `/identity/${id}`],
  ];
  for (const [permission, method, path, body] of cases) {
    assertRefused(await limited('read:users', method, path, body), 403, 'insufficient_scope', new RegExp(permission));
    const answer = await limited(permission, method, path, body);
    assert.equal(answer.status, 200, answer.text);
  }
  const types = (await acme.api('GET', '/log?pageSize=20')).results.map(({ type }: { type: string }) => type);
  assert.ok(types.includes('admin.identity.created') && types.includes('admin.identity.deleted'));
  assert.ok(user);
});
