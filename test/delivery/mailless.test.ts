/** A server that cannot send mails: whoever asks for one is told so, and nothing is left behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outbox } from '../../src/outbox/outbox.ts';
import { agent, authorizeUrl, follow, requestOf, submit, wordsOf, world } from '../kit/index.ts';
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

test('who signs up where no mail is due does, and is told where one would be', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client()];
  const start = authorizeUrl(t, requestOf(client, { screen_hint: 'signup' }).parameters);
  const signUp = async (email: string) => {
    const visit = agent();
    const page = await follow(visit, await visit(start));
    return follow(visit, await submit(visit, page, { email, password: 'Another-horse-2' }));
  };
  assert.ok((await signUp('new@example.com')).location?.includes('code='));
  const taken = await signUp(user.email);
  assert.equal(taken.status, 503);
  assert.match(wordsOf(taken), /We can’t send mails right now, and need to/);
  await t.api('POST', `/account/${t.id}`, { notification_settings: { welcome_email_enabled: true } });
  assert.equal((await signUp('second@example.com')).status, 503);
  const json = { client_id: client.client_id, email: 'second@example.com', password: 'Another-horse-2' };
  const calls: [string, object][] = [
    ['/dbconnections/signup', json],
    ['/user', { email: json.email }],
  ];
  for (const [path, body] of calls) assert.equal((await t.call('POST', path, body)).body.code, 'no_transport', path);
  assert.deepEqual((await t.api('GET', '/user?query=email:second@example.com')).results, []);
  assert.equal(await outbox.model.countDocuments({ account: t.id }), 0);
});
