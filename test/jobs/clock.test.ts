/** Clock work: jobs do not wait for one another, and a failure is told by its name. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startJobs } from '../../src/jobs/clock.ts';

const EVERY = 0.001;

test('a job that fails keeps no other from running, is told by its name, and has its next turn', async () => {
  const failures: [string, unknown][] = [];
  let runs = 0;
  await new Promise<void>((done) => {
    const stop = startJobs(
      [
        { name: 'failing', everySeconds: EVERY, run: () => Promise.reject(new Error('no')) },
        {
          name: 'working',
          everySeconds: EVERY,
          async run() {
            runs += 1;
            if (runs < 3 || failures.length < 2) return;
            stop();
            done();
          },
        },
      ],
      (error, name) => failures.push([name, (error as Error).message]),
    );
  });
  assert.deepEqual(failures[0], ['failing', 'no']);
  assert.ok(failures.every(([name]) => name === 'failing'));
});

test('a job is not started again while it runs, and holds up no other', async () => {
  let [slow, quick] = [0, 0];
  await new Promise<void>((done) => {
    const stop = startJobs(
      [
        { name: 'slow', everySeconds: EVERY, run: () => new Promise(() => (slow += 1)) },
        {
          name: 'quick',
          everySeconds: EVERY,
          async run() {
            quick += 1;
            if (quick < 5) return;
            stop();
            done();
          },
        },
      ],
      assert.fail,
    );
  });
  assert.deepEqual([slow, quick], [1, 5]);
});

test('once stopped, nothing is started', async () => {
  const stop = startJobs([{ name: 'never', everySeconds: EVERY, run: assert.fail }], assert.fail);
  stop();
  await new Promise<void>((done) => {
    const end = startJobs([{ name: 'later', everySeconds: 10 * EVERY, run: async () => done() }], assert.fail);
    after(() => end());
  });
});
