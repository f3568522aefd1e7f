/** Runs the suite of client libraries alone and prints the table of what they have been shown to do. */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { clients, print } from './tables.ts';

const files = globSync('test/clients/*.test.ts').sort();
const { status } = spawnSync(process.execPath, ['scripts/test.ts', ...files], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
process.stdout.write(`\n${print(clients())}\n`);
