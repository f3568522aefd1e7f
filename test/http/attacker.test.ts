/** An administrator with every right in one tenant, trying everything on another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collections } from '../../src/resource/registry.ts';
import { type TenantHandle, tokensOf, world } from '../kit/index.ts';
import { fill, missingId, operations } from '../kit/operations.ts';

const w = await world();
const all = await operations(w);

/** One row of every kind that a tenant can have, by the name of its path parameter. */
async function furnish(t: TenantHandle): Promise<Record<string, string>> {
  const user = await t.user();
  const idOf = async (path: string, body: unknown): Promise<string> => (await t.api('POST', path, body)).id;
  const role_id = await idOf('/role', { name: 'keeper' });
  const team_id = await idOf('/team', { name: 'Keepers' });
  const connection_id = await idOf('/connection', { connection_name: 'github', connection_type: 'github' });
  return {
    account_id: t.id,
    user_id: user.id,
    credentials_id: user.credential,
    role_id,
    team_id,
    connection_id,
    client_id: await idOf('/client', { name: 'App' }),
    api_id: await idOf('/api', { name: 'Orders', identifier: 'https://orders.example.com' }),
    rolemember_id: (await t.api('POST', `/role/${role_id}/users`, { users: [user.id] }))[0].id,
    teammember_id: await idOf('/teammember', { team: team_id, users: [user.id] }),
    identity_id: await idOf('/identity', {
      account: t.id,
      user: user.id,
      identity_id: 'gh-1',
      connection: connection_id,
      profile_data: {},
    }),
    action_id: await idOf('/action', {
      name: 'a',
      trigger: 'post-login',
      code: 'exports.onExecutePostLogin = async () => {};',
    }),
    notificationsubscription_id: await idOf('/notificationsubscription', {
      events: ['user.created'],
      channel: 'email',
      config: { recipients: ['a@example.com'] },
    }),
    customdomain_id: await idOf('/customdomain', { domain: `login-${t.slug}.example.com` }),
    grant_id: await (async () => {
      await tokensOf(t, (await t.client({ is_first_party: false })) as never, user);
      return (await t.api('GET', '/grant')).results[0].id;
    })(),
    log_id: (await t.api('GET', '/log')).results[0].id,
  };
}

async function contents(accountId: string): Promise<string> {
  const rows = await Promise.all(
    collections()
      .filter(({ spec }) => spec.name !== 'log')
      .map(async ({ model, spec }) => [
        spec.name,
        await model
          .find(spec.name === 'account' ? { _id: accountId } : { account: accountId })
          .sort({ _id: 1 })
          .lean(),
      ]),
  );
  return JSON.stringify(rows);
}

test('ids of another tenant are answered exactly like ids of nothing, by every operation, and change nothing', async () => {
  const [a, b] = [await w.tenant('Attacker'), await w.tenant('Victim')];
  const theirs = await furnish(b);
  const before = await contents(b.id);
  const withoutIds = (text: string) => text.replace(/[a-z]+_[0-9a-f]{24}/g, 'ID');
  let tried = 0;
  for (const { id, method, path, parameters, body } of all) {
    const known = parameters.filter((name) => theirs[name]);
    if (known.length === 0) continue;
    const ids = Object.fromEntries(known.map((name) => [name, theirs[name]!]));
    const foreign = await a.call(method, fill(path, ids), body);
    const missing = await a.call(
      method,
      fill(path, Object.fromEntries(known.map((name) => [name, missingId(name)]))),
      body,
    );
    assert.ok(foreign.status >= 400 && foreign.status < 500, `${id}: ${foreign.status} ${foreign.text.slice(0, 200)}`);
    assert.deepEqual([foreign.status, withoutIds(foreign.text)], [missing.status, withoutIds(missing.text)], id);
    tried += 1;
  }
  assert.ok(tried > 30, `${tried} operations tried`);
  assert.equal(await contents(b.id), before);
});

test('references to another tenant’s rows are refused like references to nothing', async () => {
  const [a, b] = [await w.tenant(), await w.tenant()];
  const [mine, theirs] = [await furnish(a), await furnish(b)];
  const attempts: [string, (ids: Record<string, string>) => unknown][] = [
    ['/credentials', ({ user_id }) => ({ user: user_id, connection: a.connection, email: 'x@example.com' })],
    [
      '/credentials',
      ({ connection_id }) => ({ user: mine.user_id, connection: connection_id, email: 'y@example.com' }),
    ],
    ['/rolemember', ({ role_id }) => ({ role: role_id, users: [mine.user_id] })],
    ['/rolemember', ({ user_id }) => ({ role: mine.role_id, users: [user_id] })],
    ['/teammember', ({ team_id }) => ({ team: team_id, users: [mine.user_id] })],
    ['/teammember', ({ user_id }) => ({ team: mine.team_id, users: [user_id] })],
    ['/role', ({ api_id }) => ({ name: 'r', permissions: [{ api: api_id, value: 'x' }] })],
    ['/client', ({ api_id }) => ({ name: 'c', grants: [{ api: api_id, scope: [] }] })],
    [
      '/connection',
      ({ client_id }) => ({ connection_name: 'c', connection_type: 'database', enabled_clients: [client_id] }),
    ],
    [`/account/${a.id}`, ({ connection_id }) => ({ default_connection: connection_id })],
    [
      '/identity',
      ({ user_id }) => ({
        account: a.id,
        user: user_id,
        identity_id: 'i',
        connection: mine.connection_id,
        profile_data: {},
      }),
    ],
    [
      '/identity',
      ({ connection_id }) => ({
        account: a.id,
        user: mine.user_id,
        identity_id: 'j',
        connection: connection_id,
        profile_data: {},
      }),
    ],
  ];
  const nothing = Object.fromEntries(Object.keys(theirs).map((name) => [name, missingId(name)]));
  const withoutIds = (text: string) => text.replace(/[a-z]+_[0-9a-f]{24}/g, 'ID');
  for (const [path, body] of attempts) {
    const foreign = await a.call('POST', path, body(theirs));
    const missing = await a.call('POST', path, body(nothing));
    assert.equal(foreign.status, 422, `${path} ${JSON.stringify(body(theirs))}: ${foreign.text}`);
    assert.deepEqual([foreign.status, withoutIds(foreign.text)], [missing.status, withoutIds(missing.text)], path);
  }
});

test('lists, searches, cursors and expansions never show another tenant’s rows', async () => {
  const [a, b] = [await w.tenant(), await w.tenant()];
  const theirs = Object.values(await furnish(b)).filter((id) => id !== b.id);
  const mine = await furnish(a);
  const lists = all.filter(
    ({ method, path }) => method === 'GET' && !path.includes('{') && path !== '/account/current',
  );
  for (const { path, id } of lists) {
    const cursors = theirs.map((other) => Buffer.from(other).toString('base64url'));
    for (const query of [
      '',
      '?pageSize=200',
      ...cursors.map((cursor) => `?cursor=${cursor}`),
      ...theirs.map((other) => `?query=id:${other}`),
    ]) {
      const answer = await a.call('GET', `${path}${query}`);
      for (const other of [...theirs, b.id]) assert.ok(!answer.text.includes(other), `${id} ${query} shows ${other}`);
    }
  }
  for (const [path, expand] of [
    ['/rolemember', 'role,user'],
    ['/teammember', 'user,team'],
    ['/credentials', 'user,connection'],
    ['/identity', 'user,connection'],
    ['/grant', 'user,client'],
  ] as const) {
    const answer = await a.call('GET', `${path}?expand=${expand}`);
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.text.includes(mine.user_id!), path);
    for (const other of theirs) assert.ok(!answer.text.includes(other), path);
  }
});
