/** Logins in a real browser, at a real relying party. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as oidc from 'openid-client';
import type { Page } from 'playwright-core';
import { browsers, typeLogin } from '../kit/browser.ts';
import { agent, authorizeUrl, fieldOf, follow, requestOf, submit, world } from '../kit/index.ts';
import { relyingParty } from '../kit/relying-party.ts';
import { until } from '../kit/until.ts';

const w = await world();
const visit = browsers();

const heading = (page: Page) => page.getByRole('heading', { level: 1 }).textContent();
const settled = (page: Page, text: RegExp) => page.getByRole('heading', { level: 1, name: text }).waitFor();

test('a browser logs in, a relying party gets tokens, userinfo and a refresh, and the user logs out', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const rp = await relyingParty(t);
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    assert.equal(await page.title(), 'Log in · Orders');
    await typeLogin(page, { email: user.email, password: 'not the password' });
    await page.getByRole('alert').getByText('Wrong email or password.').waitFor();
    assert.equal(await page.getByLabel('Email').inputValue(), user.email, 'what was typed stays');
    assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '', 'the password does not');
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    await page.keyboard.press('Enter');
    await settled(page, /Hello Ada Lovelace/);

    const { tokens, claims } = rp.state.last!;
    assert.equal(claims.sub, user.id);
    const info = await oidc.fetchUserInfo(rp.config, tokens.access_token!, user.id);
    assert.equal(info.email, user.email);
    const refreshed = await oidc.refreshTokenGrant(rp.config, tokens.refresh_token!);
    assert.equal(refreshed.claims()?.sub, user.id);

    // Signed in already: no page in between.
    await page.goto(rp.loginUrl);
    assert.equal(await heading(page), 'Hello Ada Lovelace');

    const out = oidc.buildEndSessionUrl(rp.config, {
      id_token_hint: tokens.id_token!,
      post_logout_redirect_uri: rp.byeUrl,
    });
    await page.goto(out.href);
    assert.equal(new URL(page.url()).pathname, '/bye');
    await page.goto(rp.loginUrl);
    assert.equal(await page.title(), 'Log in · Orders', 'the session is over');
  });
});

test('the same works without JavaScript', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const rp = await relyingParty(t);
  await visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(rp.loginUrl);
    await typeLogin(page, user);
    await settled(page, /Hello Ada Lovelace/);
  });
});

test('somebody signs up with one hand, sees what the password keeps, is at the app, and confirms the address', async () => {
  const t = await w.tenant('Acme');
  await t.api('POST', `/account/${t.id}`, { notification_settings: { verify_email_auto_send: true } });
  const rp = await relyingParty(t);
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    await page.getByRole('link', { name: 'Sign up' }).click();
    await settled(page, /Sign up for Orders/);
    await page.getByLabel('Email').fill('ana@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.type('weak');
    assert.equal(await page.locator('li.kept').count(), 0);
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('Choose a password that has all of this.').waitFor();
    assert.equal(await page.getByLabel('Email').inputValue(), 'ana@example.com', 'what was typed stays');
    await page.keyboard.type('Correct-horse-1');
    await page.locator('li.kept').nth(1).waitFor();
    await page.getByRole('button', { name: 'Sign up' }).dblclick();
    await settled(page, /Hello/);
    await w.deliver();
    await page.goto(`${t.origin}/dev/outbox?to=ana@example.com`);
    await page.getByRole('link', { name: 'Confirm your email for Acme' }).click();
    await page
      .locator('.mail-text')
      .getByRole('link', { name: /verify-email/ })
      .click();
    await settled(page, /Your email is confirmed/);
    const [user] = (await t.api('GET', '/user?query=email:ana@example.com')).results;
    assert.equal(user.email_verified, true);
  });
});

test('a login page of the app’s own logs in by its form, in the app’s origin', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const rp = await relyingParty(t);
  const own = new URL('/own-login', rp.loginUrl).href;
  await visit({}, async (page) => {
    const authorize = page.waitForRequest(/\/authorize\?/);
    await page.goto(rp.loginUrl);
    const asked = Object.fromEntries(new URL((await authorize).url()).searchParams);
    await page.goto(own);
    await page.evaluate(
      async ([origin, body]) => {
        const answer = await fetch(`${origin}/usernamepassword/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
        const holder = document.body.appendChild(document.createElement('div'));
        holder.innerHTML = await answer.text();
        holder.querySelector('form')!.submit();
      },
      [t.origin, { ...asked, username: user.email, password: user.password }] as const,
    );
    await settled(page, /Hello Ada Lovelace/);
  });
});

test('the playground logs in with one click and shows decoded tokens', async () => {
  const t = await w.tenant();
  const user = await t.user();
  await visit({}, async (page) => {
    await page.goto(t.origin);
    await page.getByRole('link', { name: /playground/i }).click();
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await page.waitForURL(/\/flow\//);
    await typeLogin(page, user);
    await page.getByText(user.id).first().waitFor();
    await page.getByText('at+jwt').first().waitFor();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor();
  });
});

test('a third-party app asks for consent; "Cancel" tells the app, "Allow" is remembered', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const api = await t.api('POST', '/api', {
    name: 'Orders API',
    identifier: 'https://orders.example.com',
    permissions: [{ value: 'read:orders', description: 'See your orders' }],
  });
  const rp = await relyingParty(t, {
    name: 'Partner App',
    is_first_party: false,
    client_uri: 'https://partner.example.com',
  });
  const start = `${rp.loginUrl}?resource=${encodeURIComponent(api.identifier)}&scope=${encodeURIComponent('openid profile email read:orders')}`;
  await visit({}, async (page) => {
    await page.goto(start);
    await typeLogin(page, user);
    await settled(page, /Partner App/);
    await page.getByText('See your orders').waitFor();
    await page.getByText('partner.example.com').first().waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await settled(page, /failed: access_denied/);

    await page.goto(start);
    await page.getByRole('button', { name: 'Allow' }).click();
    await settled(page, /Hello/);
    assert.match(rp.state.last!.tokens.scope!, /read:orders/);
    await page.goto(start);
    assert.equal(await heading(page), 'Hello Ada Lovelace', 'not asked again');
  });
  await visit({}, async (page) => {
    await page.goto(start);
    await typeLogin(page, user);
    await settled(page, /Hello Ada Lovelace/);
  });
});

test('who does not want to log in goes back to the app from any page, which hears access_denied, without JavaScript', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const rp = await relyingParty(t);
  await visit({ javaScriptEnabled: false }, async (page) => {
    const back = async () => {
      await page.getByRole('button', { name: 'Back to Orders' }).click();
      await settled(page, /failed: access_denied/);
      const { searchParams } = new URL(page.url());
      assert.deepEqual([...searchParams.keys()].sort(), ['error', 'error_description', 'iss', 'state']);
      assert.equal(searchParams.get('state'), asked);
    };
    let asked: string | null = null;
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.pathname === '/authorize') asked = url.searchParams.get('state');
    });
    await page.goto(rp.loginUrl);
    await back();
    await page.goto(rp.loginUrl);
    await page.getByRole('link', { name: 'Español' }).click();
    await page.getByRole('button', { name: 'Volver a Orders' }).waitFor();
    await page.getByRole('link', { name: 'English' }).click();
    await typeLogin(page, { email: user.email, password: 'wrong' });
    await back();
    // Nobody was logged in by it, and nobody is logged out.
    await page.goto(rp.loginUrl);
    await typeLogin(page, user);
    await settled(page, /Hello/);
    await page.goto(`${rp.loginUrl}?prompt=select_account`);
    await back();
    await page.goto(rp.loginUrl);
    await settled(page, /Hello/);
    // A login for a page of ours has no app to go back to.
    await page.goto(`${t.origin}/logout`);
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.goto(`${t.origin}/flow/apps`);
    await page.getByLabel('Password', { exact: true }).waitFor();
    assert.equal(await page.getByRole('button', { name: /^Back/ }).count(), 0);
  });
});

test('the way back is for the browser of the flow, and for its own page alone', async () => {
  const t = await w.tenant('Acme');
  const visitor = agent();
  const start = authorizeUrl(t, requestOf(await t.client(), { state: 's1' }).parameters);
  const page = await follow(visitor, await visitor(start));
  const address = `${page.url}/back`;
  const csrf = fieldOf(page, 'csrf');
  const stranger = await agent()(address, { form: { csrf }, headers: { origin: t.origin } });
  assert.equal(stranger.status, 410);
  for (const [form, origin] of [
    [{ csrf }, 'https://evil.example'],
    [{ csrf: 'x' }, t.origin],
  ] as const)
    assert.equal((await visitor(address, { form, headers: { origin } })).status, 403);
  const reloaded = await visitor(address);
  assert.equal(reloaded.location, page.url);
  const at = await follow(visitor, await visitor(address, { form: { csrf }, headers: { origin: t.origin } }));
  assert.match(at.location!, /^http:\/\/127\.0\.0\.1:9\/callback\?error=access_denied&.*state=s1/);
});

test('a user changes their profile and password, and looks where they are logged in, without JavaScript', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const phone = agent();
  const login = await follow(phone, await phone(`${t.origin}/account`));
  await follow(phone, await submit(phone, login, { email: user.email, password: user.password }));
  await visit({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } }, async (page) => {
    await page.goto(t.origin);
    await page.getByRole('link', { name: 'Manage your account' }).click();
    await typeLogin(page, user);
    await settled(page, /Your account/);
    await page.getByRole('link', { name: 'Profile' }).click();
    await page.getByLabel('Nickname').fill('Ada');
    await page.getByRole('combobox', { name: 'Language' }).selectOption('Español');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('status').getByText('Your profile is saved.').waitFor();
    assert.equal(await page.getByLabel('Nickname').inputValue(), 'Ada');
    await page.getByRole('link', { name: 'Back to your account' }).click();
    await page.getByRole('link', { name: 'Devices' }).click();
    await settled(page, /Where you are logged in/);
    assert.equal(await page.getByRole('article').count(), 2);
    await page.getByRole('link', { name: 'Log out everywhere else' }).click();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged in on this device alone.').waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged in on this device alone.').waitFor();
    await page.getByRole('link', { name: 'Back to your account' }).click();
    await page.getByRole('link', { name: 'Password' }).click();
    await page.getByLabel('New password').fill('Another-horse-2');
    await page.getByRole('button', { name: 'Save password' }).click();
    await page.getByRole('status').getByText('Your password is changed.').waitFor();
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    w.clock.advance({ seconds: 601 });
    await page.getByRole('link', { name: 'Back to your account' }).click();
    await page.getByRole('link', { name: 'Your data' }).click();
    assert.equal(await page.getByLabel('Email').inputValue(), user.email, 'who it is goes along');
    await page.getByLabel('Password', { exact: true }).fill('Another-horse-2');
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await settled(page, /Download your data/);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download' }).click(),
    ]);
    assert.equal(file.suggestedFilename(), 'account.json');
    await page.getByRole('link', { name: 'Back to your account' }).click();
    await page.getByRole('link', { name: 'Delete your account' }).click();
    await page.getByLabel(/To go on, type/).fill(user.email);
    await page.getByRole('button', { name: 'Delete for good' }).click();
    await settled(page, /Your account is deleted/);
    await page.getByRole('link', { name: 'Go to the start' }).click();
    await page.getByRole('link', { name: 'Manage your account' }).click();
    await page.getByLabel('Password', { exact: true }).waitFor();
  });
  assert.match((await phone(`${t.origin}/account`)).location!, /authorize/);
});

test('a user takes back what an app was allowed, without JavaScript', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  const rp = await relyingParty(t, { name: 'Partner App', is_first_party: false });
  await visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(rp.loginUrl);
    await typeLogin(page, user);
    await page.getByRole('button', { name: 'Allow' }).click();
    await settled(page, /Hello/);
    await page.goto(`${t.origin}/flow/apps`);
    await page.getByRole('link', { name: 'Remove access Partner App' }).click();
    await settled(page, /Remove the access of Partner App/);
    await page.getByRole('link', { name: 'Keep it' }).click();
    await page.getByRole('link', { name: 'Remove access Partner App' }).click();
    await page.getByRole('button', { name: 'Remove access' }).click();
    await page.getByRole('status').getByText('The access was removed.').waitFor();
    await page.getByText('No app has access to your account at Acme.').waitFor();
    await assert.rejects(oidc.refreshTokenGrant(rp.config, rp.state.last!.tokens.refresh_token!), {
      error: 'invalid_grant',
    });
    await page.goto(rp.loginUrl);
    await settled(page, /Allow Partner App/);
    await page.getByRole('button', { name: 'Use another account' }).click();
    await settled(page, /Log in to Partner App/);
  });
});

test('prompt=select_account offers to go on or to use another account', async () => {
  const t = await w.tenant();
  const [ada, grace] = [await t.user(), await t.user({ name: 'Grace Hopper' })];
  const rp = await relyingParty(t);
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    await typeLogin(page, ada);
    await settled(page, /Hello Ada/);
    await page.goto(`${rp.loginUrl}?prompt=select_account`);
    await page.getByRole('button', { name: /Continue/ }).click();
    await settled(page, /Hello Ada/);

    await page.goto(`${rp.loginUrl}?prompt=select_account`);
    await page.getByRole('button', { name: /another account/i }).click();
    await typeLogin(page, grace);
    await settled(page, /Hello Grace/);
    assert.equal(rp.state.last!.claims.sub, grace.id);
  });
});

test('too many wrong passwords lock the identifier out, in the same words for somebody who does not exist', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const rp = await relyingParty(t);
  for (const email of [user.email, 'nobody@example.com']) {
    await visit({}, async (page) => {
      await page.goto(rp.loginUrl);
      for (let attempt = 0; attempt < 10; attempt += 1) {
        await typeLogin(page, { email, password: 'wrong' });
        await page.getByRole('alert').getByText('Wrong email or password.').waitFor();
      }
      await typeLogin(page, { email, password: user.password });
      await page
        .getByRole('alert')
        .getByText(/Too many attempts/)
        .waitFor();
    });
  }
});

test('a suspended user is told so only with the right password', async () => {
  const t = await w.tenant('Acme');
  const user = await t.user();
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  const rp = await relyingParty(t);
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    await typeLogin(page, { email: user.email, password: 'wrong' });
    await page.getByRole('alert').getByText('Wrong email or password.').waitFor();
    await typeLogin(page, user);
    await page.getByRole('alert').getByText('This account is suspended. Contact Acme.').waitFor();
  });
});

test('a flow that is over ends on a page that says so, whichever way one returns to it', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const rp = await relyingParty(t);
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    const flow = page.url();
    await typeLogin(page, user);
    await settled(page, /Hello/);
    await page.goBack();
    assert.equal(page.url(), flow);
    assert.equal(await heading(page), 'This login is over');
    assert.equal(await page.title(), 'This login is over · Orders');
    await page
      .getByText(/Reference/)
      .first()
      .waitFor();
    assert.equal((await page.reload())?.status(), 410);
    await page.getByRole('link', { name: 'Español' }).click();
    await page.getByRole('link', { name: 'Ir a Orders' }).click();
    assert.equal(page.url(), `${rp.origin}/`);
  });
  await visit({}, async (page) => {
    const answer = await page.goto(`${t.origin}/flow/somebody-elses-flow`);
    assert.equal(answer?.status(), 410, 'and a flow of another browser is no different');
  });
});

test('a second press while the app is slow, and a page left open until its login has expired, lead on to the app', async () => {
  const t = await w.tenant();
  const user = await t.user();
  const rp = await relyingParty(t);
  const slow = `${rp.origin}/hang`;
  await t.api('POST', `/client/${rp.client.client_id}`, { callbacks: [slow, `${rp.origin}/callback`] });
  const toApp = async (page: Page) => {
    await settled(page, /This login is over/);
    await page.getByRole('link', { name: 'Go to Orders' }).click();
    await page.waitForURL(`${rp.origin}/`);
  };
  await visit({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${rp.loginUrl}?${new URLSearchParams({ redirect_uri: slow })}`);
    await page.getByLabel('Email').fill(user.email);
    await page.getByLabel('Password', { exact: true }).fill(user.password);
    const { x, y } = (await page.getByRole('button', { name: 'Log in', exact: true }).boundingBox())!;
    // The mouse does not wait for the app, which does not answer.
    const press = () => page.mouse.click(x + 20, y + 20);
    await press();
    await until('the app is asked', () => rp.state.opened.some((address) => address.startsWith('/hang')));
    await press();
    await toApp(page);
    await page.goto(rp.loginUrl);
    await settled(page, /Hello/);
  });
  await t.api('POST', `/client/${rp.client.client_id}`, { client_uri: `${rp.origin}/start` });
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    // As browsers do after an hour.
    await page.context().clearCookies({ name: 'cardea_flow' });
    await typeLogin(page, user);
    await settled(page, /This login is over/);
    assert.equal(
      await page.getByRole('link', { name: 'Go to Orders' }).getAttribute('href'),
      `${rp.origin}/start`,
      'its website rather than the address of its callback',
    );
  });
  await visit({}, async (page) => {
    await page.goto(`${t.origin}/flow/apps`);
    await typeLogin(page, user);
    await settled(page, /Apps with access/);
    await page.goBack();
    await page.getByRole('link', { name: 'Go to Acme' }).click();
    await settled(page, /Apps with access/);
  });
});

test('a login that is over leads to a stranger’s app by a button that names where that is, and in its own tenant alone', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const { body } = await w.send(`${t.origin}/oidc/register`, {
    method: 'POST',
    json: {
      client_name: 'Agent',
      redirect_uris: ['https://agent.example/callback'],
      initiate_login_uri: 'https://agent.example/elsewhere',
    },
  });
  const visitor = agent();
  const request = requestOf(body, { redirect_uri: 'https://agent.example/callback' });
  const page = await follow(visitor, await visitor(authorizeUrl(t, request.parameters)));
  const cookie = page.headers.getSetCookie().find((line) => line.startsWith('cardea_recent='))!;
  await visitor(`${page.url}/back`, { form: { csrf: fieldOf(page, 'csrf') }, headers: { origin: t.origin } });
  await visitor(page.url.replace('/flow/', '/authorize/'));
  const over = await visitor(page.url);
  assert.equal(over.status, 410);
  assert.doesNotMatch(over.text, /href="https:\/\/agent/);
  assert.match(over.text, /<button[^>]*>Continue to agent\.example</);
  const left = await submit(visitor, over, { to: fieldOf(over, 'to') });
  assert.deepEqual([left.status, left.location], [303, 'https://agent.example/']);
  const elsewhere = (origin: string) =>
    agent()(page.url.replace(t.origin, origin), { headers: { cookie: cookie.split(';')[0]! } });
  assert.match((await elsewhere(t.origin)).text, /agent\.example/);
  assert.doesNotMatch((await elsewhere(other.origin)).text, /agent\.example|Agent/);
});

test('the hosted pages speak Spanish to who asks for it', async () => {
  const t = await w.tenant();
  const rp = await relyingParty(t);
  await visit({ locale: 'es-ES' }, async (page) => {
    await page.goto(rp.loginUrl);
    assert.equal(await page.locator('html').getAttribute('lang'), 'es');
    await page.getByRole('button', { name: 'Entrar', exact: true }).click();
    await page
      .getByRole('alert')
      .getByText(/Escribe tu correo/)
      .waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'es');
  });
  await visit({}, async (page) => {
    await page.goto(`${rp.loginUrl}?ui_locales=es`);
    assert.equal(await page.locator('html').getAttribute('lang'), 'es');
  });
  await visit({}, async (page) => {
    await page.goto(rp.loginUrl);
    await typeLogin(page, { email: 'nobody@example.com', password: 'wrong' });
    await page.getByRole('alert').waitFor();
    await page.getByRole('link', { name: 'Español' }).click();
    await page.getByRole('button', { name: 'Entrar', exact: true }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'es', 'by the menu after a refusal too');
  });
});
