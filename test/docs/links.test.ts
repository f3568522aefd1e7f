/** What the documentation names is there: pages and headings, commands, files, settings, addresses, error codes. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, test } from 'node:test';
import { SETTINGS } from '../../src/config.ts';
import type { OpenApi } from '../../src/http/docs/openapi-types.ts';
import { FAULTS } from '../../src/kernel/fault.ts';

const ENDPOINTS = 'docs/reference/endpoints.md';
const read = (file: string) => readFileSync(file, 'utf8');
const pages = globSync('**/*.md', { exclude: (name) => /(^|[\\/])(node_modules|\.[^\\/]*)$/.test(String(name)) }).map(
  (file) => file.replaceAll('\\', '/'),
);
const prose = (text: string) => text.replace(/^ *```[\s\S]*?^ *```/gm, '');
const matches = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, found]) => found!);
/** What stands between backticks in a line. */
const named = (text: string) => matches(prose(text), /`([^`\n]+)`/g);
const code = (text: string) => [...named(text), ...matches(text, /^ *```\w*\n([\s\S]*?)^ *```/gm)].join('\n');

/** Names of headings as the hosts of repositories make them. */
function anchors(text: string): Set<string> {
  const names = new Set<string>();
  for (const heading of matches(prose(text), /^#+ +(.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let name = slug;
    for (let n = 1; names.has(name); n += 1) name = `${slug}-${n}`;
    names.add(name);
  }
  return names;
}

function brokenLinks(file: string, text: string): string[] {
  return matches(prose(text), /(?:\]\(|(?:src|href)=")([^)\s"]+)/g).filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path, anchor] = target.split('#') as [string, string?];
    const page = path ? posix.join(posix.dirname(file), path) : file;
    if (!existsSync(page)) return true;
    return anchor !== undefined && !anchors(path ? read(page) : text).has(anchor);
  });
}

const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
/** npm's own, which no script makes. */
const NPM = ['ci', 'cit', 'install'];
const unknownCommands = (_file: string, text: string): string[] => [
  ...matches(code(text), /\bnpm run ([\w:-]+)/g).filter((name) => !scripts[name]),
  ...matches(code(text), /\bnpm (?!run\b)([a-z]+)\b/g).filter((name) => !NPM.includes(name) && !scripts[name]),
];

/** Of this repository, as a path from its root; one with a placeholder names no file. */
const missingFiles = (_file: string, text: string): string[] =>
  matches(text, /(?<![\w./-])((?:src|test|scripts|views|docs|openapi)\/[\w./-]*\w)(?![\w/<{*]|\.<)/g).filter(
    (path) => !existsSync(path),
  );

const settings = new Set(Object.values(SETTINGS).map(({ name }) => name as string));
const sources = globSync('src/**/*.ts').map(read).join('\n');
/** A word in capitals is a setting, or what a file of ours is told to have. */
const unknownSettings = (_file: string, text: string): string[] =>
  named(text)
    .flatMap((span) => /^([A-Z]+(?:_[A-Z]+)+)(?:=\S*)?$/.exec(span)?.[1] ?? [])
    .filter((name) => !settings.has(name) && !sources.includes(`const ${name}`));

const { paths } = JSON.parse(read('openapi/cardea.json')) as OpenApi;
const documented = new Set(
  Object.entries(paths).flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`)),
);
const [, undocumented = ''] = read(ENDPOINTS).split('## Addresses that are not in the document');
const besides = new Set(named(undocumented));
const addresses = new Set([...documented, ...besides].map((call) => call.split(' ')[1]));
/** `GET /user?q=…`, and an address alone, whatever it takes. Below `/etc/` are files of a machine. */
const unknownAddresses = (_file: string, text: string): string[] =>
  named(text).filter((span) => {
    const [, method, path] = /^(?:(GET|POST|PUT|PATCH|DELETE) )?(\/(?!etc\/)[^\s?]*)/.exec(span) ?? [];
    if (!path) return false;
    return method ? !documented.has(`${method} ${path}`) && !besides.has(`${method} ${path}`) : !addresses.has(path);
  });

describe('every page', () => {
  const CHECKS = {
    'links to pages and headings that are there': brokenLinks,
    'names commands that are there': unknownCommands,
    'names files that are there': missingFiles,
    'names settings that are there': unknownSettings,
    'names addresses that are there, or says that the document lacks them': unknownAddresses,
  };
  /** A page on which each check finds one thing, and the thing. */
  const WRONG: Record<keyof typeof CHECKS, [text: string, found: string]> = {
    'links to pages and headings that are there': ['# A b\n[x](#a-b) [y](#a-c)', '#a-c'],
    'names commands that are there': ['`npm run check`, `npm run nothing`', 'nothing'],
    'names files that are there': ['`src/app.ts`, `node scripts/nothing.ts`', 'scripts/nothing.ts'],
    'names settings that are there': ['`LOG_LEVEL=debug`, `LOG_LEVELS`', 'LOG_LEVELS'],
    'names addresses that are there, or says that the document lacks them': [
      '`GET /user?q=ada`, `/docs`, `PUT /user`',
      'PUT /user',
    ],
  };
  for (const [rule, check] of Object.entries(CHECKS)) {
    test(rule, () => {
      assert.ok(pages.length > 30, 'the pages are found');
      const faults = pages.flatMap((file) => check(file, read(file)).map((found) => `${file}: ${found}`));
      assert.deepEqual(faults, []);
    });
    test(`and the check sees one that is not: ${rule}`, () => {
      const [text, found] = WRONG[rule as keyof typeof CHECKS];
      assert.deepEqual(check('README.md', text), [found]);
    });
  }
});

test('what is said to be missing in the OpenAPI document is', () => {
  assert.deepEqual(
    [...besides].filter((call) => documented.has(call)),
    [],
  );
});

test('the table of contents leads to every page below docs', () => {
  const listed = matches(read('docs/README.md'), /\]\(([^)#]+)/g).map((path) => posix.join('docs', path));
  assert.deepEqual(
    pages.filter((file) => file.startsWith('docs/') && file !== 'docs/README.md' && !listed.includes(file)),
    [],
  );
});

test('the table of errors has every code that is told, with its status and its OAuth code', () => {
  const rows = read('docs/reference/errors.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => {
      const [, codes = '', status = '', oauth = ''] = line.split('|').map((cell) => cell.trim());
      return matches(codes, /`([^`]+)`/g).map((fault) => [fault, Number(status), oauth.replaceAll('`', '')]);
    });
  const faults = Object.entries<{ status: number; oauth?: string }>(FAULTS)
    // Told as wrong_credentials is.
    .filter(([code]) => code !== 'unknown_user')
    .map(([code, { status, oauth = '' }]) => [code, status, oauth]);
  assert.deepEqual(rows.sort(), faults.sort());
});
