/** Runs every test file in a process of its own, two at a time, says what took long, and fails loudly when none ran. */
import { spawn } from 'node:child_process';
import { globSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const files = process.argv.length > 2 ? process.argv.slice(2) : globSync('test/**/*.test.ts').sort();
if (files.length === 0) {
  process.stderr.write('no test files\n');
  process.exit(1);
}
/** A database waits for its disk at every write; memory is as good for one that is thrown away, where there is enough. */
function fastFolder(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize > 2 ** 30 ? '/dev/shm' : tmpdir();
  } catch {
    return tmpdir();
  }
}

const here = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const child = spawn(
  process.execPath,
  [
    `--import=${new URL('../test/kit/rsa-keys.ts', import.meta.url)}`,
    ...['--test', '--test-concurrency=2', '--test-timeout=300000'],
    ...['spec', here('scripts/slowest.ts')].flatMap((reporter) => [
      `--test-reporter=${reporter}`,
      '--test-reporter-destination=stdout',
    ]),
    ...files,
  ],
  {
    stdio: 'inherit',
    // Every file loads the whole server: what one has compiled, the others and the servers that they start need not.
    env: {
      NODE_COMPILE_CACHE: here('node_modules/.cache/compile'),
      ...process.env,
      TMPDIR: fastFolder(),
      NODE_ENV: 'test',
    },
  },
);
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
