/**
 * Completes package-lock.json after `npm install` on a machine whose registry lacks some platforms' optional packages:
 * npm leaves those out of the lock file, and then `npm ci` refuses it elsewhere. Adds what their parents name.
 */
import { readFileSync, writeFileSync } from 'node:fs';

type Entry = {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  cpu?: string[];
  os?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
};

const FILE = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(FILE, 'utf8')) as { packages: Record<string, Entry> };

const CPUS = ['arm64', 'riscv64', 'ppc64', 's390x', 'ia32', 'x64', 'arm'];
const SYSTEMS = ['android', 'darwin', 'linux', 'win32', 'freebsd', 'openbsd', 'netbsd', 'sunos', 'aix', 'openharmony'];

/** Where npm would look for a package from a folder of another, innermost first. */
function* places(parent: string, name: string): Generator<string> {
  for (let at = parent; at; at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '')
    yield `${at}/node_modules/${name}`;
  yield `node_modules/${name}`;
}

const added: string[] = [];
for (const [parent, { optionalDependencies = {}, dev }] of Object.entries({ ...lock.packages })) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    const candidates = [...places(parent, name)];
    if (candidates.some((place) => lock.packages[place])) continue;
    const words = name.split('/').at(-1)!.split('-');
    const cpu = CPUS.find((known) => words.includes(known));
    const os = SYSTEMS.find((known) => words.includes(known));
    if (!cpu || !os || !/^\d/.test(version)) throw new Error(`cannot tell the platform of ${name}@${version}`);
    const libc = words.some((word) => word.startsWith('musl'))
      ? 'musl'
      : words.some((word) => word.startsWith('gnu'))
        ? 'glibc'
        : undefined;
    lock.packages[candidates.at(-1)!] = {
      version,
      cpu: [cpu],
      ...(dev && { dev }),
      ...(os === 'linux' && libc && { libc: [libc] }),
      optional: true,
      os: [os],
    };
    added.push(name);
  }
}
const { '': root, ...rest } = lock.packages;
const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = { '': root!, ...Object.fromEntries(sorted) };
writeFileSync(FILE, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added.length} optional packages added\n`);
