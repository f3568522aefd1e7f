/** A server that cannot send mails: whoever asks for one is told so, and nothing is left behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outbox } from '../../src/outbox/outbox.ts';
import { world } from '../kit/index.ts';
import { textCode } from '../kit/mailbox.ts';

const w = await world({ mailless: true });

test('calls that would send a mail are refused, for known addresses as for unknown ones', async () => {
  const t = await w.tenant();
  await t.api('POST', '/connection', { connection_name: 'mail', connection_type: 'passwordless_email' });
  const [user, client, team] = [await t.user(), await t.client(), await t.api('POST', '/team', { name: 'Blue' })];
  const token = await t.token();
  const calls: [string, object][] = [
    [`/user/${user.id}/verify-email/start`, {}],
    [`/user/${user.id}/change-email`, { new_email: 'new@example.com' }],
    [`/team/${team.id}/invite`, { email: 'new@example.com' }],
    ...[user.email, 'nobody@example.com'].map((email): [string, object] => [
      '/passwordless/start',
      { client_id: client.client_id, email, send: 'code' },
    ]),
    ...[user.email, 'nobody@example.com'].map((email): [string, object] => [
      '/dbconnections/change_password',
      { email },
    ]),
  ];
  // Nobody hears the second time that one was sent a moment ago.
  for (const [path, body] of [...calls, ...calls]) {
    const answer = await w.call(t.origin, token, 'POST', path, body);
    assert.equal(answer.status, 503, `${path} ${answer.text}`);
    assert.match(answer.text, /cannot send mails/);
  }
  await assert.rejects(textCode(t, '+34600123456'), { code: 'no_transport', message: /cannot send text messages/ });
  assert.equal(await outbox.model.countDocuments({ account: t.id }), 0);
  const { body } = await w.send(`${t.origin}/readyz`);
  assert.deepEqual(body, { status: 'ok', mail: 'none', sms: 'none' });
});
