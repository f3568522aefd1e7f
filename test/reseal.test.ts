/** Another CARDEA_SECRET: what goes on while it is changed, the command that ends the change, and a start with a wrong one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import mongoose from 'mongoose';
import { clients } from '../src/domain/client/client.ts';
import { SEALED_KEYS } from '../src/domain/key/signing-key.ts';
import { knownKeyIds, seal, sealedBy, unseal, useSecret } from '../src/kernel/secret/seal.ts';
import { sealedFields } from '../src/resource/sealing.ts';
import { reseal } from '../src/store/reseal.ts';
import { failAt } from './kit/faults.ts';
import {
  agent,
  authorizeUrl,
  codeOf,
  credentialsOf,
  fieldOf,
  follow,
  GRANTS,
  logIn,
  ORDERS,
  ordersApi,
  post,
  redeem,
  refresh,
  refused,
  requestOf,
  submit,
  tokenRequest,
  world,
} from './kit/index.ts';
import { databaseUrl, instance } from './kit/instance.ts';
import { mailbox } from './kit/mailbox.ts';
import { SECRET } from './kit/world.ts';

const NEXT = 'the next secret of the tests, long enough too';
const OTP = 'http://auth0.com/oauth/grant-type/passwordless/otp';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const w = await world();

/** A program of ours on the world's database, ended when it has said what it is waited for. */
async function run(program: string, env: Record<string, string>, awaited?: RegExp) {
  const [server, options] = databaseUrl().split('?');
  const child = spawn(process.execPath, [fileURLToPath(new URL(`../src/${program}`, import.meta.url))], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      PORT: '0',
      DATA_DIR: w.config.dataDir,
      SEED_DEMO: 'false',
      LOG_LEVEL: 'warn',
      MONGODB_URL: `${server!.replace(/\/$/, '')}/${mongoose.connection.db!.databaseName}?${options ?? ''}`,
      ...env,
    },
  });
  const failed = text(child.stderr);
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
    if (awaited?.test(said)) child.kill('SIGTERM');
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, said, failed: await failed };
}

/** Everything in the database that was sealed, by collection and by the key that it names. */
async function sealedValues(): Promise<string[]> {
  const found: string[] = [];
  for (const { collectionName } of await mongoose.connection.db!.collections())
    for (const row of await mongoose.connection.db!.collection(collectionName).find().toArray())
      for (const [field, value] of Object.entries(row))
        if (typeof value === 'string' && /^s[12]\./.test(value))
          found.push(`${collectionName}.${field} ${value.slice(0, 12)}`);
  return found;
}

const starts = async (env: Record<string, string>): Promise<string> => {
  const { code, said, failed } = await run('main.ts', env, /Cardea is ready/);
  return code === 0 ? said : failed;
};

test('everything that was sealed or made with the old secret works while the new one is in use, until it has replaced it', async () => {
  const t = await w.tenant();
  await ordersApi(t);
  const client = await t.client({ grant_types: GRANTS });
  const user = await t.user();
  const shown = async () => ({
    client: (await t.api('GET', `/client/${client.id}`)).client_secret,
    provider: (await t.api('GET', `/connection/${provider.id}`)).client_secret,
  });
  const provider = await t.api('POST', '/connection', {
    connection_name: 'github',
    connection_type: 'github',
    client_id: 'ours',
    client_secret: 'theirs',
  });
  await t.api('POST', '/notificationsubscription', {
    events: ['user.created'],
    channel: 'webhook',
    config: { url: 'https://hooks.example/in', secret: 'whsec-1' },
  });
  await t.api('POST', '/identity', {
    account: t.id,
    user: user.id,
    connection: provider.id,
    identity_id: 'gh-1',
    profile_data: {},
    access_token: 'at-1',
  });
  await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
  const secrets = await shown();

  // What lives for minutes is begun before the change and ended after it.
  const tokens = (await redeem(t, client, await codeOf(t, client, user, { scope: 'openid offline_access' }))).body;
  const startDevice = async () =>
    (await post(t, '/oauth/device/code', { ...credentialsOf(client), scope: 'openid' })).body;
  const [asked, typedLater] = [await startDevice(), await startDevice()];
  const email = 'somebody@example.com';
  await w.send(`${t.origin}/passwordless/start`, {
    method: 'POST',
    json: { client_id: client.client_id, email, send: 'code' },
  });
  const visit = agent();
  const page = await follow(visit, await visit(authorizeUrl(t, requestOf(client).parameters)));
  const nowhere = 'http://nowhere.invalid';
  const person = agent();
  const confirmPage = async ({ verification_uri_complete: address }: { verification_uri_complete: string }) =>
    logIn(person, await follow(person, await person(address), nowhere), user, nowhere);
  const open = await confirmPage(asked);
  const places = await t.api('GET', '/client?pageSize=1');
  const replaced = (await refresh(t, client, tokens.refresh_token)).body.refresh_token;

  useSecret(NEXT, [SECRET]);
  const elsewhere = await instance(w, [NEXT, SECRET]);
  const machine = { ...credentialsOf(client), grant_type: 'client_credentials', audience: ORDERS };
  assert.equal((await elsewhere.post(t.origin, '/oauth/token', machine)).status, 200, 'secrets and keys open');
  assert.deepEqual(await shown(), secrets);
  await t.client();
  assert.equal((await t.call('GET', `/client?pageSize=1&next=${encodeURIComponent(places.next)}`)).status, 200);
  assert.ok((await logIn(visit, page, user)).location?.includes('code='), 'the open page');
  for (const [device, shownPage] of [
    [asked, open],
    [typedLater, await confirmPage(typedLater)],
  ] as const) {
    await submit(person, shownPage, { decision: 'allow', device_code: fieldOf(shownPage, 'device_code') });
    const form = { grant_type: DEVICE, device_code: device.device_code };
    assert.equal((await tokenRequest(t, client, form)).status, 200, 'the code on the device');
  }
  const { code } = (await mailbox(t, email)).at(-1)!.data;
  const typedCode = { grant_type: OTP, username: email, otp: code, realm: 'email', scope: 'openid' };
  assert.equal((await tokenRequest(t, client, typedCode)).status, 200, 'the code in the mail');
  const retried = (await refresh(t, client, tokens.refresh_token)).body.refresh_token;
  for (const token of [retried, replaced]) assert.ok((await refresh(t, client, token)).body.access_token, 'the retry');
  w.clock.advance({ seconds: 60 });
  assert.deepEqual(
    refused(await refresh(t, client, tokens.refresh_token)),
    [400, 'invalid_grant'],
    'theft is still found',
  );

  const [next, old] = knownKeyIds().map(sealedBy) as [string, string];
  const before = await sealedValues();
  assert.ok(before.some((value) => value.endsWith(old)) && before.some((value) => value.endsWith(next)));
  const kinds = (values: string[]) => new Set(values.map((value) => value.split(' ')[0]));
  assert.ok(kinds(before).size >= 7, [...kinds(before)].join());

  // One from before values named their key.
  const rows = mongoose.connection.collection<{ _id: string; client_secret: string }>('clients');
  const row = (await rows.findOne({ _id: client.id }))!;
  await rows.updateOne({ _id: row._id }, { $set: { client_secret: row.client_secret.replace(/^s2\.[^.]+/, 's1') } });

  // Killed half-way: some are sealed anew, some are not.
  await reseal(SEALED_KEYS);
  const killed = failAt(1, ['update']);
  await assert.rejects(Promise.all(sealedFields(clients.spec as never).map(reseal)), /killed before update clients/);
  killed.restore();
  const env = { CARDEA_SECRET: NEXT, CARDEA_OTHER_SECRETS: SECRET };
  const [first, second] = await Promise.all([run('reseal.ts', env), run('reseal.ts', env)]);
  for (const { code: ended, said, failed } of [first, second]) assert.deepEqual([ended, failed], [0, ''], said);
  assert.match(first.said + second.said, /clients\.client_secret: \d+ sealed anew/);
  const after = await sealedValues();
  assert.deepEqual(
    after.filter((value) => !value.endsWith(next)),
    [],
  );
  assert.deepEqual(kinds(after), kinds(before), 'nothing is lost');
  assert.match((await run('reseal.ts', { CARDEA_SECRET: NEXT })).said, /^0 values were sealed anew\. Nothing/);

  useSecret(NEXT);
  const last = await instance(w, [NEXT]);
  assert.equal((await last.post(t.origin, '/oauth/token', machine)).status, 200);
  assert.deepEqual(await shown(), secrets);
});

test('a start with a secret that does not fit is refused with a sentence; with the fitting one beside it opens', async () => {
  const other = 'a secret that never sealed anything in here';
  const sentence = /^Cardea cannot start: CARDEA_SECRET does not fit this database: .* CARDEA_OTHER_SECRETS\.\n$/;
  assert.match(await starts({ CARDEA_SECRET: NEXT }), /is ready/);
  assert.match(await starts({ CARDEA_SECRET: other }), sentence);
  assert.match((await run('reseal.ts', { CARDEA_SECRET: other })).failed, /does not fit this database/);
  assert.match(
    await starts({ CARDEA_SECRET: other, CARDEA_OTHER_SECRETS: JSON.stringify([SECRET, NEXT]) }),
    /is ready/,
  );
  // It may have sealed something by now.
  assert.match(await starts({ CARDEA_SECRET: NEXT }), sentence);
  const back = await run('reseal.ts', { CARDEA_SECRET: NEXT, CARDEA_OTHER_SECRETS: other });
  assert.match(back.said, /Nothing is sealed with any other secret/);
  assert.match(await starts({ CARDEA_SECRET: NEXT }), /is ready/);
});

test('what no secret opens is named, and stays; the others go on', async () => {
  const t = await w.tenant();
  const client = await t.client();
  useSecret('a secret that got lost, and with it what it sealed');
  const lost = seal('gone', `clients.client_secret:${client.id}`);
  useSecret(NEXT);
  assert.throws(() => unseal(lost, `clients.client_secret:${client.id}`), /not known here/);
  const rows = mongoose.connection.collection<{ _id: string }>('clients');
  await rows.updateOne({ _id: client.id }, { $set: { client_secret: lost } });
  const { code, said } = await run('reseal.ts', { CARDEA_SECRET: NEXT });
  assert.deepEqual([code, said.includes(client.id)], [1, true], said);
  assert.deepEqual(
    await rows.findOne({ _id: client.id }).then((row) => (row as never as typeof client).client_secret),
    lost,
  );
});
