/** Who gets tokens for the management API: whoever is granted it by name, and users by what their roles grant, in apps of ours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import mongoose from 'mongoose';
import { managementGrants } from '../../../src/domain/account/management-grants.ts';
import { takeDataSteps } from '../../../src/store/migrate.ts';
import { failAt } from '../../kit/faults.ts';
import {
  agent,
  authorizeUrl,
  type Client,
  ORDERS,
  ordersApi,
  REDIRECT,
  refused,
  requestOf,
  signIn,
  type TenantHandle,
  tokenRequest,
  tokensOf,
  world,
} from '../../kit/index.ts';
import { GRANTS_OF_PUBLIC as forPeople, GRANTS } from '../../kit/tenant.ts';

const w = await world();
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const INVALID = [400, 'invalid_target'];

const managementOf = async (t: TenantHandle): Promise<string> => (await t.managementGrants())[0]!.api;
const asMachine = (t: TenantHandle, client: Client, fields: Record<string, string>) =>
  tokenRequest(t, client, { grant_type: 'client_credentials', ...fields });
const permissionsOf = (token: string) => String(decodeJwt(token).scope).split(' ').sort();

/** A user whose role may read users and clients. */
async function administrator(t: TenantHandle) {
  const [user, api] = [await t.user(), await managementOf(t)];
  const permissions = ['read:users', 'read:clients'].map((value) => ({ api, value }));
  const role = await t.api('POST', '/role', { name: `r${Math.random()}`, permissions });
  await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
  return user;
}

test('a machine that is not granted it gets every other Api, and not this one under any of its names', async () => {
  const t = await w.tenant();
  const orders = await ordersApi(t);
  const client = await t.client();
  assert.equal((await asMachine(t, client, { audience: ORDERS })).status, 200);
  for (const name of [t.audience, t.audience.replace('cardea', 'faable'), t.origin, `${t.origin}/`, 'cardea:platform'])
    for (const parameter of ['audience', 'resource'])
      for (const scope of ['', 'read:users', 'create:clients'])
        assert.deepEqual(
          refused(await asMachine(t, client, { [parameter]: name, ...(scope && { scope }) })),
          INVALID,
          `${parameter}=${name} ${scope}`,
        );
  const elsewhere = await t.client({
    grants: [{ api: orders.id, scope: [] }],
  });
  assert.deepEqual(refused(await asMachine(t, elsewhere, { audience: t.audience })), INVALID);
});

test('one that is granted it has what the grant says, and no more when it asks for more', async () => {
  const t = await w.tenant();
  const client = await t.client({ grants: await t.managementGrants(['read:users']) });
  for (const scope of ['', 'read:users', 'read:users create:clients']) {
    const { status, body } = await asMachine(t, client, { audience: t.audience, ...(scope && { scope }) });
    assert.equal(status, 200);
    assert.deepEqual(permissionsOf(body.access_token), ['read:users']);
  }
  await t.api('POST', `/client/${client.id}`, { grants: null });
  assert.deepEqual(refused(await asMachine(t, client, { audience: t.audience })), INVALID);
});

test('the client that comes with an account may do everything; one from before is granted that, and no other', async () => {
  const t = await w.tenant();
  const api = await t.api('GET', `/api/${await managementOf(t)}`);
  const first = await t.api('GET', `/client/${t.admin.client_id}`);
  const all = api.permissions.map(({ value }: { value: string }) => value);
  assert.deepEqual(first.grants, [{ api: api.id, scope: all }]);
  assert.deepEqual(permissionsOf(await t.token()), [...all].sort());

  const rows = mongoose.connection.collection<{ _id: string }>('clients');
  const later = await t.client({ name: 'Management client' });
  const hour = 3_600_000;
  await rows.updateOne({ _id: later.id }, { $set: { createdAt: new Date(Date.now() + hour) } });
  await rows.updateOne({ _id: first.id }, { $unset: { grants: 1 } });
  const told: unknown[] = [];
  const start = () => takeDataSteps([managementGrants], (did) => told.push(did));
  const killed = failAt(1);
  await assert.rejects(start());
  killed.restore();
  await start();
  assert.deepEqual(told, [{ granted_the_management_api: 1 }]);
  assert.deepEqual((await t.api('GET', `/client/${first.id}`)).grants, first.grants);
  assert.equal((await t.api('GET', `/client/${later.id}`)).grants, null);
  await rows.updateOne({ _id: first.id }, { $unset: { grants: 1 } });
  await start();
  assert.equal((await t.api('GET', `/client/${first.id}`)).grants, null, 'taken once');
  assert.equal(told.length, 1);
});

test('a user gets what roles grant in an app of the tenant’s own, and nothing in anybody else’s', async () => {
  const t = await w.tenant();
  const user = await administrator(t);
  const parameters = { audience: t.audience, scope: 'openid read:users read:clients create:clients' };
  const own = await tokensOf(t, await t.client(), user, parameters);
  assert.deepEqual(permissionsOf(own.tokens.access_token!), ['openid', 'read:clients', 'read:users']);

  const third = await t.client({ is_first_party: false });
  const registered = (
    await w.send(`${t.origin}/oidc/register`, {
      method: 'POST',
      json: { client_name: 'Guest', redirect_uris: [REDIRECT], token_endpoint_auth_method: 'client_secret_post' },
    })
  ).body;
  // Who is not vouched for does not even come back with an error.
  await t.api('POST', `/client/${registered.client_id}`, { is_verified: true });
  for (const client of [third, registered])
    for (const name of [t.audience, t.origin]) {
      const url = authorizeUrl(t, requestOf(client, { ...parameters, audience: name }).parameters);
      const landed = await signIn(agent(), url, user).catch((error: unknown) => error);
      const error = landed instanceof URL ? landed.searchParams.get('error') : landed;
      assert.equal(error, 'invalid_target', client.client_name ?? client.name);
    }
});

test('an exchange needs the grant too, and gives no more than it', async () => {
  const t = await w.tenant();
  const user = await administrator(t);
  const { tokens } = await tokensOf(t, await t.client(), user, {
    audience: t.audience,
    scope: 'openid read:users read:clients',
  });
  const exchange = (client: Client) =>
    tokenRequest(t, client, {
      grant_type: EXCHANGE,
      subject_token: tokens.access_token!,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      scope: 'read:users read:clients',
    });
  assert.deepEqual(refused(await exchange(await t.client())), INVALID);
  const granted = await t.client({ grants: await t.managementGrants(['read:users', 'create:users']) });
  const { status, body } = await exchange(granted);
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(permissionsOf(body.access_token), ['read:users']);
});

test('who sends people here is no machine unless somebody says so', async () => {
  const t = await w.tenant();
  const made = async (fields: object) => (await t.api('POST', '/client', { name: 'x', ...fields })).grant_types;
  assert.deepEqual(await made({}), GRANTS);
  assert.deepEqual(await made({ callbacks: [REDIRECT] }), forPeople);
  assert.deepEqual(await made({ callbacks: [REDIRECT], grant_types: ['client_credentials'] }), ['client_credentials']);
  assert.deepEqual(await made({ token_endpoint_auth_method: 'none' }), forPeople);
});
