/** How long a first start on an empty directory and a second one take, and what the idle server weighs. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AS_STARTED, startCardea } from './server.ts';

const IDLE_MS = 3_000;

/** Resident megabytes. */
const weight = (pid: number): number =>
  Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024);

const say = (what: string, value: string, target: string) =>
  console.log(`${what.padEnd(22)}${value.padStart(9)}   target ${target}`);

const dataDir = await mkdtemp(join(tmpdir(), 'cardea-bench-'));
try {
  for (const [what, target] of [
    ['first start', '< 5 s'],
    ['second start', '< 2 s'],
  ] as const) {
    const startedAt = performance.now();
    const server = await startCardea(dataDir, AS_STARTED);
    try {
      say(what, `${((performance.now() - startedAt) / 1000).toFixed(2)} s`, target);
      await sleep(IDLE_MS);
      say('  idle, the server', `${weight(server.pid)} MB`, '< 150 MB');
    } finally {
      await server.stop();
    }
  }
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
