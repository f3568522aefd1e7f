/** An administrator with every right in one tenant, trying everything on another. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collections } from '../../src/resource/registry.ts';
import { failAt, settled, WRITES } from '../kit/faults.ts';
import { authorizeUrl, bearer, requestOf, type TenantHandle, tokensOf, world } from '../kit/index.ts';
import { lastLink } from '../kit/mailbox.ts';
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

/* ——— HEAD ——— */

/** GET itself is the act there, and what it answers (a code, tokens) does not exist before. */
const NO_HEAD = ['/authorize', '/authorize/:uid', '/oauth/token'];
test('HEAD answers as GET does at every address, and does nothing', async () => {
  const t = await w.tenant('Headed');
  const ids = await furnish(t);
  const user = await t.user();
  const client = await t.client();
  const { tokens, visit } = await tokensOf(t, client, user);
  await t.api('POST', `/user/${user.id}/verify-email/start`);
  await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
  const json = { client_id: client.client_id, email: 'link@example.com', send: 'link' };
  await w.send(`${t.origin}/passwordless/start`, { method: 'POST', json });
  const flow = (await visit(authorizeUrl(t, requestOf(client, { prompt: 'login' }).parameters))).location!;
  const queries: Record<string, string> = {
    '/verify-email': new URL(await lastLink(t, user.email)).search,
    '/passwordless/verify_redirect': new URL(await lastLink(t, 'link@example.com')).search,
    '/authorize': new URL(authorizeUrl(t, requestOf(client, { prompt: 'none' }).parameters)).search,
    '/logout': `?${new URLSearchParams({ id_token_hint: tokens.id_token! })}`,
  };
  const mine = { ...ids, host: new URL(t.origin).hostname, uid: new URL(flow).pathname.split('/').at(-1)! };
  const isRead = ({ method }: { method: string | string[] }) => [method].flat().includes('GET');
  // Logging out comes last: what is asked after it is asked by nobody.
  const reads = w.routes.filter(isRead).sort((a, b) => Number(/logout/.test(a.url)) - Number(/logout/.test(b.url)));
  assert.ok(reads.length > 60, `${reads.length} addresses`);
  for (const { url, config } of reads) {
    const path = fill(url.replace(/:(\w+)/g, '{$1}'), mine);
    const token = typeof config?.access === 'object' ? bearer(t.adminToken) : {};
    const ask = (method: string) => visit(`${t.origin}${path}${queries[url] ?? ''}`, { method, headers: token });
    // What was refused before is written down late.
    await settled();
    // Limits count HEAD as they do GET.
    const { passed: writes, restore } = failAt(Number.POSITIVE_INFINITY, WRITES, (what) => !what.endsWith(' limits'));
    const head = await ask('HEAD').finally(() => settled().finally(restore));
    assert.deepEqual(writes, [], `HEAD ${url}`);
    assert.deepEqual([head.text, head.headers.getSetCookie()], ['', []], url);
    const { status, headers: told } = await ask('GET');
    if (NO_HEAD.includes(url)) {
      assert.deepEqual(
        [head.status, head.headers.get('allow')],
        [405, 'GET, POST'.slice(0, url.includes(':') ? 3 : 9)],
        url,
      );
      continue;
    }
    const asGet = [
      status,
      told.get('content-type'),
      told.get('location') && new URL(told.get('location')!, t.origin).pathname,
    ];
    const { location } = head;
    assert.deepEqual(
      [head.status, head.headers.get('content-type'), location && new URL(location).pathname],
      asGet,
      url,
    );
  }
});
