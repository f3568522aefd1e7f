/** The process itself, as someone who tries it starts it: an empty directory, its embedded engine, signals and settings. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Demo } from '../src/seed.ts';
import { agent, signIn, until } from './kit/index.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
/** What a start or an end may take on a machine that is busy with much else; an idle one takes a second or two. */
const PATIENCE_MS = 60_000;

let dataDir = '';
const children = new Set<ChildProcess>();
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'cardea-start-'));
});
after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await rm(dataDir, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
const outer = { PATH, HOME, NODE_COMPILE_CACHE };

function launch(env: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...outer, PORT: '0', DATA_DIR: dataDir, ...env },
  });
  children.add(child);
  const said = { text: '' };
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said.text += chunk));
  const ended = once(child, 'close').then(([code, signal]) => {
    children.delete(child);
    return { code: code as number | null, signal: signal as string | null, text: said.text };
  });
  return { child, said, ended };
}

/** Starts the demo and waits until it has said how to reach it, whatever the log says next. */
async function start(env: Record<string, string> = {}) {
  const running = launch(env);
  const greeting = /Cardea is ready at (\S+)\n(?:\n? {2}.*\n)*\n/;
  const giveUp = AbortSignal.timeout(PATIENCE_MS);
  while (!greeting.test(running.said.text)) {
    await Promise.race([once(running.child.stdout, 'data', { signal: giveUp }), running.ended]);
    assert.equal(running.child.exitCode, null, running.said.text);
  }
  const origin = greeting.exec(running.said.text)![1]!;
  return { ...running, origin, engines: childrenOf(running.child.pid!) };
}

/** Every running process; one that has ended and waits to be noticed does not count. */
const processes = () =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , state]) => state && !state.startsWith('Z'))
    .map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
const childrenOf = (pid: number) => processes().flatMap((row) => (row.parent === pid ? [row.pid] : []));

async function untilGone(pids: number[]): Promise<void> {
  assert.ok(pids.length > 0, 'the engine was found while it ran');
  await until(`no engine of ${pids} is left`, () => !processes().some(({ pid }) => pids.includes(pid)));
}

const demoJson = async () => JSON.parse(await readFile(join(dataDir, 'demo.json'), 'utf8')) as Demo;
/** The operator as the first start printed it, which is the only place it stands in clear. */
const printedOperator = () => ({
  client_id: /Operator client +(\S+)/.exec(firstText)?.[1] ?? '',
  client_secret: /Operator secret +(\S+)/.exec(firstText)?.[1] ?? '',
});

async function askToken(origin: string, form: Record<string, string>): Promise<Record<string, string>> {
  const answer = await fetch(`${origin}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) });
  const body = (await answer.json()) as Record<string, string>;
  assert.equal(answer.status, 200, JSON.stringify(body));
  return body;
}

const machineToken = (origin: string, { machine_client }: Demo) =>
  askToken(origin, { grant_type: 'client_credentials', ...machine_client });

let firstDemo: Demo;
let firstText = '';

test('a first start on an empty directory prints where it is and how to log in, and what it prints works', async () => {
  const server = await start();
  firstDemo = await demoJson();
  firstText = server.said.text;
  for (const shown of [
    server.origin,
    firstDemo.user.email,
    firstDemo.user.password,
    firstDemo.web_client.client_id,
    firstDemo.machine_client.client_id,
    'demo.json',
  ])
    assert.ok(firstText.includes(shown), `${shown} is not in:\n${firstText}`);
  await askToken(server.origin, {
    grant_type: 'client_credentials',
    audience: 'cardea:platform',
    ...printedOperator(),
  });
  for (const name of ['demo.json', 'secret']) assert.equal((await stat(join(dataDir, name))).mode & 0o777, 0o600, name);
  assert.equal((await fetch(`${server.origin}/readyz`)).status, 200);
  const { access_token = '' } = await machineToken(server.origin, firstDemo);
  const claims = JSON.parse(Buffer.from(access_token.split('.')[1]!, 'base64url').toString());
  assert.equal(claims.iss, server.origin);
  assert.equal(claims.aud, firstDemo.machine_client.audience);

  // Impatient service managers and people send it twice.
  server.child.kill('SIGTERM');
  server.child.kill('SIGTERM');
  const { code, text } = await server.ended;
  assert.equal(code, 0, text);
  await untilGone(server.engines);
});

test('whoever gets an answer of a first start gets one that is right: nobody is let in before there is something', async () => {
  const place = await mkdtemp(join(tmpdir(), 'cardea-first-'));
  const port = await freePort();
  const first = launch({ PORT: String(port), DATA_DIR: place });
  /** The first answer at an address, asked for again and again since before anybody listened. */
  const firstAnswer = async (path: string): Promise<number> => {
    for (;;) {
      const answer = await fetch(`http://localhost:${port}${path}`).catch(() => undefined);
      if (answer) return answer.status;
      assert.equal(first.child.exitCode, null, first.said.text);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const answers = await Promise.all(['/readyz', '/.well-known/openid-configuration', '/'].map(firstAnswer));
  assert.deepEqual(answers, [200, 200, 200]);
  first.child.kill('SIGTERM');
  await first.ended;
  await rm(place, { recursive: true, force: true });
});

test('a second start serves the same data and repeats no secret but the demo password; kill -9 loses nothing', async () => {
  const second = await start();
  assert.deepEqual(await demoJson(), { ...firstDemo, url: second.origin }, 'another port is another address');
  await machineToken(second.origin, firstDemo);
  await askToken(second.origin, {
    grant_type: 'client_credentials',
    audience: 'cardea:platform',
    ...printedOperator(),
  });
  const secrets = [
    printedOperator().client_secret,
    firstDemo.web_client.client_secret,
    firstDemo.machine_client.client_secret,
  ];
  for (const secret of secrets) assert.ok(!second.said.text.includes(secret), second.said.text);

  second.child.kill('SIGKILL');
  await second.ended;
  const third = await start();
  await machineToken(third.origin, firstDemo);
  await untilGone(second.engines);
  third.child.kill('SIGTERM');
  assert.equal((await third.ended).code, 0);
});

test('every start of a demo says how to log in; one whose port is taken says which setting to change', async () => {
  const again = await start();
  const { port } = new URL(again.origin);
  const second = await mkdtemp(join(tmpdir(), 'cardea-start-'));
  const refused = await launch({ PORT: port, DATA_DIR: second }).ended;
  // Its engine ends after it, and writes until then.
  await rm(second, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 });
  assert.deepEqual([refused.code, refused.text.includes(`port ${port} is in use`)], [1, true], refused.text);
  assert.match(refused.text, /set PORT/);
  again.child.kill('SIGTERM');
  const { text } = await again.ended;
  assert.ok(text.includes(firstDemo.user.password), text);
});

test('a connection that nobody has asked anything on does not hold up the end', async () => {
  const { child, ended, origin } = await start();
  const unused = connect(Number(new URL(origin).port), '127.0.0.1').on('error', () => {});
  await once(unused, 'connect');
  // Whatever it serves came after: the connection is known there.
  await fetch(`${origin}/healthz`);
  child.kill('SIGTERM');
  const { code, text } = await ended;
  assert.deepEqual([code, text.includes('did not finish in time')], [0, false], text);
});

test('a server that is to have no demo tells nothing of one that was made in its folder', async () => {
  const without = await start({ SEED_DEMO: 'false' });
  without.child.kill('SIGTERM');
  const { text } = await without.ended;
  assert.ok(!text.includes(firstDemo.user.password), text);
});

test('logs of a login hold no password, secret, code or token, at debug level either', async () => {
  const server = await start({ LOG_LEVEL: 'debug' });
  const { origin } = server;
  const client = firstDemo.web_client;
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: client.redirect_uri,
    response_type: 'code',
    scope: 'openid profile email offline_access',
    state: `state-${verifier}`,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const visit = agent();
  await signIn(visit, `${origin}/authorize?${query}`, { ...firstDemo.user, password: `${verifier}-wrong` }).catch(
    () => {},
  );
  const landed = await signIn(agent(), `${origin}/authorize?${query}`, firstDemo.user, client.redirect_uri);
  const code = landed.searchParams.get('code')!;
  const tokens = await askToken(origin, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.redirect_uri,
    code_verifier: verifier,
    client_id: client.client_id,
    client_secret: client.client_secret,
  });
  const bearer = { authorization: `Bearer ${tokens.access_token}` };
  assert.equal((await fetch(`${origin}/userinfo`, { headers: bearer })).status, 200);
  const machine = await machineToken(origin, firstDemo);
  // Refusals are logged too.
  const { client_id, client_secret } = firstDemo.machine_client;
  await fetch(`${origin}/oauth/token?client_secret=${client_secret}`, { method: 'POST' });
  await fetch(`${origin}/oauth/token`, {
    method: 'POST',
    body: `{"client_id":"${client_id}","client_secret":"${client_secret}"`,
  });
  await fetch(`${origin}/role`, { headers: bearer });

  server.child.kill('SIGTERM');
  const { text } = await server.ended;
  const logged = text.split('\n').filter((line) => line.startsWith('{'));
  assert.ok(
    logged.some((line) => line.includes('"msg":"request"')),
    'requests are logged at this level',
  );
  const secrets = {
    password: firstDemo.user.password,
    'web secret': client.client_secret,
    'machine secret': client_secret,
    'operator secret': printedOperator().client_secret,
    'sealing secret': (await readFile(join(dataDir, 'secret'), 'utf8')).trim(),
    'code, verifier or state': verifier,
    code,
    'access token': tokens.access_token!,
    'id token': tokens.id_token!,
    'refresh token': tokens.refresh_token!,
    'machine token': machine.access_token!,
    'e-mail address': firstDemo.user.email,
  };
  for (const [what, secret] of Object.entries(secrets)) {
    assert.ok(secret, what);
    const leak = logged.find((line) => line.includes(secret));
    assert.equal(leak, undefined, `the ${what} is logged`);
  }
});

test('production without its settings, or with unsafe ones, stops at once and names each', async () => {
  const missing = launch({ NODE_ENV: 'production' });
  const unsafe = launch({
    NODE_ENV: 'production',
    MONGODB_URL: 'mongodb://127.0.0.1:9/cardea',
    BASE_DOMAIN: 'auth.example.com',
    CARDEA_SECRET: 'short',
    PUBLIC_SCHEME: 'http',
    SEED_DEMO: 'true',
    OPERATOR_CLIENT_ID: 'operator',
    OPERATOR_CLIENT_SECRET: 'short',
  });
  const malformed = launch({ PORT: 'many', LOG_LEVEL: 'loud', SEED_DEMO: 'perhaps' });
  for (const [{ ended }, names] of [
    [missing, ['MONGODB_URL', 'CARDEA_SECRET', 'BASE_DOMAIN']],
    [unsafe, ['CARDEA_SECRET', 'PUBLIC_SCHEME', 'SEED_DEMO', 'OPERATOR_CLIENT_SECRET']],
    [malformed, ['PORT', 'LOG_LEVEL', 'SEED_DEMO']],
  ] as const) {
    const { code, text } = await ended;
    assert.equal(code, 1, text);
    for (const name of names) assert.match(text, new RegExp(`^ +- .*${name}\\b.*[.]$`, 'm'));
    assert.ok(!/^ +at /m.test(text), 'sentences, no stack');
  }
});
