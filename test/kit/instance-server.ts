/** What instance.ts runs: the server on a database that is there already, with a clock that is told the time. */
import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { pino } from 'pino';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { useSecret } from '../../src/kernel/secret/seal.ts';
import { openStore } from '../../src/store/connect.ts';
import type { InstanceSetup } from './instance.ts';

const { databaseName, publicPort, operator, bcryptCost, secrets, ...env } = JSON.parse(
  process.argv[2]!,
) as InstanceSetup;
const config = readConfig({ NODE_ENV: 'test', PORT: '0', ...env });
const log = pino({ level: 'silent' });
const [secret, ...others] = secrets;
useSecret(secret, others);
const store = await openStore({ mongodbUrl: env.MONGODB_URL, dataDir: env.DATA_DIR, databaseName, log });
const app = await buildApp({ config: { ...config, publicPort }, store, operator, log, bcryptCost });
await app.listen({ port: 0, host: '127.0.0.1' });
const address = app.server.address();
assert(typeof address === 'object' && address);

let stands = false;
process.on('message', (time: number) => {
  if (!stands) mock.timers.enable({ apis: ['Date'], now: time });
  stands = true;
  mock.timers.setTime(time);
  process.send!('done');
});
process.on('SIGTERM', async () => {
  await app.close();
  await store.close();
  process.exit(0);
});
process.send!(address.port);
