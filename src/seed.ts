/** What an empty database starts with: the installation's own account, and in development a demo to log in to. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { rootAccount } from './domain/account/account.ts';
import { createAccount, removeHalfMadeRoot } from './domain/account/account-provisioning.ts';
import { apis, createApi } from './domain/api/api.ts';
import { clients, createClient } from './domain/client/client.ts';
import { createCredential } from './domain/user/credential.ts';
import { createUser, users } from './domain/user/user.ts';
import { type AccountView, asTenant, type Root, type Tenant } from './kernel/context.ts';
import { Fault } from './kernel/fault.ts';
import { mintToken } from './kernel/secret/random.ts';
import { readPrivate, writePrivate } from './private-files.ts';
import { removeRow } from './resource/removal.ts';

export type Demo = {
  url: string;
  user: { email: string; password: string };
  web_client: { client_id: string; client_secret: string; redirect_uri: string };
  machine_client: { client_id: string; client_secret: string; audience: string };
};

/** The demo as an earlier start wrote it, and as it is reached now: another port or host is another address. */
export async function keptDemo(dataDir: string, origin: string): Promise<Demo | undefined> {
  const text = await readPrivate(dataDir, DEMO_FILE);
  if (!text) return undefined;
  const demo = { ...(JSON.parse(text) as Demo), url: origin };
  if (JSON.parse(text).url !== origin) await writeDemo(dataDir, demo);
  return demo;
}

const DEMO_FILE = 'demo.json';
const writeDemo = (dataDir: string, demo: Demo): Promise<void> =>
  writePrivate(dataDir, DEMO_FILE, `${JSON.stringify(demo, null, 2)}\n`);

const DEMO_EMAIL = 'demo@cardea.dev';
const DEMO_API = 'https://orders.example.com';
const DEMO_REDIRECT = 'http://localhost:3000/callback';

type SeedOptions = { demo: boolean; origin: string; dataDir: string };

/** How long another instance may take to make the account that both found missing. */
const PATIENCE_SECONDS = 20;

async function ensureRoot(root: Root, demo: boolean): Promise<{ account: AccountView; made: boolean }> {
  for (let waited = 0; ; waited += 1) {
    const existing = await rootAccount();
    if (existing) return { account: existing, made: false };
    // A start that was killed half-way leaves an account that was never served.
    if (waited >= PATIENCE_SECONDS) await removeHalfMadeRoot();
    try {
      const name = demo ? 'Demo' : 'Cardea';
      await createAccount(root, { name, slug: name.toLowerCase(), root: true });
      return { account: (await rootAccount())!, made: true };
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'conflict') || waited > PATIENCE_SECONDS) throw error;
      await setTimeout(1000);
    }
  }
}

/**
 * The account served at the base domain; made at the first start, with the demo in it where that is wanted. A demo that
 * a killed start left unfinished is finished by the next.
 */
export async function seedRoot(root: Root, options: SeedOptions): Promise<Demo | undefined> {
  const { account, made } = await ensureRoot(root, options.demo);
  const unfinished = (await readPrivate(options.dataDir, 'seeding')) === account.id;
  if (!options.demo || !(made || unfinished)) return undefined;
  if (made) await writePrivate(options.dataDir, 'seeding', account.id);
  const demo = await seedDemo(asTenant(account, options.origin), options);
  await rm(join(options.dataDir, 'seeding'));
  return demo;
}

async function seedDemo(tenant: Tenant, options: SeedOptions): Promise<Demo> {
  const { account } = tenant;
  for (const { id } of await users.all(tenant, { email: { $eq: DEMO_EMAIL } })) await removeRow(users, tenant, id);
  await clients.removeWhere(tenant, { 'metadata.demo': true });
  await apis.removeWhere(tenant, { identifier: { $eq: DEMO_API } });
  const password = `demo-${mintToken(9)}-A1`;
  const user = await createUser(tenant, {
    email: DEMO_EMAIL,
    email_verified: true,
    name: 'Demo User',
    given_name: 'Demo',
    family_name: 'User',
  });
  await createCredential(tenant, {
    user: user.id,
    connection: account.default_connection!,
    email: user.email!,
    password,
  });
  await createApi(tenant, {
    name: 'Orders API',
    identifier: DEMO_API,
    permissions: [
      { value: 'read:orders', description: 'See your orders' },
      { value: 'create:orders', description: 'Place orders for you' },
    ],
  });
  const web = await createClient(tenant, {
    name: 'Orders',
    metadata: { demo: true },
    description: 'A web app to try logins with.',
    callbacks: [DEMO_REDIRECT],
    logout_urls: ['http://localhost:3000/'],
    grant_types: ['authorization_code', 'refresh_token'],
  });
  const machine = await createClient(tenant, {
    name: 'Orders worker',
    metadata: { demo: true },
    description: 'A machine client to try client_credentials with.',
    grant_types: ['client_credentials'],
    response_types: [],
  });
  const secretOf = (client: typeof web) => clients.reveal(client, 'client_secret')!;
  const demo: Demo = {
    url: options.origin,
    user: { email: user.email!, password },
    web_client: { client_id: web.id, client_secret: secretOf(web), redirect_uri: DEMO_REDIRECT },
    machine_client: { client_id: machine.id, client_secret: secretOf(machine), audience: DEMO_API },
  };
  await writeDemo(options.dataDir, demo);
  return demo;
}
