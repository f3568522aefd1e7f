/** The generic resource helper, seen through `role`, `user`, `rolemember` and `credentials`: rows, pages, search, filter, expand. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import mongoose from 'mongoose';
import { jsonMembers } from '../../src/resource/json-members.ts';
import { searchWords } from '../../src/resource/search-words.ts';
import { takeDataSteps } from '../../src/store/migrate.ts';
import { assertRefused, type TenantHandle, tokensOf, world } from '../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');

type Row = { id: string; name: string; [field: string]: unknown };

const find = async (t: TenantHandle, resource: string, parameters: Record<string, string>): Promise<Row[]> =>
  (await t.api('GET', `/${resource}?${new URLSearchParams(parameters)}`)).results;
const names = (rows: Row[]) => rows.map(({ name }) => name).sort();
const unique = (word: string) => `${word} ${Math.random().toString(36).slice(2)}`;

/* ——— rows ——— */

test('a row is created, read, listed, changed and deleted', async () => {
  const made = await acme.api('POST', '/role', { name: 'life', metadata: { a: 1 } });
  assert.match(made.id, /^role_[0-9a-f]{24}$/);
  assert.equal(made.account, acme.id);
  assert.equal(made.description, '');
  assert.deepEqual(made.metadata, { a: 1 });
  assert.equal(new Date(made.createdAt).toISOString(), made.createdAt);
  assert.deepEqual(await acme.api('GET', `/role/${made.id}`), made);
  assert.deepEqual(await find(acme, 'role', { query: 'name:life' }), [made]);

  const changed = await acme.api('POST', `/role/${made.id}`, { description: 'What it is for' });
  assert.deepEqual({ ...changed, updatedAt: made.updatedAt }, { ...made, description: 'What it is for' });
  assert.ok(changed.updatedAt >= made.updatedAt);
  assert.deepEqual(await acme.api('GET', `/role/${made.id}`), changed);

  assert.deepEqual(await acme.api('DELETE', `/role/${made.id}`), changed);
  assertRefused(await acme.call('GET', `/role/${made.id}`), 404, 'not_found');
  assertRefused(await acme.call('POST', `/role/${made.id}`, { name: 'x' }), 404, 'not_found');
  assertRefused(await acme.call('DELETE', `/role/${made.id}`), 404, 'not_found');
  assert.deepEqual(await find(acme, 'role', { query: 'name:life' }), []);
});

test('a list shows the rows of its own tenant and no other', async () => {
  const mine = await acme.api('POST', '/role', { name: 'shared name' });
  const theirs = await other.api('POST', '/role', { name: 'shared name' });
  const lists: Record<string, string>[] = [{ query: 'name:"shared name"' }, { q: 'shared' }, { query: 'shared' }];
  for (const parameters of lists) {
    assert.deepEqual(await find(acme, 'role', parameters), [mine]);
    assert.deepEqual(await find(other, 'role', parameters), [theirs]);
  }
  assert.deepEqual(await find(acme, 'role', { query: `id:${theirs.id}` }), []);
  assert.ok((await find(acme, 'role', { pageSize: '200' })).every(({ account }) => account === acme.id));
});

test('null clears a nullable field; only the fields that were sent change', async () => {
  const user = await acme.api('POST', '/user', { name: 'Grace', given_name: 'Grace', phone: '+34 600', locale: 'es' });
  const changed = await acme.api('POST', `/user/${user.id}`, { given_name: null, locale: 'en' });
  assert.equal(changed.given_name, null);
  assert.deepEqual(
    [changed.name, changed.phone, changed.locale, changed.createdAt],
    ['Grace', '+34 600', 'en', user.createdAt],
  );
  assert.deepEqual(await acme.api('GET', `/user/${user.id}`), changed);
  assertRefused(
    await acme.call('POST', `/user/${user.id}`, { email_verified: null }),
    400,
    'validation',
    /email_verified/,
  );
  const touched = await acme.api('POST', `/user/${user.id}`, {});
  assert.deepEqual({ ...touched, updatedAt: changed.updatedAt }, changed);
});

test('a field whose wire shape has no null is left out once it is cleared', async () => {
  const made = await acme.api('POST', '/connection', {
    connection_name: 'cleared',
    connection_type: 'database',
    password_policy: { level: 'low' },
    email_oauth_sync_policy: null,
  });
  assert.deepEqual(made.password_policy, { level: 'low' });
  assert.ok(!('email_oauth_sync_policy' in made));
  const cleared = await acme.api('POST', `/connection/${made.id}`, { password_policy: null });
  assert.ok(!('password_policy' in cleared));
  assert.ok(!('password_policy' in (await acme.api('GET', `/connection/${made.id}`))));
});

test('an unknown field is refused by its name, on create and on update, and changes nothing', async () => {
  const before = await find(acme, 'role', { pageSize: '200' });
  assertRefused(await acme.call('POST', '/role', { name: 'x', nmae: 'y' }), 400, 'validation', /\/nmae is not known/);
  assert.deepEqual(await find(acme, 'role', { pageSize: '200' }), before);
  const [role] = before;
  for (const field of ['id', 'account', 'createdAt', '_id', '_q', 'system']) {
    const answer = await acme.call('POST', `/role/${role!.id}`, { [field]: 'x' });
    assertRefused(answer, 400, 'validation', new RegExp(`/${field} is not known`));
  }
  assert.deepEqual(await acme.api('GET', `/role/${role!.id}`), role);
});

test('a missing required field is named', async () => {
  assertRefused(await acme.call('POST', '/role', { description: 'x' }), 400, 'validation', /\/name is required/);
  assertRefused(await acme.call('POST', '/role'), 400, 'validation');
  assertRefused(await acme.call('POST', '/role', { name: '' }), 400, 'validation', /\/name/);
  assertRefused(await acme.call('POST', '/role', { name: ' \t' }), 400, 'validation', /\/name/);
});

test('a taken name is a conflict that names the field, on create and on update', async () => {
  const first = await acme.api('POST', '/role', { name: 'taken' });
  const second = await acme.api('POST', '/role', { name: 'free' });
  const conflict = await acme.call('POST', '/role', { name: 'taken' });
  assertRefused(conflict, 409, 'conflict', /name/);
  assert.deepEqual((conflict.body as unknown as { details: unknown }).details, { fields: ['name'] });
  assertRefused(await acme.call('POST', `/role/${second.id}`, { name: 'taken' }), 409, 'conflict', /name/);
  assert.equal((await acme.api('GET', `/role/${second.id}`)).name, 'free');
  // A row is no conflict with itself, and a name is free again with its row.
  await acme.api('POST', `/role/${first.id}`, { name: 'taken' });
  await acme.api('DELETE', `/role/${first.id}`);
  await acme.api('POST', `/role/${second.id}`, { name: 'taken' });
});

test('of 20 that take a name at once exactly one gets it', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => acme.call('POST', '/role', { name: 'raced' })));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, ...Array(19).fill(409)]);
  assert.equal((await find(acme, 'role', { query: 'name:raced' })).length, 1);
});

test('of 20 that delete a row at once exactly one does', async () => {
  const { id } = await acme.api('POST', '/role', { name: 'deleted once' });
  const answers = await Promise.all(Array.from({ length: 20 }, () => acme.call('DELETE', `/role/${id}`)));
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, ...Array(19).fill(404)]);
});

test('20 changes of one row at once all happen, and the search words are those of the last', async () => {
  const { id } = await acme.api('POST', '/role', { name: 'busy', description: 'start' });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      acme.call('POST', `/role/${id}`, n % 2 ? { name: `busy name${n}` } : { description: `word${n}` }),
    ),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array(20).fill(200),
  );
  const { name, description } = await acme.api('GET', `/role/${id}`);
  for (let n = 0; n < 20; n += 1) {
    const word = n % 2 ? `name${n}` : `word${n}`;
    const held = `${name} ${description}`.split(' ').includes(word);
    // `word1` is also the beginning of `word10`: the whole word decides.
    const found = (await find(acme, 'role', { q: word })).some((row) => row.id === id);
    if (held) assert.ok(found, word);
    else if (n > 9) assert.ok(!found, word);
  }
});

test('an id of the wrong form or kind is as absent as a missing one', async () => {
  const user = await acme.api('POST', '/user', { name: 'x' });
  const missing = await acme.call('GET', '/role/role_000000000000000000000000');
  assertRefused(missing, 404, 'not_found');
  for (const id of [
    user.id,
    user.id.replace('user', 'role'),
    'role_',
    'x',
    '%00',
    '..%2fuser',
    '%24gt',
    'ROLE_000000000000000000000000',
  ])
    assert.equal((await acme.call('GET', `/role/${id}`)).text, missing.text, id);
  assertRefused(await acme.call('GET', `/role/${'a'.repeat(101)}`), 400, 'validation');
  assertRefused(await acme.call('GET', `/role/${'a'.repeat(500)}`), 400, 'invalid_request');
  assertRefused(await acme.call('GET', '/role/%ff'), 400, 'invalid_request');
});

/* ——— pages ——— */

test('pages: 30 rows unless told otherwise, 1 to 200, newest first', async () => {
  const t = await w.tenant('Pages');
  const made: string[] = [];
  for (let n = 0; n < 35; n += 1) made.push((await t.api('POST', '/role', { name: `role ${n}` })).id);
  const newest = made.toReversed();

  const first = await t.api('GET', '/role');
  assert.deepEqual(
    first.results.map(({ id }: Row) => id),
    newest.slice(0, 30),
  );
  for (const name of ['cursor', 'next']) {
    const second = await t.api('GET', `/role?${name}=${first.next}`);
    assert.deepEqual(
      second.results.map(({ id }: Row) => id),
      newest.slice(30),
    );
    assert.equal(second.next, null);
  }
  assert.equal((await t.api('GET', `/role?cursor=${first.next}&next=${first.next}`)).results.length, 5);

  const all = await t.api('GET', '/role?pageSize=200');
  assert.deepEqual([all.results.length, all.next], [35, null]);
  const exact = await t.api('GET', '/role?pageSize=35');
  assert.deepEqual([exact.results.length, exact.next], [35, null]);
  const single = await t.api('GET', '/role?pageSize=1');
  assert.deepEqual(
    single.results.map(({ id }: Row) => id),
    newest.slice(0, 1),
  );
  for (const pageSize of ['0', '-1', '201', '1.5', 'x', '', '1e9', 'NaN', 'Infinity'])
    assertRefused(await t.call('GET', `/role?pageSize=${pageSize}`), 400, 'validation', /pageSize/);
  assertRefused(await t.call('GET', '/role?pageSize=5&pageSize=6'), 400, 'validation', /pageSize/);
  assertRefused(await t.call('GET', '/role?offset=3'), 400, 'validation', /offset is not known/);
});

test('a cursor is good for the list that gave it out and for no other', async () => {
  for (let n = 0; n < 2; n += 1) {
    for (const t of [acme, other]) {
      await t.api('POST', '/role', { name: unique('cursor') });
      await t.api('POST', '/user', { name: 'cursor' });
    }
  }
  const nextOf = async (t: TenantHandle, resource: string) => (await t.api('GET', `/${resource}?pageSize=1`)).next;
  const own = await nextOf(acme, 'role');
  assert.equal((await acme.call('GET', `/role?cursor=${own}`)).status, 200);
  const forged = Buffer.from('role_ffffffffffffffffffffffff').toString('base64url');
  const foreign = [await nextOf(acme, 'user'), await nextOf(other, 'role'), forged];
  const malformed = [
    'x',
    '%00',
    '%7B%22$gt%22%3A%22%22%7D',
    own.slice(0, -2),
    `${own}AA`,
    Buffer.from('.').toString('base64url'),
  ];
  for (const cursor of [...foreign, ...malformed]) {
    const answer = await acme.call('GET', `/role?cursor=${cursor}`);
    assert.equal(answer.status, 400, `${cursor}: ${answer.text}`);
  }
  for (const cursor of foreign) assertRefused(await acme.call('GET', `/role?next=${cursor}`), 400, 'invalid_cursor');
  assertRefused(
    await acme.call('GET', `/role?cursor=${own}&next=${foreign[1]}`),
    400,
    'invalid_cursor',
    /one parameter/,
  );
  assertRefused(await acme.call('GET', `/role?cursor=${own}&cursor=${own}`), 400, 'validation');
  assertRefused(await acme.call('GET', `/role?cursor[$gt]=x`), 400, 'validation');
});

test('paging neither repeats nor skips a row while others come and go', async () => {
  const t = await w.tenant('Moving');
  let made = 0;
  const add = async () => {
    made += 1;
    await t.api('POST', '/role', { name: `moving ${made}` });
  };
  for (let n = 0; n < 12; n += 1) await add();
  const step = fc.record({ add: fc.nat(2), drop: fc.array(fc.nat(30), { maxLength: 2 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.array(step, { minLength: 1, maxLength: 6 }),
      async (pageSize, steps) => {
        const atStart = (await find(t, 'role', { pageSize: '200' })).map(({ id }) => id);
        const dropped = new Set<string>();
        const seen: string[] = [];
        let next: string | null = null;
        let turn = 0;
        do {
          const page: { results: Row[]; next: string | null } = await t.api(
            'GET',
            `/role?pageSize=${pageSize}${next ? `&cursor=${next}` : ''}`,
          );
          assert.ok(page.results.length <= pageSize);
          seen.push(...page.results.map(({ id }) => id));
          next = page.next;
          const { add: more, drop } = steps[turn % steps.length]!;
          turn += 1;
          if (turn > 6) continue;
          for (let n = 0; n < more; n += 1) await add();
          for (const index of drop) {
            const id = atStart[index];
            if (!id || dropped.has(id)) continue;
            dropped.add(id);
            await t.api('DELETE', `/role/${id}`);
          }
        } while (next);
        assert.equal(new Set(seen).size, seen.length, 'a row came twice');
        const missed = atStart.filter((id) => !dropped.has(id) && !seen.includes(id));
        assert.deepEqual(missed, [], 'a row was skipped');
        assert.deepEqual(
          seen.filter((id) => !atStart.includes(id)),
          [],
          'a row that came later is not part of this list',
        );
        while ((await find(t, 'role', { pageSize: '200' })).length < 8) await add();
      },
    ),
    { numRuns: 8 },
  );
});

/* ——— full text ——— */

test('q finds words by any part of them, whatever their case and diacritics', async () => {
  const t = await w.tenant('Words');
  const add = (fields: Record<string, unknown>) => t.api('POST', '/user', fields);
  await add({ name: 'José Ángel Núñez', email: 'jose@example.com' });
  await add({ name: 'Josephine Baker', email: 'baker@example.org', phone: '+34 600 11 22' });
  await add({ name: 'Łukasz 2nd', email: 'l.k@example.net' });
  await add({ name: 'a.*b (c) [d] ^e$ x{2} \\w' });
  await add({ email: 'nobody@example.com' });
  const q = async (text: string) => (await find(t, 'user', { q: text })).map(({ name, email }) => name ?? email).sort();

  assert.deepEqual(await q('jose'), ['Josephine Baker', 'José Ángel Núñez']);
  assert.deepEqual(await q('JOSÉ'), ['Josephine Baker', 'José Ángel Núñez']);
  assert.deepEqual(await q('josep'), ['Josephine Baker']);
  assert.deepEqual(await q('ange'), ['José Ángel Núñez']);
  assert.deepEqual(await q('nun jo'), ['José Ángel Núñez']);
  assert.deepEqual(await q('nun baker'), []);
  assert.deepEqual(await q('osé'), ['Josephine Baker', 'José Ángel Núñez'], 'from the middle too');
  assert.deepEqual(await q('el'), [], 'for which two letters are too few');
  assert.deepEqual(await q('jose@example.com'), ['José Ángel Núñez']);
  assert.deepEqual(await q('600 34'), ['Josephine Baker']);
  assert.deepEqual(await q('2nd'), ['Łukasz 2nd']);
  assert.deepEqual(await q('nobody'), ['nobody@example.com']);
  for (const text of ['.*', '^', '$', '[', '(((', '\\', '***', '🎉', '- - -', '.', '{"$gt":""}'.replace('gt', '')])
    assert.deepEqual(await q(text), [], text);
  assert.deepEqual(await q('j.*'), ['Josephine Baker', 'José Ángel Núñez'], 'punctuation only separates words');
  assert.deepEqual(await q('j|b'), ['Josephine Baker'], 'and is no alternative');
  assert.deepEqual(await q('a.*b (c) [d]'), ['a.*b (c) [d] ^e$ x{2} \\w']);

  assertRefused(await t.call('GET', '/user?q='), 400, 'validation', /q/);
  assertRefused(await t.call('GET', `/user?q=${'a'.repeat(201)}`), 400, 'validation', /q/);
  assertRefused(await t.call('GET', '/user?q=a&q=b'), 400, 'validation', /q/);
  assertRefused(await t.call('GET', '/user?q[$ne]=a'), 400, 'validation');
  assertRefused(await t.call('GET', '/rolemember?q=a'), 400, 'validation', /q is not known/);
});

test('q finds what people type: ends of names, names without spaces, numbers without their signs', async () => {
  const [t, foreign] = [await w.tenant('Typed'), await w.tenant('Foreign')];
  const fields = { name: 'Immanuel Kant', email: 'kant@bücher.example' };
  const kant = await t.api('POST', '/user', fields);
  await foreign.api('POST', '/user', fields);
  const taro = await t.api('POST', '/user', { name: '田中太郎', phone: '+1 (555) 010-0199', username: 'Tanaka_Taro' });
  const kim = await t.api('POST', '/user', { name: '김철수 ガガーリン' });
  await t.api('POST', '/user', { name: `${'x'.repeat(100)} ${'long '.repeat(30)}` });
  const cases: [text: string, row: Row][] = [
    ['manuel', kant],
    ['MANUEL kan', kant],
    ['nue', kant],
    ['太郎', taro],
    ['郎', taro],
    ['田中', taro],
    ['5550100199', taro],
    ['0100199', taro],
    ['+1 (555) 010-0199', taro],
    ['naka taro', taro],
    ['철수', kim],
    ['ーリン', kim],
  ];
  for (const [q, { id }] of cases)
    assert.deepEqual(
      (await find(t, 'user', { q })).map((row) => row.id),
      [id],
      q,
    );
  for (const q of ['太一', '5550100198', 'manual']) assert.deepEqual(await find(t, 'user', { q }), [], q);
  const rows = mongoose.connection.collection<{ _id: string; _q: string[] }>('users');
  const most = await rows.find({ account: t.id }).toArray();
  for (const { _q } of most) assert.ok(_q.length <= 250 && _q.every((word) => word.length <= 100), `${_q.length}`);

  await rows.updateMany({ account: t.id }, [{ $set: { _q: { $slice: ['$_q', 1] } } }]);
  assert.deepEqual(await find(t, 'user', { q: 'manuel' }), [], 'a row of an earlier release');
  await takeDataSteps([searchWords], () => {});
  assert.deepEqual(
    (await find(t, 'user', { q: 'manuel' })).map(({ id }) => id),
    [kant.id],
  );
  assert.equal((await find(foreign, 'user', { q: 'manuel' })).length, 1);
});

test('a username is compared whatever its case, and an address needs no quotes', async () => {
  const t = await w.tenant('Unquoted');
  const user = await t.api('POST', '/user', { username: 'user_name', email: "o'neil+tag@example.com" });
  for (const query of [
    'username:USER_NAME',
    'username:User_Name',
    "email:o'neil+tag@example.com",
    "email:O'Neil+TAG@example.com locale!:x",
  ])
    assert.deepEqual(
      (await find(t, 'user', { query })).map(({ id }) => id),
      [user.id],
      query,
    );
  assert.deepEqual(await find(t, 'user', { query: "email!:o'neil+tag@example.com" }), []);
});

test('search words follow the row', async () => {
  const word = `zq${Math.random().toString(36).slice(2)}`;
  const role = await acme.api('POST', '/role', { name: `${word}one`, description: `${word}two` });
  const found = async (text: string) => (await find(acme, 'role', { q: text })).map(({ id }) => id);
  await acme.api('POST', `/role/${role.id}`, { name: `${word}three` });
  assert.deepEqual(await found(`${word}one`), []);
  assert.deepEqual(await found(`${word}two`), [role.id], 'the words of the other field stay');
  assert.deepEqual(await found(`${word}three`), [role.id]);
  await acme.api('POST', `/role/${role.id}`, { metadata: { a: 1 } });
  assert.deepEqual(await found(`${word}t`), [role.id]);

  const user = await acme.api('POST', '/user', { name: `${word}four` });
  await acme.api('POST', `/user/${user.id}`, { name: null });
  assert.deepEqual(await find(acme, 'user', { q: `${word}four` }), []);
});

/* ——— FaableQL ——— */

test('query compares fields', async () => {
  const t = await w.tenant('Query');
  const add = (fields: Record<string, unknown>) => t.api('POST', '/user', fields);
  const ada = await add({ name: 'Ada Lovelace', email: 'Ada@Example.com', email_verified: true, locale: 'en' });
  const bob = await add({ name: 'Bob', email: 'bob@example.com', locale: 'es' });
  const eve = await add({ name: 'Eve "the \\ listener"', email: 'eve@example.com', locale: 'en', suspended: true });
  const query = async (text: string) => (await find(t, 'user', { query: text })).map(({ id }) => id).sort();
  const ids = (...users: { id: string }[]) => users.map(({ id }) => id).sort();

  assert.deepEqual(await query('email:ada@example.com'), ids(ada), 'emails are compared as they are stored');
  assert.deepEqual(await query('email:ADA@EXAMPLE.COM'), ids(ada));
  assert.deepEqual(await query('locale:en'), ids(ada, eve));
  assert.deepEqual(await query('locale!:en'), ids(bob));
  assert.deepEqual(await query('locale:en suspended:false'), ids(ada));
  assert.deepEqual(await query(' locale:en \t suspended:true\n'), ids(eve));
  assert.deepEqual(await query('email_verified:true'), ids(ada));
  assert.deepEqual(await query('email_verified!:true'), ids(bob, eve));
  assert.deepEqual(await query('name:"Ada Lovelace"'), ids(ada));
  assert.deepEqual(await query('name:Ada'), [], 'equal means equal');
  assert.deepEqual(await query('name:"Eve \\"the \\\\ listener\\""'), ids(eve));
  assert.deepEqual(await query(`id:${bob.id}`), ids(bob));
  assert.deepEqual(await query(`id!:${bob.id}`), ids(ada, eve));
  assert.deepEqual(await query('lovelace'), ids(ada));
  assert.deepEqual(await query('"ada love"'), ids(ada));
  assert.deepEqual(await query('locale:en eve'), ids(eve));
  assert.deepEqual(await query('locale:en locale:es'), [], 'terms are ANDed');
  assert.deepEqual(await query(''), ids(ada, bob, eve));
  assert.deepEqual(await query('   '), ids(ada, bob, eve));
  assert.deepEqual(await query('name:"$ne"'), []);
  assert.deepEqual(await query('name:"{\\"$gt\\":\\"\\"}"'), []);
});

test('a query finds the beginnings of texts, and numbers and times by what they are above and below', async () => {
  const t = await w.tenant('Ranges');
  const client = await t.client();
  const [ada, bob] = [
    await t.user({ email: 'ada.l+x@example.com', name: 'Ada (the first)' }),
    await t.user({ email: 'adam@example.com' }),
  ];
  const none = await t.api('POST', '/user', { email: 'eve@example.com', username: 'a.b' });
  const before = new Date();
  w.clock.advance({ seconds: 1 });
  await tokensOf(t, client, ada);
  w.clock.advance({ seconds: 86_400 });
  await tokensOf(t, client, bob);
  await tokensOf(t, client, bob);
  const query = async (text: string) => (await find(t, 'user', { query: text })).map(({ id }) => id).sort();
  const ids = (...users: { id: string }[]) => users.map(({ id }) => id).sort();
  const nextDay = before.getTime() + 43_200_000;

  const cases: [string, string[]][] = [
    ['email:ada*', ids(ada, bob)],
    ['email:ADA*', ids(ada, bob)],
    ['email:ada.*', ids(ada)],
    ['email:ada.l+x@*', ids(ada)],
    ['email:dam*', []],
    ['name:Ada*', ids(ada, bob)],
    ['username:a.*', ids(none)],
    ['username:axb*', []],
    [`last_login:>${nextDay}`, ids(bob)],
    [`last_login:<=${nextDay}`, ids(ada)],
    ['last_login:>2020-01-01', ids(ada, bob)],
    [`last_login:>"${new Date(nextDay).toISOString()}"`, ids(bob)],
    [`createdAt:>"2020-01-01T00:00:00Z" createdAt:<="${before.toISOString()}"`, ids(ada, bob, none)],
    [`since:"${new Date(nextDay).toISOString()}"`, []],
    ['last_login:<2020-01-01', []],
    ['logins_count:>1', ids(bob)],
    ['logins_count:>=1 email:adam*', ids(bob)],
    ['logins_count:<1', ids(none)],
    [`createdAt:>${before.getTime()}`, []],
    [`createdAt:<=${before.getTime()}`, ids(ada, bob, none)],
  ];
  for (const [text, expected] of cases) assert.deepEqual(await query(text), expected, text);
  const order = async (sort: string, text = '') => (await find(t, 'user', { sort, query: text })).map(({ id }) => id);
  assert.deepEqual(await order('-last_login'), [bob.id, ada.id, none.id]);
  assert.deepEqual(await order('last_login', 'email:ada*'), [ada.id, bob.id]);
  assert.deepEqual(await order('-email', 'email_verified:false'), [none.id, bob.id, ada.id]);
  for (const text of [
    'email!:ada*',
    'suspended:t*',
    'logins_count:1*',
    'last_login:>soon',
    'last_login:2020-01-01',
    'last_login!:2020-01-01',
    'createdAt:2020-01-01',
    'createdAt:>"2020-02-30T00:00:00Z"',
    'createdAt:>"2020-02-20T25:00:00Z"',
    'createdAt:>"2020-02-20T00:00:00+01:00"',
    'email:>a',
    'logins_count:>x',
    'id:user*',
    'email:*',
    'ada*',
    'email:"a"*',
    'logins_count:>1*',
  ])
    assertRefused(
      await t.call('GET', `/user?${new URLSearchParams({ query: text })}`),
      400,
      'invalid_query',
      /position/,
    );
});

test('a query finds users by members of their metadata, whatever is changed there', async () => {
  const t = await w.tenant('Members');
  const add = (fields: Record<string, unknown>) => t.api('POST', '/user', fields);
  const ada = await add({
    name: 'Ada',
    user_metadata: { plan: 'pro', address: { city: 'Madrid', 'zip code': '28001' }, tags: ['a b', { kind: 'x' }] },
    app_metadata: { tier: 3, beta: true, ends: null, odd: '3', 'a:b"c': 'é' },
  });
  const bob = await add({
    name: 'Bob',
    user_metadata: { plan: 'promo', city: 'Madrid', bio: 'z'.repeat(150), edge: 'y'.repeat(100), none: '' },
    app_metadata: { tier: '3', beta: 'true', price: 1.5, $ref: undefined },
  });
  const foreign = await other.api('POST', '/user', { user_metadata: { plan: 'pro' } });
  const query = async (text: string) => (await find(t, 'user', { query: text })).map(({ id }) => id).sort();
  const ids = (...users: { id: string }[]) => users.map(({ id }) => id).sort();
  const cases: [string, string[]][] = [
    ['user_metadata.plan:pro', ids(ada)],
    ['user_metadata.plan:"pro"', ids(ada)],
    ['user_metadata.plan:pro*', ids(ada, bob)],
    ['user_metadata.plan:Pro', []],
    ['user_metadata.plan!:pro', ids(bob)],
    ['user_metadata.plan!:other', ids(ada, bob)],
    ['user_metadata.nothing!:x', ids(ada, bob)],
    ['user_metadata.plan:promo name:Bob', ids(bob)],
    ['user_metadata.plan:pro user_metadata.plan:promo', []],
    ['user_metadata.address.city:Madrid', ids(ada)],
    ['user_metadata.city:Madrid', ids(bob)],
    ['user_metadata.address:Madrid', []],
    ['user_metadata.address."zip code":28001', ids(ada)],
    ['user_metadata.tags:"a b"', ids(ada)],
    ['user_metadata.tags.kind:x', ids(ada)],
    ['user_metadata.none:""', ids(bob)],
    [`user_metadata.edge:${'y'.repeat(100)}`, ids(bob)],
    [`user_metadata.bio:${'z'.repeat(100)}`, []],
    [`user_metadata.bio:${'z'.repeat(100)}*`, ids(bob)],
    ['app_metadata.tier:3', ids(ada, bob)],
    ['app_metadata.tier:3.0', ids(ada)],
    ['app_metadata.tier:"3"', ids(bob)],
    ['app_metadata.tier!:3', []],
    ['app_metadata.price:15e-1', ids(bob)],
    ['app_metadata.beta:true', ids(ada, bob)],
    ['app_metadata.beta:"true"', ids(bob)],
    ['app_metadata.ends:null', ids(ada)],
    ['app_metadata."a:b\\"c":é', ids(ada)],
    ['app_metadata.plan:pro', []],
  ];
  for (const [text, expected] of cases) assert.deepEqual(await query(text), expected, text);
  const refused: [string, RegExp][] = [
    ['metadata.plan:pro', /"metadata\.plan" at position 0 is not a field/],
    ['name.first:Ada', /"name\.first".*not a field/],
    ['_m.user_metadata:x', /not a field/],
    ['user_metadata:x', /"user_metadata".*not a field/],
    ['app_metadata.tier:>2', /cannot be compared/],
    ['user_metadata.plan!:p*', /negated/],
    ['user_metadata.__proto__:x', /no row may have/],
    ['user_metadata.a."$where":x', /no row may have/],
    ['user_metadata."address.city":Madrid', /no row may have/],
    [`user_metadata.${'k'.repeat(101)}:x`, /path of more than 100/],
    [`user_metadata.plan:${'z'.repeat(101)}`, /100 characters at most/],
    ['user_metadata.$where:x', /malformed/],
    ['user_metadata.:x', /malformed/],
    ['user_metadata."plan:x', /malformed/],
  ];
  for (const [text, why] of refused)
    assertRefused(await t.call('GET', `/user?${new URLSearchParams({ query: text })}`), 400, 'invalid_query', why);

  const change = (body: Record<string, unknown>) => t.api('PATCH', `/user/${ada.id}`, body);
  await change({ user_metadata: { plan: null, level: 1 } });
  await Promise.all([
    change({ user_metadata: { a: 1 } }),
    change({ app_metadata: { b: 2 } }),
    change({ name: 'Ada L' }),
  ]);
  const now = { 'user_metadata.plan:pro': 0, 'user_metadata.level:1': 1, 'user_metadata.address.city:Madrid': 1 };
  for (const [text, count] of Object.entries({ ...now, 'user_metadata.a:1 app_metadata.b:2 app_metadata.tier:3': 1 }))
    assert.equal((await query(text)).length, count, text);
  const [shown] = await find(t, 'user', { query: 'user_metadata.a:1' });
  assert.deepEqual([shown!.id, '_m' in shown!], [ada.id, false]);

  const line = JSON.stringify({ email: 'eve@example.com', user_metadata: { plan: 'imported' } });
  const imported = await w.send(`${t.origin}/user/import`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await t.token('create:users create:credentials')}`,
      'content-type': 'application/x-ndjson',
    },
    body: line,
  });
  assert.equal(imported.status, 200, imported.text);
  const [eve] = await query('user_metadata.plan:imported');
  assert.ok(eve);

  // So many of each field, those nearest the top first.
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`deep${n}`, { n }]));
  await t.api('PATCH', `/user/${eve}`, { user_metadata: { ...many, last: 'top' } });
  assert.deepEqual(await query('user_metadata.last:top'), [eve]);
  const rows = mongoose.connection.collection<{ _id: string; _m: { user_metadata: string[] } }>('users');
  assert.equal((await rows.findOne({ _id: eve }))!._m.user_metadata.length, 64);

  // Rows of an earlier release, of which one has a member that was written since.
  await rows.updateMany({ account: { $in: [t.id, other.id] } }, { $unset: { _m: 1 } });
  await change({ app_metadata: { b: 3 } });
  assert.deepEqual(await query('user_metadata.plan:promo'), []);
  await takeDataSteps([jsonMembers], () => {});
  assert.deepEqual(await query('user_metadata.plan:pro*'), ids(bob));
  assert.deepEqual(await query('user_metadata.level:1 app_metadata.b:3'), ids(ada));
  assert.deepEqual(await find(other, 'user', { query: 'user_metadata.plan:pro' }).then(names), [foreign.name]);

  await t.api('DELETE', `/user/${ada.id}`);
  assert.deepEqual(await query('user_metadata.address.city:Madrid'), []);
});

test('since and until bound the time of creation', async () => {
  const t = await w.tenant('Times');
  const first = await t.api('POST', '/role', { name: 'first' });
  const second = await t.api('POST', '/role', { name: 'second' });
  const model = mongoose.models.Role!;
  // Two rows of other days: ids carry their time.
  const old = Date.UTC(2024, 1, 10, 12);
  const id = `role_${Math.floor(old / 1000).toString(16)}${'0'.repeat(16)}`;
  await model.create({
    ...{ _id: id, account: t.id, name: 'old', description: '', permissions: [], metadata: {} },
    ...{ createdAt: new Date(old), updatedAt: new Date(old), _q: ['old'] },
  });
  const query = async (text: string) => names(await find(t, 'role', { query: text }));
  const firstMs = new Date(first.createdAt).getTime();
  const secondMs = new Date(second.createdAt).getTime();

  assert.deepEqual(await query('since:2024-02-10 until:2024-02-11'), ['old']);
  assert.deepEqual(await query('until:2024-02-10'), []);
  assert.deepEqual(await query('since:2024-02-11'), ['first', 'second']);
  assert.deepEqual(await query(`since:${old} until:${old}`), ['old']);
  assert.deepEqual(await query(`since:${old + 1}`), ['first', 'second']);
  assert.deepEqual(await query(`until:${old - 1}`), []);
  assert.ok((await query(`since:${firstMs} until:${firstMs}`)).includes('first'));
  assert.deepEqual(await query(`since:${secondMs + 1}`), []);
  assert.deepEqual(await query('since:0'), ['first', 'old', 'second']);
  assert.deepEqual(await query('until:999999999999999'), ['first', 'old', 'second'], 'past what an id can say');
  assert.deepEqual(await query('until:4294967296000'), ['first', 'old', 'second']);
  assert.deepEqual(await query('since:2024-02-29 name:first'), ['first']);
  assert.deepEqual(await query('until:"2024-02-10T12:00:00Z"'), ['old'], 'as a row shows it');
  for (const value of [
    '2024-02-30',
    '2023-02-29',
    '2024-13-01',
    '2024-1-1',
    'yesterday',
    '-5',
    '1e3',
    '"2024-02-10T00:00:00"',
    '12345678901234567',
  ]) {
    const answer = await t.call('GET', `/role?${new URLSearchParams({ query: `since:${value}` })}`);
    assertRefused(answer, 400, 'invalid_query', /"since" at position 0/);
  }
  assertRefused(await t.call('GET', '/role?query=until!:0'), 400, 'invalid_query', /"until".*negated/);
});

test('a query that cannot be read is refused with the term and its position', async () => {
  const cases: [query: string, term: string, position: number][] = [
    ['nope:1', 'nope', 0],
    ['name:x nope:1', 'nope', 7],
    ['  nope!:1', 'nope', 2],
    ['password:x', 'password', 0],
    ['$where:1', '$where:1', 0],
    ['_q:x', '_q', 0],
    ['account:x', 'account', 0],
    ['__proto__:x', '__proto__', 0],
    ['constructor:x', 'constructor', 0],
    ['name:', 'name:', 0],
    ['name:x name:', 'name:', 7],
    ['name:"open', 'name:"open', 0],
    ['name:a:b', 'name:a:b', 0],
    ['name=x', 'name=x', 0],
    ['name:{$gt}', 'name:{$gt}', 0],
    [':x', ':x', 0],
    ['name:"a"b', 'name:"a"b', 0],
    ['a (b)', '(b)', 2],
  ];
  for (const [query, term, position] of cases) {
    const answer = await acme.call('GET', `/role?${new URLSearchParams({ query })}`);
    assertRefused(answer, 400, 'invalid_query', new RegExp(`position ${position}`));
    assert.deepEqual((answer.body as unknown as { details: unknown }).details, { position, term }, query);
  }
  const boolean = await acme.call('GET', '/user?query=suspended:yes');
  assertRefused(boolean, 400, 'invalid_query', /"suspended" at position 0 takes true or false/);
  assertRefused(await acme.call('GET', '/rolemember?query=word'), 400, 'invalid_query', /no full-text/);
  assertRefused(await acme.call('GET', `/role?query=${'a'.repeat(1001)}`), 400, 'validation', /query/);
  assertRefused(await acme.call('GET', '/role?query[name]=x'), 400, 'validation');
  assert.equal((await acme.call('GET', `/role?query=${encodeURIComponent('"'.repeat(999))}`)).status, 400);
});

test('whatever is written as a quoted value is compared to the letter', async () => {
  const t = await w.tenant('Letters');
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), async (text) => {
      const name = `x${text.replaceAll('\0', '')}`;
      if (!name.isWellFormed()) return;
      const made = await t.call<Row>('POST', '/role', { name });
      if (made.status === 409) return;
      assert.equal(made.status, 200, made.text);
      const quoted = `name:"${name.replace(/[\\"]/g, '\\$&')}"`;
      assert.deepEqual(
        (await find(t, 'role', { query: quoted })).map(({ id }) => id),
        [made.body.id],
      );
    }),
    { numRuns: 40 },
  );
});

/* ——— expand ——— */

test('expand inlines what an id stands for', async () => {
  const user = await acme.user({ name: 'Expanded' });
  const role = await acme.api('POST', '/role', { name: unique('expanded') });
  const member = await acme.api('POST', '/rolemember', { role: role.id, users: [user.id] });
  assert.deepEqual([member.role, member.user], [role.id, user.id]);
  const whole = await acme.api('GET', `/user/${user.id}`);

  const one = await acme.api('GET', `/rolemember/${member.id}?expand=role`);
  assert.deepEqual([one.role, one.user], [role, user.id]);
  for (const expand of [
    'expand=role&expand=user',
    'expand=role,user',
    'expand=%20role%20,%20user',
    'expand=role&expand=user,role',
  ]) {
    const both = await acme.api('GET', `/rolemember/${member.id}?${expand}`);
    assert.deepEqual([both.role, both.user], [role, whole], expand);
    const page = await acme.api('GET', `/rolemember?query=user:${user.id}&${expand}`);
    assert.deepEqual(page.results, [both]);
  }
  assert.deepEqual(await acme.api('GET', `/rolemember/${member.id}?expand=`), member);
  const holders = await acme.api('GET', `/role/${role.id}/users?expand=user`);
  assert.deepEqual(holders.results, [{ ...member, user: whole }]);

  for (const path of ['account', 'id', 'nope', 'role.name', '__proto__', 'constructor']) {
    const answer = await acme.call('GET', `/rolemember/${member.id}?expand=role,${path}`);
    assertRefused(answer, 400, 'validation', new RegExp(`"expand" does not take "${path}"`));
    assertRefused(await acme.call('GET', `/rolemember?expand=${path}`), 400, 'validation');
  }
  assertRefused(await acme.call('GET', '/role?expand=permissions'), 400, 'validation', /expand is not known/);
});

test('expanding needs the permission to read what is inlined', async () => {
  const user = await acme.user();
  const role = await acme.api('POST', '/role', { name: unique('guarded') });
  const member = await acme.api('POST', '/rolemember', { role: role.id, users: [user.id] });
  const few = await acme.token('read:rolemembers read:roles');
  const get = (path: string) => w.call(acme.origin, few, 'GET', path);
  assert.deepEqual((await get(`/rolemember/${member.id}?expand=role`)).body.role, role);
  for (const path of [`/rolemember/${member.id}`, '/rolemember', `/role/${role.id}/users`]) {
    assert.equal((await get(path)).status, 200);
    assertRefused(await get(`${path}?expand=user`), 403, 'insufficient_scope', /read:users/);
    assertRefused(await get(`${path}?expand=role,user`), 403, 'insufficient_scope', /read:users/);
  }
});

test('an inlined client or connection shows its secret only to whom it would show it anyway', async () => {
  const made = await acme.api('POST', '/connection', {
    connection_name: unique('db'),
    connection_type: 'database',
    client_secret: 'upstream-secret',
  });
  const user = await acme.api('POST', '/user', { name: 'x' });
  const credential = await acme.api('POST', '/credentials', {
    user: user.id,
    connection: made.id,
    username: 'inlined',
  });
  const without = await acme.token('read:credentials read:connections');
  const masked = await w.call(acme.origin, without, 'GET', `/credentials/${credential.id}?expand=connection`);
  assert.equal(masked.body.connection.client_secret, '********');
  const shown = await acme.api('GET', `/credentials/${credential.id}?expand=connection`);
  assert.equal(shown.connection.client_secret, 'upstream-secret');
});

test('expand never crosses tenants, even where a row names a foreign id', async () => {
  const theirs = { user: await other.user(), role: await other.api('POST', '/role', { name: unique('foreign') }) };
  const time = new Date();
  const id = `rolemember_${Math.floor(time.getTime() / 1000).toString(16)}${'f'.repeat(16)}`;
  await mongoose.models.RoleMember!.create({
    ...{ _id: id, account: acme.id, role: theirs.role.id, user: theirs.user.id, metadata: {} },
    ...{ createdAt: time, updatedAt: time },
  });
  const got = await acme.api('GET', `/rolemember/${id}?expand=role,user`);
  assert.deepEqual([got.role, got.user], [theirs.role.id, theirs.user.id]);
  const page = await acme.api('GET', `/rolemember?query=user:${theirs.user.id}&expand=role&expand=user`);
  assert.deepEqual(page.results, [got]);
});

/* ——— indexes ——— */

type Stage = { stage: string; indexName?: string; inputStage?: Stage; inputStages?: Stage[] };
const stages = (stage?: Stage): Stage[] =>
  stage ? [stage, ...stages(stage.inputStage), ...(stage.inputStages ?? []).flatMap(stages)] : [];

/** The plans of every read that the calls make. */
async function plansOf(calls: () => Promise<unknown>) {
  const reads: { collection: string; filter: object; options: object }[] = [];
  mongoose.set('debug', (collection, method, filter, options) => {
    if (/^(find|findOne)$/.test(method))
      reads.push({ collection, filter: filter as object, options: options as object });
  });
  try {
    await calls();
  } finally {
    mongoose.set('debug', false);
  }
  assert.ok(reads.length, 'nothing was read');
  return Promise.all(
    reads.map(async ({ collection, filter, options }) => {
      const plan = await mongoose.connection.db!.collection(collection).find(filter, options).explain('executionStats');
      return {
        what: `${collection} ${JSON.stringify(filter)}`,
        stages: stages(plan.queryPlanner.winningPlan).map(({ stage }) => stage),
        examined: plan.executionStats.totalDocsExamined as number,
      };
    }),
  );
}

test('lists, filters, searches and look-ups by host read an index and no more rows than they show', async () => {
  const t = await w.tenant('Indexed');
  for (let n = 0; n < 60; n += 1)
    await t.api('POST', '/role', { name: `role ${n}`, description: n % 2 ? 'odd' : 'even' });
  const user = await t.user({ name: 'Rare Bird' });
  for (let n = 0; n < 40; n += 1)
    await t.api('POST', '/user', {
      name: `common ${n}`,
      locale: n % 20 ? 'en' : 'es',
      user_metadata: { plan: n % 20 ? 'free' : 'pro' },
    });
  const [role] = await find(t, 'role', { query: 'name:"role 7"' });
  await t.api('POST', '/rolemember', { role: role!.id, users: [user.id] });

  const selective = [
    ...['/role?pageSize=5', '/role?query=name:%22role%207%22', '/role?q=7', `/role?query=id:${role!.id}&pageSize=5`],
    ...['/user?sort=-last_login&pageSize=5', '/user?sort=email&pageSize=5', '/role?sort=-name&pageSize=5'],
    ...[
      '/user?query=name:com*&sort=name&pageSize=5',
      '/user?query=last_login:%3E2026-01-01',
      '/user?sort=createdAt&pageSize=5',
    ],
    ...['/user?query=user_metadata.plan:pro', '/user?query=user_metadata.plan:pr*&pageSize=5'],
    ...['/user?q=rare', '/user?query=locale:es', `/user?query=email:${user.email}`, '/user?query=since:0&pageSize=5'],
    ...[
      `/rolemember?query=user:${user.id}&expand=user,role`,
      `/role/${role!.id}/users`,
      `/credentials?query=email:${user.email}`,
    ],
    ...[
      '/log?query=type:admin.user.created&pageSize=5',
      '/client?pageSize=5',
      '/connection?query=enabled:true',
      '/api?pageSize=5',
    ],
  ];
  for (const path of selective) {
    const plans = await plansOf(() => t.api('GET', path));
    for (const { what, stages: seen, examined } of plans) {
      assert.ok(!seen.includes('COLLSCAN'), `${path}: ${what} scans its collection`);
      assert.ok(examined <= 12, `${path}: ${what} reads ${examined} rows`);
    }
  }
  const writes = await plansOf(async () => {
    await t.call('POST', '/role', { name: 'role 7' });
    await t.call('POST', '/credentials', { user: user.id, connection: t.connection, email: user.email });
    await t.api('POST', `/user/${user.id}`, { name: 'Rarer' });
    await t.api('POST', '/api', { name: 'x', identifier: 'https://x' });
  });
  // Hosts that nobody serves are asked for by anybody.
  const hosts = await plansOf(async () => {
    await w.send(`${w.originOf('nobody-at-all')}/role`);
    await w.send(`${w.originOf('')}/account/host/nobody.example`);
    await w.send(`${w.originOf('')}/account/host/${t.slug}.localhost`);
  });
  for (const { what, stages: seen } of [...writes, ...hosts])
    assert.ok(!seen.includes('COLLSCAN'), `${what} scans its collection`);
});
