/**
 * Lists under load of data: 100,000 users in one tenant, 1,000 tenants beside it, against a tenant with 100 users. Times
 * the same calls on both, alternating, and prints the ratio of the medians; and the import's users per second.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { accounts } from '../../src/domain/account/account.ts';
import { createAccount } from '../../src/domain/account/account-provisioning.ts';
import { clients } from '../../src/domain/client/client.ts';
import { users } from '../../src/domain/user/user.ts';
import { asRoot, asTenant } from '../../src/kernel/context.ts';
import { useSecret } from '../../src/kernel/secret/seal.ts';
import { seedRoot } from '../../src/seed.ts';
import { openStore } from '../../src/store/connect.ts';
import { migrate } from '../../src/store/migrate.ts';

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '100000' },
    tenants: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '60' },
  },
});
const [USERS, TENANTS, ROUNDS] = [Number(values.users), Number(values.tenants), Number(values.rounds)];
const FEW = 100;

const dataDir = await mkdtemp(join(tmpdir(), 'cardea-bench-'));
const config = readConfig({ PORT: '0', DATA_DIR: dataDir });
useSecret('a secret of the benchmark, long enough to be one');
const log = pino({ level: 'warn' });
const store = await openStore({ dataDir, log });
await migrate(store);
const app = await buildApp({ config, store, operator: { id: 'operator_bench', secret: 'x'.repeat(40) }, log });
await app.listen({ port: 0, host: '127.0.0.1' });
const address = app.server.address();
const port = typeof address === 'object' ? address?.port : 0;
await seedRoot(asRoot(), { demo: false, origin: `http://localhost:${port}`, dataDir });

/** Requests by the loopback address: not every machine resolves names below localhost. */
async function request(host: string, path: string, init: RequestInit = {}): Promise<string> {
  const answer = await app.inject({
    url: path,
    method: (init.method ?? 'GET') as 'GET',
    headers: { host: `${host}:${port}`, ...(init.headers as Record<string, string>) },
    ...(init.body !== undefined && { payload: init.body as string }),
  });
  if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${answer.body}`);
  return answer.body;
}

async function tenant(name: string) {
  const { account, managementClient } = await createAccount(asRoot(), { name });
  const host = `${account.slug}.localhost`;
  const { access_token } = JSON.parse(
    await request(host, '/oauth/token', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        grant_type: 'client_credentials',
        client_id: managementClient.id,
        client_secret: clients.reveal(managementClient, 'client_secret'),
        audience: `cardea:management:${account.id}`,
      }),
    }),
  );
  return { id: account.id, host, headers: { authorization: `Bearer ${access_token}` } };
}

const line = (n: number) =>
  JSON.stringify({
    email: `person${n}@example.com`,
    name: `Person Number${n} ${'abcdefghijklmnopqrstuvwxyz'[n % 26]}${n}`,
    given_name: 'Person',
    password_hash: '$2b$10$abcdefghijklmnopqrstuuWm0vX8p0sXb6yZ1n9nV5QmJmJmJmJmJ',
  });
const lines = (count: number) => Array.from({ length: count }, (_, n) => line(n)).join('\n');

async function load(target: Awaited<ReturnType<typeof tenant>>, count: number): Promise<number> {
  const body = lines(count);
  const startedAt = performance.now();
  const report = await request(target.host, '/user/import', {
    method: 'POST',
    headers: { ...target.headers, 'content-type': 'application/x-ndjson' },
    body,
  });
  const seconds = (performance.now() - startedAt) / 1000;
  const { summary } = JSON.parse(report.trim().split('\n').at(-1)!);
  if (summary.created !== count) throw new Error(JSON.stringify(summary));
  return count / seconds;
}

const [many, few] = [await tenant('Many'), await tenant('Few')];
// Neighbours: rows of other accounts in the same indexes. Their keys are not needed for that.
for (let n = 0; n < TENANTS; n += 1) {
  const account = await accounts.create(asRoot(), {
    name: `Neighbour ${n}`,
    slug: `neighbour-${n}`,
    token_signature: 'x',
    revision: 1,
    key_production: null,
    key_next: null,
    keys_published: [],
    provisioned: false,
  } as never);
  await users.createMany(
    asTenant({ id: account.id } as never, ''),
    Array.from({ length: 20 }, (_, user) => ({ email: `person${user}@example.com`, name: `Person Number${user}` })),
  );
}
await load(few, FEW);
const perSecond = await load(many, USERS);

/** The cursor in front of the 100th page of one user each way that both tenants have. */
async function hundredth(target: typeof many, pageSize: number): Promise<string> {
  let next = '';
  for (let page = 0; page < 99; page += 1) {
    const answer = JSON.parse(
      await request(target.host, `/user?pageSize=${pageSize}${next && `&cursor=${next}`}`, { headers: target.headers }),
    );
    next = answer.next ?? next;
  }
  return next;
}

const calls: Record<string, (target: typeof many) => Promise<string> | string> = {
  'first page': () => '/user',
  '100th page': async (target) => `/user?pageSize=1&cursor=${await hundredth(target, 1)}`,
  'FaableQL by email': () => '/user?query=email:person42@example.com',
  'q, a tenth matches': () => '/user?q=number5',
  'q, one match': () => '/user?q=number42%20q42',
  'q, every row matches': () => '/user?q=person',
};

const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
const rows: string[][] = [['', `${USERS} users`, `${FEW} users`, 'ratio']];
for (const [name, pathOf] of Object.entries(calls)) {
  const targets = [
    { target: many, path: await pathOf(many), times: [] as number[] },
    { target: few, path: await pathOf(few), times: [] as number[] },
  ];
  for (let round = 0; round < ROUNDS; round += 1)
    for (const { target, path, times } of targets) {
      const startedAt = performance.now();
      await request(target.host, path, { headers: target.headers });
      if (round >= 5) times.push(performance.now() - startedAt);
    }
  const [a, b] = targets.map(({ times }) => median(times)) as [number, number];
  rows.push([name, `${a.toFixed(2)} ms`, `${b.toFixed(2)} ms`, (a / b).toFixed(2)]);
}
for (const row of rows)
  process.stdout.write(`${row.map((cell, column) => (column ? cell.padStart(14) : cell.padEnd(24))).join('')}\n`);
process.stdout.write(`import: ${Math.round(perSecond)} users/s\n`);

await app.close();
await store.close();
await rm(dataDir, { recursive: true, force: true });
