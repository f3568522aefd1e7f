/** express-openid-connect, in a web app on Express. */
import assert from 'node:assert/strict';
import express, { type ErrorRequestHandler } from 'express';
import connect from 'express-openid-connect';
import { typeLogin } from '../kit/browser.ts';
import { listen, world } from '../kit/index.ts';
import { asked, heading, shown, suite } from './kit.ts';

const w = await world();
const t = await w.tenant();
const user = await t.user();
const site = await listen();
const client = await t.client({
  token_endpoint_auth_method: 'client_secret_post',
  callbacks: [`${site.origin}/callback`],
  logout_urls: [site.origin],
});

const { auth, requiresAuth } = connect;
const app = express();
app.use(
  auth({
    issuerBaseURL: t.origin,
    baseURL: site.origin,
    clientID: client.client_id,
    clientSecret: client.client_secret,
    secret: 'seals the cookies of the app, long enough',
    authRequired: false,
    attemptSilentLogin: true,
    idpLogout: true,
    authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
  }),
);
app.get('/', (request, response) => {
  response.send(`<h1>${request.oidc.isAuthenticated() ? `Hello ${request.oidc.user?.name}` : 'Signed out'}</h1>`);
});
app.get('/userinfo', requiresAuth(), async (request, response) => {
  response.json(await request.oidc.fetchUserInfo());
});
app.get('/refresh', requiresAuth(), async (request, response) => {
  const before = request.oidc.accessToken!;
  const after = await before.refresh();
  response.json({ before: before.access_token, after: after.access_token, sub: request.oidc.idTokenClaims?.sub });
});
const failed: ErrorRequestHandler = (error, _request, response, _next) =>
  void response.status(500).send(`<h1>Failed: ${error.message}</h1>`);
app.use(failed);
site.serve(app);

suite('express-openid-connect', {
  async login(page) {
    await page.goto(site.origin);
    await heading(page, 'Signed out');
    await page.goto(`${site.origin}/login`);
    await typeLogin(page, user);
    await heading(page, 'Hello Ada Lovelace');
  },

  async userinfo(page) {
    await page.goto(`${site.origin}/userinfo`);
    const info = await shown(page);
    assert.equal(info.sub, user.id);
    assert.equal(info.email, user.email);
  },

  async refresh(page) {
    await page.goto(`${site.origin}/refresh`);
    const { before, after, sub } = await shown(page);
    assert.equal(sub, user.id);
    assert.ok(after);
    assert.notEqual(after, before);
  },

  async 'silent renewal'(page) {
    // A visitor whom the app does not know is looked up at the tenant, without a page.
    await page.context().clearCookies({ domain: '127.0.0.1' });
    await page.goto(site.origin);
    await heading(page, 'Hello Ada Lovelace');
  },

  async logout(page) {
    await page.goto(`${site.origin}/logout`);
    await heading(page, 'Signed out');
    await page.goto(`${site.origin}/login`);
    await asked(page);
  },
});
