/** oidc-client-ts, in an app of the browser alone. */
import assert from 'node:assert/strict';
import type { User as Session } from 'oidc-client-ts';
import { typeLogin } from '../kit/browser.ts';
import { listen, world } from '../kit/index.ts';
import { asked, heading, singlePage, suite } from './kit.ts';

const w = await world();
const t = await w.tenant();
const user = await t.user();
const app = await listen();
// Same site as the tenant, as an app beside its login on one domain: browsers keep cookies from frames of other sites.
const origin = `http://app.${t.slug}.localhost:${app.port}`;
const client = await t.client({
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  callbacks: [`${origin}/callback`],
  logout_urls: [`${origin}/`],
  web_origins: [origin],
});

app.serve(
  singlePage(
    'oidc-client-ts',
    'dist/browser/oidc-client-ts.min.js',
    `
const settings = {
  authority: '${t.origin}',
  client_id: '${client.client_id}',
  redirect_uri: location.origin + '/callback',
  post_logout_redirect_uri: location.origin + '/',
  scope: 'openid profile email',
  automaticSilentRenew: false,
};
const manager = new oidc.UserManager(settings);
const offline = new oidc.UserManager({ ...settings, scope: settings.scope + ' offline_access' });
const hello = (session) => {
  heading.textContent = session ? 'Hello ' + session.profile.name : 'Signed out';
};
(location.pathname === '/callback' ? manager.signinCallback() : manager.getUser()).then(hello, (error) => {
  heading.textContent = 'Failed: ' + error.message;
});
`,
  ),
);

suite('oidc-client-ts', {
  async login(page) {
    await page.goto(origin);
    await heading(page, 'Signed out');
    await page.evaluate('void manager.signinRedirect()');
    await typeLogin(page, user);
    await heading(page, 'Hello Ada Lovelace');
    const session = await page.evaluate<Session>('manager.getUser()');
    assert.equal(session.profile.sub, user.id);
    assert.equal(session.refresh_token, undefined, 'none was asked for');
  },

  async userinfo(page) {
    const answered = page.waitForResponse(`${t.origin}/userinfo`);
    await page.evaluate('new oidc.UserManager({ ...settings, loadUserInfo: true }).signinSilent()');
    assert.equal((await (await answered).json()).email, user.email);
  },

  async 'silent renewal'(page) {
    const before = await page.evaluate<Session>('manager.getUser()');
    const after = await page.evaluate<Session>('manager.signinSilent()');
    assert.equal(after.profile.sub, user.id);
    assert.notEqual(after.access_token, before.access_token);
    assert.equal(new URL(page.url()).origin, origin, 'the page stayed');
  },

  async refresh(page) {
    const shown = page.url();
    await page.evaluate('void offline.signinRedirect()');
    await page.waitForURL(({ href }) => href.startsWith(`${origin}/callback?`) && href !== shown);
    await heading(page, 'Hello Ada Lovelace');
    const before = await page.evaluate<Session>('manager.getUser()');
    assert.ok(before.refresh_token);
    const after = await page.evaluate<Session>('offline.signinSilent()');
    assert.notEqual(after.access_token, before.access_token);
    assert.notEqual(after.refresh_token, before.refresh_token);
    assert.equal(after.profile.sub, user.id);
  },

  async logout(page) {
    await page.evaluate('void manager.signoutRedirect()');
    await page.waitForURL(`${origin}/`);
    await heading(page, 'Signed out');
    const refused = await page.evaluate('manager.signinSilent().then(() => "renewed", ({ error }) => error)');
    assert.equal(refused, 'login_required');
    await page.evaluate('void manager.signinRedirect()');
    await asked(page);
  },
});
