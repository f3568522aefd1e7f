/**
 * No query reads more than it answers: every filter that the server uses on a tour of its life is explained, and must
 * have an index of its own to go by. What has none works with ten rows and stops working with ten million.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { migrate } from '../../src/store/migrate.ts';
import {
  type Client,
  credentialsOf,
  follow,
  formOf,
  post,
  REDIRECT,
  refresh,
  type TenantHandle,
  tokensOf,
  world,
} from '../kit/index.ts';

const w = await world();
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

type Query = {
  collection: string;
  method: string;
  filter: Record<string, unknown>;
  options: { hint?: never; sort?: never; limit?: number };
};

const asked = new Map<string, Query>();
function note(collection: string, method: string, filter: unknown, options: Query['options'] = {}): void {
  const shape = JSON.stringify(filter, (_key, value) => (value && typeof value === 'object' ? value : typeof value));
  const query = { collection, method, filter: filter as Query['filter'], options };
  asked.set(`${collection} ${shape} ${Boolean(options.limit)}`, query);
}

/** Every filter of every model goes by here, whether or not mongoose had a say in it. */
function listen(): void {
  mongoose.set('debug', (collection: string, method: string, ...args: unknown[]) => {
    if (method === 'bulkWrite')
      for (const operation of args[0] as Record<string, { filter?: unknown }>[])
        for (const { filter } of Object.values(operation)) if (filter) note(collection, method, filter);
    if (/^(find|findOne|countDocuments|deleteOne|deleteMany|findOneAndDelete)$/.test(method))
      note(collection, method, args[0], args[1] as Query['options']);
    if (/^(updateOne|updateMany|findOneAndUpdate)$/.test(method)) note(collection, method, args[0]);
  });
}

type Stage = {
  stage: string;
  indexBounds?: Record<string, string[]>;
  inputStage?: Stage;
  inputStages?: Stage[];
};

const stages = (stage: Stage): Stage[] => [
  stage,
  ...[stage.inputStage ?? [], stage.inputStages ?? []].flat().flatMap(stages),
];

/** Which fields an index leads to the rows by. */
function narrowing({ indexBounds }: Stage): string[] {
  return Object.entries(indexBounds ?? {}).flatMap(([field, [bound = '', ...more]]) =>
    more.length === 0 && /MinKey.*MaxKey|MaxKey.*MinKey/.test(bound) ? [] : [field],
  );
}

async function planOf({ collection, filter, options: { hint, sort } }: Query): Promise<Stage[]> {
  const cursor = mongoose.connection.db!.collection(collection).find(filter, { hint, sort });
  const { queryPlanner } = (await cursor.explain('queryPlanner')) as { queryPlanner: { winningPlan: Stage } };
  return stages(queryPlanner.winningPlan);
}

/** By the key, or by a field beside the account; a page of a list walks the account's rows in order and stops. */
function isNarrow(plan: Stage[], { options }: Query): boolean {
  if (plan.some(({ stage }) => stage === 'COLLSCAN')) return false;
  if (plan.some(({ stage }) => /^(EXPRESS|IDHACK|EOF)/.test(stage))) return true;
  const fields = plan.flatMap(narrowing);
  return fields.some((field) => field !== 'account') || (options.limit !== undefined && fields.includes('account'));
}

/** Read whole, since an account has few of them: its own set-up. */
const FEW = new Set(['accounts', 'signing_keys', 'apis', 'clients', 'connections', 'roles', 'actions']);

async function approveDevice(t: TenantHandle, client: Client, visit: Awaited<ReturnType<typeof tokensOf>>['visit']) {
  const { client_id, client_secret } = client;
  const { body } = await post(t, '/oauth/device/code', { client_id, client_secret, scope: 'openid' });
  const page = await follow(visit, await visit(body.verification_uri_complete), REDIRECT);
  const { action, csrf } = formOf(page);
  const device_code = /name="device_code" value="([^"]*)"/.exec(page.text)?.[1] ?? '';
  await visit(action, { form: { csrf, device_code, decision: 'allow' }, headers: { origin: t.origin } });
  const form = { grant_type: DEVICE, client_id, client_secret, device_code: body.device_code };
  return post(t, '/oauth/token', form);
}

/** What every tenant sees: logins, tokens, their ends, and the ends of those who have them. */
async function tour(t: TenantHandle): Promise<void> {
  const logins = [0, 1, 2].map(() => t.user());
  const [ada, bob, eve] = await Promise.all(logins);
  const client = await t.client({
    backchannel_logout_uri: 'http://127.0.0.1:9/logout',
    is_first_party: false,
    grant_types: ['authorization_code', 'refresh_token', DEVICE],
  });
  const scope = { scope: 'openid email offline_access' };
  const { tokens, visit } = await tokensOf(t, client, ada!, scope);
  assert.equal((await approveDevice(t, client, visit)).status, 200);
  const { body: second } = await refresh(t, client, tokens.refresh_token!);
  assert.equal((await refresh(t, client, second.refresh_token)).status, 200);
  const secret = { ...credentialsOf(client) };
  assert.equal((await post(t, '/oauth/introspect', { ...secret, token: tokens.access_token! })).body.active, true);
  await post(t, '/oauth/revoke', { ...secret, token: tokens.access_token! });
  await visit(`${t.origin}/logout?id_token_hint=${tokens.id_token}`);
  await w.deliver();

  const bobs = await tokensOf(t, client, bob!, scope);
  const used = bobs.tokens.refresh_token!;
  await refresh(t, client, used);
  w.clock.advance({ seconds: 60 });
  assert.equal((await refresh(t, client, used)).status, 400, 'a replaced token is reuse');
  await tokensOf(t, client, eve!, scope);
  await t.api('POST', `/user/${eve!.id}`, { suspended: true });
  for (const path of ['user', 'client', 'log', 'credentials', 'api', 'role']) {
    await t.api('GET', `/${path}?pageSize=1`);
    await t.api('GET', `/${path}?q=ada`).catch(() => {});
  }
  for (const value of ['pro', 'pr*'])
    await t.api('GET', `/user?query=user_metadata.plan:${value}&sort=email&include_totals=true`);
  await t.api('DELETE', `/user/${ada!.id}`);
  await t.api('DELETE', `/client/${client.client_id}`);
  const api = await t.api('POST', '/api', { name: 'Orders', identifier: 'https://orders.example.com' });
  await t.api('DELETE', `/api/${api.id}`);
  const operator = await w.operatorToken();
  assert.ok((await w.call(w.originOf(), operator, 'DELETE', `/account/${t.id}`)).status < 300);
}

test('every query of a tenant’s life goes by an index', async () => {
  const t = await w.tenant();
  const other = await w.tenant('Other');
  listen();
  try {
    await tour(t);
  } finally {
    mongoose.set('debug', false);
  }
  // Somebody’s rows, so that there is something to plan for.
  await tokensOf(other, await other.client(), await other.user());
  assert.ok(asked.size > 60, `only ${asked.size} kinds of queries were seen`);
  const wide: string[] = [];
  for (const query of asked.values()) {
    // The end of an account empties its collections.
    const whole = Object.keys(query.filter).join() === 'account' && query.method === 'deleteMany';
    const plan = await planOf(query);
    const scans = plan.some(({ stage }) => stage === 'COLLSCAN');
    if (isNarrow(plan, query) || (!scans && (whole || FEW.has(query.collection)))) continue;
    wide.push(`${query.collection}.${query.method} ${JSON.stringify(query.filter)}: ${plan.map(({ stage }) => stage)}`);
  }
  assert.deepEqual(wide, []);
});

test('an index that an earlier release made otherwise is made anew', async () => {
  const collection = mongoose.connection.db!.collection('protocol');
  const rule = async () =>
    (await collection.indexes()).find(({ name }) => name === 'account_1_grant_1')?.partialFilterExpression;
  const wanted = await rule();
  await collection.dropIndex('account_1_grant_1');
  await collection.createIndex({ account: 1, grant: 1 }, { partialFilterExpression: { grant: { $type: 'string' } } });
  assert.notDeepEqual(await rule(), wanted);
  await migrate(w.store);
  assert.deepEqual(await rule(), wanted);
});
