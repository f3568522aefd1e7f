/** Runs every test file in a process of its own, two at a time, and fails loudly when none ran. */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';

const files = process.argv.length > 2 ? process.argv.slice(2) : globSync('test/**/*.test.ts').sort();
if (files.length === 0) {
  process.stderr.write('no test files\n');
  process.exit(1);
}
const child = spawn(
  process.execPath,
  [
    `--import=${new URL('../test/kit/rsa-keys.ts', import.meta.url)}`,
    ...['--test', '--test-concurrency=2', '--test-timeout=120000', '--test-reporter=spec'],
    ...files,
  ],
  { stdio: 'inherit', env: { ...process.env, NODE_ENV: 'test' } },
);
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
