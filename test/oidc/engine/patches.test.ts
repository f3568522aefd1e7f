/**
 * What we rely on of the engine beyond its documented interface, asked of the engine that is installed: an upgrade that
 * moves any of it fails here first, by name.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { type ClientMetadata, Provider } from 'oidc-provider';
import * as grantHelpers from 'oidc-provider/lib/helpers/grants.js';
// @ts-expect-error it has no types
import settingsOf from 'oidc-provider/lib/helpers/weak_cache.js';
import { PATCHES, placeOf } from '../../../src/oidc/engine/patches.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwks = { keys: [privateKey.export({ format: 'jwk' })] } as never;

type Row = { id: string; payload: Record<string, unknown> };

/** The engine as it comes, with a storage that tells what it was asked to keep. */
function engine(...clients: ClientMetadata[]) {
  const kept: Row[] = [];
  const adapter = () => ({
    upsert: async (id: string, payload: Record<string, unknown>) => void kept.push({ id, payload }),
    find: async (id: string) => kept.find((row) => row.id === id)?.payload,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: async () => {},
    destroy: async () => {},
    revokeByGrantId: async () => {},
  });
  const provider = new Provider('https://id.example', {
    adapter: adapter as never,
    jwks,
    ttl: { AccessToken: 60, ClientCredentials: 60, RefreshToken: 60, DeviceCode: 60 },
    claims: { openid: ['sub'], profile: ['name'] },
    clients,
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      clientCredentials: { enabled: true },
    },
  });
  return { provider, kept };
}

const CLIENT = {
  client_id: 'app',
  client_secret: 'a secret that is long enough to be one',
  redirect_uris: ['https://app.example/callback'],
};

type Made = ReturnType<typeof engine>;
// biome-ignore lint/suspicious/noExplicitAny: it reaches into what has no types, and the assertions are the check
type Loose = any;

/** Has a member answer something else, and tells what it was called with. */
function replace(provider: Provider, member: string, answer: (this: Loose, ...args: Loose[]) => unknown) {
  const { holder, name } = placeOf(provider, member);
  const calls: unknown[][] = [];
  Object.defineProperty(holder, name, {
    value(this: unknown, ...args: unknown[]) {
      calls.push(args);
      return answer.apply(this, args);
    },
  });
  return calls;
}

/** By member: that the engine asks for it, and what it makes of the answer. */
const RELIED_ON: Record<string, (made: Made) => Promise<void>> = {
  async 'AccessToken.prototype.getValueAndPayload'({ provider, kept }) {
    replace(provider, 'AccessToken.prototype.getValueAndPayload', () => ({ value: 'ours' }));
    const client = await provider.Client.find('app');
    const token = new provider.AccessToken({ client, accountId: 'user', grantId: 'grant' } as Loose);
    assert.equal(await token.save(), 'ours');
    assert.deepEqual(kept, [], 'what has no payload is not stored');
  },
  async 'ClientCredentials.prototype.getValueAndPayload'({ provider, kept }) {
    replace(provider, 'ClientCredentials.prototype.getValueAndPayload', () => ({ value: 'ours' }));
    const client = await provider.Client.find('app');
    assert.equal(await new provider.ClientCredentials({ client } as Loose).save(), 'ours');
    assert.deepEqual(kept, []);
  },
  async 'IdToken.prototype.issue'({ provider }) {
    const client = await provider.Client.find('app');
    const token = new provider.IdToken({ sub: 'user', name: 'Ada' }, { client } as Loose) as Loose;
    Object.assign(token, { scope: 'openid', mask: { name: null } });
    token.set('nonce', 'n');
    assert.deepEqual(await token.payload(), { sub: 'user', name: 'Ada', nonce: 'n' });
    assert.equal(token.client, client);
    assert.equal(token.issue.constructor.name, 'AsyncFunction');
    assert.equal('ctx' in token, true, 'it keeps the request that it was made in');
  },
  async 'Claims.prototype.result'({ provider }) {
    const client = await provider.Client.find('app');
    const claims = new (provider as Loose).Claims({ sub: 'user', groups: ['a'] }, { client });
    claims.scope('openid');
    assert.deepEqual(await claims.result(), { sub: 'user' }, 'what no scope lists is left out');
    assert.deepEqual([claims.available.groups, claims.client], [['a'], client]);
    const calls = replace(provider, 'Claims.prototype.result', async () => ({ sub: 'ours' }));
    const token = new provider.IdToken({ sub: 'user' }, { client } as Loose) as Loose;
    assert.deepEqual(await token.payload(), { sub: 'ours' }, 'an ID token says what they say');
    assert.equal(calls.length, 1);
  },
  async 'IdToken.validate'({ provider }) {
    const client = await provider.Client.find('app');
    const token = new provider.IdToken({ sub: 'user' }, { client } as Loose) as Loose;
    Object.assign(token, { scope: 'openid' });
    const issued = await token.issue({ use: 'idtoken' });
    assert.equal(decodeProtectedHeader(issued).typ, undefined, 'an ID token names no type');
    assert.equal((await (provider.IdToken as Loose).validate(issued, client)).payload.sub, 'user');
  },
  async 'RefreshToken.prototype.generateTokenId'({ provider, kept }) {
    replace(provider, 'RefreshToken.prototype.generateTokenId', () => 'ours');
    const client = await provider.Client.find('app');
    assert.equal(await new provider.RefreshToken({ client, accountId: 'user' } as Loose).save(), 'ours');
    assert.equal(kept[0]!.id, 'ours');
  },
  async 'DeviceCode.prototype.save'({ provider }) {
    const code = new provider.DeviceCode({
      client: await provider.Client.find('app'),
      params: { scope: 'openid' },
      deviceInfo: { ip: '::1' },
      userCode: 'ABCD',
    } as Loose) as Loose;
    assert.deepEqual(
      [code.clientId, code.params.scope, code.deviceInfo.ip, code.userCode],
      ['app', 'openid', '::1', 'ABCD'],
    );
    assert.equal(typeof (await code.save()), 'string', 'what it answers is the code');
  },
  async 'PushedAuthorizationRequest.prototype.save'({ provider, kept }) {
    const calls = replace(provider, 'PushedAuthorizationRequest.prototype.save', async () => 'ours');
    const pushed = new provider.PushedAuthorizationRequest({ request: 'e.y.J' } as Loose) as Loose;
    assert.equal(await pushed.save(60), 'ours');
    assert.deepEqual([calls, kept], [[[60]], []]);
  },
  async 'ReplayDetection.unique'({ provider }) {
    const { unique } = provider.ReplayDetection as Loose;
    assert.equal(unique.length, 3, 'issuer, jti and expiry');
    const call = () => provider.ReplayDetection.unique('app', 'jti', Math.floor(Date.now() / 1000) + 60);
    assert.deepEqual([await call(), await call()], [true, false]);
  },
  async 'Client.find'({ provider }) {
    const client = (await provider.Client.find('app')) as Loose;
    assert.equal(client.clientId, 'app');
    assert.equal(await provider.Client.find('nobody'), undefined);
    for (const member of ['stale', 'refresh', 'clear'])
      assert.equal(typeof client.asymmetricKeyStore[member], 'function', member);
    assert.equal('jwksUri' in client.asymmetricKeyStore, true);
  },
  async 'Client.Schema.prototype.redirectUris'() {
    const strange = { ...CLIENT, redirect_uris: ['strange'] };
    await assert.rejects(async () => engine(strange).provider.Client.find('app'), /invalid_redirect_uri/);
    const { provider } = engine();
    const calls = replace(provider, 'Client.Schema.prototype.redirectUris', () => {});
    new (provider.Client as Loose)(strange);
    assert.ok(calls.length > 0);
  },
  async 'Client.prototype.redirectUriAllowed'({ provider }) {
    const client = (await provider.Client.find('app'))!;
    assert.equal(client.redirectUriAllowed('https://app.example/callback'), true);
    assert.equal(client.redirectUriAllowed('https://other.example/callback'), false);
    assert.deepEqual(client.redirectUris, CLIENT.redirect_uris);
  },
  async 'Client.prototype.grantTypeAllowed'({ provider }) {
    const client = (await provider.Client.find('app'))!;
    assert.deepEqual(client.grantTypes, ['authorization_code']);
    assert.equal(client.grantTypeAllowed('authorization_code'), true);
    assert.equal(client.grantTypeAllowed('client_credentials'), false);
  },
  async 'Client.prototype.compareClientSecret'({ provider }) {
    const client = (await provider.Client.find('app')) as Loose;
    assert.deepEqual(
      [client.compareClientSecret(CLIENT.client_secret), client.compareClientSecret('another')],
      [true, false],
    );
  },
  async 'Client.prototype.includeSid'({ provider }) {
    const client = (await provider.Client.find('app')) as Loose;
    assert.ok(!client.includeSid());
  },
};

test('every patch of the list is proved here, and nothing else', () => {
  assert.deepEqual(Object.keys(RELIED_ON).sort(), PATCHES.map(({ member }) => member).sort());
});

for (const { member, why } of PATCHES)
  test(`the engine has ${member}: ${why}`, async () => {
    const made = engine(CLIENT);
    const { holder, name } = placeOf(made.provider, member);
    assert.equal(typeof holder?.[name], 'function');
    await RELIED_ON[member]!(made);
  });

test('response modes are registered by the constructor, through a member that a subclass may replace', () => {
  const registered: string[] = [];
  class Engine extends Provider {
    override registerResponseMode(name: string): void {
      registered.push(name);
    }
  }
  new Engine('https://id.example', {
    jwks,
    features: {
      devInteractions: { enabled: false },
      jwtResponseModes: { enabled: true },
      webMessageResponseMode: { enabled: true, ack: 'individual-draft-01' },
    },
  });
  for (const mode of ['form_post', 'web_message', 'form_post.jwt', 'web_message.jwt'])
    assert.ok(registered.includes(mode), mode);
});

test('the algorithms that a client may ask for are settings of the engine', () => {
  const { configuration } = settingsOf(engine().provider);
  for (const name of ['idTokenSigningAlgValues', 'userinfoSigningAlgValues', 'authorizationSigningAlgValues'])
    assert.ok(Array.isArray(configuration[name]), name);
});

test('a middleware of ours is asked before the engine answers', () => {
  const { provider } = engine();
  const before = provider.middleware.length;
  const ours = async () => {};
  provider.use(ours);
  assert.deepEqual([provider.middleware.length, provider.middleware.at(-2)], [before + 1, ours]);
});

test('the helpers for grants of our own are where they were', () => {
  const { validateDpop, checkDpopRequired, checkDpopReplay, buildTokenResponse } = grantHelpers;
  assert.deepEqual(
    [validateDpop.length, checkDpopRequired.length, checkDpopReplay.length, buildTokenResponse.length],
    [3, 3, 4, 1],
  );
});

test('the version of the engine is pinned', () => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
  const installed = JSON.parse(readFileSync('node_modules/oidc-provider/package.json', 'utf8'));
  assert.equal(dependencies['oidc-provider'], installed.version);
});
