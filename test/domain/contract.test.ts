/**
 * The management operations of the wire contract, each called for real: the answer is validated against the contract's
 * schema, required fields are required, unknown ones refused where the contract closes the body, parameters have effect.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreed, contract } from '../kit/contract.ts';
import { listen, world } from '../kit/index.ts';
import { png } from '../kit/picture.ts';

const w = await world();
const t = await w.tenant('Contract');
const operator = await w.operatorToken();
const logo = await listen();
logo.serve((_, response) => response.end(png(16, 16)));

// biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document is walked, not typed
type Json = any;

const MANAGEMENT = new Set([
  'account',
  'connection',
  'client',
  'user',
  'identity',
  'credentials',
  'role',
  'rolemember',
  'team',
  'teammember',
  'api',
  'action',
  'notificationsubscription',
  'log',
  'customdomain',
]);

type Operation = { id: string; method: string; path: string; operation: Json };
const operations: Operation[] = Object.entries<Json>(contract.paths).flatMap(([path, item]) =>
  Object.entries<Json>(item)
    .filter(([, operation]) => operation.tags?.some((tag: string) => MANAGEMENT.has(tag)) && operation.security)
    .map(([method, operation]) => ({ id: operation.operationId, method: method.toUpperCase(), path, operation })),
);

/* ——— one of everything, and a body for every write ——— */

const user = await t.user({ name: 'Ada Lovelace' });
const spare = await t.user();
const make = async (path: string, body: unknown): Promise<string> => (await t.api('POST', path, body)).id;
let made = 0;
const unique = (word: string) => {
  made += 1;
  return `${word}${made}`;
};
const role = await make('/role', { name: 'keeper', description: 'keeps' });
const team = await make('/team', { name: 'Keepers' });
const github = await make('/connection', { connection_name: 'github', connection_type: 'github' });

/** Bodies that the contract's schemas accept; made anew at each call, so that unique fields stay unique. */
const bodies: Record<string, () => Record<string, unknown>> = {
  'account/create': () => ({ name: unique('Made'), team: 'team_contract' }),
  'account/update': () => ({
    logo_src: logo.origin,
    notification_settings: { welcome_email_enabled: true },
  }),
  'account/rotateKeys': () => ({}),
  'connection/create': () => ({
    connection_name: unique('oidc-'),
    connection_type: 'oidc',
    issuer: 'https://issuer.example.com',
    client_id: 'x',
    scope: ['openid'],
  }),
  'connection/update': () => ({ enabled: true, enabled_clients: [], scope: ['openid'] }),
  'client/create': () => ({ name: unique('App '), callbacks: ['https://app.example.com/cb'], metadata: { tier: 1 } }),
  'client/update': () => ({
    description: 'changed',
    refresh_token: { expiration_mode: 'expire', infinite_token_lifetime: false, token_lifetime: 3600 },
  }),
  'user/create': () => ({ email: `${unique('made')}@example.com`, name: 'Made', user_metadata: { theme: 'dark' } }),
  'user/update': () => ({ given_name: 'Changed', locale: null }),
  'identity/create': () => ({
    account: t.id,
    user: user.id,
    identity_id: unique('gh-'),
    connection: github,
    profile_data: { login: 'ada' },
    access_token: 'token',
  }),
  'credentials/create': () => ({ user: spare.id, connection: t.connection, email: `${unique('login')}@example.com` }),
  'credentials/update': () => ({ email: `${unique('login')}@example.com` }),
  'credentials/setPassword': () => ({ password: 'Another-horse-2' }),
  'role/create': () => ({ name: unique('role '), description: 'made' }),
  'role/update': () => ({ description: 'changed' }),
  'role/assign_users': () => ({ users: [user.id] }),
  'rolemember/create': () => ({ users: [spare.id], role }),
  'team/create': () => ({ name: unique('Team ') }),
  'team/update': () => ({ description: 'changed' }),
  'team/addMembers': () => ({ users: [user.id], roles: [role] }),
  'team/invite': () => ({ email: `${unique('guest')}@example.com` }),
  'teammember/create': () => ({ users: [spare.id], team }),
  'api/create': () => ({
    name: unique('Api '),
    identifier: `https://${unique('api')}.example.com`,
    permissions: [{ value: 'read:things' }],
  }),
  'api/update': () => ({ description: 'changed', token_lifetime: 600 }),
  'action/create': () => ({
    name: unique('action'),
    trigger: 'post-login',
    code: 'exports.onExecutePostLogin = async () => {};',
  }),
  'notificationsubscription/create': () => ({
    events: ['user.created'],
    channel: 'email',
    config: { recipients: ['a@example.com'] },
  }),
  'notificationsubscription/update': () => ({ active: false }),
  'customdomain/create': () => ({ domain: `${unique('login')}.example.com` }),
};

const removable = async (id: string): Promise<string> => {
  const [resource] = id.split('/');
  const path = resource === 'team' ? '/team' : `/${resource}`;
  const body = bodies[`${resource}/create`]!();
  return (
    (resource === 'rolemember' && (await make('/rolemember', { users: [(await t.user()).id], role }))) ||
    (resource === 'teammember' && (await make('/teammember', { users: [(await t.user()).id], team }))) ||
    make(path, body)
  );
};

/** Ids for the path of an operation; what deletes gets a row of its own. */
async function idsFor({ id, path, method }: Operation): Promise<Record<string, string>> {
  const fixed: Record<string, string> = {
    account_id: t.id,
    user_id: user.id,
    role_id: role,
    team_id: team,
    credentials_id: user.credential,
  };
  const ids: Record<string, string> = {};
  for (const [, name] of path.matchAll(/\{(\w+)\}/g)) {
    if (id === 'account/delete')
      ids[name!] = (await w.call(w.originOf(), operator, 'POST', '/account', bodies['account/create']!())).body.id;
    else if (name === 'ticket_id')
      ids[name] =
        (await t.api('GET', `/team/${team}/invite`)).data[0]?.id ??
        (await t.api('POST', `/team/${team}/invite`, bodies['team/invite']!())).id;
    else if (name === 'log_id') ids[name] = (await t.api('GET', '/log')).results[0].id;
    else if (method === 'DELETE' && path.endsWith(`{${name}}`)) ids[name!] = await removable(id);
    else ids[name!] = fixed[name!] ?? (await removable(id));
  }
  return ids;
}

const fill = (path: string, ids: Record<string, string>) =>
  path.replace(/\{(\w+)\}/g, (_whole, name: string) => ids[name]!);
const OPERATOR_ONLY = new Set(['account/create', 'account/delete']);
const call = (id: string, method: string, path: string, body?: unknown) =>
  OPERATOR_ONLY.has(id) ? w.call(w.originOf(), operator, method, path, body) : t.call(method, path, body);

// Logins leave rows that the log can expand.
await t.api('POST', `/credentials/${user.credential}/set-password`, { password: 'Yet-another-horse-3' });
// A team needs an open invitation for the operations on one.
await t.api('POST', `/team/${team}/invite`, bodies['team/invite']!());

/** Federation refreshes provider tokens, the DNS check lets a domain be retried: tested with their own fixtures. */
const ELSEWHERE = new Set(['identity/getProviderToken', 'customdomain/retry']);

test('the contract has the management operations that this test knows how to call', () => {
  assert.ok(operations.length > 70, String(operations.length));
  for (const { id, operation } of operations) if (operation.requestBody) assert.ok(bodies[id], `no body for ${id}`);
});

for (const target of operations) {
  const { id, method, path, operation } = target;
  const schema = operation.requestBody?.content?.['application/json']?.schema;

  test(`${id}: ${method} ${path}`, async () => {
    const document = (await w.send(`${w.originOf()}/docs/json`)).body as Json;
    const ours = document.paths[path]?.[method.toLowerCase()];
    assert.ok(ours, 'is documented');
    assert.equal(ours.operationId, id);
    for (const tag of operation.tags) assert.ok(ours.tags.includes(tag), `tag ${tag}`);
    for (const { name, in: place } of operation.parameters ?? [])
      assert.ok(
        ours.parameters?.some((parameter: Json) => parameter.name === name && parameter.in === place),
        `parameter ${name}`,
      );
    if (ELSEWHERE.has(id)) return;

    const status = Number(Object.keys(operation.responses)[0] ?? 200);
    const answer = await call(id, method, fill(path, await idsFor(target)), bodies[id]?.());
    if (operation.responses[status]?.content) agreed(id, answer, status);
    else assert.equal(answer.status, status, answer.text);
  });

  if (!schema) continue;

  test(`${id} requires what the contract requires and refuses what it does not know`, async () => {
    const alternatives: Json[] = schema.anyOf ?? [schema];
    const body = bodies[id]!();
    const closed = alternatives.every(({ additionalProperties }) => additionalProperties === false);
    const required: string[] = alternatives[0].required ?? [];
    const at = fill(path, await idsFor(target));
    for (const field of required) {
      const { [field]: _left, ...rest } = body;
      const answer = await call(id, method, at, rest);
      assert.equal(answer.status, 400, `${field}: ${answer.text}`);
      assert.match(answer.text, new RegExp(field));
    }
    if (!closed) return;
    const answer = await call(id, method, at, { ...body, surprise: 1 });
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.text, /surprise/);
  });
}

const lists = operations.filter(
  ({ method, operation }) => method === 'GET' && operation.parameters?.some(({ name }: Json) => name === 'pageSize'),
);

for (const target of lists) {
  const { id, path, operation } = target;
  const names = new Set<string>(operation.parameters.map(({ name }: Json) => name));
  if (id === 'team/checkMember') continue;

  test(`${id}: every documented query parameter has an effect`, async () => {
    if (bodies[id.replace('list', 'create')] && id !== 'account/list')
      for (let n = 0; n < 2; n += 1) await removable(id);
    const at = fill(path, await idsFor(target));
    const get = async (query: Record<string, string> = {}) => {
      const answer = await call(
        id === 'account/list' ? 'account/create' : id,
        'GET',
        `${at}?${new URLSearchParams(query)}`,
      );
      assert.equal(answer.status, 200, answer.text);
      return answer.body;
    };
    if (id === 'role/users') await t.api('POST', `/role/${role}/users`, { users: [user.id, spare.id] });
    if (id === 'team/listMembers') await t.api('POST', `/team/${team}/member`, { users: [user.id, spare.id] });
    const all = (await get({ pageSize: '200' })).results;
    assert.ok(all.length >= 2, 'rows to page through');
    const first = await get({ pageSize: '1' });
    assert.equal(first.results.length, 1);
    for (const name of ['cursor', 'next']) {
      const second = await get({ pageSize: '1', [name]: first.next });
      assert.equal(second.results[0].id, all[1].id, name);
    }
    if (names.has('query')) {
      assert.deepEqual(
        (await get({ query: `id:${all[0].id}` })).results.map(({ id: found }: Json) => found),
        [all[0].id],
      );
      assert.equal((await get({ query: 'until:2001-01-01' })).results.length, 0);
    }
    if (names.has('q')) {
      const [row] = all;
      const word = Object.entries<Json>(row).find(
        ([field, value]) =>
          /^(name|connection_name|email|domain|type|description)$/.test(field) && typeof value === 'string' && value,
      )![1];
      const found = (await get({ q: String(word).slice(0, 5), pageSize: '200' })).results;
      assert.ok(
        found.some(({ id: other }: Json) => other === row.id),
        `q=${String(word).slice(0, 5)}`,
      );
      assert.equal((await get({ q: 'zzzznothing' })).results.length, 0);
    }
    if (names.has('expand')) {
      // An account's team is the platform's, not a row of the tenant.
      const fields = id === 'account/list' ? ['default_connection'] : ['user', 'role', 'team', 'connection'];
      const expandable = fields.filter((field) => all.some((row: Json) => typeof row[field] === 'string'));
      assert.ok(expandable.length > 0, 'something to expand');
      for (const field of expandable) {
        const before = all.find((row: Json) => typeof row[field] === 'string');
        const after = (await get({ expand: field, pageSize: '200' })).results.find(
          ({ id: other }: Json) => other === before.id,
        );
        assert.equal(after[field].id, before[field], field);
      }
    }
  });
}
