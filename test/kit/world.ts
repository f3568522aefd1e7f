/**
 * A world to test in: the real engine, the real server on a real port, the operator, and tenants. One world a test file;
 * tests isolate themselves by tenant.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock } from 'node:test';
import type { FastifyInstance, RouteOptions } from 'fastify';
import mongoose from 'mongoose';
import { pino } from 'pino';
import { type AppOptions, buildApp } from '../../src/app.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { asRoot } from '../../src/kernel/context.ts';
import { useSecret } from '../../src/kernel/secret/seal.ts';
import { seedRoot } from '../../src/seed.ts';
import { openStore, type Store } from '../../src/store/connect.ts';
import { migrate } from '../../src/store/migrate.ts';
import { clock } from './clock.ts';
import { call, send } from './http.ts';
import { closers } from './server.ts';
import { shortWayWitness } from './short-ways.ts';
import { liveToken, machineToken, tenantHandle } from './tenant.ts';

export type World = Awaited<ReturnType<typeof world>>;
export type WorldOptions = Pick<AppOptions, 'factorDue'> & {
  env?: Record<string, string>;
  log?: string[];
  /** Passwords cost as much as they do where nobody tests: for tests of what they cost. */
  dearPasswords?: true;
  /** Neither mails nor text messages can leave, as in production without a transport. */
  mailless?: true;
};

export const SECRET = 'a secret of the tests, long enough to be one';

/** Files have dozens of passwords. One more than bcrypt's least cost: there is a cheaper hash to be replaced. */
const CHEAP = 5;

/** Starts a world and ends it after the test file. */
export async function world(options: WorldOptions = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), 'cardea-test-'));
  const settings = readConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATA_DIR: dataDir,
    MONGODB_URL: process.env.MONGODB_URL,
    ...options.env,
  });
  const config: Config = options.mailless ? { ...settings, mail: undefined, sms: undefined } : settings;
  useSecret(SECRET);
  const log = pino(
    { level: options.log ? 'debug' : 'silent' },
    { write: (line: string) => void options.log?.push(line) },
  );
  const store: Store = await openStore({
    mongodbUrl: config.mongodbUrl,
    dataDir,
    databaseName: config.mongodbUrl ? `cardea-test-${process.pid}-${Date.now()}` : undefined,
    log,
  });
  await migrate(store);
  const operator = { id: 'operator_test', secret: 'the operator of the tests, long enough' };
  const shortWays = shortWayWitness();
  const bcryptCost = options.dearPasswords ? undefined : CHEAP;
  const appOptions = { bcryptCost, config, store, operator, log, factorDue: options.factorDue };
  const routes: RouteOptions[] = [];
  const app: FastifyInstance = await buildApp({
    ...appOptions,
    onShortAnswer: shortWays.onShortAnswer,
    onRoute: (route) => routes.push(route),
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  assert(typeof address === 'object' && address);
  const { port } = address;
  await shortWays.open(appOptions, port);
  await seedRoot(asRoot(), { demo: false, origin: `http://localhost:${port}`, dataDir });

  after(async () => {
    mock.timers.reset();
    for (const close of closers.reverse()) await close();
    await app.close();
    const differed = await shortWays.close().catch((difference: unknown) => difference);
    if (config.mongodbUrl) await mongoose.connection.dropDatabase();
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
    if (differed) throw differed;
  });

  const originOf = (slug?: string) => `http://${slug ? `${slug}.` : ''}localhost:${port}`;
  const operatorToken = (scope?: string) =>
    machineToken(originOf(), { client_id: operator.id, client_secret: operator.secret }, 'cardea:platform', scope);
  const root = liveToken(operatorToken);

  return {
    app,
    /** Every route there is, hidden ones and those that answer HEAD too. */
    routes,
    config,
    store,
    operator,
    bcryptCost,
    port,
    originOf,
    send,
    call,
    operatorToken,
    machineToken,
    async tenant(name = 'Acme') {
      const made = await call(originOf(), await root.live(), 'POST', '/account', { name, team: 'team_test' });
      assert.equal(made.status, 201, made.text);
      return tenantHandle(made.body, originOf(made.body.slug));
    },
    closers,
    /** Sends what is due in the outbox, and is done when that is settled. */
    deliver: () => app.outbox.run(),
    /** How often each short way answered, by method and path; each answer was compared with the engine's. */
    shortAnswers: shortWays.answered,
    clock,
  };
}
