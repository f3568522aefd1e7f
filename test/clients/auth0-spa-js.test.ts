/** auth0-spa-js, in an app of the browser alone. It wants its issuer to be https, so a proxy ends TLS as in production. */
import assert from 'node:assert/strict';
import type { GetTokenSilentlyVerboseResponse } from '@auth0/auth0-spa-js';
import { typeLogin } from '../kit/browser.ts';
import { listen, ORDERS, ordersApi, world } from '../kit/index.ts';
import { certificate, proxyTo } from '../kit/tls.ts';
import { asked, heading, singlePage, suite } from './kit.ts';

const tls = certificate();
const [front, app] = [await listen(tls), await listen(tls)];
const w = await world({ env: { PUBLIC_SCHEME: 'https', PUBLIC_PORT: String(front.port) } });
front.serve(proxyTo(w.port));
const t = await w.tenant();
const user = await t.user();
const issuer = `https://${t.slug}.localhost:${front.port}`;
// Another site than the tenant's: the hard case for a frame that is to know the user.
const { origin } = app;
await ordersApi(t);
const client = await t.client({
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  callbacks: [`${origin}/`],
  logout_urls: [`${origin}/`],
  web_origins: [origin],
});

app.serve(
  singlePage(
    '@auth0/auth0-spa-js',
    'dist/auth0-spa-js.production.js',
    `
const settings = {
  domain: '${issuer}',
  issuer: '${issuer}',
  clientId: '${client.client_id}',
  authorizationParams: { redirect_uri: location.origin + '/', audience: '${ORDERS}', scope: 'openid profile email read:orders' },
};
const manager = new auth0.Auth0Client(settings);
const offline = new auth0.Auth0Client({ ...settings, useRefreshTokens: true });
const answered = new URLSearchParams(location.search).has('state');
const current = localStorage.current === 'offline' ? offline : manager;
const started = answered ? current.handleRedirectCallback() : Promise.resolve();
started.then(() => current.getUser()).then(
  (user) => { heading.textContent = user ? 'Hello ' + user.name : 'Signed out'; },
  (error) => { heading.textContent = 'Failed: ' + error.message; },
);
`,
  ),
);
const silently = (name: string) =>
  `${name}.getTokenSilently({ cacheMode: 'off', detailedResponse: true, timeoutInSeconds: 10 })`;
type Tokens = GetTokenSilentlyVerboseResponse;

suite(
  '@auth0/auth0-spa-js',
  {
    async login(page) {
      await page.goto(origin);
      await heading(page, 'Signed out');
      await page.evaluate('void manager.loginWithRedirect()');
      await typeLogin(page, user);
      await heading(page, 'Hello Ada Lovelace');
    },

    async 'silent renewal'(page) {
      // As at every start of such an app: tokens are in memory, so what it knows is whether the tenant knows the user.
      await page.goto(origin);
      await heading(page, 'Signed out');
      const first = await page.evaluate<Tokens>(silently('manager'));
      const second = await page.evaluate<Tokens>(silently('manager'));
      assert.equal(second.scope?.includes('read:orders'), true);
      assert.notEqual(first.access_token, second.access_token);
      const claims = await page.evaluate<{ sub: string }>('manager.getIdTokenClaims()');
      assert.equal(claims.sub, user.id);
    },

    async refresh(page) {
      await page.evaluate('localStorage.current = "offline"; void offline.loginWithRedirect()');
      await heading(page, 'Hello Ada Lovelace');
      const refreshed = page.waitForRequest(`${issuer}/oauth/token`);
      const first = await page.evaluate<Tokens>('offline.getTokenSilently({ detailedResponse: true })');
      const second = await page.evaluate<Tokens>(silently('offline'));
      assert.notEqual(first.access_token, second.access_token);
      assert.match((await refreshed).postData() ?? '', /refresh_token/);
    },

    async logout(page) {
      await page.evaluate('void manager.logout({ logoutParams: { returnTo: location.origin + "/" } })');
      // The library sends no proof of whose session it means, so the user is asked.
      await page.getByRole('button', { name: 'Log out', exact: true }).click();
      await page.waitForURL(`${origin}/`);
      await heading(page, 'Signed out');
      const refused = await page.evaluate(`${silently('manager')}.then(() => 'renewed', ({ error }) => error)`);
      assert.equal(refused, 'login_required');
      await page.evaluate('void manager.loginWithRedirect()');
      await asked(page);
    },
  },
  { ignoreHTTPSErrors: true },
);
