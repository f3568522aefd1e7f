/** What specifications.md and security.md name is there: each test that holds something, and each setting that turns it on. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { OpenApi, Schema } from '../../src/http/docs/openapi-types.ts';

const PAGES = ['docs/specifications.md', 'docs/security.md'];
const read = (file: string) => readFileSync(file, 'utf8');

type Named = { file: string; name: string };

/** A line for each, so that what follows the file is the name to the letter. */
const testsOf = (text: string): Named[] =>
  [...text.matchAll(/^ *- `(test\/[\w/.-]+\.test\.ts)`: (.+)$/gm)].map(([, file, name]) => ({
    file: file!,
    name: name!,
  }));

const isThere = ({ file, name }: Named): boolean =>
  existsSync(file) &&
  ["'", '"', '`'].some(
    (quote) =>
      read(file).includes(`test(${quote}${name}${quote},`) ||
      read(file).includes(`test(\n    ${quote}${name}${quote},`),
  );

const { components } = JSON.parse(read('openapi/cardea.json')) as OpenApi;
const ROWS: Record<string, string> = { account: 'AuthAccount', client: 'Client', api: 'Api' };

function hasField(path: string): boolean {
  const [row, ...fields] = path.split('.');
  let at: Schema | undefined = components.schemas[ROWS[row!]!];
  for (const field of fields) at = at?.properties?.[field];
  return at !== undefined;
}
const settingsOf = (text: string): string[] =>
  [...text.matchAll(/`((?:account|client|api)\.[a-z_.]+)`/g)].map(([, path]) => path!);

for (const page of PAGES) {
  test(`${page}: every test that is named is there, by its file and name`, () => {
    const named = testsOf(read(page));
    assert.ok(named.length > 20, 'they are found');
    assert.deepEqual(
      named.filter((one) => !isThere(one)),
      [],
    );
  });

  test(`${page}: what is said is held by a test`, () => {
    const sections = read(page).split(/^### /m).slice(1);
    assert.ok(sections.length > 10, 'they are found');
    assert.deepEqual(
      sections.filter((section) => testsOf(section).length === 0).map((section) => section.split('\n')[0]),
      [],
    );
  });

  test(`${page}: every setting that is named is there`, () => {
    assert.deepEqual(
      settingsOf(read(page)).filter((path) => !hasField(path)),
      [],
    );
  });
}

test('and the checks see what is not there', () => {
  assert.ok(!isThere({ file: 'test/docs/promises.test.ts', name: 'nothing of this name' }));
  assert.ok(!isThere({ file: 'test/docs/nothing.test.ts', name: 'anything' }));
  assert.deepEqual(settingsOf('`client.callbacks`, `client.nothing`, `account.oauth_settings.nothing`').map(hasField), [
    true,
    false,
    false,
  ]);
});
