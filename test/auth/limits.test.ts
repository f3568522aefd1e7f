/** What those may do who prove nothing: counted first, by network and the networks around it, at the expense of nobody else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { type Guess, guessing } from '../../src/auth/guessing.ts';
import { networkLimit } from '../../src/auth/network-limit.ts';
import { accountById } from '../../src/domain/account/account.ts';
import { appendRefusal } from '../../src/domain/trail/log.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { logged, world } from '../kit/index.ts';

const w = await world();
const t = await w.tenant();
const tenant = asTenant((await accountById(t.id))!, t.origin);
const times = <T>(count: number, act: (n: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, n) => act(n)));
const passed = (waits: (number | null)[]) => waits.filter((wait) => wait === null).length;

test('of many at once so many pass as may, in the narrow network and in those around it', async () => {
  const limit = networkLimit('test-race', 20, 900);
  assert.equal(passed(await times(40, () => limit.consume(tenant, '2001:db8:1:100::1'))), 20);
  // Another of the same home, and so on: a /56 has four times as much, of which 40 are gone, and a /48 sixteen times.
  assert.equal(passed(await times(60, (n) => limit.consume(tenant, `2001:db8:1:1${10 + n}::1`))), 40);
  assert.equal(passed(await times(10, (n) => limit.consume(tenant, `2001:db8:1:2${10 + n}::1`))), 10, 'next door');
  assert.equal(passed(await times(250, (n) => limit.consume(tenant, `2001:db8:1:${(n + 3).toString(16)}00::1`))), 210);
  assert.equal(passed(await times(2, (n) => limit.consume(tenant, `2001:db8:${n + 2}::1`))), 2, 'another site');
  assert.equal(passed(await times(200, (n) => limit.consume(tenant, `192.0.2.${n}`))), 160, 'a /24 has eight times');
});

test('what was given back can be had again', async () => {
  const limit = networkLimit('test-back', 2, 900);
  await times(2, () => limit.consume(tenant, '192.0.2.1'));
  await limit.giveBack(tenant, '192.0.2.1');
  assert.equal(passed(await times(3, () => limit.consume(tenant, '192.0.2.1'))), 1);
});

test('a network that is locked out uses up nothing of what others may guess, and a day has an end for all together', async () => {
  const guess = guessing('test-guess', { each: 10, network: 100, everywhere: 30 });
  const looked = (of: (Guess | number)[]) => of.filter((one) => typeof one !== 'number').length;
  const at = (subject: string, ip: string, count: number) => times(count, () => guess(tenant, subject, ip));
  assert.equal(looked(await at('victim', '192.0.2.1', 50)), 10);
  assert.equal(looked(await at('victim', '198.51.100.1', 5)), 5, 'another network still may');
  assert.equal(looked(await at('neighbour', '192.0.2.1', 5)), 5, 'and the same one at another secret');
  const [owner] = await at('victim', '203.0.113.1', 1);
  await (owner as Guess).right();
  assert.equal(looked(await at('victim', '192.0.2.1', 1)), 0, 'the owner does not let others go on');
  // The owner’s coming in began the day anew.
  const all = await Promise.all([2, 3, 4, 5, 6].map((n) => at('victim', `198.51.${n}.1`, 10)));
  assert.equal(looked(all.flat()), 30);
  assert.equal(looked(await at('victim', '203.0.113.1', 3)), 3, 'where the owner came in before, they still may');
  const [stranger] = await at('victim', '203.0.114.1', 1);
  assert.ok((stranger as number) > 80_000, `${stranger} seconds`);
  w.clock.advance({ seconds: 86_401 });
  assert.equal(looked(await at('victim', '203.0.114.1', 1)), 1);
});

test('whoever guesses in a locked network makes nobody beside them wait longer', async () => {
  const guess = guessing('test-beside', { each: 2, network: 5, everywhere: 100 });
  const at = async (subject: string) => typeof (await guess(tenant, subject, '192.0.2.9')) !== 'number';
  for (let n = 0; n < 20; n += 1) assert.equal(await at('typo'), n < 2);
  assert.deepEqual([await at('a'), await at('b'), await at('c'), await at('d')], [true, true, true, false]);
});

test('who fills the networks around somebody keeps them out nowhere that they came in before', async () => {
  const guess = guessing('test-around', { each: 5, network: 3, everywhere: 100 });
  const at = async (subject: string, ip: string) => guess(tenant, subject, ip);
  const home = ['2001:db8:9:100::1', '198.51.100.1'];
  for (const ip of home) await ((await at('owner', ip)) as Guess).right();
  // A subscriber of the same provider has a whole /56, and as many addresses of a /24 as they borrow.
  for (let n = 0; n < 60; n += 1) await at(`other ${n}`, `2001:db8:9:${(n + 2).toString(16)}00::1`);
  for (let n = 2; n < 30; n += 1) await at(`other ${n}`, `198.51.100.${n}`);
  for (const ip of home) {
    assert.equal(typeof (await at('stranger', ip)), 'number', 'nobody known is kept out');
    for (let n = 0; n < 2; n += 1) assert.equal(typeof (await at('owner', ip)), 'object', ip);
    assert.equal(typeof (await at('owner', ip)), 'number', 'the network itself has its own end');
  }
});

test('refusals of one kind, subject and network are one row for a quarter of an hour, which counts them', async () => {
  const refusal = { type: 'test.refused', user: 'user_1', reason: 'wrong', ip: '2001:db8:1:100::1' };
  w.clock.advance({ seconds: 901 - ((Date.now() / 1000) % 900) });
  await times(20, () => appendRefusal(tenant, refusal));
  w.clock.advance({ seconds: 60 });
  await appendRefusal(tenant, { ...refusal, ip: '2001:db8:1:ffff::9', message: 'another' });
  const [row, ...more] = await logged(t, 'test.refused');
  assert.deepEqual(more, []);
  assert.deepEqual([row.status, row.user, row.data.reason, row.data.count], ['failed', 'user_1', 'wrong', 21]);
  assert.equal(Date.parse(row.data.last_at) - Date.parse(row.data.first_at), 60_000);
  assert.ok(!('tally' in row));
  for (const other of [{ user: 'user_2' }, { reason: 'late' }, { ip: '2001:db8:2::1' }, { client: 'client_1' }])
    await appendRefusal(tenant, { ...refusal, ...other });
  w.clock.advance({ seconds: 900 });
  await appendRefusal(tenant, refusal);
  assert.equal((await logged(t, 'test.refused')).length, 6);
});

test('who comes from everywhere fills no trail: after a thousand rows a quarter of an hour, one a kind', async () => {
  const many = asTenant({ ...tenant.account, id: 'account_000000000000000000000001' }, t.origin);
  const from = (n: number) => `198.${n >> 8}.${n & 255}.1`;
  for (let n = 0; n < 1000; n += 100)
    await times(100, (m) => appendRefusal(many, { type: 'test.refused', reason: 'wrong', ip: from(n + m) }));
  await times(20, (n) => appendRefusal(many, { type: 'test.refused', user: 'u', reason: 'wrong', ip: from(2000 + n) }));
  const rows = await mongoose.connection.db!.collection('logs').find({ account: many.id }).toArray();
  assert.equal(rows.length, 1001);
  const [rest] = rows.filter(({ data }) => data.count === 20);
  assert.deepEqual([rest?.data.ip, rest?.user], [null, undefined]);
});
