/** What subscribers are told: every event there is, when it was so and not otherwise, whoever crashes or races. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { safePost } from '../../../src/connections/safe-fetch.ts';
import { channels } from '../../../src/delivery/channels/index.ts';
import { worker } from '../../../src/delivery/worker.ts';
import { EVENT_NAMES, EVENTS, type EventName } from '../../../src/domain/trail/events.ts';
import { outbox } from '../../../src/outbox/outbox.ts';
import { failAt, interrupt, WRITES } from '../../kit/faults.ts';
import { assertRefused, type Json, logged, passwordGrant, type TenantHandle, until, world } from '../../kit/index.ts';
import { followLink, lastLink } from '../../kit/mailbox.ts';
import { webhookReceiver } from '../../kit/webhook-receiver.ts';

const w = await world();
const t = await w.tenant();
const other = await w.tenant('Other');

type Hook = Awaited<ReturnType<typeof webhookReceiver>>;
const subscribed = async (at: TenantHandle, events: readonly string[], hook: Hook): Promise<Json> =>
  at.api('POST', '/notificationsubscription', {
    events,
    channel: 'webhook',
    config: { url: hook.url, secret: hook.secret },
  });
/** A webhook that listens in an account of its own. */
async function listening(events: readonly string[] = ['user.created', 'user.updated', 'user.deleted']) {
  const [tenant, hook] = [await w.tenant(), await webhookReceiver()];
  return { t: tenant, hook, subscription: await subscribed(tenant, events, hook) };
}
const types = (hook: Hook) => hook.received().map(({ type }) => type);
const fresh = () => `n${Math.random().toString(36).slice(2)}`;
const newUser = (at: TenantHandle, fields: object = {}) => at.api('POST', '/user', { name: 'Ada Lovelace', ...fields });

// First of all: its clock is its own, and the world's is moved later.
test('the server of the guide takes what is genuine, and refuses what is forged or old', async (on) => {
  const guide = await readFile(new URL('../../../docs/guides/webhooks.md', import.meta.url), 'utf8');
  const code = /```js\n(.*?)```/s.exec(guide)![1]!;
  const at = await w.tenant();
  const server = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    env: { PORT: '0', WEBHOOK_SECRET: 'whsec-of-the-guide' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  on.after(() => server.kill());
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const port = /^listening (\d+)$/.exec((await lines.next()).value ?? '')![1];
  const url = `http://127.0.0.1:${port}/`;
  const config = { url, secret: 'whsec-of-the-guide' };
  await at.api('POST', '/notificationsubscription', { events: ['user.created'], channel: 'webhook', config });
  const { id } = await newUser(at);
  const send = async (seconds: number, secret = config.secret) => {
    const [body, timestamp] = ['{"type":"user.created","payload":{}}', String(Math.floor(seconds))];
    const hmac = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
    const headers = { 'x-cardea-timestamp': timestamp, 'x-cardea-signature': `sha256=${hmac}` };
    return (await fetch(url, { method: 'POST', body, headers })).status;
  };
  const now = Date.now() / 1000;
  assert.equal(await send(now), 204);
  assert.equal((await lines.next()).value, 'user.created undefined');
  assert.equal(await send(now - 3600), 401);
  assert.equal(await send(Number.NaN), 401);
  assert.equal(await send(now, 'whsec-of-somebody'), 401);
  await w.deliver();
  assert.equal((await lines.next()).value, `user.created ${id}`);
  assert.equal((await logged(at, 'webhook.user.created'))[0].status, 'success');
});

describe('an event', async () => {
  const [hook, theirs] = [await webhookReceiver(), await webhookReceiver()];
  await subscribed(t, EVENT_NAMES, hook);
  await subscribed(other, EVENT_NAMES, theirs);
  const team = () => t.api('POST', '/team', { name: fresh() });
  const role = () => t.api('POST', '/role', { name: fresh() });
  const member = async () => {
    const [{ id }, user] = [await team(), await t.user()];
    return t.api('POST', `/team/${id}/member`, { users: [user.id] });
  };
  const holder = async () => {
    const [{ id }, user] = [await role(), await t.user()];
    await t.api('POST', `/role/${id}/users`, { users: [user.id] });
    return (await t.api('GET', `/rolemember?query=role:${id}`)).results[0];
  };
  const client = () => t.client({ grant_types: ['password'] });
  const changed = async (fields: object, first: Record<string, unknown> = {}) => {
    const { id } = await t.user(first);
    await t.api('POST', `/user/${id}`, fields);
  };
  const attempt = async (password?: string, fields: Record<string, unknown> = {}) => {
    const user = await t.user(fields);
    await passwordGrant(t, await client(), { ...user, ...(password && { password }) });
  };
  const gone = async (path: string, row: Promise<Json>) => t.api('DELETE', `/${path}/${(await row).id}`);

  const CAUSES: Record<EventName, () => Promise<unknown>> = {
    'user.created': () => t.user(),
    'user.updated': () => changed({ name: 'Ada King' }),
    'user.deleted': () => gone('user', newUser(t, { email: `${fresh()}@example.com` })),
    'user.email_changed': () => changed({ email: `${fresh()}@new.example.com` }),
    'user.email_verified': () => changed({ email_verified: true }),
    'user.suspended': () => changed({ suspended: true, suspended_reason: 'Unpaid' }),
    'user.reinstated': () => changed({ suspended: false }, { suspended: true }),
    'credential.password_changed': async () => {
      const { credential } = await t.user();
      await t.api('POST', `/credentials/${credential}/set-password`, { password: 'Another-horse-2' });
    },
    'auth.login': () => attempt(),
    'auth.login.failed': () => attempt('wrong'),
    'auth.suspended': () => attempt(undefined, { suspended: true }),
    'team.created': team,
    'team.updated': async () => t.api('POST', `/team/${(await team()).id}`, { name: 'Storehouse' }),
    'team.deleted': () => gone('team', team()),
    'team.member.added': member,
    'team.member.removed': () => gone('teammember', member()),
    'role.member.added': holder,
    'role.member.removed': () => gone('rolemember', holder()),
    'client.created': () => t.client(),
    'client.updated': async () => t.api('POST', `/client/${(await t.client()).id}`, { name: 'Orders and returns' }),
    'client.deleted': () => gone('client', t.client()),
  };

  for (const name of EVENT_NAMES)
    test(`${name} says what its example says`, async () => {
      await CAUSES[name]();
      await w.deliver();
      const told = hook.received(name).at(-1);
      assert.ok(told, `${name} came`);
      assertLike(EVENTS[name].example, told.payload, name.startsWith('client.'), name);
      assert.equal(told.payload.account, t.id);
    });

  test('is told to its own account alone, without secrets, and once to each who listens', async () => {
    const second = await webhookReceiver();
    const { id } = await subscribed(t, ['user.created'], second);
    const user = await t.user();
    await w.deliver();
    const [mine, again] = [hook, second].map((one) => one.received('user.created').filter(about(user)));
    assert.deepEqual([mine!.length, again!.length], [1, 1]);
    assert.equal(mine![0]!.id, again![0]!.id, 'one event');
    assert.notEqual(mine![0]!.delivery, again![0]!.delivery, 'two deliveries');
    assert.deepEqual(theirs.received(), []);
    const { client_secret } = await t.client();
    await w.deliver();
    const said = JSON.stringify(hook.received());
    assert.equal(/"(password_hash|client_secret|_told|_q|_m)"|\*{8}|\$argon2|\$scrypt/.exec(said), null);
    assert.ok(!said.includes(client_secret));
    await t.api('DELETE', `/notificationsubscription/${id}`);
  });

  test('a change that changes nothing is none, nor is a login', async () => {
    const user = await t.user();
    await t.api('POST', `/user/${user.id}`, { name: 'Ada Lovelace' });
    await passwordGrant(t, await client(), user);
    await w.deliver();
    assert.deepEqual(hook.received('user.updated').filter(about(user)), []);
  });

  test('what goes along with something else is told of too', async () => {
    const row = await member();
    await t.api('DELETE', `/user/${row.user}`);
    await w.deliver();
    const told = hook.received().filter(({ payload }) => [row.id, row.user].includes(payload.id));
    assert.deepEqual(told.map(({ type }) => type).sort(), [
      'team.member.added',
      'team.member.removed',
      'user.created',
      'user.deleted',
    ]);
  });

  test('whoever verifies or changes an address by a link is told of too', async () => {
    const user = await t.user();
    await t.api('POST', `/user/${user.id}/verify-email/start`, {});
    await followLink(await lastLink(t, user.email));
    await w.deliver();
    const [told] = hook.received('user.email_verified').filter(about(user));
    assert.equal(told!.payload.email_verified_method, 'verification_flow');
  });

  test('every user of an import is told of', async () => {
    const email = `${fresh()}@example.com`;
    const form = new FormData();
    form.set('users', new Blob([JSON.stringify([{ email, name: 'Imported' }])], { type: 'application/json' }));
    const lines = JSON.stringify({ email, name: 'Imported' });
    const answer = await fetch(`${t.origin}/user/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await t.token()}`, 'content-type': 'application/x-ndjson' },
      body: `${lines}\n`,
    });
    assert.ok(answer.ok, await answer.clone().text());
    await w.deliver();
    assert.equal(hook.received('user.created').filter(({ payload }) => payload.email === email).length, 1);
  });
});

const about =
  ({ id }: { id: string }) =>
  ({ payload }: { payload: Json }) =>
    payload.id === id;

/** The same names and kinds of values, all the way down. @param more it may have others */
function assertLike(example: unknown, told: unknown, more: boolean, at: string): void {
  const kind = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
  assert.equal(kind(told), kind(example), at);
  if (typeof example === 'string') {
    const shape = (value: string) => /^([a-z]+_)[0-9a-f]{24}$/.exec(value)?.[1] ?? /^\d{4}-\d\d-\d\dT/.test(value);
    assert.equal(shape(told as string), shape(example), `${at}: ${told}`);
  }
  if (kind(example) !== 'object') return;
  const [names, there] = [Object.keys(example as object), Object.keys(told as object)];
  if (!more) assert.deepEqual(there.sort(), [...names].sort(), at);
  for (const name of names) assertLike((example as Json)[name], (told as Json)[name], more, `${at}.${name}`);
}

describe('a crash', () => {
  const isStep = (what: string) => / (users|outbox|logs)$/.test(what);
  type Case = { start(at: TenantHandle): Promise<Json>; act(at: TenantHandle, row: Json): Promise<unknown> };
  const CASES: Record<string, Case & { event: string; happened(row: Json | undefined): boolean }> = {
    create: {
      event: 'user.created',
      start: async () => ({}),
      act: (at) => at.call('POST', '/user', { name: 'Created' }),
      happened: (row) => row?.name === 'Created',
    },
    update: {
      event: 'user.updated',
      start: (at) => newUser(at),
      act: (at, { id }) => at.call('POST', `/user/${id}`, { name: 'Changed' }),
      happened: (row) => row?.name === 'Changed',
    },
    delete: {
      event: 'user.deleted',
      start: (at) => newUser(at),
      act: (at, { id }) => at.call('DELETE', `/user/${id}`),
      happened: (row) => row === undefined,
    },
  };
  for (const [verb, { event, start, act, happened }] of Object.entries(CASES))
    test(`at any step of a ${verb} loses no event and makes none up`, async () => {
      const { t: at, hook } = await listening([event]);
      const seen = new Set<boolean>();
      for (let n = 1, steps = 2; n <= steps; n += 1) {
        const row = await start(at);
        await at.call('GET', '/user');
        const fault = failAt(n, WRITES, isStep);
        await act(at, row);
        fault.restore();
        if (fault.refused.length) steps = n + 1;
        const [found] = (await at.api('GET', '/user?pageSize=1')).results as Json[];
        const so = happened(row.id && found?.id !== row.id ? undefined : found);
        seen.add(so);
        const before = hook.received().length;
        for (const seconds of [3, 30, 40]) {
          w.clock.advance({ seconds });
          await w.deliver();
        }
        assert.equal(hook.received().length - before, so ? 1 : 0, `killed at ${n}: ${fault.refused[0]}`);
        assert.equal(await outbox.model.countDocuments({ account: at.id, state: 'queued' }), 0);
        if (verb === 'create' && so) await at.api('DELETE', `/user/${found!.id}`);
      }
      assert.deepEqual(seen, new Set([true, false]));
    });

  test('of a change is told of although others came after it, and none that was not made', async () => {
    const { t: at, hook } = await listening(['user.suspended']);
    const { id } = await newUser(at);
    const fault = failAt(1, WRITES, (what) => what === 'findAndModify users');
    await at.call('POST', `/user/${id}`, { suspended: true });
    fault.restore();
    await at.api('POST', `/user/${id}`, { name: 'Somebody' });
    for (const seconds of [3, 70]) {
      w.clock.advance({ seconds });
      await w.deliver();
    }
    assert.deepEqual(hook.received(), []);
    const later = failAt(2, WRITES, (what) => / (users|outbox)$/.test(what) && !what.startsWith('insert'));
    await at.call('POST', `/user/${id}`, { suspended: true });
    later.restore();
    assert.equal((await at.api('GET', `/user/${id}`)).suspended, true);
    await at.api('POST', `/user/${id}`, { suspended: false });
    w.clock.advance({ seconds: 3 });
    await w.deliver();
    assert.deepEqual(types(hook), ['user.suspended']);
  });
});

describe('two at once', () => {
  test('of who deletes a user one is told of', async () => {
    const { t: at, hook } = await listening(['user.deleted']);
    const { id } = await newUser(at);
    const first = interrupt({ name: 'findAndModify', collection: 'users' }, () => at.call('DELETE', `/user/${id}`));
    await at.call('DELETE', `/user/${id}`);
    assert.equal(first.times, 1);
    w.clock.advance({ seconds: 3 });
    await w.deliver();
    assert.deepEqual(types(hook), ['user.deleted']);
  });

  test('workers send each event once', async () => {
    const { t: at, hook } = await listening(['user.created']);
    const post = (address: string, posted: never) => safePost(address, posted, { production: false });
    const second = worker(channels({ post } as never), assert.ifError);
    for (let n = 0; n < 20; n += 1) await newUser(at);
    await Promise.all([w.deliver(), second.run()]);
    await w.deliver();
    const ids = hook.received().map(({ id }) => id);
    assert.deepEqual([ids.length, new Set(ids).size], [20, 20]);
  });
});

test('who has no subscription pays nothing for it: a login and a change ask for none', async () => {
  const at = await w.tenant();
  const [user, client] = [await at.user(), await at.client({ grant_types: ['password'] })];
  let changes = 0;
  // What is held is read once more when an instance hears of a change of the account's set-up, its own too.
  await until('nothing is asked', async () => {
    const asked = failAt(Number.POSITIVE_INFINITY, ['find', ...WRITES], (what) => / (notif\w+|outbox)$/.test(what));
    assert.equal((await passwordGrant(at, client, user)).status, 200);
    changes += 1;
    await at.api('POST', `/user/${user.id}`, { name: `Ada ${changes}` });
    asked.restore();
    return asked.passed.length === 0;
  });
});

describe('a webhook', () => {
  test('is sent to where it is by then, and signed with the secret of then', async () => {
    const { t: at, hook, subscription } = await listening(['user.created']);
    const moved = await webhookReceiver('whsec-newer');
    await newUser(at);
    const rows = await outbox.model.find({ account: at.id }).lean();
    assert.ok(!JSON.stringify(rows).includes('Ada Lovelace'), 'sealed while it waits');
    await at.api('POST', `/notificationsubscription/${subscription.id}`, {
      config: { url: moved.url, secret: 'whsec-newer' },
    });
    w.clock.advance({ seconds: 3 });
    await w.deliver();
    assert.deepEqual([types(hook), types(moved)], [[], ['user.created']]);
  });

  test('that fails is tried again as the same delivery with a new signature, each attempt in the log', async () => {
    const { t: at, hook, subscription } = await listening(['user.created']);
    hook.state.answer = (response) => void response.writeHead(302, { location: `${hook.url}&moved=1` }).end();
    await newUser(at);
    await w.deliver();
    hook.state.answer = (response) => void response.writeHead(204).end();
    w.clock.advance({ seconds: 60 });
    await w.deliver();
    const [one, two, ...more] = hook.received();
    assert.deepEqual([one!.delivery, one!.id, more], [two!.delivery, two!.id, []]);
    assert.deepEqual(one!.payload, two!.payload);
    const [a, b] = hook.state.raw.map(({ headers }) => headers);
    assert.notEqual(a!['x-cardea-timestamp'], b!['x-cardea-timestamp']);
    const rows = await logged(at, 'webhook.user.created');
    assert.deepEqual(
      rows.map(({ status, data }) => [status, data]),
      [
        ['success', { subscription: subscription.id, event: one!.id, message: one!.delivery, attempt: 2 }],
        [
          'failed',
          {
            subscription: subscription.id,
            event: one!.id,
            message: one!.delivery,
            attempt: 1,
            error: 'answered 302',
          },
        ],
      ],
    );
  });

  test('that answers 410 wants it no more; by hand it is sent once more, by its own subscription', async () => {
    const { t: at, hook, subscription } = await listening(['user.created']);
    hook.state.answer = (response) => void response.writeHead(410).end();
    await newUser(at);
    await w.deliver();
    w.clock.advance({ seconds: 3600 });
    await w.deliver();
    assert.equal(hook.received().length, 1);
    const [{ data }] = await logged(at, 'webhook.user.created');
    assert.equal(data.given_up, true);

    hook.state.answer = (response) => void response.end();
    const path = `/notificationsubscription/${subscription.id}/redeliver`;
    const body = { message: data.message };
    const second = await subscribed(at, ['user.created'], await webhookReceiver());
    assertRefused(await at.call('POST', `/notificationsubscription/${second.id}/redeliver`, body), 404, 'not_found');
    assertRefused(await other.call('POST', path, body), 404, 'not_found');
    const reader = await at.token('read:notificationsubscriptions');
    assertRefused(await w.call(at.origin, reader, 'POST', path, body), 403, 'insufficient_scope');
    assert.equal((await at.call('POST', path, body)).status, 202);
    await w.deliver();
    assert.deepEqual(
      hook.received().map(({ delivery }) => delivery),
      [data.message, data.message],
    );
    assert.equal((await logged(at, 'webhook.user.created'))[0].status, 'success');
  });

  test('can be tried, before it is active too, ten times a minute', async () => {
    const { t: at, hook, subscription } = await listening(['user.created']);
    const path = `/notificationsubscription/${subscription.id}`;
    await at.api('POST', path, { active: false });
    const reader = await at.token('read:notificationsubscriptions');
    assertRefused(await w.call(at.origin, reader, 'POST', `${path}/test`), 403, 'insufficient_scope');
    assertRefused(await other.call('POST', `${path}/test`), 404, 'not_found');
    await newUser(at);
    hook.state.answer = (response) => void response.writeHead(500).end();
    const { messages } = await at.api('POST', `${path}/test`);
    await w.deliver();
    w.clock.advance({ seconds: 3600 });
    await w.deliver();
    const [told, ...more] = hook.received();
    assert.deepEqual(
      [told!.type, told!.payload.subscription, more],
      ['notificationsubscription.test', subscription.id, []],
    );
    const [row] = await logged(at, 'webhook.notificationsubscription.test');
    assert.deepEqual([row.status, [row.data.message], row.data.given_up], ['failed', messages, true]);
    hook.state.answer = (response) => void response.end();
    const answers = [];
    for (let n = 0; n < 11; n += 1) answers.push((await at.call('POST', `${path}/test`)).status);
    assert.deepEqual([answers.filter((status) => status === 202).length, answers.at(-1)], [10, 429]);
  });
});

describe('mails about events', () => {
  test('are no cannon: sixty an hour, then one that says so, and a row in the log; a webhook hears of all', async () => {
    const { t: at, hook } = await listening(['team.created']);
    await at.api('POST', '/notificationsubscription', {
      events: ['team.created'],
      channel: 'email',
      config: { recipients: ['cannon@example.com'] },
    });
    const teams = (from: number, many: number) =>
      Promise.all(Array.from({ length: many }, (_, n) => at.api('POST', '/team', { name: `Team ${from + n}` })));
    await teams(0, 40);
    await teams(40, 40);
    await w.deliver();
    const told = (await mailed(at, 'cannon@example.com')).map(({ subject }) => subject as string);
    assert.equal(told.filter((subject) => subject.startsWith('team.created')).length, 60);
    assert.deepEqual(
      told.filter((subject) => !subject.startsWith('team.created')),
      ['Too many events to mail at Acme'],
    );
    assert.equal(hook.received().length, 80);
    const rows = await logged(at, 'email.event_limit');
    assert.deepEqual(
      rows.map(({ status, data }: Json) => [status, data.limit]),
      [['skipped', 60]],
    );
    w.clock.advance({ seconds: 3601 });
    await teams(80, 1);
    await w.deliver();
    assert.equal((await mailed(at, 'cannon@example.com')).length, 62);
  });

  test('that did not happen count for nothing: who asks in vain keeps no event from its readers', async () => {
    const at = await w.tenant();
    const config = { recipients: ['vain@example.com'] };
    await at.api('POST', '/notificationsubscription', { events: ['team.member.added'], channel: 'email', config });
    const team = await at.api('POST', '/team', { name: 'Ops' });
    const [one, two] = [await at.user(), await at.user()];
    const add = ({ id }: Json) => at.call('POST', `/team/${team.id}/member`, { users: [id] });
    await add(one);
    for (let n = 0; n < 4; n += 1) await Promise.all(Array.from({ length: 15 }, () => add(one)));
    await add(two);
    await w.deliver();
    assert.deepEqual(
      (await mailed(at, 'vain@example.com')).map(({ subject }) => subject),
      Array(2).fill('team.member.added at Acme'),
    );
  });

  const mailed = async (at: TenantHandle, to: string): Promise<Json[]> =>
    (
      await w.send(`${at.origin}/dev/outbox?${new URLSearchParams({ to })}`, {
        headers: { accept: 'application/json' },
      })
    ).body.results;

  test('go to each recipient that is one by then, and name what it is about', async () => {
    const at = await w.tenant();
    const config = { recipients: ['ops@example.com', 'left@example.com'] };
    const { id } = await at.api('POST', '/notificationsubscription', {
      events: ['user.created'],
      channel: 'email',
      config,
    });
    const fault = failAt(Number.POSITIVE_INFINITY, WRITES, (what) => what === 'insert outbox');
    const user = await at.user();
    fault.restore();
    assert.equal(fault.passed.length, 1, 'all intents are one write');
    await at.api('POST', `/notificationsubscription/${id}`, { config: { recipients: ['ops@example.com'] } });
    await w.deliver();
    const [mail, ...more] = await mailed(at, 'ops@example.com');
    assert.deepEqual([mail.subject, mail.template, more], ['user.created at Acme', 'event', []]);
    assert.ok(mail.text.includes(user.email) && mail.html.includes(user.email));
    assert.deepEqual(await mailed(at, 'left@example.com'), []);
    await at.api('POST', `/notificationsubscription/${id}/test`);
    await w.deliver();
    assert.equal((await mailed(at, 'ops@example.com'))[0].subject, 'notificationsubscription.test at Acme');
  });
});
