/** Notification subscriptions: two kinds of config, and a signing secret that stays one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { agreed } from '../../kit/contract.ts';
import { assertRefused, world } from '../../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const MASK = '********';
const events = ['user.created', 'team.member.added'];
const email = { events, channel: 'email', config: { recipients: ['ops@example.com'] } };
const webhook = { events, channel: 'webhook', config: { url: 'https://hooks.example/in', secret: 'whsec-1' } };
/** What their events show. */
const READS = 'read:users read:teammembers';
const create = (body: object) => acme.call('POST', '/notificationsubscription', body);
const update = (id: string, body: object) => acme.call('POST', `/notificationsubscription/${id}`, body);
const limited = async (scope: string, method: string, path: string, json?: unknown) =>
  w.call(acme.origin, await acme.token(scope), method, path, json);

test('both kinds are created, listed, changed and deleted', async () => {
  const mails = agreed('notificationsubscription/create', await create(email));
  assert.deepEqual([mails.active, mails.config, mails.events], [true, email.config, events]);
  const hooks = agreed(
    'notificationsubscription/create',
    await create({ ...webhook, active: false, metadata: { a: 1 } }),
  );
  assert.deepEqual([hooks.active, hooks.config, hooks.metadata], [false, webhook.config, { a: 1 }]);
  const list = async (query: string) =>
    agreed('notificationsubscription/list', await acme.call('GET', `/notificationsubscription?${query}`)).results;
  assert.deepEqual(await list(''), [hooks, mails]);
  for (const query of ['channel:webhook', 'active:false'])
    assert.deepEqual(await list(`query=${query}`), [hooks], query);
  assert.equal((await list('query=events:user.created')).length, 2);

  const changed = agreed(
    'notificationsubscription/update',
    await update(mails.id, { active: false, events: ['user.deleted'] }),
  );
  assert.deepEqual([changed.active, changed.events, changed.config], [false, ['user.deleted'], email.config]);
  const moved = agreed(
    'notificationsubscription/update',
    await update(mails.id, { config: { recipients: ['a@x.io', 'b@x.io'] } }),
  );
  assert.deepEqual(moved.config, { recipients: ['a@x.io', 'b@x.io'] });
  assert.deepEqual(
    agreed('notificationsubscription/get', await acme.call('GET', `/notificationsubscription/${mails.id}`)),
    moved,
  );
  assert.deepEqual((await other.api('GET', '/notificationsubscription')).results, []);
  for (const method of ['GET', 'POST', 'DELETE'])
    assertRefused(
      await other.call(method, `/notificationsubscription/${mails.id}`, method === 'POST' ? {} : undefined),
      404,
      'not_found',
    );
  agreed('notificationsubscription/delete', await acme.call('DELETE', `/notificationsubscription/${mails.id}`));
  assertRefused(await acme.call('GET', `/notificationsubscription/${mails.id}`), 404, 'not_found');
});

test("a webhook's secret is sealed, masked without its permission, and kept when it is not sent", async () => {
  const { id } = (await create(webhook)).body;
  const secretFor = async (scope: string) =>
    (await limited(scope, 'GET', `/notificationsubscription/${id}`)).body.config.secret;
  const see = 'read:notificationsubscriptions read:notificationsubscription_keys';
  assert.equal(await secretFor('read:notificationsubscriptions'), MASK);
  assert.equal(await secretFor(see), 'whsec-1');
  const stored = JSON.stringify(await mongoose.connection.db!.collection('notificationsubscriptions').find().toArray());
  assert.ok(!stored.includes('whsec-1'));

  const url = 'https://hooks.example/two';
  for (const config of [{ url }, { url, secret: MASK }]) {
    const moved = await limited(
      `update:notificationsubscriptions ${READS}`,
      'POST',
      `/notificationsubscription/${id}`,
      {
        config,
      },
    );
    assert.deepEqual(agreed('notificationsubscription/update', moved).config, { url, secret: MASK });
    assert.equal(await secretFor(see), 'whsec-1');
  }
  assert.deepEqual((await update(id, { config: { secret: 'whsec-2' } })).body.config, { url, secret: 'whsec-2' });
});

test('another channel needs all of its config, and leaves nothing of the one before', async () => {
  const { id } = (await create(webhook)).body;
  assertRefused(await update(id, { channel: 'email' }), 400, 'validation', /recipients is required/);
  const mails = agreed('notificationsubscription/update', await update(id, { channel: 'email', config: email.config }));
  assert.deepEqual([mails.channel, mails.config], ['email', email.config]);
  const row = await mongoose.connection.db!.collection('notificationsubscriptions').findOne({ _id: id as never });
  assert.ok(!row!.secret && !row!.config.url);
  assertRefused(
    await update(id, { channel: 'webhook', config: { url: 'https://x.example/' } }),
    400,
    'validation',
    /secret is required/,
  );
  assertRefused(
    await update(id, { channel: 'webhook', config: { url: 'https://x.example/', secret: MASK } }),
    400,
    'validation',
    /secret/,
  );
  assert.equal((await update(id, { channel: 'webhook', config: webhook.config })).body.config.secret, 'whsec-1');
});

test('a config is its own channel’s and complete', async () => {
  const hook = (config: object) => create({ ...webhook, config });
  const { url, secret } = webhook.config;
  assertRefused(await hook({ url }), 400, 'validation', /\/config\/secret is required/);
  assertRefused(await hook({ secret }), 400, 'validation', /\/config\/url is required/);
  assertRefused(await hook({ url, secret, recipients: ['a@x.io'] }), 400, 'validation', /recipients/);
  assertRefused(await hook({ url, secret, method: 'PUT' }), 400, 'validation', /method/);
  assertRefused(await create({ ...email, config: { ...email.config, url } }), 400, 'validation', /url/);
  assertRefused(await create({ ...email, config: {} }), 400, 'validation', /recipients/);
  assertRefused(await create({ ...email, config: { recipients: ['nobody'] } }), 400, 'validation', /recipients/);
  assertRefused(await create({ ...email, channel: 'sms' }), 400, 'validation', /channel/);
  for (const field of ['events', 'channel', 'config'])
    assertRefused(await create({ ...email, [field]: undefined }), 400, 'validation', new RegExp(field));
  for (const wrong of ['user created', 'user.vanished', 'user.*', '*', 'notificationsubscription.test'])
    assertRefused(
      await create({ ...email, events: ['user.created', wrong] }),
      400,
      'validation',
      /\/events\/1 .* is no event; there are user\.created, .*client\.deleted/,
    );
  assertRefused(await create({ ...email, events: [] }), 400, 'validation', /events must name an event/);
  assertRefused(await create({ ...email, filter: {} }), 400, 'validation', /filter/);
});

test('webhooks go over https, to this machine also over http while developing', async () => {
  const hook = (url: string) => create({ ...webhook, config: { url, secret: 's' } });
  for (const url of [
    'http://hooks.example/',
    'ftp://hooks.example/',
    'hooks.example',
    'https://user:pw@hooks.example/',
    'http://localhost.evil.example/',
  ])
    assertRefused(await hook(url), 400, 'validation', /url/);
  for (const url of ['http://localhost:3000/in', 'http://127.0.0.1:3000/', 'https://hooks.example/in?a=1'])
    assert.equal((await hook(url)).status, 200, url);
});

test('each operation needs its permission, and leaves a row in the log', async () => {
  const { id } = (await create(email)).body;
  const cases: [string, string, string, unknown?, string?][] = [
    ['read:notificationsubscriptions', 'GET', '/notificationsubscription'],
    ['read:notificationsubscriptions', 'GET', `/notificationsubscription/${id}`],
    ['create:notificationsubscriptions', 'POST', '/notificationsubscription', email, READS],
    ['update:notificationsubscriptions', 'POST', `/notificationsubscription/${id}`, { active: false }, READS],
    ['delete:notificationsubscriptions', 'DELETE', `/notificationsubscription/${id}`],
  ];
  for (const [permission, method, path, body, reads = ''] of cases) {
    assertRefused(await limited(READS, method, path, body), 403, 'insufficient_scope', new RegExp(permission));
    assert.equal((await limited(`${permission} ${reads}`, method, path, body)).status, 200);
  }
  const types = (await acme.api('GET', '/log?pageSize=20')).results.map(({ type }: { type: string }) => type);
  for (const verb of ['created', 'updated', 'deleted'])
    assert.ok(types.includes(`admin.notificationsubscription.${verb}`));
});
