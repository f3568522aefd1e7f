/** `SHORT_WAYS=off`: the engine answers everything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ORDERS, ordersApi, tokensOf, world } from '../../kit/index.ts';

const w = await world({ env: { SHORT_WAYS: 'off' } });

test('switched off, no request goes a short way, and all of them are answered', async () => {
  const t = await w.tenant();
  await ordersApi(t);
  const [client, user] = [await t.client(), await t.user()];
  const { client_id, client_secret } = client;
  const { tokens } = await tokensOf(t, client, user, { scope: 'openid email' });
  const info = await w.send(`${t.origin}/userinfo`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.deepEqual([info.status, info.body.email], [200, user.email]);
  const asked = await w.send(`${t.origin}/oauth/introspect`, {
    method: 'POST',
    form: { client_id, client_secret, token: tokens.access_token },
  });
  assert.deepEqual([asked.body.active, asked.body.sub], [true, user.id]);
  assert.ok(await t.machineToken(client, ORDERS));
  assert.deepEqual(w.shortAnswers, {});
});
