/**
 * What every management resource must pass, read off its spec and the document of the routes. That a token without the
 * permission is refused, and that foreign ids are answered like missing ones by each operation there is, domain/permissions
 * and http/attacker walk for all routes at once.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OpenApi, Operation } from '../../src/http/docs/openapi-types.ts';
import type { Collection } from '../../src/resource/collection.ts';
import { expandable } from '../../src/resource/define.ts';
import { assertRefused, type Json, type TenantHandle } from '../kit/index.ts';

export type Tenants = { mine: TenantHandle; theirs: TenantHandle };

/** Where a resource is served: `many` is its list, `one` a row, `id` the parameter of that path. */
type Served = { many: Record<string, Operation>; one: Record<string, Operation>; id: string };

export function servedAt(document: OpenApi, name: string): Served | undefined {
  const many = document.paths[`/${name}`];
  const path = Object.keys(document.paths).find((each) => new RegExp(`^/${name}/\\{${name}_id\\}$`).test(each));
  return many && path ? { many, one: document.paths[path]!, id: `${name}_id` } : undefined;
}

const REFUSED_FIELD = 'made_up_field';

/** @param make a row of the resource in a tenant, another one at each call; answers its id */
export function resourceSuite(
  { spec }: Collection,
  { many, one }: Served,
  { mine, theirs }: Tenants,
  make: (t: TenantHandle) => Promise<string>,
): void {
  const path = `/${spec.name}`;
  const takes = (name: string) => (many.get!.parameters ?? []).some((parameter) => parameter.name === name);
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
      for (const [verb, operation] of Object.entries(one)) {
        const body = operation.requestBody && {};
        for (const id of [foreign, missing, 'x'])
          assertRefused(await mine.call(verb.toUpperCase(), `${path}/${id}`, body), 404, 'not_found');
      }
      assert.equal((await mine.api('GET', `${path}/${own[0]}`)).id, own[0]);
      assert.equal((await theirs.api('GET', `${path}/${foreign}`)).id, foreign);
    });

    test('a query finds a row by the id and by each field of the filter, and names a field that it does not know', async () => {
      if (!takes('query'))
        return assertRefused(await mine.call('GET', `${path}?query=id:x`), 400, 'validation', /query/);
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
      const unknown = await mine.call('GET', `${path}?query=${REFUSED_FIELD}:x`);
      assertRefused(unknown, 400, 'invalid_query', new RegExp(REFUSED_FIELD));
    });

    test('a field that the schema does not have is refused by its name, and changes nothing', async () => {
      const before = await mine.api('GET', `${path}/${own[0]}`);
      for (const [operation, address] of [
        [many.post, path],
        [one.post, `${path}/${own[0]}`],
      ] as const) {
        if (!operation?.requestBody) continue;
        const answer = await mine.call('POST', address, { [REFUSED_FIELD]: 'x' });
        assertRefused(answer, 400, 'validation', new RegExp(REFUSED_FIELD));
      }
      assert.deepEqual(await mine.api('GET', `${path}/${own[0]}`), before);
      assertRefused(await mine.call('GET', `${path}?${REFUSED_FIELD}=x`), 400, 'validation', new RegExp(REFUSED_FIELD));
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
      assert.deepEqual({ ...expanded, ...Object.fromEntries(paths.map((field) => [field, row[field]])) }, row);
    });

    test('each operation wants the permission of its verb and this resource', () => {
      for (const [operation, verb] of [
        [many.get, 'read'],
        [one.get, 'read'],
        [many.post, 'create'],
        [one.post, 'update'],
        [one.delete, 'delete'],
      ] as const)
        if (operation) assert.equal((operation as Json)['x-permission'], `${verb}:${spec.permission}`);
    });
  });
}
