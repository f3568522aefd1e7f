/**
 * What every management resource must pass, read off its spec and the document of the routes. That a token without the
 * permission is refused, and that foreign ids are answered like missing ones by each operation there is, domain/permissions
 * and http/attacker walk for all routes at once.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Collection } from '../../src/resource/collection.ts';
import { expandable } from '../../src/resource/define.ts';
import { sortable } from '../../src/resource/sort.ts';
import { assertRefused, type Json, type TenantHandle } from '../kit/index.ts';
import { fill, type Operation } from '../kit/operations.ts';

export type Tenants = { mine: TenantHandle; theirs: TenantHandle };

/** As the database orders: nothing comes first. */
const isAfter = (one: Json, other: Json): boolean => one !== null && (other === null || one > other);

const UNKNOWN = { made_up_field: 'x' };
const VERBS: Record<string, string> = {
  GET: 'read',
  POST: 'create',
  'GET one': 'read',
  'POST one': 'update',
  'DELETE one': 'delete',
};

/** Of all operations those of one resource's list and rows; none where it has no list. */
export function operationsOf(name: string, all: readonly Operation[]): Operation[] {
  const own = all.filter(({ path }) => new RegExp(`^/${name}(/\\{\\w+\\})?$`).test(path));
  return own.some(({ method, path }) => method === 'GET' && path === `/${name}`) ? own : [];
}

/**
 * @param operations as operationsOf answers them
 * @param make a row of the resource in a tenant, another one at each call; answers its id
 */
export function resourceSuite(
  { spec }: Collection,
  operations: readonly Operation[],
  { mine, theirs }: Tenants,
  make: (t: TenantHandle) => Promise<string>,
): void {
  const path = `/${spec.name}`;
  const ofOne = operations.filter(({ parameters }) => parameters.length > 0);
  const at = (operation: Operation, id: string) => fill(operation.path, { [operation.parameters[0] ?? '']: id });
  const list = async (query: Record<string, string> = {}): Promise<{ results: Json[]; next: string | null }> =>
    mine.api('GET', `${path}?${new URLSearchParams(query)}`);
  const idsOf = (rows: Json[]): string[] => rows.map(({ id }) => id);

  describe(spec.title, () => {
    const own: string[] = [];
    let foreign = '';

    test('a list has the tenant’s own rows, the newest first, in pages that neither repeat nor skip', async () => {
      foreign = await make(theirs);
      for (let row = 0; row < 3; row += 1) own.push(await make(mine));
      const all = idsOf((await list({ pageSize: '200' })).results);
      assert.deepEqual(all, [...all].sort().reverse());
      for (const id of own) assert.ok(all.includes(id), id);
      assert.ok(!all.includes(foreign));

      const paged: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await list({ pageSize: '2', ...(cursor && { cursor }) });
        paged.push(...idsOf(page.results));
        cursor = page.next;
      }
      assert.deepEqual(paged, all);
      for (const pageSize of ['0', '201', 'x'])
        assertRefused(await mine.call('GET', `${path}?pageSize=${pageSize}`), 400, 'validation', /pageSize/);
      const planted = Buffer.from(foreign).toString('base64url');
      assert.ok(!(await mine.call('GET', `${path}?cursor=${planted}`)).text.includes(foreign));
    });

    test('an id of another tenant, of nothing and of no form is not found, whatever is done with it', async () => {
      const missing = `${foreign.replace(/_.*/, '')}_${'0'.repeat(24)}`;
      for (const operation of ofOne)
        for (const id of [foreign, missing, 'x'])
          assertRefused(await mine.call(operation.method, at(operation, id), operation.body), 404, 'not_found');
      assert.equal((await mine.api('GET', `${path}/${own[0]}`)).id, own[0]);
      assert.equal((await theirs.api('GET', `${path}/${foreign}`)).id, foreign);
    });

    test('a query finds a row by the id and by each field of the filter, and names a field that it does not know', async () => {
      const row = await mine.api('GET', `${path}/${own[0]}`);
      for (const field of ['id', ...spec.filter]) {
        const value = [row[field]].flat()[0];
        if (value === undefined || value === null) continue;
        const found = idsOf(
          (await list({ query: `${field}:${JSON.stringify(String(value))}`, pageSize: '200' })).results,
        );
        assert.ok(found.includes(row.id), `${field} is ${value}`);
        const others = idsOf(
          (await list({ query: `id:${row.id} ${field}!:${JSON.stringify(String(value))}` })).results,
        );
        assert.deepEqual(others, [], `${field} is not ${value}`);
      }
      assert.deepEqual((await list({ query: `id:${foreign}` })).results, []);
      assertRefused(await mine.call('GET', `${path}?query=made_up_field:x`), 400, 'invalid_query', /made_up_field/);
    });

    test('a list is sorted by each field that has an index, up and down, and names those when it is asked for another', async () => {
      const all = idsOf((await list({ pageSize: '200' })).results).sort();
      const fields = sortable(spec);
      for (const sort of fields.flatMap((field) => [field, `-${field}`])) {
        const rows: Json[] = [];
        for (let cursor: string | null = ''; cursor !== null; ) {
          const page: Awaited<ReturnType<typeof list>> = await list({ pageSize: '3', sort, ...(cursor && { cursor }) });
          rows.push(...page.results);
          cursor = page.next;
        }
        assert.deepEqual(idsOf(rows).sort(), all, sort);
        const values = rows.map((row) => row[sort.replace('-', '')] ?? null);
        for (const [n, value] of (sort.startsWith('-') ? values.toReversed() : values).entries())
          assert.ok(n === 0 || !isAfter(values.at(sort.startsWith('-') ? -n : n - 1), value), `${sort}: ${values}`);
      }
      const message = new RegExp(fields.join(', '));
      for (const sort of ['metadata', '', '-', 'createdAt,name', '__proto__'])
        assertRefused(await mine.call('GET', `${path}?sort=${sort}`), 400, 'validation', message);
      const { next } = await list({ pageSize: '1', sort: 'createdAt' });
      if (next) assertRefused(await mine.call('GET', `${path}?cursor=${next}`), 400, 'invalid_cursor', /order/);
      const counted = await mine.api('GET', `${path}?pageSize=1&include_totals=true`);
      assert.deepEqual([counted.total, counted.total_is_more], [all.length, false]);
    });

    test('a row is found by what it has in each free-form field, as that is now, and by nobody else', async () => {
      const free = ['metadata', 'user_metadata', 'app_metadata'];
      const taken = free.filter((field) => operations.some(({ fields }) => fields.includes(field)));
      assert.deepEqual(spec.freeForm ?? [], taken);
      const update = ofOne.find(({ method }) => method === 'POST');
      for (const field of update ? taken.filter((one) => update.fields.includes(one)) : []) {
        const found = async (t: TenantHandle, query: string) =>
          idsOf((await t.api('GET', `${path}?${new URLSearchParams({ query: `${field}.${query}` })}`)).results);
        const set = (t: TenantHandle, id: string, plan: string) =>
          t.api('POST', at(update!, id), { [field]: { plan, in: { city: ['Madrid'] } } });
        await set(mine, own[0]!, 'pro');
        await set(theirs, foreign, 'pro');
        assert.deepEqual(await found(mine, 'plan:pro'), [own[0]]);
        assert.deepEqual(await found(theirs, 'in.city:Madrid'), [foreign]);
        await set(mine, own[0]!, 'free');
        assert.deepEqual(await found(mine, 'plan:pro'), []);
        assert.deepEqual(await found(mine, 'plan:f*'), [own[0]]);
      }
      if (taken.length === 0)
        assertRefused(
          await mine.call('GET', `${path}?query=metadata.plan:pro`),
          400,
          'invalid_query',
          /metadata\.plan/,
        );
    });

    test('a field that the schema does not have is refused by its name, and changes nothing', async () => {
      const before = await mine.api('GET', `${path}/${own[0]}`);
      for (const operation of operations.filter(({ body }) => body !== undefined)) {
        const answer = await mine.call('POST', at(operation, own[0]!), { ...(operation.body as Json), ...UNKNOWN });
        assertRefused(answer, 400, 'validation', /made_up_field/);
      }
      assert.deepEqual(await mine.api('GET', `${path}/${own[0]}`), before);
      assertRefused(
        await mine.call('GET', `${path}?${new URLSearchParams(UNKNOWN)}`),
        400,
        'validation',
        /made_up_field/,
      );
    });

    test('expanding shows the tenant’s own rows in place of their ids', async () => {
      const row = await mine.api('GET', `${path}/${own[0]}`);
      const paths = Object.keys(expandable(spec));
      if (paths.length === 0) return;
      const [expanded] = (await list({ query: `id:${row.id}`, expand: paths.join(',') })).results;
      for (const field of paths) {
        const [id, inlined] = [[row[field]].flat()[0], [expanded[field]].flat()[0]];
        if (id) assert.deepEqual([inlined.id, inlined.account], [id, mine.id], field);
      }
      const asIds = Object.fromEntries(paths.filter((field) => field in row).map((field) => [field, row[field]]));
      assert.deepEqual({ ...expanded, ...asIds }, row);
    });

    test('each operation wants the permission of its verb and this resource', () => {
      for (const { id, method, parameters, permission } of operations)
        assert.equal(permission, `${VERBS[parameters.length ? `${method} one` : method]}:${spec.permission}`, id);
    });
  });
}
