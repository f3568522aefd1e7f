/** Every management operation against every kind of caller: the table of who gets in. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { platformPermissions } from '../../src/domain/api/permission.ts';
import { agent, REDIRECT, signIn, tokenRequest, world } from '../kit/index.ts';
import { fill, operations } from '../kit/operations.ts';

const w = await world();
const all = await operations(w);
const t = await w.tenant();
const other = await w.tenant();

const call = (
  token: string | undefined,
  { method, path, body }: (typeof all)[number],
  headers: Record<string, string> = {},
) => w.call(t.origin, token, method, fill(path), body, headers);

test('there is a table to walk', () => {
  assert.ok(all.length > 40, `${all.length} operations`);
  const known = new Set(platformPermissions().map(({ value }) => value));
  for (const { id, permission } of all)
    assert.ok(known.has(permission), `${id} needs ${permission}, which is in no catalogue`);
});

test('nobody gets in without a valid token of the right tenant and audience', async () => {
  const api = await t.api('POST', '/api', { name: 'Orders', identifier: 'https://orders.example.com' });
  const callers: [string, string | undefined, number, string][] = [
    ['no token', undefined, 401, 'unauthorized'],
    ['a broken token', `${t.adminToken.slice(0, -4)}AAAA`, 401, 'invalid_token'],
    ['a token for another API', await t.machineToken(await t.client(), api.identifier), 403, 'aud_mismatch'],
    ['a foreign tenant’s token', other.adminToken, 403, 'aud_mismatch'],
  ];
  for (const operation of all) {
    for (const [who, token, status, code] of callers) {
      const answer = await call(token, operation);
      assert.deepEqual([answer.status, answer.body?.code], [status, code], `${operation.id} for ${who}`);
    }
  }
});

test('exactly the permission opens an operation, and its absence names it', async () => {
  const scopes = platformPermissions().map(({ value }) => value);
  const tokens = new Map<string, string>();
  const operatorOnly = new Set(['create:accounts', 'delete:accounts']);
  const tokenFor = async (permission: string) => {
    if (!tokens.has(permission))
      tokens.set(
        permission,
        operatorOnly.has(permission) ? await w.operatorToken(permission) : await t.token(permission),
      );
    return tokens.get(permission)!;
  };
  const allBut = new Map<string, string>();
  for (const operation of all) {
    const { id, permission } = operation;
    if (!allBut.has(permission))
      allBut.set(
        permission,
        await t.token(scopes.filter((scope) => scope !== permission && !operatorOnly.has(scope)).join(' ')),
      );
    const refused = await call(allBut.get(permission), operation);
    assert.deepEqual([refused.status, refused.body?.code], [403, 'insufficient_scope'], id);
    assert.equal(refused.body.details.missing, permission, id);
    const opened = await call(await tokenFor(permission), operation);
    assert.ok(
      opened.status !== 401 && opened.status !== 403 && opened.status < 500,
      `${id}: ${opened.status} ${opened.text.slice(0, 200)}`,
    );
  }
});

test('PATCH does what POST updates, for the same permission; another method is told which ones there are', async () => {
  const role = await t.api('POST', '/role', { name: 'before' });
  assert.equal((await t.api('PATCH', `/role/${role.id}`, { name: 'after' })).name, 'after');
  const [row] = (await t.api('GET', '/log?query=type:admin.role.updated')).results;
  assert.deepEqual([row.data.subject, row.data.fields], [role.id, ['name']]);
  const updates = all.filter(({ id }) => id.endsWith('/update'));
  assert.ok(updates.length > 8, `${updates.length} updates`);
  const none = await t.token('read:logs');
  for (const update of updates)
    for (const token of [undefined, none, other.adminToken, await t.token()]) {
      const [posted, patched] = [await call(token, update), await call(token, { ...update, method: 'PATCH' })];
      assert.deepEqual([patched.status, patched.text], [posted.status, posted.text], update.id);
    }

  const allowed: [method: string, path: string, allow: string][] = [
    ['PUT', `/role/${role.id}`, 'DELETE, GET, HEAD, PATCH, POST'],
    ['PATCH', '/role', 'GET, HEAD, POST'],
    ['PATCH', `/log/${role.id}`, 'GET, HEAD'],
    ['DELETE', '/oauth/token', 'GET, POST'],
    ['GET', '/oauth/revoke', 'POST'],
    ['PUT', '/account/keys/x/revoke?y', 'POST'],
  ];
  for (const [method, path, allow] of allowed) {
    const answer = await w.call(t.origin, undefined, method, path);
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allow], `${method} ${path}: ${answer.text}`);
    assert.equal(answer.body.code, 'method_not_allowed');
  }
  for (const path of ['/nothing', '/role/a/b/c', '/rolex'])
    assert.equal((await w.call(t.origin, undefined, 'PATCH', path)).status, 404, path);
});

test('a user’s token gets what roles grant, and nothing once the user is suspended', async () => {
  const user = await t.user();
  const client = await t.client();
  const [management] = (await t.api('GET', `/api?query=${encodeURIComponent(`identifier:"${t.audience}"`)}`)).results;
  const role = await t.api('POST', '/role', {
    name: 'reader',
    permissions: [{ api: management.id, value: 'read:roles' }],
  });
  await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    audience: t.audience,
    scope: 'openid read:roles read:users',
  });
  const code = (await signIn(agent(), `${t.origin}/authorize?${query}`, user)).searchParams.get('code')!;
  const { body } = await tokenRequest(t, client, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT });
  const token = body.access_token as string;
  for (const operation of all) {
    const answer = await call(token, operation);
    if (operation.permission === 'read:roles') assert.ok(answer.status < 403 || answer.status === 404, operation.id);
    else assert.deepEqual([answer.status, answer.body?.code], [403, 'insufficient_scope'], operation.id);
  }
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  for (const operation of all) {
    const answer = await call(token, operation);
    assert.deepEqual([answer.status, answer.body?.code], [403, 'user_suspended'], operation.id);
  }
});

test('an expired token opens nothing', async () => {
  const token = await t.token();
  w.clock.advance({ seconds: 86_401 });
  for (const operation of all) assert.equal((await call(token, operation)).status, 401, operation.id);
});
