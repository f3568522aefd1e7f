/** Teams and their members: names, slugs, roles within a team, and nothing of another tenant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreed } from '../../kit/contract.ts';
import { assertRefused, type TenantHandle, world } from '../../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const limited = async (t: TenantHandle, scope: string) => {
  const token = await t.token(scope);
  // biome-ignore lint/suspicious/noExplicitAny: answers are inspected field by field
  return (method: string, path: string, json?: unknown) => w.call<any>(t.origin, token, method, path, json);
};
const team = (name = 'Engineering', t = acme) => t.api('POST', '/team', { name });
const person = async (t = acme) => (await t.api('POST', '/user', { name: 'Ada' })).id as string;
const role = async (t = acme) => (await t.api('POST', '/role', { name: `r${Math.random()}` })).id as string;

test('a team gets a slug from its name, which is unique and stays when it is renamed', async () => {
  const first = agreed('team/create', await acme.call('POST', '/team', { name: 'Ácme  Design!' }));
  assert.equal(first.slug, 'acme-design');
  assert.deepEqual([first.description, first.logo_url, first.account], [null, null, acme.id]);
  const second = await team('Acme design');
  assert.equal(second.slug, 'acme-design-2');
  assert.equal((await team('日本')).slug, 'team');
  assert.equal((await team('Acme Design', other)).slug, 'acme-design', 'another tenant has slugs of its own');
  const renamed = agreed(
    'team/update',
    await acme.call('POST', `/team/${first.id}`, { name: 'Looks', description: 'We draw' }),
  );
  assert.deepEqual([renamed.name, renamed.slug, renamed.description], ['Looks', 'acme-design', 'We draw']);
  const cleared = await acme.api('POST', `/team/${first.id}`, {
    description: null,
    logo_url: 'https://acme.example/l.png',
  });
  assert.deepEqual(
    [cleared.description, cleared.logo_url, cleared.name],
    [null, 'https://acme.example/l.png', 'Looks'],
  );
  assert.deepEqual(agreed('team/get', await acme.call('GET', `/team/${first.id}`)), cleared);
  const racers = await Promise.all(Array.from({ length: 6 }, () => team('Race')));
  assert.equal(new Set(racers.map(({ slug }) => slug)).size, 6);
});

test('teams are found by word, by name and by slug, and only the own ones', async () => {
  const mine = await team('Night Watch');
  await team('Night Watch', other);
  for (const search of ['q=wat', 'query=slug:night-watch', 'query=name:"Night Watch"'])
    assert.deepEqual(
      agreed('team/list', await acme.call('GET', `/team?${search}`)).results.map(({ id }: { id: string }) => id),
      [mine.id],
      search,
    );
});

test('what is not a team is refused', async () => {
  assertRefused(await acme.call('POST', '/team', {}), 400, 'validation', /name/);
  assertRefused(await acme.call('POST', '/team', { name: 'x', slug: 'mine' }), 400, 'validation', /slug/);
  assertRefused(
    await acme.call('POST', '/team', { name: 'x', logo_url: 'javascript:1' }),
    400,
    'validation',
    /logo_url/,
  );
  const foreign = await team('Theirs', other);
  for (const method of ['GET', 'POST', 'DELETE'])
    assertRefused(
      await acme.call(method, `/team/${foreign.id}`, method === 'POST' ? { name: 'x' } : undefined),
      404,
      'not_found',
    );
  assert.equal((await other.api('GET', `/team/${foreign.id}`)).name, 'Theirs');
});

test('members are added all or none; who is in it stays as is; the first is answered', async () => {
  const { id } = await team();
  const [ada, bob] = [await person(), await person()];
  const [lead, dev] = [await role(), await role()];
  const add = (users: string[], roles?: string[]) =>
    acme.call('POST', `/team/${id}/member`, { users, ...(roles && { roles }) });
  const first = agreed('team/addMembers', await add([ada], [lead]), 201);
  assert.deepEqual([first.user, first.team, first.roles], [ada, id, [lead]]);
  const again = agreed('team/addMembers', await add([ada, bob], [dev]), 201);
  assert.deepEqual(again, first, 'being added again changes nothing');
  const list = async () => agreed('team/listMembers', await acme.call('GET', `/team/${id}/member`)).results;
  assert.deepEqual(
    (await list()).map((m: { user: string; roles: string[] }) => [m.user, m.roles]),
    [
      [bob, [dev]],
      [ada, [lead]],
    ],
  );

  const stranger = await person(other);
  const strangeRole = await role(other);
  const carol = await person();
  assertRefused(await add([carol, 'user_000000000000000000000000']), 422, 'invalid_reference', /users/);
  assertRefused(await add([carol, stranger]), 422, 'invalid_reference', /users/);
  assertRefused(await add([carol], [strangeRole]), 422, 'invalid_reference', /roles/);
  assertRefused(await add([]), 400, 'validation', /users/);
  assert.equal((await list()).length, 2, 'none of those was added');

  await Promise.all(Array.from({ length: 6 }, () => add([carol])));
  assert.equal((await list()).length, 3, 'added six times at once, a member once');
});

test('a member is checked, expanded, and taken out again', async () => {
  const { id } = await team();
  const [ada, bob, lead] = [await person(), await person(), await role()];
  const member = (await acme.call('POST', '/teammember', { users: [ada], team: id, roles: [lead] })).body;
  agreed('teammember/create', { status: 200, headers: new Headers(), body: member, text: '' });
  const check = (user: string, at = acme) => at.call('GET', `/team/${id}/member/check/${user}`);
  assert.deepEqual(agreed('team/checkMember', await check(ada)), member);
  for (const answer of [await check(bob), await check('x'), await check(ada, other)])
    assertRefused(answer, 404, 'not_found');

  const paths = ['user,team,roles', 'user&expand=team&expand=roles'];
  for (const expand of paths)
    for (const [operation, path] of [
      ['team/listMembers', `/team/${id}/member`],
      ['teammember/list', '/teammember'],
    ] as const) {
      const [row] = agreed(operation, await acme.call('GET', `${path}?expand=${expand}`)).results;
      assert.deepEqual([row.user.id, row.team.id, row.roles[0].id], [ada, id, lead]);
    }
  assertRefused(await acme.call('GET', '/teammember?expand=account'), 400, 'validation', /expand/);
  const blind = await limited(acme, 'read:teammembers');
  assertRefused(await blind('GET', `/team/${id}/member?expand=user`), 403, 'insufficient_scope', /read:users/);

  const found = (query: string) => acme.api('GET', `/teammember?query=${query}`);
  assert.deepEqual((await found(`roles:${lead}`)).results, [member]);
  assert.deepEqual((await found(`team:${id} user:${bob}`)).results, []);
  agreed('teammember/get', await acme.call('GET', `/teammember/${member.id}`));
  assertRefused(await other.call('GET', `/teammember/${member.id}`), 404, 'not_found');
  assertRefused(await other.call('DELETE', `/teammember/${member.id}`), 404, 'not_found');
  agreed('teammember/delete', await acme.call('DELETE', `/teammember/${member.id}`));
  assertRefused(await check(ada), 404, 'not_found');
});

test('a member needs a team of this tenant', async () => {
  const ada = await person();
  assertRefused(await acme.call('POST', '/teammember', { users: [ada] }), 400, 'validation', /team/);
  const foreign = await team('Theirs', other);
  assertRefused(
    await acme.call('POST', '/teammember', { users: [ada], team: foreign.id }),
    422,
    'invalid_reference',
    /team/,
  );
  for (const [method, path, body] of [
    ['GET', 'member'],
    ['POST', 'member', { users: [ada] }],
  ] as const)
    assertRefused(await acme.call(method, `/team/${foreign.id}/${path}`, body), 404, 'not_found');
});

test('members are paged newest first', async () => {
  const { id } = await team();
  const people = await Promise.all(Array.from({ length: 5 }, () => person()));
  await acme.api('POST', `/team/${id}/member`, { users: people });
  const seen: string[] = [];
  for (let next = ''; ; ) {
    const page = await acme.api('GET', `/team/${id}/member?pageSize=2${next && `&next=${next}`}`);
    seen.push(...page.results.map(({ user }: { user: string }) => user));
    if (!page.next) break;
    next = page.next;
  }
  assert.deepEqual(seen, people.toReversed());
});

test('each operation needs its permission, and leaves a row in the log', async () => {
  const { id } = await team();
  const ada = await person();
  const member = await acme.api('POST', `/team/${id}/member`, { users: [ada] });
  const cases: [string, string, string, unknown?][] = [
    ['read:teams', 'GET', '/team'],
    ['read:teams', 'GET', `/team/${id}`],
    ['update:teams', 'POST', `/team/${id}`, { name: 'B' }],
    ['create:teams', 'POST', '/team', { name: 'C' }],
    ['read:teammembers', 'GET', `/team/${id}/member`],
    ['read:teammembers', 'GET', `/team/${id}/member/check/${ada}`],
    ['create:teammembers', 'POST', `/team/${id}/member`, { users: [ada] }],
    ['read:teammembers', 'GET', '/teammember'],
    ['read:teammembers', 'GET', `/teammember/${member.id}`],
    ['create:teammembers', 'POST', '/teammember', { users: [ada], team: id }],
    ['delete:teammembers', 'DELETE', `/teammember/${member.id}`],
    ['delete:teams', 'DELETE', `/team/${id}`],
  ];
  const without = await limited(acme, 'read:roles');
  for (const [permission, method, path, body] of cases) {
    assertRefused(await without(method, path, body), 403, 'insufficient_scope', new RegExp(permission));
    const answer = await (await limited(acme, permission))(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
  }
  const rows = (await acme.api('GET', `/log?query=team:${id}&pageSize=100`)).results;
  const types = rows.map(({ type }: { type: string }) => type);
  for (const type of ['admin.team.created', 'admin.team.updated', 'admin.team.members_added', 'admin.team.deleted'])
    assert.ok(types.includes(type), type);
  agreed('log/list', await acme.call('GET', `/log?query=team:${id}&expand=team`));
});
