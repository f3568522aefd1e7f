/** An administrator with every right in one tenant, trying everything on another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collections } from '../../src/resource/registry.ts';
import { type TenantHandle, world } from '../kit/index.ts';
import { fill, missingId, operations } from '../kit/operations.ts';
import { ROWS } from '../suites/rows.ts';

const w = await world();
const all = await operations(w);

/** One row of every resource that a tenant can have, by the name of its path parameter. */
async function furnish(t: TenantHandle): Promise<Record<string, string>> {
  const ids: Record<string, string> = { account_id: t.id };
  for (const [name, make] of Object.entries(ROWS)) ids[`${name}_id`] = await make(t);
  return ids;
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

test('no list and no export shows another tenant’s rows', async () => {
  const [a, b] = [await w.tenant(), await w.tenant()];
  const theirs = Object.values(await furnish(b));
  await furnish(a);
  const lists = all.filter(
    ({ method, path }) => method === 'GET' && !path.includes('{') && path !== '/account/current',
  );
  for (const { path, id } of lists) {
    const { text } = await a.call('GET', path);
    for (const other of theirs) assert.ok(!text.includes(other), `${id} shows ${other}`);
  }
});
