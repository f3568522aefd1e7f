/**
 * What one tenant's flood of passwords does to another tenant: the slowest hundredth of its machine tokens, quiet and
 * under the flood, in alternating rounds. Slow hashing is to leave it within three times of what it was.
 *
 *   node scripts/bench/hammer.ts [--seconds N] [--flood 100] [--threads 4]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { end } from './server.ts';
import { type Call, caller, machineToken, type Target } from './walk.ts';

const { values: options } = parseArgs({
  options: {
    /** For all measuring together. */
    seconds: { type: 'string', default: '60' },
    /** How many of the one tenant's passwords are on their way at a time. */
    flood: { type: 'string', default: '100' },
    threads: { type: 'string', default: '4' },
  },
});
const ROUNDS = 6;
const CONNECTIONS = 4;

type Told = { target: Target; hosts: { host: string; client: Target['machine'] }[] };
type Round = { perSecond: number; p50: number; p99: number };

const until = async (stop: () => boolean, workers: number, step: () => Promise<void>) => {
  const work = async () => {
    while (!stop()) await step();
  };
  await Promise.all(Array.from({ length: workers }, work));
};

async function measure(step: () => Promise<void>, seconds: number): Promise<Round> {
  const took: number[] = [];
  const ends = performance.now() + seconds * 1000;
  await until(
    () => performance.now() > ends,
    CONNECTIONS,
    async () => {
      const begun = performance.now();
      await step();
      took.push(performance.now() - begun);
    },
  );
  took.sort((a, b) => a - b);
  const at = (part: number) => took[Math.floor(took.length * part)] ?? 0;
  return { perSecond: took.length / seconds, p50: at(0.5), p99: at(0.99) };
}

/** Wrong passwords without end. @returns how to stop it, which tells what became of them by status. */
function flood(call: Call, { paths, web }: Target, workers: number): () => Promise<Map<number, number>> {
  const answers = new Map<number, number>();
  let over = false;
  let turn = 0;
  const { client_id, client_secret } = web;
  const attempt = async () => {
    turn += 1;
    const username = `${turn}@example.com`;
    const form = { client_id, client_secret, grant_type: 'password', username, password: 'not the one' };
    const { status } = await call(paths.token, { form });
    answers.set(status, (answers.get(status) ?? 0) + 1);
  };
  const flooding = until(() => over, workers, attempt);
  return async () => {
    over = true;
    await flooding;
    return answers;
  };
}

const median = (rounds: Round[], field: keyof Round): number =>
  rounds.map((round) => round[field]).toSorted((a, b) => a - b)[Math.floor(rounds.length / 2)]!;

const dataDir = await mkdtemp(join(tmpdir(), 'cardea-bench-'));
const child = fork(fileURLToPath(new URL('cardea.ts', import.meta.url)), [dataDir, '1'], {
  env: { ...process.env, UV_THREADPOOL_SIZE: options.threads },
  // A line for each password that was sent away.
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
});
try {
  const [{ target, hosts }] = (await once(child, 'message')) as [Told];
  const [neighbour] = hosts;
  const { port } = new URL(target.origin);
  const quietly = caller(target.origin, CONNECTIONS);
  const loudly = caller(target.origin, Number(options.flood));
  const step = () => machineToken(quietly.call, target, neighbour!.client, `${neighbour!.host}:${port}`);
  const duration = Number(options.seconds) / (2 * ROUNDS);
  await measure(step, 2);
  const [quiet, flooded]: [Round[], Round[]] = [[], []];
  const answers = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    quiet.push(await measure(step, duration));
    const stop = flood(loudly.call, target, Number(options.flood));
    flooded.push(await measure(step, duration));
    for (const [status, times] of await stop()) answers.set(status, (answers.get(status) ?? 0) + times);
  }
  quietly.close();
  loudly.close();
  console.log(`${ROUNDS} rounds of ${duration.toFixed(1)} s, ${options.threads} threads, node ${process.version}`);
  for (const [name, rounds] of Object.entries({ quiet, flooded }))
    console.log(
      `${name.padEnd(9)}${median(rounds, 'perSecond').toFixed(0).padStart(6)}/s   p50 ${median(rounds, 'p50').toFixed(1).padStart(6)} ms   p99 ${median(rounds, 'p99').toFixed(1).padStart(6)} ms`,
    );
  console.log(`p99 is ${(median(flooded, 'p99') / median(quiet, 'p99')).toFixed(2)} times what it was; at most 3`);
  console.log(`the flood was answered ${[...answers].map(([status, times]) => `${status}: ${times}`).join(', ')}`);
} finally {
  await end(child);
  await rm(dataDir, { recursive: true, force: true });
}
