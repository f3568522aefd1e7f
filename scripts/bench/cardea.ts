/**
 * The server as `npm start` runs it on an embedded database, with one route more: a login that asks for no password, since
 * hashing one is slow on purpose. With a number of tenants, so many more of them beside the demo.
 */
import { pino } from 'pino';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { rootAccount } from '../../src/domain/account/account.ts';
import { updateClient } from '../../src/domain/client/client.ts';
import { type User, users } from '../../src/domain/user/user.ts';
import { nowSeconds } from '../../src/kernel/clock.ts';
import { asRoot, asTenant } from '../../src/kernel/context.ts';
import { useSecret } from '../../src/kernel/secret/seal.ts';
import { interactions } from '../../src/oidc/browser/interactions.ts';
import { providers } from '../../src/oidc/engine/providers.ts';
import { seedRoot } from '../../src/seed.ts';
import { openStore } from '../../src/store/connect.ts';
import { migrate } from '../../src/store/migrate.ts';
import { cloneTenants } from './tenants.ts';
import type { Target } from './walk.ts';

const [dataDir = '', tenants = '0'] = process.argv.slice(2);
const config = readConfig({ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'warn', TRUST_PROXY: '1' });
useSecret('the secret of a server that exists for measuring');
const log = pino({ level: 'warn' });
const store = await openStore({ dataDir, log });
await migrate(store);
const operator = { id: 'operator_bench', secret: 'the operator of a server that exists for measuring' };
const app = await buildApp({ config, store, operator, log });

const providerFor = providers(
  {
    playground: false,
    production: false,
    operatorClientId: operator.id,
    operatorClientSecret: operator.secret,
    renderError: () => {},
  } as never,
  (_ctx, error) => {
    throw error;
  },
);
const steps = interactions(providerFor);
let user = '';
app.post('/flow/:uid/bench', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
  const flow = await steps.open(request, reply);
  const done = { user: { id: user } as User, amr: ['pwd'], authTime: nowSeconds() };
  return reply.redirect(await steps.conclude(flow, request, { done }), 303);
});
// The engine's other half of the form is read by nobody here.
app.addContentTypeParser('application/x-www-form-urlencoded', (_request, payload, done) => {
  payload.resume();
  payload.on('end', () => done(null, {}));
});

await app.listen({ port: 0, host: '127.0.0.1' });
const address = app.server.address();
const origin = `http://localhost:${typeof address === 'object' ? address?.port : 0}`;
const demo = await seedRoot(asRoot(), { demo: true, origin, dataDir });
if (!demo) throw new Error('the demo was not seeded');
const tenant = asTenant((await rootAccount())!, origin);
user = (await users.findOne(tenant, { email: { $eq: demo.user.email } }))!.id;
// The demo's app is no device, and takes no passwords.
await updateClient(tenant, demo.web_client.client_id, {
  grant_types: ['authorization_code', 'refresh_token', 'password', 'urn:ietf:params:oauth:grant-type:device_code'],
});
const hosts = await cloneTenants(tenant, demo.machine_client, Number(tenants));

const target: Target = {
  origin,
  paths: {
    authorization: '/authorize',
    token: '/oauth/token',
    userinfo: '/userinfo',
    jwks: '/.well-known/jwks.json',
    introspection: '/oauth/introspect',
    device: '/oauth/device/code',
    login: '/bench',
  },
  audienceParameter: 'audience',
  machine: demo.machine_client,
  web: demo.web_client,
  signed: {},
};
process.send!({ target, hosts });
process.on('SIGTERM', async () => {
  await app.close();
  await store.close();
  process.exit(0);
});
