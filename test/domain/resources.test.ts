/** Every management resource that there is, against the suite that all of them must pass. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collections } from '../../src/resource/registry.ts';
import { world } from '../kit/index.ts';
import { operations } from '../kit/operations.ts';
import { operationsOf, resourceSuite } from '../suites/resource.ts';
import { ROWS } from '../suites/rows.ts';

const w = await world();
const all = await operations(w);
const tenants = { mine: await w.tenant('Acme'), theirs: await w.tenant('Other') };

/** Rows of an account: what has a list and rows by id. The account itself is nobody's row. */
const resources = collections().flatMap((collection) => {
  const served = operationsOf(collection.spec.name, all);
  return served.length && collection.spec.name !== 'account' ? [{ collection, served }] : [];
});

test('a row of every resource can be made, and of nothing else', () => {
  assert.deepEqual(resources.map(({ collection }) => collection.spec.name).sort(), Object.keys(ROWS).sort());
});

for (const { collection, served } of resources) resourceSuite(collection, served, tenants, ROWS[collection.spec.name]!);
