/**
 * The outbox's worker, seen through its first channel: leases, retries, giving up, fairness, and what is left alone.
 * What a logout token says is logout.test.ts's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { buildApp } from '../../src/app.ts';
import { channels } from '../../src/delivery/channels/index.ts';
import { worker } from '../../src/delivery/worker.ts';
import { backchannelLogout } from '../../src/domain/message/backchannel-logout.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { add, onRelease, outbox } from '../../src/outbox/outbox.ts';
import { type TenantHandle, tokensOf, until, world } from '../kit/index.ts';
import { logoutReceiver, type Receiver } from '../kit/logout-receiver.ts';

const w = await world();

const rowsOf = (t: { id: string }) => outbox.model.find({ account: t.id, type: backchannelLogout.type }).lean();
const attempts = async (t: TenantHandle) =>
  (await t.api('GET', '/log?query=type:auth.logout.backchannel&pageSize=200')).results as {
    status: string;
    client: string;
    user: string;
    data: Record<string, unknown>;
  }[];
const tenantOf = (t: { id: string; origin: string }) => asTenant({ id: t.id } as never, t.origin);

/** A user logs in at the client, and out again. */
async function logInAndOut(t: TenantHandle, client: Awaited<ReturnType<TenantHandle['client']>>) {
  const user = await t.user();
  const { tokens, visit } = await tokensOf(t, client, user);
  const out = await visit(`${t.origin}/logout?${new URLSearchParams({ id_token_hint: tokens.id_token! })}`);
  assert.equal(out.status, 200);
  return user;
}

async function party(t: TenantHandle, fields: Record<string, unknown> = {}) {
  const receiver = await logoutReceiver();
  const client = await t.client({ backchannel_logout_uri: receiver.url, ...fields });
  return { receiver, client };
}

test('nothing leaves before the worker runs; then it leaves once, and each attempt is in the log', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  const user = await logInAndOut(t, client);
  assert.equal(receiver.state.bodies.length, 0);
  await w.deliver();
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 1);
  const [row] = await rowsOf(t);
  assert.deepEqual([row!.state, row!.send_count, row!.last_error], ['sent', 1, undefined]);
  assert.ok(!String(row!.data).includes(user.id), 'what it says is sealed');
  const [log, ...more] = await attempts(t);
  assert.deepEqual([log!.status, log!.client, log!.user, log!.data.attempt], ['success', client.id, user.id, 1]);
  assert.deepEqual(more, []);
});

test('two instances at once send each message once, and share the work', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  for (let n = 0; n < 4; n += 1) await logInAndOut(t, client);
  const second = await buildApp({
    config: w.config,
    store: w.store,
    operator: w.operator,
    log: pino({ level: 'silent' }),
  });
  await second.ready();
  await Promise.all([w.deliver(), second.outbox.run(), w.deliver(), second.outbox.run()]);
  assert.equal(receiver.state.bodies.length, 4);
  assert.equal(new Set(receiver.state.bodies).size, 4);
  await second.close();
  await logInAndOut(t, client);
  await second.outbox.run();
  assert.equal(receiver.state.bodies.length, 4, 'one that was stopped takes nothing');
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 5);
});

test('a message whose worker died is sent by another when the lease ends, and not before', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  await logInAndOut(t, client);
  const gone = {
    state: 'sending',
    lease: 'of a worker that is no more',
    due: new Date(Date.now() + 60_000),
    send_count: 1,
  };
  await outbox.model.updateOne({ account: t.id, type: backchannelLogout.type }, { $set: gone });
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 0);
  w.clock.advance({ seconds: 61 });
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 1);
  assert.equal((await rowsOf(t))[0]!.send_count, 2);
});

test('failures pause longer each time, are told without what was answered, and end', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  receiver.state.answer = (response) => response.writeHead(503).end('the database password is hunter2');
  await logInAndOut(t, client);
  const pauses: number[] = [];
  for (let n = 1; n <= 14; n += 1) {
    await w.deliver();
    const [row] = await rowsOf(t);
    assert.equal(row!.send_count, n);
    assert.equal(row!.last_error, 'answered 503');
    if (n === 14) break;
    assert.equal(row!.state, 'failed');
    const pause = ((row!.due as Date).getTime() - Date.now()) / 1000;
    pauses.push(pause);
    await w.deliver();
    assert.equal(receiver.state.bodies.length, n, 'nothing is sent during the pause');
    w.clock.advance({ seconds: pause + 1 });
  }
  for (const [n, pause] of pauses.entries()) {
    const least = Math.min(3600, 30 * 2 ** n);
    assert.ok(pause > least - 2 && pause < least * 1.25 + 1, `pause ${n}: ${pause}`);
  }
  const [row] = await rowsOf(t);
  assert.equal(row!.state, 'abandoned');
  w.clock.advance({ seconds: 7200 });
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 14);
  // Further back than an access token lives: a fresh one reads the log.
  const token = await t.token();
  const { body } = await w.call(t.origin, token, 'GET', '/log?query=type:auth.logout.backchannel&pageSize=200');
  const told = body.results as { status: string; data: Record<string, unknown> }[];
  assert.deepEqual(
    told.map(({ data }) => data.attempt),
    [14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
  );
  assert.ok(told.every(({ status }) => status === 'failed'));
  assert.deepEqual([told[0]!.data.given_up, told[1]!.data.given_up], [true, undefined]);
  assert.ok(!JSON.stringify([told, row]).includes('hunter2'));
});

test('a dead receiver holds up neither other tenants nor other clients of its own', async () => {
  const [dead, alive] = [await w.tenant('Dead'), await w.tenant('Alive')];
  const [silent, neighbour, other] = [await party(dead), await party(dead), await party(alive)];
  const waiting: (() => void)[] = [];
  silent.receiver.state.answer = (response) => void waiting.push(() => response.end());
  for (let n = 0; n < 6; n += 1) await logInAndOut(dead, silent.client);
  await logInAndOut(dead, neighbour.client);
  await logInAndOut(alive, other.client);
  const run = w.deliver();
  const heard = ({ receiver }: { receiver: Receiver }) => receiver.state.bodies.length;
  await until('both others heard', () => heard(neighbour) === 1 && heard(other) === 1);
  assert.equal(heard(silent), 3, 'so many wait for one receiver, and no more');
  silent.receiver.state.answer = (response) => void response.end();
  for (const answer of waiting) answer();
  await run;
  assert.equal(heard(silent), 6);
});

test('a message about something that never happened is waited for, and then dropped', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  const user = await t.user();
  await tokensOf(t, client, user);
  const { default: mongoose } = await import('mongoose');
  const session = await mongoose.connection.db!.collection('protocol').findOne({ account: t.id, kind: 'Session' });
  // A server that was killed between the intent and the end of the session.
  const ref = session!.uid as string;
  await add(tenantOf(t), backchannelLogout, { to: client.id, ref, data: { sub: user.id } });
  for (const seconds of [3, 10, 30]) {
    w.clock.advance({ seconds });
    await w.deliver();
    const [row] = await rowsOf(t);
    assert.deepEqual([row!.state, row!.send_count], ['queued', 0]);
  }
  w.clock.advance({ seconds: 30 });
  await w.deliver();
  assert.deepEqual(await rowsOf(t), []);
  assert.equal(receiver.state.bodies.length, 0);
});

test('a message that is not what its kind says is refused before anything is written', async () => {
  const t = await w.tenant();
  const { client } = await party(t);
  const wrong = [{}, { sub: 7 }, { sub: 'user_1', extra: true }, { sub: null }];
  for (const data of wrong)
    await assert.rejects(
      add(tenantOf(t), backchannelLogout, { to: client.id, ref: 'x', data: data as { sub: string } }),
      (error: Error) => error.message.includes('backchannel_logout') && !error.message.includes('user_1'),
    );
  // @ts-expect-error and where it is added it does not compile
  await assert.rejects(add(tenantOf(t), backchannelLogout, { to: client.id, ref: 'x', data: { link: 'y' } }));
  assert.deepEqual(await rowsOf(t), []);
});

test('a stored row that does not fit its kind is abandoned with the reason; a field too many does not matter', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  const users = [];
  for (let n = 0; n < 4; n += 1) users.push(await logInAndOut(t, client));
  const rows = await rowsOf(t);
  const write = (n: number, data: string) => outbox.update(tenantOf(t), rows[n]!._id, { data });
  await write(0, '{"sid":"secret-sid"}');
  await write(1, 'no JSON');
  await write(2, JSON.stringify({ sub: users[2]!.id, sid: 'abc', gone: { session: 'of an earlier version' } }));
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 2, 'the others are sent');
  const after = await rowsOf(t);
  assert.deepEqual(
    after.map(({ state }) => state),
    ['abandoned', 'abandoned', 'sent', 'sent'],
  );
  assert.match(String(after[0]!.last_error), /not what its kind says: .*sub/);
  assert.ok(!String(after[0]!.last_error).includes('secret-sid'));
  w.clock.advance({ seconds: 7200 });
  await w.deliver();
  assert.equal(receiver.state.bodies.length, 2, 'nothing of it is tried again');
});

test('what no channel sends stays as it was written', async () => {
  const t = await w.tenant();
  const user = await t.user();
  await t.api('POST', `/user/${user.id}/verify-email/start`, {});
  const kept = await outbox.model.find({ account: t.id }).lean();
  w.clock.advance({ seconds: 120 });
  await worker(channels({} as never), () => {}).run();
  assert.deepEqual(await outbox.model.find({ account: t.id }).lean(), kept);
  assert.equal(kept[0]!.state, 'queued');
});

test('the rows of other types and of settled messages are not looked at when due ones are asked for', async () => {
  const plan = (await outbox.model
    .find({
      type: { $in: [backchannelLogout.type] },
      state: { $in: ['queued', 'failed', 'sending'] },
      due: { $lte: new Date(Date.now() + 9e9) },
    })
    .sort({ due: 1 })
    .explain('executionStats')) as unknown as { executionStats: { totalDocsExamined: number; nReturned: number } };
  const { totalDocsExamined, nReturned } = plan.executionStats;
  assert.equal(totalDocsExamined, nReturned);
});

test('a client that is gone, or wants to hear nothing any more, is no failure', async () => {
  const t = await w.tenant();
  const [kept, gone] = [await party(t), await party(t)];
  await logInAndOut(t, kept.client);
  await logInAndOut(t, gone.client);
  const token = await t.token();
  await w.call(t.origin, token, 'POST', `/client/${kept.client.id}`, { backchannel_logout_uri: null });
  assert.equal((await w.call(t.origin, token, 'DELETE', `/client/${gone.client.id}`)).status, 200);
  await w.deliver();
  assert.deepEqual([kept.receiver.state.bodies, gone.receiver.state.bodies], [[], []]);
  const states = (await rowsOf(t)).map(({ state }) => state);
  assert.deepEqual(states, ['abandoned', 'abandoned']);
});

test('what this process adds is sent without waiting, once the worker was started', async () => {
  const t = await w.tenant();
  const { receiver, client } = await party(t);
  const second = await buildApp({
    config: w.config,
    store: w.store,
    operator: w.operator,
    log: pino({ level: 'silent' }),
  });
  await second.ready();
  let released = 0;
  const unlisten = onRelease(() => {
    released += 1;
  });
  second.outbox.start();
  await logInAndOut(t, client);
  await until('it was sent', () => receiver.state.bodies.length === 1);
  assert.equal(released, 1);
  unlisten();
  // Draining waits for what is on its way.
  let finish: () => void = () => {};
  receiver.state.answer = (response) => {
    finish = () => void response.end();
  };
  await logInAndOut(t, client);
  await until('the other was sent', () => receiver.state.bodies.length === 2);
  const closed = second.close();
  finish();
  await closed;
  assert.deepEqual(
    (await rowsOf(t)).map(({ state }) => state),
    ['sent', 'sent'],
  );
});
