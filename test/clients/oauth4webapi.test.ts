/** oauth4webapi, as a public client that pushes its request (RFC 9126) and binds its tokens to a key (RFC 9449). */
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { typeLogin } from '../kit/browser.ts';
import { REDIRECT, world } from '../kit/index.ts';
import { suite } from './kit.ts';

const w = await world();
const t = await w.tenant();
const user = await t.user();
const { client_id } = await t.client({
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  dpop_bound_access_tokens: true,
});

const client: oauth.Client = { client_id };
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(t.origin);
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
let tokens: oauth.TokenEndpointResponse;

/** Some servers give out a nonce first (RFC 9449 §8); the library asks its caller to try again. */
async function withNonce<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return call();
  }
}

suite('oauth4webapi', {
  async login(page) {
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const parameters = {
      response_type: 'code',
      redirect_uri: REDIRECT,
      scope: 'openid email offline_access',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    };
    const pushed = await withNonce(async () =>
      oauth.processPushedAuthorizationResponse(
        as,
        client,
        await oauth.pushedAuthorizationRequest(as, client, oauth.None(), parameters, { DPoP, ...insecure }),
      ),
    );
    const authorize = new URL(as.authorization_endpoint!);
    authorize.search = new URLSearchParams({ client_id, request_uri: pushed.request_uri }).toString();
    await page.goto(authorize.href);
    // Nothing listens at the redirect address; where the browser wants to go is enough.
    const back = page.waitForRequest((request) => request.url().startsWith(REDIRECT));
    await typeLogin(page, user);
    const answer = oauth.validateAuthResponse(as, client, new URL((await back).url()), state);
    tokens = await withNonce(async () =>
      oauth.processAuthorizationCodeResponse(
        as,
        client,
        await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), answer, REDIRECT, verifier, {
          DPoP,
          ...insecure,
        }),
        { expectedNonce: nonce, requireIdToken: true },
      ),
    );
    assert.equal(oauth.getValidatedIdTokenClaims(tokens)?.sub, user.id);
    assert.equal(tokens.token_type, 'dpop');
  },

  async refresh() {
    const before = tokens;
    tokens = await withNonce(async () =>
      oauth.processRefreshTokenResponse(
        as,
        client,
        await oauth.refreshTokenGrantRequest(as, client, oauth.None(), before.refresh_token!, { DPoP, ...insecure }),
      ),
    );
    assert.notEqual(tokens.access_token, before.access_token);
    assert.equal(tokens.token_type, 'dpop');
  },

  async userinfo() {
    const info = await withNonce(async () =>
      oauth.processUserInfoResponse(
        as,
        client,
        user.id,
        await oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...insecure }),
      ),
    );
    assert.equal(info.email, user.email);
    const stolen = await oauth.userInfoRequest(as, client, tokens.access_token, insecure);
    assert.equal(stolen.status, 401, 'the token alone opens nothing');
  },
});
