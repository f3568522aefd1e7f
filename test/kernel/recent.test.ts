/** What stands in for a failure to read again: held through every attempt, and never what is known to have changed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recent } from '../../src/kernel/recent.ts';

const readings = () => {
  let isCurrent = true;
  const held = recent<string>(10, { order: () => 0, isCurrent: () => isCurrent, standsIn: () => true });
  const attempts: PromiseWithResolvers<string>[] = [];
  const get = () =>
    held.get('key', () => {
      attempts.push(Promise.withResolvers());
      return attempts.at(-1)!.promise;
    });
  const hold = async (value: string) => {
    const got = get();
    attempts.at(-1)!.resolve(value);
    assert.equal(await got, value);
    isCurrent = false;
  };
  return { held, attempts, get, hold };
};

for (const order of [
  [0, 1, 2],
  [2, 1, 0],
])
  test(`attempts that fail in the order ${order} all get what was held, and so does whoever asks then`, async () => {
    const { attempts, get, hold } = readings();
    await hold('before');
    attempts.length = 0;
    const asked = [get(), get(), get()];
    for (const each of order) {
      attempts[each]!.reject(new Error('away'));
      assert.equal(await asked[each], 'before');
    }
    const later = get();
    attempts.at(-1)!.reject(new Error('away'));
    assert.equal(await later, 'before');
  });

test('what was forgotten while it was being read stands in for nothing; neither does what never was', async () => {
  const { held, attempts, get, hold } = readings();
  const first = get();
  attempts.at(-1)!.reject(new Error('away'));
  await assert.rejects(async () => first, /away/);
  await hold('before');
  const before = get();
  held.forget('key');
  const after = get();
  for (const attempt of attempts.slice(-2)) attempt.reject(new Error('away'));
  await assert.rejects(async () => before, /away/);
  await assert.rejects(async () => after, /away/);
});

test('an attempt that succeeds takes the place of what was held', async () => {
  const { attempts, get, hold } = readings();
  await hold('before');
  const asked = [get(), get()];
  attempts.at(-1)!.resolve('after');
  assert.equal(await asked[1], 'after');
  attempts.at(-2)!.reject(new Error('away'));
  await assert.rejects(async () => asked[0], /away/, 'an earlier attempt knows nothing of it');
  const later = get();
  attempts.at(-1)!.reject(new Error('away'));
  assert.equal(await later, 'after');
});
