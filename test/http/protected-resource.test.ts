/** The management API as a protected resource (RFC 9728): from a 401 to a token that opens it, knowing only its address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oidc from 'openid-client';
import { DPOP_ALGS } from '../../src/kernel/dpop.ts';
import { agent, credentialsOf, fieldOf, post, REDIRECT, signIn, submit, world } from '../kit/index.ts';

const w = await world();
const t = await w.tenant();
const other = await w.tenant();

const metadataAt = (header: string | null) => /resource_metadata="([^"]+)"/.exec(header ?? '')?.[1];

test('an agent that knows only the address gets in once it is vouched for, with what the user’s roles grant', async () => {
  const user = await t.user();
  const [management] = (await t.api('GET', `/api?query=${encodeURIComponent(`identifier:"${t.audience}"`)}`)).results;
  const role = await t.api('POST', '/role', {
    name: 'reader',
    permissions: [{ api: management.id, value: 'read:roles' }],
  });
  await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });

  const turnedAway = await w.send(`${t.origin}/role`);
  assert.equal(turnedAway.status, 401);
  const { body: about } = await w.send(metadataAt(turnedAway.headers.get('www-authenticate'))!);
  assert.equal(new URL(about.resource).origin, t.origin);
  const metadata = {
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: 'none',
    scope: about.scopes_supported.join(' '),
  };
  const config = await oidc.dynamicClientRegistration(new URL(about.authorization_servers[0]), metadata, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
  });
  let vouched = false;
  // As the MCP SDK does: a URL object, written with a slash.
  for (const resource of [about.resource, new URL(about.resource).href]) {
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
    const url = oidc.buildAuthorizationUrl(config, {
      redirect_uri: REDIRECT,
      resource,
      scope: 'read:roles read:users',
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    if (!vouched) {
      const visit = agent();
      // Before anybody vouches for it, it hears so by a person's hand alone.
      const page = await visit(url.href);
      const turned = await submit(visit, page, { to: fieldOf(page, 'to') });
      assert.equal(new URL(turned.location!).searchParams.get('error'), 'invalid_target');
      await t.api('POST', `/client/${config.clientMetadata().client_id}`, { is_first_party: true });
      vouched = true;
    }
    const landed = await signIn(agent(), url.href, user);
    const tokens = await oidc.authorizationCodeGrant(config, landed, { pkceCodeVerifier }, { resource });
    const { aud, scope } = decodeJwt(tokens.access_token);
    assert.deepEqual([aud, scope], [t.audience, 'read:roles']);
    assert.equal((await w.call(t.origin, tokens.access_token, 'GET', '/role')).status, 200);
    const beyond = await w.call(t.origin, tokens.access_token, 'GET', '/user');
    assert.equal(beyond.status, 403);
    assert.match(
      beyond.headers.get('www-authenticate') ?? '',
      /error="insufficient_scope", scope="read:users", resource_metadata=/,
    );
    assert.equal((await w.call(other.origin, tokens.access_token, 'GET', '/role')).status, 403);
  }
});

test('the metadata is the tenant’s own, and a browser may read it', async () => {
  const answer = await w.send(`${t.origin}/.well-known/oauth-protected-resource`, {
    headers: { origin: 'https://inspector.example.com' },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.deepEqual([answer.body.resource, answer.body.authorization_servers], [t.origin, [t.origin]]);
  assert.deepEqual(answer.body.dpop_signing_alg_values_supported, [...DPOP_ALGS], 'as dpop.test.ts tries them there');
  assert.ok(answer.body.scopes_supported.includes('read:users'));
  assert.ok(!answer.body.scopes_supported.includes('create:accounts'), 'the operator’s are nobody else’s');
  const preflight = await w.send(`${t.origin}/.well-known/oauth-protected-resource`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://inspector.example.com',
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'mcp-protocol-version',
    },
  });
  assert.deepEqual(
    [preflight.status, preflight.headers.get('access-control-allow-headers')],
    [204, 'mcp-protocol-version'],
  );
});

test('the address of another tenant, or anything below one’s own, is no resource', async () => {
  for (const audience of [other.origin, `${t.origin}/role`, `${t.origin}//`, t.origin.replace('http', 'https')]) {
    const { client_id, client_secret } = t.admin;
    const form = { grant_type: 'client_credentials', client_id, client_secret, audience };
    const answer = await post(t, '/oauth/token', form);
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_target'], audience);
  }
  assert.equal(decodeJwt(await t.machineToken(t.admin, t.origin)).aud, t.audience);
  // A client that may have only one Api cannot reach another one by its second name.
  const narrow = await t.client({ grants: [] });
  const form = { grant_type: 'client_credentials', ...credentialsOf(narrow) };
  const answer = await post(t, '/oauth/token', { ...form, resource: t.origin });
  assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_target']);
  // An Api that a tenant made under its own address is that Api.
  await other.api('POST', '/api', { name: 'Own', identifier: other.origin });
  assert.equal(decodeJwt(await other.machineToken(await other.client(), other.origin)).aud, other.origin);
});
