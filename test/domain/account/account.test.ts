/** The rules of accounts and what belongs to them: users, credentials, clients, connections, roles, APIs; and secrets at rest. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { decodeJwt } from 'jose';
import mongoose from 'mongoose';
import * as oidc from 'openid-client';
import { STRATEGIES } from '../../../src/connections/registry.ts';
import { clearEndedSecrets } from '../../../src/domain/client/client-secret.ts';
import { resourcesNotYet } from '../../../src/domain/index.ts';
import { failAt, WRITES } from '../../kit/faults.ts';
import {
  type Answer,
  agent,
  assertRefused,
  introspect,
  REDIRECT,
  revoke,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const MASK = '********';
const unique = (word: string) => `${word}${Math.random().toString(36).slice(2)}`;
type Row = Record<string, unknown> & { id: string };

/* ——— wire shapes ——— */

// biome-ignore lint/suspicious/noExplicitAny: a document is walked as it is
type Json = any;

/** OpenAPI 3.0 spells null differently from JSON Schema; a default of null admits it too. */
function asJsonSchema(node: Json): Json {
  if (Array.isArray(node)) return node.map(asJsonSchema);
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, ...rest } = Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, asJsonSchema(value)]),
  ) as Json;
  return (nullable || rest.default === null) && rest.type ? { anyOf: [rest, { type: 'null' }] } : rest;
}

/** Our own document and the contract's: answers satisfy both. */
async function documents(): Promise<[name: string, document: Json][]> {
  const contract = await readFile(new URL('../../contract/faable.openapi.json', import.meta.url), 'utf8');
  return [
    ['ours', (await w.send(`${acme.origin}/docs/json`)).body],
    ['contract', JSON.parse(contract)],
  ];
}

test('answers have the shape that is documented, and that of the contract', async () => {
  const checks = (await documents()).map(([name, document]) => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    (addFormats as unknown as (ajv: Ajv) => void)(ajv);
    const $id = `https://${name}.example/`;
    ajv.addSchema(asJsonSchema({ $id, components: document.components, paths: document.paths }));
    const pointer = (text: string) =>
      text.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
    return (method: string, path: string, { status, body, text }: Answer<unknown>) => {
      const answers = document.paths[path]?.[method]?.responses;
      assert.ok(answers, `${name} has ${method} ${path}`);
      if (Object.keys(answers).length === 0) return;
      assert.ok(answers[status], `${name}: ${method} ${path} answers ${status}: ${text}`);
      if (!answers[status].content) return;
      const validate = ajv.getSchema(
        `${$id}#/paths/${pointer(path)}/${method}/responses/${status}/content/application~1json/schema`,
      );
      assert.ok(validate, `${name}: the schema of ${method} ${path}`);
      assert.ok(validate(body), `${name}: ${method} ${path}: ${ajv.errorsText(validate.errors)} in ${text}`);
    };
  });
  const call = async (
    method: string,
    path: string,
    id?: string,
    json?: unknown,
    origin = acme.origin,
    token = acme.adminToken,
  ) => {
    const [start, query] = path.split('?');
    const answer = await w.call(origin, token, method.toUpperCase(), path.replace(/\{\w+\}/, id ?? ''), json);
    for (const check of checks) check(method, start!, answer);
    assert.ok(answer.status < 300, `${path}${query ?? ''}: ${answer.text}`);
    return answer.body;
  };

  const rows: Record<string, string> = {};
  const make = async (resource: string, body: object, patch?: object) => {
    const { id } = await call('post', `/${resource}`, undefined, body);
    rows[resource] = id;
    const param = `{${resource}_id}`;
    await call('get', `/${resource}`);
    await call('get', `/${resource}/${param}`, id);
    if (patch) await call('post', `/${resource}/${param}`, id, patch);
    return id as string;
  };
  const user = await make(
    'user',
    { email: `${unique('shape')}@example.com` },
    { name: null, phone: '1', phone_verified: true, suspended: true, address: { country: 'ES', region: null } },
  );
  const client = await make(
    'client',
    { name: 'shape' },
    {
      grants: null,
      client_uri: null,
      refresh_token: { expiration_mode: 'not-expire', infinite_token_lifetime: true, token_lifetime: 60 },
    },
  );
  await make(
    'connection',
    { connection_name: unique('shape'), connection_type: 'github', password_policy: { level: 'low' } },
    { password_policy: null, email_oauth_sync_policy: null, enabled_clients: [client], client_id: null },
  );
  const credential = await make(
    'credentials',
    { user, connection: acme.connection, username: unique('shape'), password: 'Correct-horse-1' },
    { username: unique('shape') },
  );
  await call('post', '/credentials/{credentials_id}/set-password', credential, { password: 'Correct-horse-2' });
  const role = await make('role', { name: unique('shape') }, { description: 'x' });
  await make('rolemember', { role, users: [user] });
  await call('get', '/role/{role_id}/users', role);
  await call('post', '/role/{role_id}/users', role, { users: [user] });
  await make(
    'api',
    { name: 'shape', identifier: `https://${unique('shape')}`, description: 'x', permissions: [{ value: 'a:b' }] },
    { token_lifetime: 60 },
  );
  await call('post', '/client/{client_id}/rotate-secret', client);
  const logs = await call('get', '/log');
  await call('get', '/log/{log_id}', logs.results[0].id);
  for (const path of [
    '/rolemember?expand=role&expand=user',
    '/credentials?expand=user,connection',
    '/log?expand=user&expand=client&expand=connection',
    '/account/current?expand=default_connection',
  ])
    await call('get', path);

  await call('get', '/account');
  await call('get', '/account/current');
  await call('get', '/account/{account_id}', acme.id);
  await call('post', '/account/{account_id}', acme.id, {
    logo_src: null,
    notification_settings: { welcome_email_enabled: false },
  });
  await call('get', '/account/host/{host}', 'acme.localhost');
  await call('get', '/account/keys');
  await call('post', '/account/keys/rotate', undefined, {});
  const operator = await w.operatorToken();
  const { id: account } = await call(
    'post',
    '/account',
    undefined,
    { name: 'Shape', team: 'x' },
    w.originOf(),
    operator,
  );
  await call('delete', '/account/{account_id}', account, undefined, w.originOf(), operator);
  for (const resource of ['rolemember', 'role', 'credentials', 'user', 'api', 'connection', 'client'])
    await call('delete', `/${resource}/{${resource}_id}`, rows[resource]);
});

/* ——— what pretends nothing ——— */

test('what is kept and has no effect yet says so in every answer that has it, in the document, and in the README', async () => {
  const told = (answer: Answer<unknown>) => answer.headers.get('x-not-yet') ?? '';
  const made = async (path: string, body: object) => {
    const answer = await acme.call<Row>('POST', path, body);
    assert.equal(answer.status, 200, answer.text);
    const row = await acme.call('GET', `${path}/${answer.body.id}`);
    const page = await acme.call('GET', `${path}?query=id:${answer.body.id}`);
    for (const other of [row, page]) assert.equal(told(other), told(answer), path);
    return told(answer);
  };
  const { components, paths } = (await documents())[0]![1];
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const marked = new Set<string>();
  for (const { name, title, field, says, what } of resourcesNotYet) {
    const schema = components.schemas[title];
    assert.equal((field === undefined ? schema : schema.properties[field])['x-not-yet'], says, what);
    if (field === undefined) assert.equal(paths[`/${name}`].get['x-not-yet'], says);
    assert.ok(readme.includes(`| ${what} `) && readme.includes(says), `the README says nothing of ${what}`);
    assert.match(says, /^[\x20-\x7e]+$/);
    marked.add(`${name} ${field ?? ''}`);
  }
  const connection = (fields: object) => made('/connection', { connection_name: unique('not-yet'), ...fields });
  for (const { type, ...strategy } of STRATEGIES) {
    const logsIn = 'checkPassword' in strategy || 'sendsCodes' in strategy;
    const settings = type === 'oidc' ? { issuer: 'https://issuer.example.com' } : {};
    const says = await connection({ connection_type: type, ...settings });
    if (logsIn) assert.equal(says, '', type);
    else assert.match(says, /Nobody logs in/, type);
  }
  const policy = { email_oauth_sync_policy: 'always_sync' };
  assert.match(await connection({ connection_type: 'database', ...policy }), /^email_oauth_sync_policy is kept/);
  assert.match(await connection({ connection_type: 'database', scope: ['x'] }), /no provider is asked yet/);
  const action = { name: unique('a'), trigger: 'post-login', code: 'exports.onExecutePostLogin = async () => {};' };
  assert.match(await made('/action', action), /nothing runs them yet/);
  assert.match(await made('/customdomain', { domain: `${unique('d')}.example.com` }), /no such domain is served/);
  assert.equal(told(await acme.call('GET', '/account/current')), '');
  assert.match(told(await acme.call('PATCH', `/account/${acme.id}`, policy)), /^email_oauth_sync_policy is kept/);
  await acme.api('POST', `/account/${acme.id}`, { email_oauth_sync_policy: 'preserve_manual' });
  assert.equal(await made('/role', { name: unique('r') }), '');
  assert.deepEqual([...marked].sort(), [
    'account email_oauth_sync_policy',
    'account token_signature',
    'action ',
    'connection authorize_params',
    'connection connection_type',
    'connection email_oauth_sync_policy',
    'customdomain ',
    'identity ',
  ]);
});

/* ——— credentials ——— */

const connection = (t: TenantHandle, fields: object = {}) =>
  t.api<Row>('POST', '/connection', { connection_name: unique('db'), connection_type: 'database', ...fields });

test('an email and a username are taken once in a connection, whatever their case', async () => {
  const { id: user } = await acme.api('POST', '/user', {});
  const second = await connection(acme);
  const create = (fields: object, t = acme) =>
    t.call<Row>('POST', '/credentials', { user, connection: acme.connection, ...fields });
  const made = await create({ email: 'Zoë@Example.com', username: 'Zoë' });
  assert.equal(made.status, 200, made.text);
  assert.deepEqual([made.body.email, made.body.username], ['zoë@example.com', 'zoë']);
  for (const email of ['zoë@example.com', 'ZOË@EXAMPLE.COM', 'zoe\u0308@example.com'])
    assertRefused(await create({ email }), 409, 'conflict', /email/);
  for (const username of ['zoë', 'ZOË', 'zoe\u0308'])
    assertRefused(await create({ username }), 409, 'conflict', /username/);
  assert.equal((await create({ email: 'zoë@example.com', connection: second.id })).status, 200);
  const elsewhere = await other.api('POST', '/user', {});
  assert.equal(
    (
      await other.call('POST', '/credentials', {
        user: elsewhere.id,
        connection: other.connection,
        email: 'zoë@example.com',
      })
    ).status,
    200,
  );

  const free = await create({ email: 'free@example.com' });
  assertRefused(
    await acme.call('POST', `/credentials/${free.body.id}`, { email: 'ZOË@example.com' }),
    409,
    'conflict',
    /email/,
  );
  assertRefused(
    await acme.call('POST', `/credentials/${free.body.id}`, { username: 'zoë' }),
    409,
    'conflict',
    /username/,
  );
  const renamed = await acme.api('POST', `/credentials/${free.body.id}`, { username: 'Renamed' });
  assert.deepEqual([renamed.email, renamed.username], ['free@example.com', 'renamed']);
  // Rows without one of the two are no conflict with each other.
  assert.equal((await create({ username: unique('u') })).status, 200);
  assert.equal((await create({ username: unique('u') })).status, 200);
  assert.equal((await create({ email: `${unique('e')}@example.com` })).status, 200);
});

test('of 20 that take an email at once exactly one gets it', async () => {
  const { id: user } = await acme.api('POST', '/user', {});
  const email = `${unique('raced')}@example.com`;
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      acme.call('POST', '/credentials', {
        user,
        connection: acme.connection,
        email: n % 2 ? email : email.toUpperCase(),
      }),
    ),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(409)]);
});

test('a credential needs an identifier, and a connection that takes passwords', async () => {
  const { id: user } = await acme.api('POST', '/user', {});
  const social = await acme.api('POST', '/connection', { connection_name: unique('gh'), connection_type: 'github' });
  const create = (fields: object) =>
    acme.call('POST', '/credentials', { user, connection: acme.connection, ...fields });
  assertRefused(await create({}), 400, 'validation', /email.*username/);
  assertRefused(await create({ connection: social.id, username: 'x' }), 422, 'invalid_reference', /connection/);
  for (const email of ['x', '@', 'a@', '@b', 'a b@c', 'a@b@c', 'a@b\r\nBcc: x', '<a@b>', `${'a'.repeat(251)}@b.c`])
    assertRefused(await create({ email }), 400, 'validation', /email/);
  for (const username of ['', 'a b', 'a@b', '\n', 'x'.repeat(151)])
    assertRefused(await create({ username }), 400, 'validation', /username/);
  const made = await acme.api('POST', '/credentials', { user, connection: acme.connection, username: unique('u') });
  for (const field of ['user', 'connection', 'password', 'password_hash'])
    assertRefused(
      await acme.call('POST', `/credentials/${made.id}`, { [field]: 'x' }),
      400,
      'validation',
      new RegExp(`/${field}`),
    );
});

test('roles, permissions, sessions and trail of a user are listed in pages, to whom may read them, and nobody else’s', async () => {
  const [user, bystander, client] = [await acme.user(), await acme.user(), await acme.client()];
  const api = (fields: object) =>
    acme.api('POST', '/api', { name: unique('api'), identifier: `https://${unique('api')}.example`, ...fields });
  const permissions = [{ value: 'read:all', description: 'See all' }, { value: 'delete:all' }];
  const open = await api({ permissions });
  const careful = await api({ permissions, rbac: true });
  const lax = await api({ permissions, rbac: true, enforce_policies: false });
  const role = async (...granted: [api: Row, value: string][]) => {
    const named = granted.map(([{ id }, value]) => ({ api: id, value }));
    const { id } = await acme.api('POST', '/role', { name: unique('role'), permissions: named });
    await acme.api('POST', `/role/${id}/users`, { users: [user.id, bystander.id] });
    return id as string;
  };
  const reader = await role([careful, 'read:all'], [lax, 'unlisted']);
  const second = await role([careful, 'read:all']);
  for (let n = 0; n < 3; n += 1) await tokensOf(acme, client, user);
  await tokensOf(acme, client, bystander);

  /** All rows, two at a time. */
  const listed = async (what: string, id = user.id, query = ''): Promise<Row[]> => {
    const rows: Row[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { results: Row[]; next: string | null } = await acme.api(
        'GET',
        `/user/${id}/${what}?pageSize=2${query}${cursor && `&cursor=${cursor}`}`,
      );
      assert.ok(page.results.length <= 2);
      rows.push(...page.results);
      cursor = page.next;
    }
    return rows;
  };
  const held = await listed('roles', user.id, '&expand=role');
  assert.deepEqual(
    held.map(({ role, user: id }) => [(role as Row).id, id]),
    [second, reader].map((id) => [id, user.id]),
  );
  const effective = new Map((await listed('permissions')).map((row) => [row.api, row]));
  const of = ({ id }: Row) => effective.get(id)?.permissions;
  assert.deepEqual(of(careful), [{ value: 'read:all', description: 'See all', roles: [reader, second].sort() }]);
  assert.deepEqual(of(lax), [{ value: 'unlisted', roles: [reader] }]);
  assert.deepEqual(
    of(open),
    permissions.map((permission) => ({ ...permission, roles: [] })),
  );
  // As a token has it.
  const { tokens } = await tokensOf(acme, client, user, {
    scope: 'openid read:all delete:all',
    audience: careful.identifier,
  });
  assert.equal(decodeJwt(tokens.access_token).scope, 'openid read:all');

  const sessions = await listed('sessions');
  assert.equal(sessions.length, 4);
  assert.equal(new Set(sessions.map(({ id }) => id)).size, 4);
  const times = sessions.map(({ last_used_at }) => String(last_used_at));
  assert.deepEqual(times, times.toSorted().reverse());
  for (const { amr, clients, logged_in_at } of sessions)
    assert.deepEqual([amr, clients, typeof logged_in_at], [['pwd'], [client.client_id], 'string']);
  assertRefused(await acme.call('GET', `/user/${user.id}/sessions?cursor=x`), 400, 'invalid_cursor');
  const trail = await listed('logs');
  assert.ok(trail.length >= 4 && trail.every((row) => row.user === user.id));

  for (const what of ['roles', 'permissions', 'sessions', 'logs']) {
    assertRefused(await other.call('GET', `/user/${user.id}/${what}`), 404, 'not_found');
    assertRefused(await acme.call('GET', `/user/${user.id}/${what}?made_up=1`), 400, 'validation', /made_up/);
  }
  // What is beyond the asker's permissions is not in the answer either.
  const few = await acme.token('read:rolemembers read:roles');
  const asFew = (path: string) => w.call(acme.origin, few, 'GET', `/user/${user.id}/${path}`);
  assertRefused(await asFew('permissions'), 403, 'insufficient_scope', /read:apis/);
  assert.equal((await asFew('roles?expand=role')).status, 200);
  assertRefused(await asFew('roles?expand=user'), 403, 'insufficient_scope', /read:users/);
  await acme.api('POST', `/user/${user.id}`, { suspended: true });
  assert.deepEqual(await listed('sessions'), []);
  for (const { id } of [open, careful, lax]) await acme.api('DELETE', `/api/${id}`);
});

test('a user is made with a password in one call: with what a credential wants, or not at all', async () => {
  const password = 'Correct-horse-1';
  const make = (fields: object, t = acme) => t.call<Row>('POST', '/user', fields);
  const mine = (email: string) => acme.api('GET', `/user?query=email:"${email}"`).then(({ results }) => results.length);
  const [email, second] = [`${unique('one')}@example.com`, await connection(acme)];
  const racers = await Promise.all(
    [email, email.toUpperCase(), email].map((address) => make({ email: address, name: 'Ada', password })),
  );
  assert.deepEqual(racers.map(({ status }) => status).sort(), [200, 409, 409]);
  for (const lost of racers.filter(({ status }) => status === 409)) assertRefused(lost, 409, 'email_taken');
  assert.equal(await mine(email), 1, 'who lost left nothing');
  const made = racers.find(({ status }) => status === 200)!;
  assert.ok(!made.text.includes('password') && !made.text.includes('horse'));
  const user = { id: made.body.id, email, password, credential: '' };
  assert.ok((await tokensOf(acme, await acme.client(), user)).tokens.access_token);
  const [row] = (await acme.api('GET', `/credentials?query=user:${user.id}`)).results;
  assert.deepEqual([row.connection, row.email], [acme.connection, email]);

  // An address that somebody logs in with is taken, whether or not a password comes along; at another connection it is not.
  assertRefused(await make({ email }), 409, 'email_taken');
  assertRefused(await make({ email: email.toUpperCase(), password }), 409, 'email_taken');
  assert.equal((await make({ email, password, connection: second.id })).status, 200);
  const named = await make({ username: unique('u'), password, connection: String(second.connection_name) });
  assert.equal(named.status, 200, named.text);
  assert.equal((await make({ email, password }, other)).status, 200);

  const social = await acme.api('POST', '/connection', { connection_name: unique('gh'), connection_type: 'github' });
  const theirs = await connection(other);
  const fresh = () => `${unique('none')}@example.com`;
  const refused: [object, number, string, RegExp][] = [
    [{ email: fresh(), password: 'short' }, 400, 'password_policy', /./],
    [{ email: fresh(), password, user_metadata: { $a: 1 } }, 400, 'validation', /user_metadata/],
    [{ email: fresh(), password, name: '\u202egnp.exe' }, 400, 'validation', /name/],
    [{ name: 'Nobody', password }, 400, 'validation', /email/],
    [{ email: fresh(), connection: acme.connection }, 400, 'validation', /connection.*password/],
    [{ email: fresh(), password, connection: social.id }, 422, 'invalid_reference', /connection/],
    [{ email: fresh(), password, connection: theirs.id }, 422, 'invalid_reference', /connection/],
    [{ email: fresh(), password, connection: 'nothing' }, 422, 'invalid_reference', /connection/],
  ];
  const count = () => mongoose.connection.db!.collection('credentials').countDocuments({ account: acme.id });
  const before = await count();
  for (const [fields, status, code, message] of refused) assertRefused(await make(fields), status, code, message);
  const few = await acme.token('create:users');
  const beyond = await w.call(acme.origin, few, 'POST', '/user', { email: fresh(), password });
  assertRefused(beyond, 403, 'insufficient_scope', /create:credentials/);
  assert.equal((await w.call(acme.origin, few, 'POST', '/user', { email: fresh() })).status, 200);
  assert.equal(await count(), before, 'what was refused left no credential');

  // Killed before the user is written: the address is nobody's, and is free again.
  const lost = fresh();
  const killed = failAt(1, WRITES, (what) => what === 'save users' || what === 'insert users');
  const cut = await make({ email: lost, password });
  killed.restore();
  assert.equal(cut.status, 500, cut.text);
  w.clock.advance({ seconds: 61 });
  assert.equal((await make({ email: lost, password })).status, 200);
  assert.equal(await mine(lost), 1);
});

const LONG = 'aB3'.repeat(400);
const POLICIES: [policy: Record<string, unknown> | null, good: string[], bad: string[]][] = [
  [{ level: 'none' }, ['x', ' ', 'é'], ['', LONG]],
  [{ level: 'low' }, ['aaaaaa', '👪👪👪👪👪👪'], ['aaaaa', '👪👪👪', '']],
  [{ level: 'fair' }, ['Abcdefh1', 'Ñandúes1'], ['Abcdef1', 'abcdefg1', 'ABCDEFG1', 'Abcdefgh']],
  [
    { level: 'good' },
    ['Abcdefh1', 'abcdef1!', 'ABCDEF1!', 'Abcdefg!'],
    ['Abcdef1', 'abcdefg1', 'abcdefgh', '12345678', 'Abcdefgh'],
  ],
  [null, ['Abcdefh1'], ['abcdefg1', 'Abcdef1']],
  [{ level: 'excellent' }, ['Abcdefghi1', 'Aabbcc112!'], ['Abcdefgh1', 'Abcdefghij', 'Aaabbbccc1']],
  [{ level: 'none', min_length: 4, require_number: true }, ['abc1', '1234'], ['abc', 'abcd']],
  [{ level: 'fair', require_uppercase: false, require_special: true }, ['abcdef1!'], ['abcdefg1', 'Abcdefg1']],
  [{ level: 'good', min_length: 12 }, ['Abcdefghijk1'], ['Abcdefghij1']],
];

test('a password meets the policy of its connection, or is refused with what is missing', async () => {
  for (const [policy, good, bad] of POLICIES) {
    const { id: user } = await acme.api('POST', '/user', {});
    const { id } = await connection(acme, policy ? { password_policy: policy } : {});
    const credential = await acme.api('POST', '/credentials', { user, connection: id, username: 'x' });
    const set = (password: string) => acme.call('POST', `/credentials/${credential.id}/set-password`, { password });
    for (const password of good)
      assert.equal((await set(password)).status, 200, `${JSON.stringify(policy)} ${password}`);
    for (const password of bad) {
      const refused = await set(password);
      if (password.length > 1024) assertRefused(refused, 400, 'validation', /password/);
      else assertRefused(refused, 400, 'password_policy', /\w/);
      assert.ok(password === '' || !refused.text.includes(password));
    }
    const username = unique('u');
    assertRefused(
      await acme.call('POST', '/credentials', { user, connection: id, username, password: bad[0] }),
      400,
      'password_policy',
    );
    assert.equal(
      (await acme.call('POST', '/credentials', { user, connection: id, username, password: good[0] })).status,
      200,
    );
  }
});

test('a password that leaked elsewhere is refused, in any case of its letters, unless the policy takes it', async () => {
  const policies: [policy: Record<string, unknown> | null, password: string, taken: boolean][] = [
    [null, 'Abcdefg1', false],
    [{ level: 'good' }, '1QAZ2wsx', false],
    [{ level: 'good' }, '1qaz2wsX-', true],
    [{ level: 'low' }, 'trustno1', false],
    [{ level: 'none' }, '123456', true],
    [{ level: 'none', allow_breached: false }, '123456', false],
    [{ level: 'good', allow_breached: true }, '1QAZ2wsx', true],
  ];
  for (const [policy, password, taken] of policies) {
    const { id: user } = await acme.api('POST', '/user', {});
    const { id } = await connection(acme, policy ? { password_policy: policy } : {});
    const answer = await acme.call('POST', '/credentials', { user, connection: id, username: unique('u'), password });
    if (taken) assert.equal(answer.status, 200, `${JSON.stringify(policy)} ${password}`);
    else assertRefused(answer, 400, 'password_breached', /leaked elsewhere/);
    assert.ok(!answer.text.includes(password));
  }
});

test('setting a password ends sessions and refresh tokens, is logged, and shows no password', async () => {
  const user = await acme.user();
  const bystander = await acme.user();
  const client = await acme.client();
  const scope = { scope: 'openid offline_access' };
  const { tokens, config, visit } = await tokensOf(acme, client, user, scope);
  const kept = await tokensOf(acme, client, bystander, scope);
  const silent = async (browser: typeof visit) => {
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: REDIRECT,
      scope: 'openid',
      prompt: 'none',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    });
    return new URL((await browser(url.href)).location!).searchParams;
  };
  assert.ok((await silent(visit)).has('code'));

  const set = await acme.call('POST', `/credentials/${user.credential}/set-password`, { password: 'Another-horse-2' });
  assert.equal(set.status, 200);
  assert.ok(!set.text.includes('horse') && !set.text.includes('password'));
  const listed = await acme.call('GET', `/credentials?query=user:${user.id}`);
  assert.ok(!listed.text.includes('password') && !listed.text.includes('$2'));

  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token!), { error: 'invalid_grant' });
  assert.equal((await silent(visit)).get('error'), 'login_required');
  assert.ok((await oidc.refreshTokenGrant(config, kept.tokens.refresh_token!)).access_token);
  assert.ok((await silent(kept.visit)).has('code'));

  await assert.rejects(tokensOf(acme, client, user), 'the old password is over');
  assert.ok((await tokensOf(acme, client, { ...user, password: 'Another-horse-2' })).tokens.access_token);
  const { results } = await acme.api('GET', `/log?query=type:credential.password_changed user:${user.id}`);
  assert.equal(results.length, 1);
  assert.deepEqual(results[0].data, { credential: user.credential, initiated_by: 'admin' });
  assert.deepEqual((await other.api('GET', `/log?query=user:${user.id}`)).results, []);
});

/* ——— users ——— */

test('a new email or phone is unverified unless the same patch says otherwise', async () => {
  const created = await acme.api('POST', '/user', { email: 'First@Example.com', email_verified: true, phone: '1' });
  assert.deepEqual(
    [created.email, created.email_verified, created.email_verified_method],
    ['first@example.com', true, 'manual'],
  );
  assert.ok(Math.abs(Date.parse(created.email_verified_at) - Date.now()) < 60_000);
  const patch = (fields: object) => acme.api('POST', `/user/${created.id}`, fields);

  const same = await patch({ email: 'FIRST@example.com', name: 'x' });
  assert.deepEqual(
    [same.email_verified, same.email_verified_at],
    [true, created.email_verified_at],
    'the same address is no change',
  );
  const changed = await patch({ email: 'second@example.com' });
  assert.deepEqual(
    [changed.email, changed.email_verified, changed.email_verified_method, changed.email_verified_at],
    ['second@example.com', false, null, null],
  );
  const both = await patch({ email: 'third@example.com', email_verified: true });
  assert.deepEqual([both.email_verified, both.email_verified_method], [true, 'manual']);
  const cleared = await patch({ email_verified: false });
  assert.deepEqual(
    [cleared.email_verified, cleared.email_verified_method, cleared.email_verified_at],
    [false, null, null],
  );
  const flipped = await patch({ email_verified: true });
  assert.deepEqual([flipped.email_verified, flipped.email_verified_method], [true, 'manual']);
  const gone = await patch({ email: null });
  assert.deepEqual([gone.email, gone.email_verified], [null, false]);

  const phone = await patch({ phone_verified: true });
  assert.deepEqual([phone.phone_verified, phone.phone_verified_method], [true, 'manual']);
  const moved = await patch({ phone: '2' });
  assert.deepEqual([moved.phone_verified, moved.phone_verified_method, moved.phone_verified_at], [false, null, null]);
  for (const field of [
    'email_verified_method',
    'email_verified_at',
    'logins_count',
    'last_ip',
    'suspended_at',
    'email_change_locked_at',
  ])
    assertRefused(
      await acme.call('POST', `/user/${created.id}`, { [field]: null }),
      400,
      'validation',
      new RegExp(`/${field} is not known`),
    );
});

test('of changes of one address at once none leaves the new address verified', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { id } = await acme.api('POST', '/user', { email: 'a@example.com', email_verified: true });
    const answers = await Promise.all(
      ['b@example.com', 'a@example.com', 'c@example.com', 'a@example.com'].map((email) =>
        w.call(acme.origin, acme.adminToken, 'POST', `/user/${id}`, { email }),
      ),
    );
    // Who saw an address that is not there any more is told so.
    for (const { status, text } of answers) assert.ok(status === 200 || status === 409, text);
    const { email, email_verified } = await acme.api('GET', `/user/${id}`);
    // Whichever was last: if the address ever moved away and back, nobody has proved it since.
    assert.equal(email_verified, false, email);
  }
});

test('suspending stamps, ends sessions and refresh tokens and stops logins; reinstating clears', async () => {
  const user = await acme.user();
  const client = await acme.client();
  const { tokens, config } = await tokensOf(acme, client, user, { scope: 'openid offline_access' });
  const suspended = await acme.api('POST', `/user/${user.id}`, { suspended: true, suspended_reason: 'spam' });
  assert.deepEqual([suspended.suspended, suspended.suspended_reason], [true, 'spam']);
  assert.ok(Math.abs(Date.parse(suspended.suspended_at) - Date.now()) < 60_000);
  const again = await acme.api('POST', `/user/${user.id}`, { suspended: true });
  assert.equal(again.suspended_at, suspended.suspended_at, 'the first time counts');
  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token!), { error: 'invalid_grant' });
  const info = await userinfo(acme, tokens.access_token);
  assert.equal(info.status, 401);
  await assert.rejects(tokensOf(acme, client, user));
  assert.deepEqual(
    (await acme.api('GET', '/user?query=suspended:true')).results.map(({ id }: Row) => id).includes(user.id),
    true,
  );

  const back = await acme.api('POST', `/user/${user.id}`, { suspended: false });
  assert.deepEqual([back.suspended, back.suspended_at, back.suspended_reason], [false, null, null]);
  assert.ok((await tokensOf(acme, client, user)).tokens.access_token);
});

test('a change of a user’s metadata is laid over it: the first level, where null removes; of many at once all happen', async () => {
  const { id } = await acme.api('POST', '/user', { user_metadata: { theme: 'dark', deep: { a: 1, b: 2 }, old: 1 } });
  const change = (user_metadata: object) => acme.api('POST', `/user/${id}`, { user_metadata });
  const changed = await change({ deep: { c: 3 }, old: null, new: [null] });
  assert.deepEqual(changed.user_metadata, { theme: 'dark', deep: { c: 3 }, new: [null] });
  assert.deepEqual((await acme.api('POST', `/user/${id}`, { name: 'Ada' })).user_metadata, changed.user_metadata);
  await Promise.all(Array.from({ length: 10 }, (_, n) => change({ [`k${n}`]: n })));
  assert.equal(Object.keys((await acme.api('GET', `/user/${id}`)).user_metadata).length, 13);
  const full = await acme.call('POST', `/user/${id}`, { user_metadata: { more: 'x'.repeat(16_300) } });
  assert.equal(full.status, 400, 'what is there counts');
  const app = await acme.api('POST', `/user/${id}`, { app_metadata: { plan: 'pro' } });
  assert.deepEqual([app.app_metadata, Object.keys(app.user_metadata).length], [{ plan: 'pro' }, 13]);
});

const nested = (depth: number): unknown => (depth ? { a: nested(depth - 1) } : 1);

test('metadata is bounded in size and depth, and has names that a database can hold', async () => {
  const { id: user } = await acme.api('POST', '/user', {});
  const { id: role } = await acme.api('POST', '/role', { name: unique('meta') });
  const { id: api } = await acme.api('POST', '/api', { name: 'meta', identifier: unique('https://meta') });
  const places: [path: string, field: string, more?: object][] = [
    [`/user/${user}`, 'user_metadata'],
    ['/user', 'app_metadata'],
    [`/role/${role}`, 'metadata'],
    ['/client', 'metadata', { name: 'x' }],
    ['/connection', 'metadata', { connection_name: unique('x'), connection_type: 'oidc' }],
    [`/api/${api}`, 'metadata'],
    [`/account/${acme.id}`, 'metadata'],
  ];
  const bad: object[] = [
    { a: 'x'.repeat(16_400) },
    nested(9) as object,
    { $where: '1' },
    { a: [{ $gt: '' }] },
    { 'a.b': 1 },
    { a: { 'b.c': 1 } },
    { _bsontype: 'ObjectId' },
    { a: { _bsontype: 'Code', code: 'x' } },
  ];
  const good: object[] = [
    {},
    nested(8) as object,
    { a: 'x'.repeat(16_000) },
    { a$b: 1, '': 2, constructor: 'x', toString: 1, _id: 'x', length: 0, 'ñ 🎉': [1, null, true] },
  ];
  for (const [path, field, more] of places) {
    const send = (value: unknown) => acme.call<Row>('POST', path, { ...more, [field]: value });
    for (const value of bad) assertRefused(await send(value), 400, 'validation', new RegExp(field));
    for (const value of ['x', 1, [], null, true])
      assertRefused(await send(value), 400, 'validation', new RegExp(field));
    for (const value of good) {
      // A user's is laid over what is there.
      if (path.startsWith('/user/')) await acme.api('POST', path, { [field]: { a: null } });
      const kept = await send(value);
      assert.equal(kept.status, 200, `${path} ${JSON.stringify(value).slice(0, 80)}: ${kept.text}`);
      assert.deepEqual(kept.body[field], value);
      if (path === '/connection') await acme.api('DELETE', `/connection/${kept.body.id}`);
    }
  }
  assert.deepEqual((await acme.api('GET', `/user/${user}`)).user_metadata, good.at(-1));
  const huge = await w.send(`${acme.origin}/user/${user}`, {
    method: 'POST',
    body: '{"user_metadata":{"n":1e400}}',
    headers: { authorization: `Bearer ${acme.adminToken}`, 'content-type': 'application/json' },
  });
  assertRefused(huge, 400, 'validation', /user_metadata\/n/);
});

/** Names of the collections with a row that mentions the text. */
async function holding(text: string): Promise<string[]> {
  const names: string[] = [];
  for (const collection of await mongoose.connection.db!.collections()) {
    const rows = await collection.find({}).toArray();
    if (rows.some((row) => JSON.stringify(row).includes(text))) names.push(collection.collectionName);
  }
  return names.sort();
}

test('deleting a user takes along what would let them in; a role goes with its grants', async () => {
  const user = await acme.user();
  const role = await acme.api('POST', '/role', { name: unique('cascade') });
  const bystander = await acme.user();
  await acme.api('POST', `/role/${role.id}/users`, { users: [user.id, bystander.id] });
  const client = await acme.client();
  const { tokens, config } = await tokensOf(acme, client, user, { scope: 'openid offline_access' });
  assert.deepEqual(await holding(user.id), ['credentials', 'logs', 'protocol', 'rolemembers', 'users']);
  await acme.api('DELETE', `/user/${user.id}`);
  assert.deepEqual(await holding(user.id), ['logs']);
  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token!), { error: 'invalid_grant' });
  await assert.rejects(tokensOf(acme, client, user));
  // The address is free again.
  const again = await acme.user({ email: user.email });
  assert.notEqual(again.id, user.id);

  assert.deepEqual(
    (await acme.api('GET', `/role/${role.id}/users`)).results.map(({ user }: Row) => user),
    [bystander.id],
  );
  await acme.api('DELETE', `/role/${role.id}`);
  assert.deepEqual((await acme.api('GET', `/rolemember?query=user:${bystander.id}`)).results, []);
});

/* ——— roles ——— */

test('granting a role twice is one grant, also at once; one unknown user grants nobody', async () => {
  const users = await Promise.all([acme.user(), acme.user(), acme.user()]);
  const ids = users.map(({ id }) => id);
  const role = await acme.api('POST', '/role', { name: unique('granted') });
  const grant = (body: object) => acme.call<Row[]>('POST', `/role/${role.id}/users`, body);
  const holders = async () =>
    (await acme.api('GET', `/role/${role.id}/users`)).results.map(({ user }: Row) => user).sort();
  assertRefused(await grant({ users: [...ids, 'user_000000000000000000000000'] }), 422, 'invalid_reference', /users/);
  assert.deepEqual(await holders(), []);
  const answers = await Promise.all(Array.from({ length: 10 }, () => grant({ users: ids })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array(10).fill(200),
  );
  assert.deepEqual(await holders(), ids.toSorted());
  for (const { body } of answers)
    assert.deepEqual(
      body.map(({ id }) => id),
      answers[0]!.body.map(({ id }) => id),
      'the same rows',
    );
  assert.equal((await grant({ users: [ids[0], ids[0]] })).body.length, 1);
  assertRefused(await grant({ users: [] }), 400, 'validation', /users/);
  assertRefused(await grant({}), 400, 'validation', /users is required/);
  assertRefused(await acme.call('POST', '/rolemember', { users: ids }), 400, 'validation', /role/);
});

/* ——— connections, APIs, accounts ——— */

test('the default connection stays until another is the default', async () => {
  const t = await w.tenant('Defaults');
  assertRefused(await t.call('DELETE', `/connection/${t.connection}`), 409, 'protected', /default/);
  assertRefused(await t.call('POST', `/account/${t.id}`, { default_connection: null }), 409, 'protected', /default/);
  const second = await connection(t);
  assert.equal(
    (await t.api('POST', `/account/${t.id}`, { default_connection: second.id })).default_connection,
    second.id,
  );
  assertRefused(await t.call('DELETE', `/connection/${second.id}`), 409, 'protected');
  const { id: user } = await t.api('POST', '/user', {});
  const credential = await t.api('POST', '/credentials', { user, connection: t.connection, username: 'x' });
  await t.api('DELETE', `/connection/${t.connection}`);
  assertRefused(await t.call('GET', `/credentials/${credential.id}`), 404, 'not_found');
  assert.equal((await t.api('GET', '/account/current?expand=default_connection')).default_connection.id, second.id);
});

test('a connection keeps its type, says whether it uses shared credentials, and its maps hold text', async () => {
  const made = await acme.api('POST', '/connection', { connection_name: unique('gh'), connection_type: 'github' });
  assert.equal(made.is_using_default_credentials, true);
  const own = await acme.api('POST', `/connection/${made.id}`, { client_id: 'mine', client_secret: 'theirs' });
  assert.deepEqual([own.is_using_default_credentials, own.client_id], [false, 'mine']);
  assert.equal(
    (await acme.api('POST', `/connection/${made.id}`, { enabled: false })).is_using_default_credentials,
    false,
  );
  assert.equal(
    (await acme.api('POST', `/connection/${made.id}`, { client_id: null, client_secret: null }))
      .is_using_default_credentials,
    true,
  );
  assert.equal((await connection(acme)).is_using_default_credentials, false);
  const refused: [field: string, value: unknown][] = [
    ['connection_type', 'oidc'],
    ['is_using_default_credentials', true],
    ['issuer', 'javascript:alert(1)'],
    ['jwks_url', '//evil.example'],
    ['token_url', 'https://user:pass@x'],
    ['authorize_params', { a: 1 }],
    ['authorize_params', { 'a\nb': { $gt: '' } }],
    ['claims_mapping', { a: null }],
    ['authorize_params', { $where: 'x' }],
    ['enabled_clients', 'all'],
    ['password_policy', { level: 'great' }],
    ['password_policy', { min_length: 8 }],
    ['password_policy', { level: 'good', min_length: 0 }],
  ];
  for (const [field, value] of refused)
    assertRefused(
      await acme.call('POST', `/connection/${made.id}`, { [field]: value }),
      400,
      'validation',
      new RegExp(field),
    );
  const mapped = await acme.api('POST', `/connection/${made.id}`, {
    authorize_params: { 'a\nb': 'x', hd: 'example.com' },
  });
  assert.deepEqual(mapped.authorize_params, { 'a\nb': 'x', hd: 'example.com' });
});

test('the management API belongs to the system', async () => {
  const [api] = (await acme.api('GET', `/api?query=identifier:"${acme.audience}"`)).results;
  assertRefused(await acme.call('DELETE', `/api/${api.id}`), 409, 'protected', /management API/);
  for (const patch of [{ permissions: [] }, { rbac: false }, { enforce_policies: false }, { signing_alg: 'RS256' }])
    assertRefused(await acme.call('POST', `/api/${api.id}`, patch), 409, 'protected', /management API/);
  assert.equal((await acme.api('POST', `/api/${api.id}`, { token_lifetime: 3600 })).token_lifetime, 3600);
});

test('an Api keeps its identifier, which is unique; its slug comes from the name, also for many at once', async () => {
  const identifier = unique('https://once');
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => acme.call('POST', '/api', { name: 'Same Name', identifier })),
  );
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(7).fill(409)]);
  for (const { status, body } of answers)
    if (status === 409) assert.deepEqual((body as Json).details, { fields: ['identifier'] });
  const made = answers.find(({ status }) => status === 200)!.body as unknown as Row;
  assertRefused(
    await acme.call('POST', `/api/${made.id}`, { identifier: 'https://x' }),
    400,
    'validation',
    /identifier is not known/,
  );
  const namesakes = await Promise.all(
    Array.from({ length: 8 }, () => acme.api('POST', '/api', { name: 'Same Name', identifier: unique('https://n') })),
  );
  const slugs = [made, ...namesakes].map(({ slug }) => slug);
  assert.equal(new Set(slugs).size, 9);
  for (const slug of slugs) assert.match(slug, /^same-name(-\d+)?$/);
  assert.equal((await acme.api('GET', '/api?q=same-name')).results.length, 9);
  await other.api('POST', '/api', { name: 'Same Name', identifier });

  const refused: object[] = [
    { token_lifetime: 59 },
    { token_lifetime: 2_592_001 },
    { token_lifetime: 60.5 },
    { token_lifetime: '60' },
    { permissions: [{ value: 'a b' }] },
    { permissions: [{ value: '"' }] },
    { permissions: [{}] },
    { token_dialect: 'jwt' },
    { signing_alg: 'none' },
  ];
  for (const patch of refused)
    assertRefused(
      await acme.call('POST', `/api/${made.id}`, patch),
      400,
      'validation',
      new RegExp(Object.keys(patch)[0]!),
    );
});

test('account settings change one by one', async () => {
  const before = await acme.api('GET', '/account/current');
  const patch = (fields: object) => acme.call<Row>('POST', `/account/${acme.id}`, fields);
  const changed = await patch({ notification_settings: { verify_email_auto_send: true } });
  assert.deepEqual(changed.body.notification_settings, {
    ...before.notification_settings,
    verify_email_auto_send: true,
  });
  const named = await patch({ name: 'Acme Renamed' });
  assert.deepEqual([named.body.name, named.body.slug], ['Acme Renamed', before.slug]);
  assert.equal((await patch({ enabled_locales: ['es'] })).status, 200);
  const refused: object[] = [
    { enabled_locales: ['xx'] },
    { enabled_locales: [] },
    { logo_src: 'javascript:x' },
    { branding: { primary_color: 'red;}' } },
    { slug: 'other' },
    { token_signature: 'x' },
    { root: true },
    { team: 'x' },
    { revision: 1 },
    { callback_hostnames: ['a/b'] },
    { email_change_verification_mode: 'none' },
  ];
  for (const fields of refused)
    assertRefused(await patch(fields), 400, 'validation', new RegExp(Object.keys(fields)[0]!));
  assert.equal((await other.api('GET', '/account/current')).name, 'Other');
});

test('two changes of an account at once both happen', async () => {
  const t = await w.tenant('Twice');
  for (const value of [true, false]) {
    const patches = [{ welcome_email_enabled: value }, { verify_email_auto_send: value }];
    await Promise.all(
      patches.map((notification_settings) => t.api('POST', `/account/${t.id}`, { notification_settings })),
    );
    const { notification_settings } = await t.api('GET', '/account/current');
    assert.deepEqual(notification_settings, { welcome_email_enabled: value, verify_email_auto_send: value });
  }
});

test('two changes of an account that do not go together do not both happen', async () => {
  const t = await w.tenant('Apart');
  const change = (session_settings: object) => t.call('POST', `/account/${t.id}`, { session_settings });
  for (let round = 0; round < 10; round += 1) {
    await change({ idle_lifetime: 3600, absolute_lifetime: 7200 });
    const answers = await Promise.all([change({ idle_lifetime: 7000 }), change({ absolute_lifetime: 4000 })]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    const { idle_lifetime, absolute_lifetime } = (await t.api('GET', '/account/current')).session_settings;
    assert.ok(idle_lifetime <= absolute_lifetime, `${idle_lifetime} of ${absolute_lifetime}`);
  }
});

test('a row that is deleted is not left behind in the lists of others', async () => {
  const [gone, kept] = [await acme.client(), await acme.client()];
  const { id } = await connection(acme, { enabled_clients: [gone.id, kept.id] });
  await acme.api('DELETE', `/client/${gone.id}`);
  const { enabled_clients } = await acme.api('GET', `/connection/${id}`);
  assert.deepEqual(enabled_clients, [kept.id]);
  assert.equal(
    (await acme.call('POST', `/connection/${id}`, { enabled_clients })).status,
    200,
    'what was read can be sent back',
  );
  await acme.api('DELETE', `/client/${kept.id}`);
  assert.deepEqual((await acme.api('GET', `/connection/${id}`)).enabled_clients, [], 'nobody, and not everybody');

  const make = () =>
    acme.api('POST', '/api', { name: 'x', identifier: unique('https://gone'), permissions: [{ value: 'a' }] });
  const [lost, left] = [await make(), await make()];
  const both = [lost.id, left.id];
  const role = await acme.api('POST', '/role', {
    name: unique('r'),
    permissions: both.map((api) => ({ api, value: 'a' })),
  });
  const client = await acme.client({ grants: both.map((api) => ({ api, scope: ['a'] })) });
  await acme.api('DELETE', `/api/${lost.id}`);
  assert.deepEqual((await acme.api('GET', `/role/${role.id}`)).permissions, [{ api: left.id, value: 'a' }]);
  assert.deepEqual((await acme.api('GET', `/client/${client.id}`)).grants, [{ api: left.id, scope: ['a'] }]);
});

/* ——— clients ——— */

test('callbacks and logout URLs are addresses to go back to, and nothing else', async () => {
  const good = [
    'https://app.example.com/cb?x=1',
    'http://localhost:3000',
    'com.example.app:/cb',
    'myapp://cb',
    'http://127.0.0.1/cb',
    'http://[::1]/cb',
    'https://app.example.com/%0d%0a',
  ];
  const bad = [
    '//evil.example',
    '/cb',
    'cb',
    '',
    'javascript:alert(1)',
    'JavaScript:alert(1)',
    'java\nscript:x',
    'data:text/html,x',
    'file:///etc/passwd',
    'blob:https://x/y',
    'vbscript:x',
    'about:blank',
    'https://x/#f',
    'https://x/cb#',
    'https://u:p@x/',
    'https://u@x/',
    'https://x/\r\nSet-Cookie: a=b',
    'https://x y/',
    'https://*.example.com/',
    'https:\\\\x',
    'http:',
    'https://',
    'https:evil.example',
    'https:/evil.example',
    'https:///evil.example',
    ' https://x/',
  ];
  for (const field of ['callbacks', 'logout_urls']) {
    const made = await acme.api('POST', '/client', { name: 'x', [field]: good });
    assert.deepEqual(made[field], good);
    for (const url of bad) {
      const refused = await acme.call('POST', '/client', { name: 'x', [field]: [url] });
      assert.deepEqual(
        [refused.status, refused.body && (refused.body as Json).code],
        [400, 'validation'],
        `${field} ${url}`,
      );
      assert.match((refused.body as Json).message, new RegExp(field));
      assertRefused(
        await acme.call('POST', `/client/${made.id}`, { [field]: [good[0], url] }),
        400,
        'validation',
        new RegExp(field),
      );
    }
    assert.deepEqual((await acme.api('GET', `/client/${made.id}`))[field], good);
  }
  for (const origin of ['https://x/', 'https://x/path', '*', 'null', 'x', 'https://*.x'])
    assertRefused(
      await acme.call('POST', '/client', { name: 'x', web_origins: [origin] }),
      400,
      'validation',
      /web_origins/,
    );
  for (const fields of [{ client_secret: 'mine' }, { client_id: 'mine' }, { id: 'mine' }])
    assertRefused(await acme.call('POST', '/client', { name: 'x', ...fields }), 400, 'validation', /is not known/);
});

const tryClient = (client: { client_id: string; client_secret: string }) =>
  tokenRequest(acme, client, { grant_type: 'client_credentials' });

test('rotating a secret ends the old one at once', async () => {
  const client = await acme.client();
  assert.equal((await tryClient(client)).status, 200);
  const rotated = await acme.api('POST', `/client/${client.id}/rotate-secret`);
  assert.notEqual(rotated.client_secret, client.client_secret);
  assert.ok(rotated.client_secret.length >= 43);
  const old = await tryClient(client);
  assert.deepEqual([old.status, old.body.error], [401, 'invalid_client']);
  assert.equal((await tryClient(rotated)).status, 200);

  const answers = await Promise.all(
    Array.from({ length: 5 }, () => acme.api('POST', `/client/${client.id}/rotate-secret`)),
  );
  const works = await Promise.all(answers.map(async (answer) => (await tryClient(answer)).status));
  assert.deepEqual(works.sort(), [200, 401, 401, 401, 401]);
  await acme.api('DELETE', `/client/${client.id}`);
  for (const answer of answers) assert.equal((await tryClient(answer)).body.error, 'invalid_client');
});

test('a secret that is rotated with an overlap works beside the new one until the time that is told, and not after', async () => {
  const client = await acme.client({ grant_types: ['client_credentials'] });
  const path = `/client/${client.id}`;
  const rotate = (json?: object) => acme.call('POST', `${path}/rotate-secret`, json);
  const old = client.client_secret;
  const secrets = async () => (await acme.api('GET', path)).secrets;
  /** The short way, and what only the engine answers. */
  const works = async (client_secret: string) => {
    const shown = { client_id: client.client_id, client_secret };
    const answers = [await tryClient(shown), await revoke(acme, shown, 'nothing'), await introspect(acme, shown, 'x')];
    assert.equal(new Set(answers.map(({ status }) => status)).size, 1, answers.map(({ text }) => text).join());
    return answers[0]!.status === 200;
  };
  for (const overlap_seconds of [-1, 2_592_001, 0.5, '60'])
    assertRefused(await rotate({ overlap_seconds }), 400, 'validation', /overlap_seconds/);
  assert.deepEqual(await secrets(), [{ state: 'current', expires_at: null }]);

  const racers = await Promise.all([1, 2, 3].map(() => rotate({ overlap_seconds: 600 })));
  assert.deepEqual(racers.map(({ status }) => status).sort(), [200, 409, 409]);
  const rotated = racers.find(({ status }) => status === 200)!.body;
  const until = new Date(Date.now() + 600_000);
  const [, previous] = await secrets();
  assert.ok(Math.abs(Date.parse(previous.expires_at) - until.getTime()) < 60_000);
  assert.ok(!JSON.stringify(await acme.api('GET', path)).includes(old), 'the old one is not shown again');
  assertRefused(await rotate({ overlap_seconds: 60 }), 409, 'conflict', new RegExp(previous.expires_at));
  assert.deepEqual([await works(old), await works(rotated.client_secret)], [true, true]);
  w.clock.advance({ seconds: 601 });
  assert.deepEqual([await works(old), await works(rotated.client_secret)], [false, true]);
  const kept = () => mongoose.connection.db!.collection('clients').findOne({ _id: client.id as never });
  assert.ok(!JSON.stringify(await kept()).includes(rotated.client_secret));
  await clearEndedSecrets();
  assert.equal((await kept())!.previous_secret, undefined);

  // Ended at once: by itself, by a rotation without overlap, and with the right to a secret at all.
  const end = (t: TenantHandle = acme) => t.call('DELETE', `${path}/previous-secret`);
  for (const how of [end, () => rotate(), () => acme.call('POST', path, { token_endpoint_auth_method: 'none' })]) {
    const before = (await rotate({ overlap_seconds: 600 })).body.client_secret;
    const now = (await rotate({ overlap_seconds: 0 })).body.client_secret;
    assert.deepEqual([await works(before), await works(now)], [false, true]);
    await rotate({ overlap_seconds: 600 });
    assert.equal(await works(now), true);
    assert.equal((await how()).status, 200);
    assert.equal(await works(now), false);
  }
  assert.deepEqual(await secrets(), []);
  assertRefused(await end(other), 404, 'not_found');
  const narrow = await acme.token('read:clients');
  assertRefused(
    await w.call(acme.origin, narrow, 'DELETE', `${path}/previous-secret`),
    403,
    'insufficient_scope',
    /update:clients/,
  );
  await acme.api('DELETE', path);
});

test('a secret is shown to its maker, to whom may read it, and masked to everybody else', async () => {
  const few = await acme.token(
    'read:clients update:clients create:clients read:connections update:connections create:connections read:accounts',
  );
  const as = (method: string, path: string, json?: unknown) => w.call(acme.origin, few, method, path, json);
  const client = (await as('POST', '/client', { name: unique('masked') })).body;
  assert.equal((await tryClient(client)).status, 200, 'the maker sees it once');
  for (const answer of [
    await as('GET', `/client/${client.id}`),
    await as('POST', `/client/${client.id}`, { description: 'x' }),
  ])
    assert.equal(answer.body.client_secret, MASK);
  const listed = await as('GET', '/client?pageSize=200');
  assert.ok(listed.body.results.every(({ client_secret }: Row) => client_secret === MASK));
  assert.equal((await acme.api('GET', `/client/${client.id}`)).client_secret, client.client_secret);
  assert.ok(
    (await acme.api('GET', '/client?pageSize=200')).results.some(
      ({ client_secret }: Row) => client_secret === client.client_secret,
    ),
  );
  const rotated = (await as('POST', `/client/${client.id}/rotate-secret`)).body;
  assert.equal((await tryClient(rotated)).status, 200);

  const made = (
    await as('POST', '/connection', {
      connection_name: unique('masked'),
      connection_type: 'oidc',
      client_secret: 'upstream',
    })
  ).body;
  assert.equal(made.client_secret, MASK);
  // Sent back as it was shown, the mask is not the new secret.
  assert.equal(
    (await as('POST', `/connection/${made.id}`, { client_secret: MASK, enabled: false })).body.client_secret,
    MASK,
  );
  assert.equal((await acme.api('GET', `/connection/${made.id}`)).client_secret, 'upstream');
  await as('POST', `/connection/${made.id}`, { client_secret: null });
  assert.equal((await as('GET', `/connection/${made.id}`)).body.client_secret, null);
  assert.equal((await as('GET', '/account/current')).body.token_signature, MASK);
  assert.notEqual((await acme.api('GET', '/account/current')).token_signature, MASK);
});

/* ——— at rest ——— */

test('nothing in the database can be used: no secret, token, code, cookie, password or private key', async () => {
  const secrets = new Map<string, string>();
  const note = (what: string, value: string | null | undefined) =>
    void (value && value.length > 7 && secrets.set(value, `${secrets.get(value) ?? ''} ${what}`));
  const realFetch = globalThis.fetch;
  globalThis.fetch = async (...args) => {
    const response = await realFetch(...args);
    for (const line of response.headers.getSetCookie()) {
      const [name, value] = line.split(/[=;]/);
      // Names the connection that was used last, and opens nothing.
      if (name !== 'cardea_way') note(`cookie ${name}`, value);
    }
    const location = response.headers.get('location');
    if (location) note('code', new URL(location, 'http://x').searchParams.get('code'));
    return response;
  };
  try {
    const user = await acme.user();
    note('password', user.password);
    const client = await acme.client();
    const { tokens, config, visit } = await tokensOf(acme, client, user, { scope: 'openid offline_access' });
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token!);
    for (const set of [tokens, refreshed]) {
      note('access token', set.access_token);
      note('refresh token', set.refresh_token);
      note('id token', set.id_token);
    }
    // A flow that is still open, and a code that nobody took.
    const url = (prompt: string) =>
      oidc.buildAuthorizationUrl(config, {
        redirect_uri: REDIRECT,
        scope: 'openid',
        prompt,
        code_challenge: 'x'.repeat(43),
        code_challenge_method: 'S256',
      }).href;
    await visit(url('login'));
    await visit(url('none'));
    await agent()(url('login'));
    note('client secret', client.client_secret);
    note('management secret', acme.admin.client_secret);
    note('operator secret', w.operator.secret);
    note('management token', acme.adminToken);
    note('token signature', (await acme.api('GET', '/account/current')).token_signature);
    await connection(acme, { client_secret: 'an upstream client secret' });
    note('upstream secret', 'an upstream client secret');
    await acme.api('POST', `/credentials/${user.credential}/set-password`, { password: 'A-second-password-9' });
    note('second password', 'A-second-password-9');
  } finally {
    globalThis.fetch = realFetch;
  }
  const seen = [...secrets.values()].join(',');
  for (const what of [
    'password',
    'client secret',
    'code',
    'access token',
    'refresh token',
    'cookie cardea_sess',
    'cookie cardea_flow',
  ])
    assert.ok(seen.includes(what), `the flow had a ${what}: ${seen}`);

  let rows = 0;
  for (const collection of await mongoose.connection.db!.collections()) {
    for (const row of await collection.find({}).toArray()) {
      rows += 1;
      const text = JSON.stringify(row);
      for (const [secret, what] of secrets) {
        assert.ok(!text.includes(secret), `${collection.collectionName} holds the ${what}: ${text}`);
        const [signature] = secret.split('.').slice(-1);
        if (secret.startsWith('eyJ'))
          assert.ok(!text.includes(signature!), `${collection.collectionName} holds the signature of the ${what}`);
      }
      assert.ok(!/PRIVATE KEY/.test(text) && !/"d":/.test(text), `${collection.collectionName} holds a private key`);
    }
  }
  assert.ok(rows > 50, `${rows} rows were looked at`);
});

test('an account that is older than a setting has what the setting starts as', async () => {
  const t = await w.tenant();
  const fresh = await t.api('GET', `/account/${t.id}`);
  const newer = ['enabled_locales', 'branding', 'icon_src', 'session_settings', 'oauth_settings'];
  const { modifiedCount } = await mongoose.connection
    .collection('accounts')
    .updateOne({ _id: t.id } as never, { $unset: Object.fromEntries(newer.map((field) => [field, 1])) });
  assert.equal(modifiedCount, 1);
  // Notices what changed, as another instance's change is noticed.
  await t.api('POST', `/account/${t.id}`, { name: fresh.name });
  const shown = await t.api('GET', `/account/${t.id}`);
  for (const field of newer) assert.deepEqual(shown[field], fresh[field], field);
  const page = await w.send(`${t.origin}/`, { headers: { accept: 'text/html', 'accept-language': 'es' } });
  assert.match(page.text, /lang="es"/);
});
