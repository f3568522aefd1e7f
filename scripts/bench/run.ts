/**
 * Cardea against the bare engine, in alternating rounds so that a busy machine burdens both: requests (or whole logins)
 * per second, their ratio, the slowest hundredth, and processor time per request, which is the steadier number on a
 * shared machine. The bare engine keeps everything in its memory; Cardea's database is a process of its own, whose time
 * is not counted as processor time but is in the ratio.
 *
 * With `--stored` the engine's rows are on the same database, by the thinnest adapter there is: what is then between the
 * two is Cardea's own doing, and not the database's.
 *
 *   node scripts/bench/run.ts [--seconds N] [--only name,name] [--profile directory] [--tenants 1000] [--stored]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { end, type Running } from './server.ts';
import {
  type Call,
  caller,
  logIn,
  machineForm,
  machineToken,
  pollDevice,
  refresh,
  startDevice,
  type Target,
} from './walk.ts';

const { values: options } = parseArgs({
  options: {
    /** For all measuring together. */
    seconds: { type: 'string', default: '120' },
    only: { type: 'string' },
    /** Writes a CPU profile of each server there. */
    profile: { type: 'string' },
    /** How many tenants take turns in the last line; none: no such line. */
    tenants: { type: 'string', default: '1000' },
    stored: { type: 'boolean', default: false },
  },
});
const CONNECTIONS = 20;
const ROUNDS = 5;
const WARM_SECONDS = 1;
const DEVICES = 500;

type Request = { path: string; method?: 'POST'; headers?: Record<string, string>; body?: string };
/** Done again and again by one of many workers, which are at their own places. */
type Walk = (call: Call) => Promise<() => Promise<void>>;
type Load = Request | Walk;
type Side = Running & { loads: Record<string, Load> };
type Round = { perSecond: number; p99: number; cpuMs: number };

const form = (path: string, fields: Record<string, string>): Request => ({
  path,
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams(fields).toString(),
});

/** The same requests for both; only addresses, credentials and the audience's parameter differ. */
async function loadsOf(target: Target): Promise<Record<string, Load>> {
  const { paths, web } = target;
  const { client_id, client_secret } = web;
  const { call, close } = caller(target.origin, 1);
  const { access_token: token } = await logIn(call, target);
  close();
  return {
    client_credentials: form(paths.token, machineForm(target, target.machine)),
    userinfo: { path: paths.userinfo, headers: { authorization: `Bearer ${token}` } },
    introspection: form(paths.introspection, { client_id, client_secret, token }),
    login: async (worker) => async () => void (await logIn(worker, target, target.signed)),
    refresh: async (worker) => {
      let { refresh_token: held } = await logIn(worker, target, target.signed);
      return async () => {
        held = (await refresh(worker, target, held)).refresh_token;
      };
    },
    device_poll: async (worker) => {
      const codes: string[] = [];
      while (codes.length < DEVICES / CONNECTIONS) codes.push(await startDevice(worker, target));
      let turn = 0;
      return async () => {
        turn += 1;
        await pollDevice(worker, target, codes[turn % codes.length]!);
      };
    },
    discovery: { path: '/.well-known/openid-configuration' },
    jwks: { path: paths.jwks },
  };
}

const flags = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : [];

type Told = { target: Target; hosts?: { host: string; client: Target['machine'] }[] };

async function side(program: string, ...args: string[]): Promise<Side & Told> {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), args, { execArgv: flags, silent: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const failed = once(child, 'exit').then(() => {
    throw new Error(`${program} ended:\n${output}`);
  });
  const [told] = (await Promise.race([once(child, 'message'), failed])) as [Told];
  failed.catch(() => {});
  return {
    ...told,
    pid: child.pid!,
    stop: () => end(child),
    origin: told.target.origin,
    loads: await loadsOf(told.target),
  };
}

/** Processor milliseconds that the process has used, all threads together; only Linux says. */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function cannon(side: Side, request: Request, duration: number): Promise<Round> {
  const before = await cpuMs(side.pid);
  const { host, port } = new URL(side.origin);
  const result = await autocannon({
    ...request,
    // Both listen on the loopback address; the name is for the Host header.
    url: `http://127.0.0.1:${port}${request.path}`,
    headers: { host, ...request.headers },
    connections: CONNECTIONS,
    duration,
  });
  if (result.non2xx || result.errors) throw new Error(`${result.non2xx} refused, ${result.errors} failed`);
  const used = (await cpuMs(side.pid)) - before;
  return { perSecond: result['2xx'] / result.duration, p99: result.latency.p99, cpuMs: used / result['2xx'] };
}

async function walks(side: Side, walk: Walk, duration: number): Promise<Round> {
  const { call, close } = caller(side.origin, CONNECTIONS);
  const workers = await Promise.all(Array.from({ length: CONNECTIONS }, () => walk(call)));
  const took: number[] = [];
  const before = await cpuMs(side.pid);
  const startedAt = performance.now();
  const until = startedAt + duration * 1000;
  await Promise.all(
    workers.map(async (step) => {
      for (let begun = performance.now(); begun < until; begun = performance.now()) {
        await step();
        took.push(performance.now() - begun);
      }
    }),
  );
  const perSecond = took.length / ((performance.now() - startedAt) / 1000);
  const used = (await cpuMs(side.pid)) - before;
  close();
  const p99 = took.sort((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? 0;
  return { perSecond, p99, cpuMs: used / took.length };
}

function load(side: Side, name: string, duration: number): Promise<Round> {
  const wanted = side.loads[name]!;
  return typeof wanted === 'function' ? walks(side, wanted, duration) : cannon(side, wanted, duration);
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const middle = (rounds: Round[], field: keyof Round) => median(rounds.map((round) => round[field]));
const line = (cells: (string | number)[]) =>
  console.log(cells.map((cell, i) => (i ? String(cell).padStart(10) : String(cell).padEnd(20))).join(''));

async function compare(name: string, sides: readonly [Side, Side], duration: number): Promise<void> {
  for (const side of sides) await load(side, name, WARM_SECONDS);
  const [ours, theirs]: [Round[], Round[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await load(sides[0], name, duration));
    theirs.push(await load(sides[1], name, duration));
  }
  line([
    name,
    middle(ours, 'perSecond').toFixed(0),
    middle(theirs, 'perSecond').toFixed(0),
    (middle(ours, 'perSecond') / middle(theirs, 'perSecond')).toFixed(2),
    middle(ours, 'p99').toFixed(0),
    middle(theirs, 'p99').toFixed(0),
    middle(ours, 'cpuMs').toFixed(2),
    middle(theirs, 'cpuMs').toFixed(2),
  ]);
}

const dataDir = await mkdtemp(join(tmpdir(), 'cardea-bench-'));
const running: Running[] = [];
try {
  const cardea = await side('cardea.ts', join(dataDir, 'cardea'), options.tenants);
  running.push(cardea);
  const bare = options.stored ? await side('bare.ts', join(dataDir, 'bare')) : await side('bare.ts');
  running.push(bare);
  const known = [...Object.keys(cardea.loads), 'tenants'];
  const names = options.only?.split(',') ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown) throw new Error(`--only takes ${known.join(', ')}; not ${unknown}`);
  const duration = Number(options.seconds) / (names.length * 2 * ROUNDS);
  console.log(
    `${ROUNDS} rounds of ${duration.toFixed(1)} s a server, ${CONNECTIONS} connections, node ${process.version}`,
  );
  line(['', 'cardea/s', 'bare/s', 'ratio', 'p99 ms', 'bare', 'cpu ms', 'bare']);
  for (const name of names) if (name !== 'tenants') await compare(name, [cardea, bare], duration);
  if (names.includes('tenants') && cardea.hosts?.length) {
    const { port } = new URL(cardea.origin);
    const tokenOf = (host: string, client: Target['machine']) => async (worker: Call) =>
      void (await machineToken(worker, cardea.target, client, `${host}:${port}`));
    const turns = cardea.hosts.map(({ host, client }) => tokenOf(host, client));
    const one = tokenOf('localhost', cardea.target.machine);
    // Each has had its first request, which opens its keys.
    const { call, close } = caller(cardea.origin, CONNECTIONS);
    for (const turn of turns) await turn(call);
    close();
    let next = 0;
    const inTurn: Walk = async (worker) => () => turns[next++ % turns.length]!(worker);
    const name = `${turns.length} tenants`;
    line(['', 'in turn/s', 'one/s', 'ratio', 'p99 ms', 'one', 'cpu ms', 'one']);
    await compare(
      name,
      [
        { ...cardea, loads: { [name]: inTurn } },
        { ...cardea, loads: { [name]: async (worker) => () => one(worker) } },
      ],
      duration,
    );
  }
} finally {
  for (const each of running) await each.stop();
  await rm(dataDir, { recursive: true, force: true });
}
