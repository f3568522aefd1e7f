/**
 * References as the specs have them, walked: what becomes of every row that refers to one which goes, also when the removal
 * is killed before any of its steps, and that nothing can be made to refer to what is not there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asTenant } from '../../src/kernel/context.ts';
import type { Reference } from '../../src/resource/define.ts';
import { type AnyCollection, collections, type Dependent, dependentsOf } from '../../src/resource/registry.ts';
import { schemaAt } from '../../src/resource/storage.ts';
import { failAt, interrupt, WRITES } from '../kit/faults.ts';
import { assertRefused, type Json, type TenantHandle, world } from '../kit/index.ts';
import { ROWS } from '../suites/rows.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
let count = 0;
const unique = (word: string) => `${word}${++count}`;

type AnyRow = { id: string } & Record<string, unknown>;
const tenantOf = (t: TenantHandle) => asTenant({ id: t.id } as never, '');

/** A value that the schema takes. */
function sample(schema: Json): unknown {
  const concrete = schema.anyOf?.find(({ type }: Json) => type !== 'null') ?? schema;
  if (concrete.enum) return concrete.enum[0];
  switch (concrete.type) {
    case 'boolean':
      return false;
    case 'number':
    case 'integer':
      return concrete.minimum ?? 1;
    case 'array':
      return [];
    case 'object':
      return Object.fromEntries(
        (concrete.required ?? []).map((field: string) => [field, sample(concrete.properties[field])]),
      );
    default:
      return concrete.format === 'date-time' ? new Date(Date.now() + 3_600_000) : unique('sample');
  }
}

/** A row with what has to be there, straight into the database: no rule but the specs' is looked at here. */
function insert(collection: AnyCollection, fields: Record<string, unknown> = {}): Promise<AnyRow> {
  const { row, stored } = collection.spec;
  const required = [row, stored].flatMap((part) =>
    (part?.required ?? []).map((field: string) => [
      field,
      field === 'email' ? `${unique('sample')}@example.com` : sample(part!.properties[field]),
    ]),
  );
  return collection.create(tenantOf(acme), { ...Object.fromEntries(required), ...fields });
}

/** The field with references to these rows, as its schema holds them. */
function referring({ collection, field, reference }: Dependent, to: readonly AnyRow[]): Record<string, unknown> {
  const held = (row: AnyRow) => {
    const value = reference.match ? reference.match(row as never) : row.id;
    // Of a range the first value in it.
    return typeof value === 'object' ? `${(value as { $gte: string }).$gte}x` : value;
  };
  return { [field.split('.')[0]!]: shaped({ collection, field }, to.map(held)) };
}

/** Values of references as the field at the head of the path holds them. */
function shaped({ collection, field }: Pick<Dependent, 'collection' | 'field'>, values: unknown[]): unknown {
  const [head, ...inner] = field.split('.') as [string, ...string[]];
  const schema = schemaAt(collection.spec, head) as Json;
  const list = [schema, ...(schema.anyOf ?? [])].find(({ type }) => type === 'array');
  if (inner.length) return values.map((value) => ({ ...(sample(list.items) as object), [inner.join('.')]: value }));
  return list ? values : values[0];
}

const targets = collections().filter(({ spec }) => spec.scope !== 'root' && dependentsOf(spec.name).length > 0);
const dependentRows = (name: string) => dependentsOf(name).filter(({ collection }) => collection.spec.scope !== 'root');

/** One that goes and one that stays, each with a row for every field of every resource that refers to it. */
async function scene(target: AnyCollection) {
  const [gone, stays] = [await insert(target), await insert(target)];
  const rows = [];
  for (const dependent of dependentRows(target.spec.name)) {
    const { collection } = dependent;
    rows.push({
      dependent,
      of: await insert(collection, referring(dependent, [gone])),
      other: await insert(collection, referring(dependent, [stays])),
    });
  }
  return { gone, stays, rows };
}

/** Whether everything is as the specs have it once the row is gone. */
async function assertGone(target: AnyCollection, { gone, stays, rows }: Awaited<ReturnType<typeof scene>>) {
  const t = tenantOf(acme);
  assert.equal(await target.find(t, gone.id), undefined);
  assert.ok(await target.find(t, stays.id), 'the other one stays');
  for (const { dependent, of, other } of rows) {
    const { collection, field, reference } = dependent;
    const at = `${collection.spec.name}.${field}`;
    const left = (await collection.find(t, of.id)) as AnyRow | undefined;
    assert.deepEqual(await collection.find(t, other.id), other, `${at} of another row`);
    if (reference.gone === 'remove') assert.equal(left, undefined, at);
    else if (reference.gone === 'keep') assert.deepEqual(left, of, at);
    else {
      assert.ok(left, at);
      const [head] = field.split('.') as [string];
      assert.deepEqual(left[head] ?? null, Array.isArray(of[head]) ? [] : null, at);
    }
  }
}

/** Audit rows and the mark for other instances come when the row has gone. */
const isStep = (command: string) => !/ (logs|changes)$/.test(command);

for (const target of targets) {
  const { name } = target.spec;
  const refusing = dependentsOf(name).filter(({ reference }) => reference.gone === 'refuse');

  test(`${name}: what refers to a deleted row goes, forgets it or stays, as its spec says`, async () => {
    const made = await scene(target);
    await acme.api('DELETE', `/${name}/${made.gone.id}`);
    await assertGone(target, made);
  });

  test(`${name}: a deletion that is killed before any of its steps can be repeated`, async () => {
    let steps: readonly string[] = [];
    for (let n = 1; ; n += 1) {
      const made = await scene(target);
      const fault = failAt(n, WRITES, isStep);
      const answer = await acme.call('DELETE', `/${name}/${made.gone.id}`);
      fault.restore();
      if (fault.refused.length === 0) {
        steps = fault.passed;
        await assertGone(target, made);
        break;
      }
      assert.equal(answer.status, 500, `${fault.refused[0]}: ${answer.text}`);
      if (await target.find(tenantOf(acme), made.gone.id)) await acme.api('DELETE', `/${name}/${made.gone.id}`);
      // It goes last; all that was left to do is to look once more for what was made meanwhile.
      else assert.ok(fault.passed.includes(`findAndModify ${target.spec.collection}`), `${fault.refused[0]}`);
      await assertGone(target, made);
    }
    const changing = dependentRows(name).filter(({ reference }) => reference.gone !== 'keep');
    assert.ok(steps.length > changing.length, `each of its steps was one: ${steps.join(', ')}`);
  });

  for (const { collection, field, reference } of refusing)
    test(`${name}: a row that ${collection.spec.name}.${field} names is kept, with the reason`, async () => {
      const gone = await insert(target);
      const value = reference.match ? reference.match(gone as never) : gone.id;
      const before = await collection.model.findOneAndUpdate({ _id: acme.id }, { $set: { [field]: value } }).lean();
      assertRefused(await acme.call('DELETE', `/${name}/${gone.id}`), 409, 'protected');
      assert.ok(await target.find(tenantOf(acme), gone.id));
      const [head] = field.split('.') as [string];
      await collection.model.updateOne({ _id: acme.id }, { $set: { [head]: (before as Json)[head] } });
      await acme.api('DELETE', `/${name}/${gone.id}`);
    });
}

/* ——— at the same time ——— */

const MEANWHILE = ['user', 'connection'] as const;

for (const to of MEANWHILE) {
  const rowOf = async () => {
    const database = { connection_name: unique('database'), connection_type: 'database' };
    const of = { user: await ROWS.user!(acme), connection: (await acme.api('POST', '/connection', database)).id };
    return { of, body: { ...of, username: `late${of.user.slice(-8)}`, password: 'Correct-horse-1' } };
  };
  const left = async (id: string) => (await acme.api('GET', `/credentials?query=${to}:${id}`)).results;

  test(`${to}: a credential that is made while it goes, goes along`, async () => {
    const { of, body } = await rowOf();
    // A connection is disabled first, which is a change of the same kind.
    if (to === 'connection') await acme.api('POST', `/connection/${of.connection}`, { enabled: false });
    let made = 0;
    const race = interrupt({ name: 'findAndModify', collection: `${to}s` }, async () => {
      made = (await acme.call('POST', '/credentials', body)).status;
    });
    await acme.api('DELETE', `/${to}/${of[to]}`);
    assert.deepEqual([race.times, made], [1, 200]);
    assert.deepEqual(await left(of[to]), []);
  });

  test(`${to}: a credential that was checked before it went, and made after, is refused`, async () => {
    const { of, body } = await rowOf();
    const race = interrupt({ name: 'insert', collection: 'credentials' }, () => acme.api('DELETE', `/${to}/${of[to]}`));
    const answer = await acme.call('POST', '/credentials', body);
    assert.equal(race.times, 1);
    assertRefused(answer, 422, 'invalid_reference');
    assert.deepEqual(await left(of[to]), []);
    const again = { ...body, ...(to === 'user' ? { user: await ROWS.user!(acme) } : { connection: acme.connection }) };
    await acme.api('POST', '/credentials', again);
  });
}

const newApi = () =>
  acme.api('POST', '/api', {
    name: 'A',
    identifier: unique('https://a'),
    permissions: [{ value: 'x' }, { value: 'y' }],
  });
const newDatabase = () =>
  acme.api('POST', '/connection', { connection_name: unique('d'), connection_type: 'database' });

test('a client, a role’s member, a team’s member that was checked before what it names went, and made after, is refused', async () => {
  const api = await newApi();
  const [user, role, team] = [await ROWS.user!(acme), await ROWS.role!(acme), await ROWS.team!(acme)];
  for (const [collection, gone, path, body, left] of [
    ['clients', `/api/${api.id}`, '/client', { name: unique('late'), grants: [{ api: api.id, scope: [] }] }, '/client'],
    ['rolemembers', `/role/${role}`, '/rolemember', { role, users: [user] }, `/rolemember?query=user:${user}`],
    ['teammembers', `/team/${team}`, '/teammember', { team, users: [user] }, `/teammember?query=user:${user}`],
  ] as const) {
    const race = interrupt({ name: 'insert', collection }, () => acme.api('DELETE', gone));
    assertRefused(await acme.call('POST', path, body), 422, 'invalid_reference');
    assert.equal(race.times, 1);
    const rows = (await acme.api('GET', left)).results.filter(
      ({ name }: Json) => !name || name === (body as Json).name,
    );
    assert.deepEqual(rows, [], path);
  }
});

test('what a change names, and what goes before it is written, is forgotten', async () => {
  const [stays, goes] = [await newApi(), await newApi()];
  const client = await acme.client({ grants: [] });
  const grants = [stays, goes].map(({ id }) => ({ api: id, scope: ['x'] }));
  const race = interrupt({ name: 'findAndModify', collection: 'clients' }, () => acme.api('DELETE', `/api/${goes.id}`));
  const changed = await acme.api('POST', `/client/${client.id}`, { grants });
  assert.equal(race.times, 1);
  assert.deepEqual(changed.grants, [grants[0]]);
  assert.deepEqual((await acme.api('GET', `/client/${client.id}`)).grants, [grants[0]]);
});

test('an account’s default that goes while it is made the default is not the default', async () => {
  const account = () => acme.api('GET', `/account/${acme.id}`);
  const before = (await account()).default_connection;
  const [connections, apis] = [
    [await newDatabase(), await newDatabase()],
    [await newApi(), await newApi()],
  ];
  const set = (body: object) => acme.api('POST', `/account/${acme.id}`, body);
  const toConnection = (id: string) => set({ default_connection: id });
  const toAudience = (default_audience: string | null) => set({ oauth_settings: { default_audience } });

  // The removal comes between the check and the write.
  for (const [name, change] of [
    [`/connection/${connections[0]!.id}`, () => toConnection(connections[0]!.id)],
    [`/api/${apis[0]!.id}`, () => toAudience(apis[0]!.identifier)],
  ] as const) {
    const race = interrupt({ name: 'update', collection: 'accounts' }, () => acme.api('DELETE', name));
    await change();
    assert.equal(race.times, 1, name);
  }
  assert.equal((await acme.call('GET', `/connection/${(await account()).default_connection}`)).status, 200);
  assert.equal((await account()).oauth_settings.default_audience, null);
  await toConnection(before);
  // The change comes between the check of the removal and its end.
  for (const [name, collection, change] of [
    [`/connection/${connections[1]!.id}`, 'connections', () => toConnection(connections[1]!.id)],
    [`/api/${apis[1]!.id}`, 'apis', () => toAudience(apis[1]!.identifier)],
  ] as const) {
    const race = interrupt({ name: 'findAndModify', collection }, change);
    await acme.api('DELETE', name);
    assert.equal(race.times, 1, name);
  }
  const after = await account();
  assert.equal((await acme.call('GET', `/connection/${after.default_connection}`)).status, 200);
  assert.equal(after.oauth_settings.default_audience, null);
  await toConnection(before);
});

/* ——— permissions that an Api has ——— */

test('a write that names a permission which the Api does not have is refused, by its name', async () => {
  const api = await newApi();
  const easy = await acme.api('POST', '/api', { name: 'E', identifier: unique('https://e'), enforce_policies: false });
  const [management] = await acme.managementGrants([]);
  const role = await acme.api('POST', '/role', { name: unique('r') });
  const client = await acme.client();
  const writes = (id: string, value: string): [string, object][] => [
    ['/role', { name: unique('r'), permissions: [{ api: id, value }] }],
    [`/role/${role.id}`, { permissions: [{ api: id, value }] }],
    ['/client', { name: 'c', grants: [{ api: id, scope: [value] }] }],
    [`/client/${client.id}`, { grants: [{ api: id, scope: [value] }] }],
  ];
  for (const [id, value] of [
    [api.id, 'z'],
    [management!.api, 'fly:kites'],
    [management!.api, 'create:accounts'],
  ] as const)
    for (const [path, body] of writes(id, value))
      assertRefused(await acme.call('POST', path, body), 422, 'invalid_reference', new RegExp(`"${value}"`));
  for (const [id, value] of [
    [api.id, 'x'],
    [easy.id, 'z'],
    [management!.api, 'read:users'],
  ] as const)
    for (const [path, body] of writes(id, value)) assert.equal((await acme.call('POST', path, body)).status, 200, path);
});

test('what is listed twice is once: permissions of an Api, of a role, of a grant, and grants of one Api', async () => {
  const twice = [{ value: 'x', description: 'First' }, { value: 'y' }, { value: 'x', description: 'Second' }];
  const once = [{ value: 'x', description: 'First' }, { value: 'y' }];
  const api = await acme.api('POST', '/api', { name: 'A', identifier: unique('https://a'), permissions: twice });
  assert.deepEqual(api.permissions, once);
  assert.deepEqual((await acme.api('POST', `/api/${api.id}`, { permissions: twice })).permissions, once);
  const [x, y] = [
    { api: api.id, value: 'x' },
    { api: api.id, value: 'y' },
  ];
  const role = await acme.api('POST', '/role', { name: unique('r'), permissions: [x, y, x] });
  assert.deepEqual(role.permissions, [x, y]);
  assert.deepEqual((await acme.api('POST', `/role/${role.id}`, { permissions: [y, y] })).permissions, [y]);
  const grants = [
    { api: api.id, scope: ['x', 'x'] },
    { api: api.id, scope: ['y'] },
  ];
  const client = await acme.client({ grants });
  assert.deepEqual(client.grants, [{ api: api.id, scope: ['x', 'y'] }]);
  assert.deepEqual((await acme.api('POST', `/client/${client.id}`, { grants: [grants[0]] })).grants, [
    { api: api.id, scope: ['x'] },
  ]);
});

/* ——— what is not there ——— */

const document = (await w.send(`${w.originOf()}/docs/json`)).body as Json;
const resolved = (schema: Json): Json =>
  schema?.$ref ? resolved(document.components.schemas[schema.$ref.split('/').at(-1)]) : schema;
const bodyAt = (path: string): Json =>
  resolved(document.paths[path]?.post?.requestBody?.content['application/json'].schema);

/** Ids that the tenant has no row of: one of nobody, and one of another tenant. */
const strangers = async (name: string) => [`${name}_${'0'.repeat(24)}`, await ROWS[name]!(other)];

/** A body for a new row in which every reference is in order. */
async function validBody({ spec }: AnyCollection, path: string): Promise<Record<string, unknown>> {
  const body = sample(bodyAt(path)) as Record<string, unknown>;
  for (const [field, { to }] of Object.entries<Reference>(spec.references ?? {})) {
    const id = to === 'connection' ? acme.connection : await ROWS[to]!(acme);
    body[field.split('.')[0]!] = shaped({ collection: { spec } as AnyCollection, field }, [id]);
  }
  if ('account' in body) body.account = acme.id;
  if ('users' in body) body.users = [await ROWS.user!(acme)];
  const taken = Object.keys(bodyAt(path).properties);
  return Object.fromEntries(Object.entries(body).filter(([name]) => taken.includes(name)));
}

for (const collection of collections())
  for (const [field, { to, gone, find }] of Object.entries<Reference>(collection.spec.references ?? {})) {
    const { name } = collection.spec;
    const [head] = field.split('.') as [string];
    const [many, one] = [`/${name}`, `/${name}/{${name}_id}`];
    // Accounts are the operator's to make.
    const paths = collection.spec.scope === 'root' ? [one] : [many, one];
    const bodies = paths.filter((path) => bodyAt(path)?.properties?.[head]);
    if (gone === 'keep' || find || bodies.length === 0) continue;

    test(`${name}: ${field} may name a ${to} of the tenant and no other`, async () => {
      const id = name === 'account' ? acme.id : await ROWS[name]!(acme);
      for (const path of bodies)
        for (const stranger of await strangers(to)) {
          const valid = path === many ? await validBody(collection, path) : {};
          const body = { ...valid, [head]: shaped({ collection, field }, [stranger]) };
          const answer = await acme.call('POST', path.replace(/\{.*\}/, id), body);
          assertRefused(answer, 422, 'invalid_reference', new RegExp(`"${head}"`));
          assert.equal((answer.body as Json).details[0].path, `/${head}`);
        }
    });
  }
