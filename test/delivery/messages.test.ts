/** The kinds of messages: each reaches the channel that it names, when what it speaks of was written and not before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import type { Channel } from '../../src/delivery/channel.ts';
import { channels } from '../../src/delivery/channels/index.ts';
import { worker } from '../../src/delivery/worker.ts';
import { emailChanged } from '../../src/domain/message/email-changed.ts';
import { MESSAGES, type MessageBy } from '../../src/domain/message/index.ts';
import { verifyEmail } from '../../src/domain/message/verify-email.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { add, outbox } from '../../src/outbox/outbox.ts';
import { type TenantHandle, world } from '../kit/index.ts';
import { followLink, lastLink, mailbox } from '../kit/mailbox.ts';

const w = await world();

type Mail = MessageBy<'mail'>;

/** A channel that keeps what it is given, in the place of the one for mails. */
function post() {
  const sent: Mail[] = [];
  const faults: unknown[] = [];
  const mail: Channel<'mail'> = {
    name: 'mail',
    async send(_tenant, message) {
      sent.push(message);
      return 'sent';
    },
    audit: ({ type }) => ({ type: `test.${type}` }),
  };
  const { run } = worker([mail], (error) => faults.push(error));
  return { sent, faults, run };
}

const tenantOf = (t: { id: string; origin: string }) => asTenant({ id: t.id } as never, t.origin);
const later = (seconds: number) => w.clock.advance({ seconds });
const address = () => `mail${Math.random().toString(36).slice(2)}@example.com`;

const startPasswordless = async (
  t: TenantHandle,
  client: { client_id: string },
  email: string,
  send: 'code' | 'link',
) =>
  assert.equal(
    (
      await w.send(`${t.origin}/passwordless/start`, {
        method: 'POST',
        json: { client_id: client.client_id, email, send },
      })
    ).status,
    200,
  );

test('every kind has a name of its own, and a channel that is there', () => {
  const types = MESSAGES.map(({ type }) => type);
  assert.equal(new Set(types).size, types.length);
  const served = channels({ mail: {}, sms: {} } as never).map(({ name }) => name as string);
  assert.equal(new Set(served).size, served.length);
  const unserved = new Set(MESSAGES.map(({ channel }) => channel).filter((name) => !served.includes(name)));
  // A name that is misspelt would wait for ever.
  assert.deepEqual([...unserved], []);
});

test('each kind of mail is sent with what it says', async () => {
  const t = await w.tenant();
  await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
  const [user, client, team] = [await t.user(), await t.client(), await t.api('POST', '/team', { name: 'Blue' })];
  const [fresh, invitee, one, two] = [address(), address(), address(), address()];
  const { sent, faults, run } = post();

  await t.api('POST', `/user/${user.id}/verify-email/start`, {});
  await t.api('POST', `/team/${team.id}/invite`, { email: invitee });
  await startPasswordless(t, client, one, 'code');
  await startPasswordless(t, client, two, 'link');
  await t.api('POST', `/user/${user.id}/change-email`, { new_email: fresh });
  assert.equal((await followLink(await lastLink(t, fresh))).status, 'applied');
  const forgetful = await t.user();
  const json = { email: forgetful.email };
  await w.send(`${t.origin}/dbconnections/change_password`, { method: 'POST', json });
  const state = new URL(await lastLink(t, forgetful.email)).searchParams.get('ticket');
  await w.send(`${t.origin}/reset-change`, { method: 'POST', json: { state, new_password: 'Another-horse-2' } });
  later(3);
  await run();

  const saying = Object.fromEntries(sent.map(({ type, to, data }) => [type, { to, data }]));
  assert.deepEqual(Object.keys(saying).sort(), [
    'change_email',
    'email_changed',
    'password_changed',
    'passwordless_code',
    'passwordless_link',
    'reset_password',
    'team_invite',
    'verify_email',
  ]);
  assert.equal(sent.length, 8);
  for (const { to, type, data } of sent)
    assert.deepEqual(data, (await mailbox(t, to)).find((row) => row.type === type)!.data, type);
  assert.deepEqual(saying.email_changed, { to: user.email, data: { new_email: fresh, user: user.id } });
  assert.equal(saying.change_email!.to, fresh);
  assert.deepEqual(faults, []);
});

test('whoever is not to get a code costs the same, and the worker drops what was written', async () => {
  const t = await w.tenant();
  const fields = { connection_name: 'mail', connection_type: 'passwordless_email', disable_signup: true };
  await t.api('POST', '/connection', fields);
  const [client, { sent, faults, run }] = [await t.client(), post()];
  const strangers = [address(), address()] as const;
  await startPasswordless(t, client, strangers[0], 'code');
  await startPasswordless(t, client, strangers[1], 'link');
  for (const seconds of [3, 30]) {
    later(seconds);
    await run();
    assert.equal((await outbox.model.find({ account: t.id, state: 'queued' })).length, 2);
  }
  later(30);
  await run();
  assert.equal(await outbox.model.countDocuments({ account: t.id }), 0);
  assert.deepEqual([sent, faults], [[], []]);
});

test('an old address is not told of a change that was not made', async () => {
  const t = await w.tenant();
  const [user, { sent, run }] = [await t.user(), post()];
  const { ticket_id } = await t.api('POST', `/user/${user.id}/change-email`, { new_email: address() });
  await mongoose.connection.db!.collection('outbox').deleteMany({ account: t.id });
  // A server that was killed between the intent and the change.
  await add(tenantOf(t), emailChanged, { to: user.email, ref: ticket_id, data: { new_email: 'new@example.com' } });
  later(3);
  await run();
  assert.deepEqual(sent, []);
  later(61);
  await run();
  assert.equal(await outbox.model.countDocuments({ account: t.id }), 0);
});

test('a link without its ticket is waited for and then dropped', async () => {
  const t = await w.tenant();
  const { sent, run } = post();
  await add(tenantOf(t), verifyEmail, {
    to: address(),
    ref: 'ticket_000000000000000000000000',
    data: { link: `${t.origin}/verify-email?ticket=x` },
  });
  later(3);
  await run();
  assert.equal(await outbox.model.countDocuments({ account: t.id, state: 'queued', send_count: 0 }), 1);
  later(61);
  await run();
  assert.deepEqual([sent, await outbox.model.countDocuments({ account: t.id })], [[], 0]);
});
