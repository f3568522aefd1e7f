/** Whose turn it is to hash: so many at once, tenants one after the other, so many waiting, and none for whoever has gone. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { whenGone } from '../../src/kernel/context.ts';
import { Fault } from '../../src/kernel/fault.ts';
import { type Asker, hashingQueue, hashingSlots } from '../../src/kernel/secret/hashing-queue.ts';
import { checkPassword, hashPassword } from '../../src/kernel/secret/password.ts';

/** A queue whose work is over when the test says so; what was done, in the order of the turns. */
function observed(limits: Parameters<typeof hashingQueue>[0]) {
  const queue = hashingQueue(limits);
  const open: (() => void)[] = [];
  const done: string[] = [];
  let [busy, most] = [0, 0];
  const ask = (name: string, asker: Partial<Asker> = {}) =>
    queue
      .turn({ tenant: name[0]!, ...asker }, async () => {
        done.push(name);
        busy += 1;
        most = Math.max(most, busy);
        await new Promise<void>((resolve) => open.push(resolve));
        busy -= 1;
        return name;
      })
      .catch((error: unknown) => {
        assert.ok(error instanceof Fault && error.code === 'unavailable' && error.retryAfterSeconds, String(error));
        return `${name} refused`;
      });
  async function finish() {
    for (let idle = 0; idle < 20; idle += 1) {
      await Promise.resolve();
      for (const end of open.splice(0)) {
        end();
        idle = 0;
      }
    }
  }
  return { ask, finish, done, most: () => most };
}

test('so many at once and no more, and a tenant that comes later has its turn after one of another', async () => {
  const { ask, finish, done, most } = observed({ slots: 2, perTenant: 10, inAll: 20 });
  const all = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'c1'].map((name) => ask(name));
  await finish();
  assert.deepEqual(done, ['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2', 'a5']);
  assert.equal(most(), 2);
  assert.deepEqual(await Promise.all(all), ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'c1']);
});

test('of one tenant so many wait; when all places are taken the longest line makes room for a shorter one', async () => {
  const { ask, finish } = observed({ slots: 1, perTenant: 3, inAll: 4 });
  const names = ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'c1', 'd1', 'e1', 'f1'];
  const all = names.map((name) => ask(name));
  await finish();
  const refused = (await Promise.all(all)).filter((answer) => answer.endsWith('refused'));
  // a5: three of a wait. a4 for c1, a3 for d1; when all lines are of one, nobody is sent away for e1 and f1.
  assert.deepEqual(refused, ['a3 refused', 'a4 refused', 'a5 refused', 'e1 refused', 'f1 refused']);
});

test('who hangs up gives the place to the next, has no turn, and leaves nothing at the socket', async () => {
  const { ask, finish, done } = observed({ slots: 1, perTenant: 2, inAll: 2 });
  const socket = Object.assign(new EventEmitter(), { destroyed: false });
  const dead = Object.assign(new EventEmitter(), { destroyed: true });
  const all = [
    ask('a1'),
    ask('a2', { whenGone: whenGone(socket) }),
    ask('a3', { whenGone: whenGone(dead) }),
    ask('a4'),
  ];
  assert.equal(await all[2], 'a3 refused');
  const full = ask('a5');
  socket.emit('close');
  const next = ask('a6', { whenGone: whenGone(socket) });
  await finish();
  assert.deepEqual(done, ['a1', 'a4', 'a6']);
  assert.deepEqual(await Promise.all([...all, full, next]), [
    'a1',
    'a2 refused',
    'a3 refused',
    'a4',
    'a5 refused',
    'a6',
  ]);
  assert.deepEqual([socket.listenerCount('close'), dead.listenerCount('close')], [0, 0]);
});

test('work that fails gives its place back', async () => {
  const queue = hashingQueue({ slots: 1, perTenant: 1, inAll: 1 });
  await assert.rejects(
    queue.turn({ tenant: 'a' }, () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal(await queue.turn({ tenant: 'a' }, async () => 'yes'), 'yes');
});

test('a thread that ends, at work or while it waits for some, is replaced and takes nothing with it', async () => {
  const [asker, threads] = [{ tenant: 'a' }, [] as Worker[]];
  const seen = (thread: Worker) => void threads.push(thread);
  process.on('worker', seen);
  const stored = await hashPassword(asker, 'right');
  await threads.at(-1)!.terminate();
  process.once('worker', (thread) => void thread.terminate());
  await assert.rejects(checkPassword(asker, 'right', stored), /thread ended/);
  assert.deepEqual(await checkPassword(asker, 'right', stored), { right: true });
  assert.equal(threads.length, 3);
  threads.at(-1)!.emit('error', new Error('while nobody listens'));
  process.off('worker', seen);
});

test('a processor is left to answers, where there are two', () => {
  assert.deepEqual([1, 2, 3, 8, 64].map(hashingSlots), [1, 1, 2, 7, 16]);
});
