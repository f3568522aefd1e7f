/** What every channel of the outbox has to do with what it is given, whichever it is: seen through HTTP, the worker and the log. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MESSAGES } from '../../src/domain/message/index.ts';
import { outbox } from '../../src/outbox/outbox.ts';
import type { TenantHandle, World } from '../kit/index.ts';

/** Somebody whom the channel reaches, and what makes it write to them. */
export type Receiver = {
  /** One message is added. */
  cause(): Promise<unknown>;
  received(): number;
  /** From now on it answers with a refusal that says these words. */
  refuse(words: string): void;
  /** There is nobody to reach any more. */
  leave(): Promise<unknown>;
};

export type ChannelCase = {
  name: string;
  /** Type of its rows in the log. */
  audit: string;
  receiver(w: World, t: TenantHandle): Promise<Receiver>;
};

const SECRET = 'the database password is hunter2';

export function channelSuite(w: World, { name, audit, receiver }: ChannelCase): void {
  const types = MESSAGES.filter(({ channel }) => channel === name).map(({ type }) => type);
  const rowsOf = (t: { id: string }) => outbox.model.find({ account: t.id, type: { $in: types } }).lean();
  const logOf = async (t: TenantHandle) =>
    (await t.api('GET', `/log?query=type:${audit}`)).results as { status: string; data: Record<string, unknown> }[];

  describe(`the channel ${name}`, () => {
    test('has kinds of messages, and a type in the log', () => {
      assert.ok(types.length > 0);
      assert.match(audit, /^[a-z]+(\.[a-z_]+)+$/);
    });

    test('sends once, and says so in the log without what was said', async () => {
      const t = await w.tenant();
      const { cause, received } = await receiver(w, t);
      await cause();
      await w.deliver();
      await w.deliver();
      assert.equal(received(), 1);
      const [row, ...more] = await rowsOf(t);
      assert.deepEqual([row!.state, more], ['sent', []]);
      const log = await logOf(t);
      assert.equal(log.length, 1);
      const { message, attempt, ...ids } = log[0]!.data;
      assert.deepEqual([log[0]!.status, message, attempt], ['success', row!._id, 1]);
      assert.ok(Object.values(ids).every((id) => /^[a-z]+_[0-9a-f]{24}$/.test(String(id))));
    });

    test('a refusal is tried again later, and told without what was answered', async () => {
      const t = await w.tenant();
      const { cause, refuse, received } = await receiver(w, t);
      refuse(SECRET);
      await cause();
      await w.deliver();
      await w.deliver();
      assert.equal(received(), 1, 'not before it is due');
      w.clock.advance({ seconds: 60 });
      await w.deliver();
      assert.equal(received(), 2);
      const [row] = await rowsOf(t);
      const log = await logOf(t);
      assert.deepEqual([row!.state, row!.send_count, log.length], ['failed', 2, 2]);
      assert.ok(log.every(({ status, data }) => status === 'failed' && data.error === row!.last_error));
      assert.notEqual(row!.last_error, 'failed', 'the reason is one that we have words for');
      assert.ok(!JSON.stringify([row, log]).includes(SECRET));
    });

    test('with nobody left to reach it gives up at once, and that is no failure', async () => {
      const t = await w.tenant();
      const { cause, leave, received } = await receiver(w, t);
      await cause();
      await leave();
      await w.deliver();
      assert.equal(received(), 0);
      assert.deepEqual(
        (await rowsOf(t)).map(({ state }) => state),
        ['abandoned'],
      );
      const [entry] = await logOf(t);
      assert.deepEqual([entry!.status, entry!.data.given_up], ['skipped', true]);
    });
  });
}
