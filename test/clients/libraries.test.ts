/** The table of client libraries promises nothing that no file proves. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { LIBRARIES } from './libraries.ts';

test('every library of the table has its file, and every file its row', () => {
  const suites = globSync('test/clients/*.test.ts').flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^suite\(\s*'([^']+)'/gm)].map(([, library]) => library),
  );
  assert.deepEqual(suites.sort(), Object.keys(LIBRARIES).sort());
});
