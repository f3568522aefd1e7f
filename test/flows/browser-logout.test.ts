/** Logouts in a real browser that several apps are logged in with (OpenID Connect Front-Channel Logout 1.0). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import { browsers, typeLogin } from '../kit/browser.ts';
import { world } from '../kit/index.ts';
import { relyingParty } from '../kit/relying-party.ts';

const w = await world();
const visit = browsers();

/** Two apps of a tenant, and a browser that is logged in to both. */
async function apps(page: Page, frames: { one: string; two: string }, names = ['Orders', 'Invoices']) {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const [one, two] = [await relyingParty(t, { name: names[0] }), await relyingParty(t, { name: names[1] })];
  for (const [rp, path] of [
    [one, frames.one],
    [two, frames.two],
  ] as const)
    await t.api('POST', `/client/${rp.client.id}`, {
      frontchannel_logout_uri: `${rp.origin}${path}`,
      frontchannel_logout_session_required: true,
    });
  await page.goto(one.loginUrl);
  await typeLogin(page, user);
  await page.getByRole('heading', { name: /Hello/ }).waitFor();
  await page.goto(two.loginUrl);
  await page.getByRole('heading', { name: /Hello/ }).waitFor();
  const out = oidc.buildEndSessionUrl(one.config, {
    id_token_hint: one.state.last!.tokens.id_token!,
    post_logout_redirect_uri: one.byeUrl,
    state: 's1',
  });
  return { t, one, two, out: out.href, byeUrl: `${one.byeUrl}?state=s1` };
}

test('each app hears it from the browser, which then returns to the one that asked', async () => {
  await visit({}, async (page) => {
    const { t, one, two, out, byeUrl } = await apps(page, { one: '/fc', two: '/fc' });
    await page.goto(out);
    await page.waitForURL(byeUrl);
    for (const { state } of [one, two]) {
      const heard = state.opened.filter((path) => path.startsWith('/fc'));
      assert.equal(heard.length, 1);
      const { iss, sid } = Object.fromEntries(new URL(heard[0]!, one.origin).searchParams);
      assert.deepEqual([iss, sid], [t.origin, state.last!.claims.sid]);
    }
    await page.goto(one.loginUrl);
    assert.equal(await page.title(), 'Log in · Orders');
  });
});

test('an app that never answers holds the browser up for three seconds, and the page says where it goes', async () => {
  await visit({ viewport: { width: 320, height: 640 } }, async (page) => {
    const name = 'Donaudampfschifffahrtsgesellschaftskapitän';
    const { two, out, byeUrl } = await apps(page, { one: '/fc', two: '/hang' }, [name, 'Invoices']);
    const started = Date.now();
    await page.goto(out, { waitUntil: 'commit' });
    await page.getByRole('heading', { name: 'You are logged out' }).waitFor();
    await page.getByText(`Taking you back to ${name}.`).waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, 'it fits a small phone');
    await page.waitForURL(byeUrl);
    const took = Date.now() - started;
    assert.ok(took >= 2500 && took < 10_000, `${took} ms`);
    assert.equal(two.state.opened.length, 1);
  });
});

test('without JavaScript the frames are opened too, and a link or three seconds lead on', async () => {
  await visit({ javaScriptEnabled: false }, async (page) => {
    const { two, out, byeUrl } = await apps(page, { one: '/fc', two: '/fc' });
    await page.goto(out, { waitUntil: 'commit' });
    await page.getByRole('link', { name: 'Continue' }).waitFor();
    await page.waitForURL(byeUrl);
    assert.equal(two.state.opened.filter((path) => path.startsWith('/fc')).length, 1);
  });
});

test('who confirms on the page gets there as well', async () => {
  await visit({}, async (page) => {
    const { one, two } = await apps(page, { one: '/fc', two: '/fc' });
    const query = new URLSearchParams({ client_id: one.client.client_id, returnTo: one.byeUrl });
    await page.goto(`${one.config.serverMetadata().issuer}/v2/logout?${query}`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.waitForURL(one.byeUrl);
    assert.equal(two.state.opened.filter((path) => path.startsWith('/fc')).length, 1);
  });
});

for (const javaScriptEnabled of [true, false])
  test(`an app's logout address that goes on to another origin is reached from the page, ${javaScriptEnabled ? 'with' : 'without'} scripts`, async () => {
    await visit({ javaScriptEnabled }, async (page) => {
      const t = await w.tenant('Acme');
      const user = await t.user();
      const [app, elsewhere] = [await relyingParty(t), await relyingParty(t)];
      const onward = `${app.origin}/onward?${new URLSearchParams({ to: elsewhere.byeUrl })}`;
      await t.api('POST', `/client/${app.client.id}`, { logout_urls: [onward] });
      await page.goto(app.loginUrl);
      await typeLogin(page, user);
      await page.getByRole('heading', { name: /Hello/ }).waitFor();
      const query = new URLSearchParams({ client_id: app.client.client_id, post_logout_redirect_uri: onward });
      await page.goto(`${t.origin}/logout?${query}`);
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.waitForURL(elsewhere.byeUrl);
      assert.equal(elsewhere.state.opened.length, 1);
    });
  });

test('a page to log out on that returns to no app posts to its own origin alone', async () => {
  await visit({}, async (page) => {
    const { t, one } = await apps(page, { one: '/fc', two: '/fc' });
    const policy = async (query: object) => {
      const answer = await page.goto(`${t.origin}/logout?${new URLSearchParams({ ...query })}`);
      await page.getByRole('button', { name: 'Log out' }).waitFor();
      return answer!.headers()['content-security-policy']!;
    };
    assert.match(await policy({}), /form-action 'self';/);
    const named = { client_id: one.client.client_id, post_logout_redirect_uri: one.byeUrl };
    assert.doesNotMatch(await policy(named), /form-action/);
  });
});
