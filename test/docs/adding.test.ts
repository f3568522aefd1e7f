/** The changes of docs/adding.md are made to a copy of the source: they fit, they compile, and what they promise is there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { applyPatch, parsePatch } from 'diff';
import type { OpenApi } from '../../src/http/docs/openapi-types.ts';

const run = promisify(execFile);
const copy = mkdtempSync(join(tmpdir(), 'cardea-adding-'));
after(() => rmSync(copy, { recursive: true }));
for (const name of ['src', 'test', 'views', 'scripts', 'docs', 'openapi', '.env.example', 'README.md'])
  cpSync(name, join(copy, name), { recursive: true, filter: (from) => !from.includes('node_modules') });
for (const name of ['README.md', 'package.json', 'package-lock.json', 'tsconfig.json']) cpSync(name, join(copy, name));
symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'));

const read = (file: string) => readFileSync(join(copy, file), 'utf8');
// What is compiled of a copy nobody needs a second time.
const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' };
const node = (...argv: string[]) => run(process.execPath, argv, { cwd: copy, env });
/** A path of the patch without the letter of its side. */
const pathOf = (name: string | undefined) => name!.replace(/^[ab]\//, '');

test('each change is one new file, and what is added to others', () => {
  for (const change of readdirSync('docs/adding')) {
    const made: string[] = [];
    for (const patch of parsePatch(readFileSync(join('docs/adding', change), 'utf8'))) {
      const file = pathOf(patch.newFileName);
      const isNew = patch.oldFileName === '/dev/null' || patch.isCreate;
      const text = applyPatch(isNew ? '' : read(file), patch);
      assert.ok(text !== false, `${change} does not fit ${file}: make it again`);
      mkdirSync(dirname(join(copy, file)), { recursive: true });
      writeFileSync(join(copy, file), text);
      if (isNew && file.startsWith('src/')) made.push(file);
    }
    // A setting is a record among others; a page has a journey that leads to it.
    const files = { 'setting.diff': 0, 'account-setting.diff': 0, 'page.diff': 2 }[change] ?? 1;
    assert.equal(made.length, files, change);
  }
});

test('with all of them the source compiles', async () => {
  // Several checkers would each know all types: on few cores three times the work.
  await node('node_modules/typescript/bin/tsc', '-p', '.', '--singleThreaded');
});

test('what they add is served, documented and tested', async () => {
  await node('scripts/openapi.ts');
  await node('scripts/print.ts');
  const document = read('openapi/cardea.json');
  const { paths, tags } = JSON.parse(document) as OpenApi;
  assert.deepEqual(Object.keys(paths['/note']!), ['get', 'post']);
  assert.deepEqual(Object.keys(paths['/note/{note_id}']!), ['get', 'delete']);
  assert.ok(tags!.some(({ name }) => name === 'note'));
  for (const word of ['read:notes', 'patreon', 'http://auth0.com/oauth/grant-type/password-realm', 'support_email'])
    assert.ok(document.includes(word), word);
  assert.match(read('docs/reference/settings.md'), /`KEEP_ALIVE_SECONDS`/);
  assert.match(read('.env.example'), /^# KEEP_ALIVE_SECONDS=72$/m);

  const { stdout } = await node(
    '--input-type=module',
    '--eval',
    `import { pages } from './src/flows/index.ts';
     import { MESSAGES } from './src/domain/message/index.ts';
     console.log(JSON.stringify({
       pages: pages.map(({ name }) => name),
       messages: MESSAGES.map(({ type }) => type),
     }));`,
  );
  const known = JSON.parse(stdout) as { pages: string[]; messages: string[] };
  assert.ok(known.pages.includes('help'));
  assert.ok(known.messages.includes('invite_withdrawn'));
});
