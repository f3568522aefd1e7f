/** One list of grant types: what clients may have, what is documented and what must not be seen agree with what is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GRANTS } from '../../kit/tenant.ts';
import { world } from '../../kit/world.ts';

const w = await world();

const ALL = [...GRANTS, 'password'];

const document = async () => (await w.send(`${w.originOf()}/docs/json`)).body;

test('a client may have the grants that are served, and gets all but that for passwords', async () => {
  const t = await w.tenant();
  const { grant_types_supported } = (await w.send(`${t.origin}/.well-known/openid-configuration`)).body;
  assert.deepEqual([...grant_types_supported].sort(), [...ALL].sort());
  // Not the kit's client, which names its grant types.
  assert.deepEqual((await t.api('POST', '/client', { name: 'Plain' })).grant_types, GRANTS);
  assert.deepEqual((await t.client({ grant_types: ALL })).grant_types, ALL);
  const strange = await t.call('POST', '/client', { name: 'Strange', grant_types: ['implicit'] });
  assert.equal(strange.status, 400, strange.text);
  const { Client } = (await document()).components.schemas;
  assert.deepEqual(Client.properties.grant_types.items.enum, ALL);
});

test('the token endpoint is documented with what the grants take, and refuses their secrets in an address', async () => {
  const t = await w.tenant();
  const { parameters } = (await document()).paths['/oauth/token'].get;
  const named = new Map<string, { schema: { enum?: string[]; deprecated?: boolean } }>(
    parameters.map((parameter: { name: string }) => [parameter.name, parameter]),
  );
  assert.deepEqual([...named.get('grant_type')!.schema.enum!].sort(), [...ALL].sort());
  const secret = [
    ...['client_secret', 'client_assertion', 'refresh_token', 'code_verifier'],
    ...['password', 'otp', 'subject_token', 'actor_token'],
  ];
  const ask = async (name: string) =>
    (await w.send(`${t.origin}/oauth/token?grant_type=password&${name}=in-the-open`)).body;
  for (const name of secret) {
    assert.match((await ask(name)).error_description, new RegExp(`^${name} must not be sent`));
    assert.ok(named.get(name)?.schema.deprecated ?? !named.has(name), name);
  }
  // Good once and for minutes: as in the address that they came by.
  for (const name of ['code', 'device_code', 'username']) {
    assert.doesNotMatch((await ask(name)).error_description, /must not be sent/);
    assert.equal(named.get(name)?.schema.deprecated, undefined, name);
  }
});
