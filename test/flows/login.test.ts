/** The code flow end to end over HTTP: log in, get tokens, refresh, userinfo, log out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as oidc from 'openid-client';
import { agent, REDIRECT, signIn, world } from '../kit/index.ts';

const w = await world();

test('a user logs in by code and PKCE, and the tokens work', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const client = await t.client();
  const config = await t.discover(client);
  const code_verifier = oidc.randomPKCECodeVerifier();
  const state = oidc.randomState();
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(code_verifier),
    code_challenge_method: 'S256',
    state,
  });
  const visit = agent();
  const landed = await signIn(visit, url.href, user);
  const tokens = await oidc.authorizationCodeGrant(config, landed, {
    pkceCodeVerifier: code_verifier,
    expectedState: state,
  });
  assert.equal(tokens.claims()?.sub, user.id);
  assert.ok(tokens.refresh_token);
  const info = await oidc.fetchUserInfo(config, tokens.access_token, user.id);
  assert.equal(info.email, user.email);
  const again = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.ok(again.access_token);
  assert.notEqual(again.refresh_token, tokens.refresh_token);
});
