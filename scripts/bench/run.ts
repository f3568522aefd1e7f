/**
 * Cardea against the bare engine, in alternating rounds so that a busy machine burdens both: requests per second, their
 * ratio, the slowest hundredth, and processor time per request, which is the steadier number on a shared machine.
 *
 *   node scripts/bench/run.ts [--seconds N] [--only name] [--profile directory]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import type { Bare } from './bare.ts';
import { userToken } from './login.ts';
import { demoOf, end, type Running, startCardea } from './server.ts';

const { values: options } = parseArgs({
  options: {
    /** For all measuring together. */
    seconds: { type: 'string', default: '50' },
    only: { type: 'string' },
    /** Writes a CPU profile of each server there. */
    profile: { type: 'string' },
  },
});
const CONNECTIONS = 20;
const ROUNDS = 5;
const WARM_SECONDS = 1;

type Load = { path: string; method?: 'POST'; headers?: Record<string, string>; body?: string };
type Side = Running & { loads: Record<string, Load> };
type Round = { perSecond: number; p99: number; cpuMs: number };

type Client = { client_id: string; client_secret: string; audience: string };

/** The same requests for both; only addresses, credentials and the audience's parameter differ. */
function loadsOf(
  paths: { token: string; jwks: string; userinfo: string },
  { audience, ...client }: Client,
  alias: 'audience' | 'resource',
  bearer: string,
): Record<string, Load> {
  return {
    client_credentials: {
      path: paths.token,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        ...client,
        [alias]: audience,
        scope: 'read:orders create:orders',
      }).toString(),
    },
    discovery: { path: '/.well-known/openid-configuration' },
    jwks: { path: paths.jwks },
    userinfo: { path: paths.userinfo, headers: { authorization: `Bearer ${bearer}` } },
  };
}

const flags = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : [];

async function cardea(dataDir: string): Promise<Side> {
  const running = await startCardea(dataDir, flags);
  const demo = await demoOf(dataDir);
  const paths = { token: '/oauth/token', jwks: '/.well-known/jwks.json', userinfo: '/userinfo' };
  return { ...running, loads: loadsOf(paths, demo.machine_client, 'audience', await userToken(demo)) };
}

async function bare(): Promise<Side> {
  const child = fork(fileURLToPath(new URL('bare.ts', import.meta.url)), { execArgv: flags, silent: true });
  const [told] = (await once(child, 'message')) as [Bare];
  const loads = loadsOf({ token: '/token', jwks: '/jwks', userinfo: '/me' }, told.client, 'resource', told.userToken);
  return { pid: child.pid!, origin: told.origin, stop: () => end(child), loads };
}

/** Processor milliseconds that the process has used, all threads together; only Linux says. */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function load(side: Side, name: string, duration: number): Promise<Round> {
  const { path, ...request } = side.loads[name]!;
  const { host, port } = new URL(side.origin);
  const before = await cpuMs(side.pid);
  const result = await autocannon({
    ...request,
    // Both listen on the loopback address; the name is for the Host header.
    url: `http://127.0.0.1:${port}${path}`,
    headers: { host, ...request.headers },
    connections: CONNECTIONS,
    duration,
  });
  if (result.non2xx || result.errors) throw new Error(`${name}: ${result.non2xx} refused, ${result.errors} failed`);
  const used = (await cpuMs(side.pid)) - before;
  return { perSecond: result['2xx'] / result.duration, p99: result.latency.p99, cpuMs: used / result['2xx'] };
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const middle = (rounds: Round[], field: keyof Round) => median(rounds.map((round) => round[field]));

const dataDir = await mkdtemp(join(tmpdir(), 'cardea-bench-'));
const sides: Side[] = [];
try {
  sides.push(await cardea(dataDir), await bare());
  const names = Object.keys(sides[0]!.loads).filter((name) => !options.only || name === options.only);
  if (!names.length) throw new Error(`--only takes one of ${Object.keys(sides[0]!.loads).join(', ')}`);
  const duration = Number(options.seconds) / (names.length * sides.length * ROUNDS);

  console.log(
    `${ROUNDS} rounds of ${duration.toFixed(1)} s a server, ${CONNECTIONS} connections, node ${process.version}`,
  );
  const columns = ['', 'cardea/s', 'bare/s', 'ratio', 'p99 ms', 'bare', 'cpu ms', 'bare'];
  const line = (cells: (string | number)[]) =>
    cells.map((cell, i) => (i ? String(cell).padStart(10) : String(cell).padEnd(20))).join('');
  console.log(line(columns));
  for (const name of names) {
    for (const side of sides) await load(side, name, WARM_SECONDS);
    const rounds: Round[][] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1)
      for (const [i, side] of sides.entries()) rounds[i]!.push(await load(side, name, duration));
    const [ours, theirs] = rounds as [Round[], Round[]];
    console.log(
      line([
        name,
        middle(ours, 'perSecond').toFixed(0),
        middle(theirs, 'perSecond').toFixed(0),
        (middle(ours, 'perSecond') / middle(theirs, 'perSecond')).toFixed(2),
        middle(ours, 'p99').toFixed(0),
        middle(theirs, 'p99').toFixed(0),
        middle(ours, 'cpuMs').toFixed(2),
        middle(theirs, 'cpuMs').toFixed(2),
      ]),
    );
  }
} finally {
  for (const side of sides) await side.stop();
  await rm(dataDir, { recursive: true, force: true });
}
