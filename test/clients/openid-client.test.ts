/** openid-client, in a web app with a server. */
import assert from 'node:assert/strict';
import * as oidc from 'openid-client';
import { typeLogin } from '../kit/browser.ts';
import { world } from '../kit/index.ts';
import { relyingParty } from '../kit/relying-party.ts';
import { asked, heading, suite } from './kit.ts';

const w = await world();
const t = await w.tenant();
const user = await t.user();
const app = await relyingParty(t);

suite('openid-client', {
  async login(page) {
    await page.goto(app.loginUrl);
    await typeLogin(page, user);
    await heading(page, 'Hello Ada Lovelace');
    assert.equal(app.state.last?.claims.sub, user.id);
  },

  async refresh() {
    const { refresh_token } = app.state.last!.tokens;
    const refreshed = await oidc.refreshTokenGrant(app.config, refresh_token!);
    assert.equal(refreshed.claims()?.sub, user.id);
    assert.notEqual(refreshed.refresh_token, refresh_token);
    app.state.last!.tokens = refreshed as unknown as Record<string, string>;
  },

  async userinfo() {
    const info = await oidc.fetchUserInfo(app.config, app.state.last!.tokens.access_token!, user.id);
    assert.equal(info.email, user.email);
  },

  async logout(page) {
    const { id_token } = app.state.last!.tokens;
    const end = oidc.buildEndSessionUrl(app.config, {
      id_token_hint: id_token!,
      post_logout_redirect_uri: app.byeUrl,
      state: 'back',
    });
    await page.goto(end.href);
    assert.equal(page.url(), `${app.byeUrl}?state=back`);
    await page.goto(app.loginUrl);
    await asked(page);
  },
});
