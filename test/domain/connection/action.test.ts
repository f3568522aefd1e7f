/** Actions: kept and checked for syntax, and never run by being stored. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreed } from '../../kit/contract.ts';
import { assertRefused, world } from '../../kit/index.ts';
import { assertPermissions } from '../../kit/operations.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const CODE = "exports.onExecutePostLogin = async (event, api) => {\n  if (!event.user) api.access.deny('no');\n};\n";
const create = (fields: Record<string, unknown>) =>
  acme.call('POST', '/action', { name: 'Greet', trigger: 'post-login', ...fields });

test('an action is created with what it does not say, listed and deleted', async () => {
  const made = agreed('action/create', await create({ code: CODE }));
  assert.deepEqual([made.trigger, made.code, made.enabled, made.order], ['post-login', CODE, true, 0]);
  const later = agreed(
    'action/create',
    await create({ name: 'Ask', trigger: 'continue', enabled: false, order: 2.5, metadata: { a: 1 } }),
  );
  assert.deepEqual([later.code, later.enabled, later.order, later.metadata], ['', false, 2.5, { a: 1 }]);
  assert.deepEqual(agreed('action/list', await acme.call('GET', '/action')).results, [later, made]);
  for (const query of ['trigger:continue', 'enabled:false', 'name:Ask'])
    assert.deepEqual((await acme.api('GET', `/action?query=${query}`)).results, [later], query);
  assert.deepEqual(agreed('action/get', await acme.call('GET', `/action/${made.id}`)), made);
  assert.deepEqual((await other.api('GET', '/action')).results, []);
  for (const method of ['GET', 'DELETE'])
    assertRefused(await other.call(method, `/action/${made.id}`), 404, 'not_found');
  agreed('action/delete', await acme.call('DELETE', `/action/${made.id}`));
  assertRefused(await acme.call('GET', `/action/${made.id}`), 404, 'not_found');
});

test('code that is not JavaScript is refused with its line', async () => {
  assertRefused(
    await create({ code: 'const a = 1;\nconst b = ;\n' }),
    400,
    'validation',
    /line 2: Unexpected token ';'/,
  );
  const answer = await create({ code: '\n\n}' });
  assert.equal(answer.body.details[0].path, '/code');
  assert.match(answer.body.details[0].message, /line 3/);
  for (const code of ["import fs from 'node:fs';", '`', '('.repeat(5000), 'await 1 1'])
    assertRefused(await create({ code }), 400, 'validation', /code/);
  for (const code of ['', '// nothing', 'throw new Error("stored, not run")', 'process.exit(1)', 'for (;;);'])
    assert.equal((await create({ code })).status, 200, code);
});

test('names, triggers and sizes have their limits', async () => {
  assert.equal((await create({ name: 'x'.repeat(200) })).status, 200);
  assertRefused(await create({ name: 'x'.repeat(201) }), 400, 'validation', /name/);
  assertRefused(await create({ name: undefined }), 400, 'validation', /name/);
  assertRefused(await create({ trigger: undefined }), 400, 'validation', /trigger/);
  assertRefused(await create({ trigger: 'pre-login' }), 400, 'validation', /trigger.*post-login, continue/);
  assert.equal((await create({ code: `//${'x'.repeat(99_998)}` })).status, 200);
  assertRefused(await create({ code: `//${'x'.repeat(99_999)}` }), 400, 'validation', /code/);
  assertRefused(await create({ order: 'first' }), 400, 'validation', /order/);
  assertRefused(await create({ secrets: {} }), 400, 'validation', /secrets/);
});

test('each operation needs its permission, and leaves a row in the log', async () => {
  const { id } = (await create({})).body;
  await assertPermissions(acme, 'read:users', [
    ['read:actions', 'GET', '/action'],
    ['read:actions', 'GET', `/action/${id}`],
    ['create:actions', 'POST', '/action', { name: 'A', trigger: 'continue' }],
    ['delete:actions', 'DELETE', `/action/${id}`],
  ]);
  const types = (await acme.api('GET', '/log?pageSize=20')).results.map(({ type }: { type: string }) => type);
  assert.ok(types.includes('admin.action.created') && types.includes('admin.action.deleted'));
});
