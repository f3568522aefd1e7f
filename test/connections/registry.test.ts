/** The types of connections: each passes the suite, and nobody else knows them by name. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { CONNECTION_TYPES, STRATEGIES } from '../../src/connections/registry.ts';
import { world } from '../kit/index.ts';
import { strategySuite } from '../suites/strategy.ts';

const w = await world();

for (const strategy of STRATEGIES) strategySuite(w, strategy);

test('a type has a name of its own, and what two types call alike is alike', () => {
  assert.equal(new Set(CONNECTION_TYPES).size, CONNECTION_TYPES.length);
  const seen = new Map<string, unknown>();
  for (const { settings } of STRATEGIES)
    for (const [name, schema] of Object.entries(settings.properties)) {
      assert.deepEqual(schema, seen.get(name) ?? schema, name);
      seen.set(name, schema);
    }
});

test('a type that is none, and a setting that no type has, are refused by name', async () => {
  const t = await w.tenant();
  const refused = async (fields: object) => {
    const { status, text } = await t.call('POST', '/connection', { connection_name: 'x', ...fields });
    return [status, /connection_type|lucky_number/.exec(text)?.[0]];
  };
  assert.deepEqual(await refused({ connection_type: 'myspace' }), [400, 'connection_type']);
  assert.deepEqual(await refused({ connection_type: 'oidc', lucky_number: '7' }), [400, 'lucky_number']);
});

test('what a connection can do is asked of its type; no type is asked for by name', () => {
  const named = new RegExp(`(?:[!=]==?|case)\\s*'(?:${CONNECTION_TYPES.join('|')})'`);
  const found = globSync('src/**/*.ts').flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((text, index) => (named.test(text) ? [`${path}:${index + 1} ${text.trim()}`] : [])),
  );
  assert.deepEqual(found, []);
});
