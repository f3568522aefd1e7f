/** What one instance changes another one, which holds what it read, soon sees. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, credentialsOf, ORDERS, ordersApi, post, type TenantHandle, until, world } from '../kit/index.ts';
import { instance } from '../kit/instance.ts';

const w = await world();
const elsewhere = await instance(w);

const ask = async (t: TenantHandle, client: Client) => {
  const form = { grant_type: 'client_credentials', ...credentialsOf(client), audience: ORDERS };
  const { status, text } = await elsewhere.post(t.origin, '/oauth/token', form);
  return { status, scope: status === 200 ? (JSON.parse(text).scope as string | undefined) : undefined, text };
};

async function set() {
  const t = await w.tenant();
  const api = await ordersApi(t);
  const client = await t.client();
  assert.equal((await ask(t, client)).scope, 'read:orders create:orders');
  return { t, api, client };
}

test('a secret that was rotated stops working there, and the new one works', async () => {
  const { t, client } = await set();
  const rotated = await t.api('POST', `/client/${client.client_id}/rotate-secret`);
  await until('the secret is refused', async () => (await ask(t, client)).status === 401);
  assert.equal((await ask(t, rotated)).status, 200);
});

test('an Api has its new permissions there, and is gone when it is gone', async () => {
  const { t, api, client } = await set();
  await t.api('POST', `/api/${api.id}`, { permissions: [{ value: 'read:orders' }] });
  await until('it has what is left', async () => (await ask(t, client)).scope === 'read:orders');
  await t.api('DELETE', `/api/${api.id}`);
  await until('the Api is gone', async () => (await ask(t, client)).status !== 200);
  assert.match((await ask(t, client)).text, /invalid_target/);
});

test('a client and an account that are gone are gone there, and what was not there yet comes', async () => {
  const { t, client } = await set();
  const { t: stays, client: other } = await set();
  await t.api('DELETE', `/client/${client.client_id}`);
  await until('the secret is refused', async () => (await ask(t, client)).status === 401);
  const fresh = await t.client();
  assert.equal((await ask(t, fresh)).status, 200);
  const operator = await w.operatorToken();
  assert.ok((await w.call(w.originOf(), operator, 'DELETE', `/account/${t.id}`)).status < 300);
  await until('the account is gone', async () => (await ask(t, fresh)).status === 404);
  assert.equal((await ask(stays, other)).status, 200, 'another tenant notices nothing');
});

test('a key that was revoked is published there no more, whatever its readers hold', async () => {
  const t = await w.tenant('Keys');
  const path = '/.well-known/jwks.json';
  const there = async () => (await elsewhere.get(t.origin, path)).text;
  const { production_kid, kids_active } = await t.api('GET', '/account/keys');
  assert.ok((await there()).includes(production_kid));
  const revoked = await t.api('POST', `/account/keys/${production_kid}/revoke`, {});
  await until('it is gone', async () => !(await there()).includes(production_kid));
  const published = JSON.parse(await there()).keys.map(({ kid }: { kid: string }) => kid);
  assert.deepEqual(published.sort(), [...revoked.kids_active].sort());
  assert.equal(published.length, kids_active.length);
});

test('a device that asks two instances in turn is told to slow down by both', async () => {
  const t = await w.tenant('Devices');
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code';
  const { client_id, client_secret } = await t.client({ grant_types: [grant_type] });
  const secret = { client_id, client_secret };
  const started = await post(t, '/oauth/device/code', { ...secret, scope: 'openid' });
  const form = { grant_type, ...secret, device_code: started.body.device_code };
  const here = async () => (await post(t, '/oauth/token', form)).body.error;
  const there = async () => JSON.parse((await elsewhere.post(t.origin, '/oauth/token', form)).text).error;
  assert.deepEqual(
    [await here(), await there(), await here(), await there()],
    ['authorization_pending', 'slow_down', 'slow_down', 'slow_down'],
  );
});

test('a tenant is served everywhere as soon as it is made, also where its host was asked for before', async () => {
  const host = w.originOf('just-made');
  const here = async () => (await w.send(`${host}/.well-known/openid-configuration`)).status;
  const there = async () => (await elsewhere.get(host, '/.well-known/openid-configuration')).status;
  assert.deepEqual([await here(), await there()], [404, 404]);
  const t = await w.tenant('Just made');
  assert.equal(t.origin, host);
  assert.deepEqual([await here(), await there()], [200, 200]);
});
