/** Verifying and changing a user's address: who may ask, what the links do, and what else changes with the address. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreed } from '../../kit/contract.ts';
import {
  agent,
  arrive,
  assertRefused,
  authorizeUrl,
  type Client,
  fieldOf,
  refresh,
  requestOf,
  revoke,
  submit,
  tokensOf,
  type User,
  world,
} from '../../kit/index.ts';
import { followLink, lastLink, mailbox, openLink } from '../../kit/mailbox.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const strict = await w.tenant('Strict');
await strict.api('POST', `/account/${strict.id}`, { email_change_verification_mode: 'old_and_new' });
const client = await acme.client();
let count = 0;
const address = () => `person${++count}@example.com`;
const tokenOf = async (user: User, of: Client = client, t = acme) => (await tokensOf(t, of, user)).tokens.access_token;
const change = (token: string | undefined, id: string, body: object, t = acme) =>
  w.call(t.origin, token, 'POST', `/user/${id}/change-email`, body);
const verify = (token: string | undefined, id: string, body?: object, t = acme) =>
  w.call(t.origin, token, 'POST', `/user/${id}/verify-email/start`, body);
const profile = (id: string, t = acme) => t.api('GET', `/user/${id}`);
const statusOf = async (link: string) => (await followLink(link)).status;

/* ——— verification ——— */

test('a link verifies the address, and says so again when it is followed again', async () => {
  const user = await acme.user({ email: address() });
  const started = agreed('user/verifyEmailStart', await verify(acme.adminToken, user.id));
  assert.equal(started.status, 'verification_sent');
  const [mail] = await mailbox(acme, user.email);
  assert.deepEqual([mail!.type, mail!.ref], ['verify_email', started.ticket_id]);
  const link = await lastLink(acme, user.email);
  assert.equal((await profile(user.id)).email_verified, false);
  const target = `${acme.origin}/flow/verify-email-done`;
  assert.deepEqual(await followLink(link), { status: 'verified', target });
  const after = await profile(user.id);
  assert.deepEqual([after.email_verified, after.email_verified_method], [true, 'verification_flow']);
  assert.ok(after.email_verified_at);
  assert.equal(await statusOf(link), 'already_verified');
  assert.deepEqual(agreed('user/verifyEmailStart', await verify(acme.adminToken, user.id, {})), {
    status: 'already_verified',
  });
  assert.equal((await mailbox(acme, user.email)).length, 1);
});

test('opening a link does nothing, however often and by whom: one button does, of a form that is ours', async () => {
  const [ada, bob] = [await acme.user({ email: address() }), await acme.user({ email: address() })];
  const fresh = address();
  const before = [await profile(ada.id), await profile(bob.id)];
  await verify(acme.adminToken, ada.id);
  await change(acme.adminToken, bob.id, { new_email: fresh, verification_mode: 'old_and_new' });
  for (const email of [ada.email, fresh]) {
    const link = await lastLink(acme, email);
    const { visit, page } = await openLink(link);
    assert.deepEqual([page.status, page.headers.get('cache-control')], [200, 'no-store']);
    assert.ok(page.text.includes(email));
    const ticket = fieldOf(page, 'ticket');
    for (const again of [await openLink(link), await openLink(link)]) assert.equal(again.page.status, 200);
    const forged = await submit(visit, page, { ticket, csrf: 'made-up' });
    const foreign = await submit(visit, page, { ticket }, { origin: 'https://evil.example' });
    for (const refused of [forged, foreign]) {
      assert.equal(refused.status, 403);
      assert.match(refused.text, /<html/, 'told on a page');
    }
  }
  assert.deepEqual([await profile(ada.id), await profile(bob.id)], before);
  assert.deepEqual(
    await mailbox(acme, bob.email),
    [],
    'the second link of a change is not sent for an opened first one',
  );
  assert.equal(await statusOf(await lastLink(acme, ada.email)), 'verified');
  assert.equal(await statusOf(await lastLink(acme, fresh)), 'pending_old');
});

test('a link acts at once in the browser that asked for it, and in no other', async () => {
  const ada = await acme.user({ email: address() });
  const token = await tokenOf(ada);
  const start = async () => {
    const visit = agent();
    const headers = { authorization: `Bearer ${token}` };
    assert.equal(
      (await visit(`${acme.origin}/user/${ada.id}/verify-email/start`, { method: 'POST', headers })).status,
      200,
    );
    return { visit, link: await lastLink(acme, ada.email) };
  };
  const [one, two] = [await start(), await start()];
  assert.equal((await two.visit(one.link)).status, 200, 'of another start');
  assert.equal((await one.visit(one.link, { method: 'HEAD' })).status, 200);
  assert.equal((await one.visit(one.link, { headers: { 'sec-purpose': 'prefetch' } })).status, 200);
  assert.equal((await profile(ada.id)).email_verified, false);
  const landed = await one.visit(one.link);
  assert.deepEqual([landed.status, landed.location], [302, `${acme.origin}/flow/verify-email-done?status=verified`]);
});

test('who has not asked for a change says so, and its link is worth nothing from then on', async () => {
  const user = await acme.user({ email: address() });
  const fresh = address();
  const redirect_uri = 'https://app.example.com/settings';
  await change(acme.adminToken, user.id, { new_email: fresh, redirect_uri });
  const link = await lastLink(acme, fresh);
  const target = `${acme.origin}/flow/email-change-done`;
  assert.deepEqual(await followLink(link, 'no'), { status: 'declined', target }, 'and stays with us');
  assert.equal(await statusOf(link), 'invalid_link');
  assert.equal((await profile(user.id)).email, user.email);
});

test('of many who follow a link at once one verifies', async () => {
  const user = await acme.user({ email: address() });
  await verify(acme.adminToken, user.id);
  const link = await lastLink(acme, user.email);
  const all = await Promise.all(Array.from({ length: 8 }, () => statusOf(link)));
  assert.deepEqual(all.toSorted(), [...Array(7).fill('already_verified'), 'verified']);
  assert.equal((await acme.api('GET', `/log?query=type:user.email_verified user:${user.id}`)).results.length, 1);
});

test('a link to an address that the user no longer has verifies nothing', async () => {
  const user = await acme.user({ email: address() });
  await verify(acme.adminToken, user.id);
  await acme.api('POST', `/user/${user.id}`, { email: address() });
  assert.equal(await statusOf(await lastLink(acme, user.email)), 'invalid_link');
  assert.equal((await profile(user.id)).email_verified, false);
});

test('a link that was not followed stays good when another is asked for', async () => {
  const user = await acme.user({ email: address() });
  await verify(acme.adminToken, user.id);
  const first = await lastLink(acme, user.email);
  await verify(acme.adminToken, user.id);
  assert.equal(await statusOf(first), 'verified');
  assert.equal(await statusOf(await lastLink(acme, user.email)), 'already_verified');
});

test('a user without an address has nothing to verify', async () => {
  const { id } = await acme.api('POST', '/user', { name: 'Nobody' });
  assertRefused(await verify(acme.adminToken, id), 400, 'invalid_request', /email/);
});

test('who asked for the mail goes on with what there was then; what came later, and everybody else, ends', async () => {
  const ada = await acme.user({ email: address() });
  const [mine, other] = [agent(), agent()];
  const offline = { scope: 'openid offline_access' };
  const asking = (await tokensOf(acme, client, ada, offline, mine)).tokens;
  const elsewhere = (await tokensOf(acme, client, ada, offline, other)).tokens;
  await verify(asking.access_token, ada.id);
  const link = await lastLink(acme, ada.email);
  const later = await acme.api('POST', '/connection', {
    connection_name: `later${ada.id}`,
    connection_type: 'database',
  });
  await acme.api('POST', '/credentials', {
    user: ada.id,
    connection: later.id,
    username: 'mallory',
    password: ada.password,
  });
  const { page } = await openLink(link);
  assert.match(page.text, /A password was set for this account/);
  assert.equal(await statusOf(link), 'verified');
  const [kept] = (await acme.api('GET', `/credentials?query=user:${ada.id}`)).results;
  assert.equal(kept.id, ada.credential);
  assert.equal((await refresh(acme, client, asking.refresh_token!)).status, 200, 'the session that asked');
  assert.equal((await refresh(acme, client, elsewhere.refresh_token!)).status, 400, 'another one');
  const silent = { prompt: 'none' };
  assert.ok((await arrive(authorizeUrl(acme, requestOf(client, silent).parameters), mine)).code);
  assert.equal((await arrive(authorizeUrl(acme, requestOf(client, silent).parameters), other)).error, 'login_required');
  assert.ok(await tokenOf(ada), 'the password');
});

test('whoever has not made the account says so, and shuts out who did', async () => {
  const mallory = await acme.user({ email: address() });
  const tokens = (await tokensOf(acme, client, mallory, { scope: 'openid offline_access' })).tokens;
  await verify(tokens.access_token, mallory.id);
  const link = await lastLink(acme, mallory.email);
  const target = `${acme.origin}/flow/verify-email-done`;
  assert.deepEqual(await followLink(link, 'no'), { status: 'disowned', target });
  assert.equal((await profile(mallory.id)).email_verified, false);
  assert.equal((await refresh(acme, client, tokens.refresh_token!)).status, 400);
  await assert.rejects(tokenOf(mallory), 'the password is none any more');
  assert.equal(await statusOf(link), 'invalid_link');
});

test('a change of an address that nobody had proved is the first proof of the new one', async () => {
  const mallory = await acme.user({ email: address() });
  const [asking, other] = [
    await tokenOf(mallory),
    (await tokensOf(acme, client, mallory, { scope: 'openid offline_access' })).tokens,
  ];
  const fresh = address();
  await change(asking, mallory.id, { new_email: fresh });
  assert.equal(await statusOf(await lastLink(acme, fresh)), 'applied');
  assert.equal((await refresh(acme, client, other.refresh_token!)).status, 400);
  assert.equal((await verify(asking, mallory.id)).body.status, 'already_verified', 'who asked goes on');
});

/* ——— change ——— */

test('the address changes when the link at the new one is followed, and the login with it', async () => {
  const user = await acme.user({ email: address() });
  const fresh = address();
  const redirect_uri = 'https://app.example.com/settings';
  const started = agreed(
    'user/changeEmail',
    await change(acme.adminToken, user.id, { new_email: fresh.toUpperCase(), redirect_uri }),
  );
  assert.deepEqual([started.status, started.verification_mode], ['verification_sent', 'new_only']);
  assert.equal((await profile(user.id)).email, user.email, 'nothing changes before');
  assert.deepEqual(await mailbox(acme, user.email), []);
  const link = await lastLink(acme, fresh);
  assert.deepEqual(await followLink(link), { status: 'applied', target: redirect_uri });
  const after = await profile(user.id);
  assert.deepEqual([after.email, after.email_verified, after.email_verified_method], [fresh, true, 'email_change']);
  assert.ok(after.email_change_locked_at);
  const [alert] = await mailbox(acme, user.email);
  assert.deepEqual(
    [alert!.type, alert!.data],
    ['email_changed', { new_email: fresh, user: user.id }],
    'the old address is told',
  );
  assert.ok(await tokenOf({ ...user, email: fresh }));
  await assert.rejects(tokenOf(user), 'the old address is no login any more');
  const [row] = (await acme.api('GET', `/log?query=type:user.email_changed user:${user.id}`)).results;
  assert.equal(row.ticket, started.ticket_id);
});

test('both addresses are asked where the request or the account says so', async () => {
  for (const [t, wanted] of [
    [acme, 'old_and_new'],
    [strict, 'new_only'],
    [strict, undefined],
  ] as const) {
    const user = await t.user({ email: address() });
    const fresh = address();
    const body = { new_email: fresh, ...(wanted && { verification_mode: wanted }) };
    const started = agreed('user/changeEmail', await change(t.adminToken, user.id, body, t));
    assert.equal(started.verification_mode, 'old_and_new', 'a request can only raise the policy');
    const first = await lastLink(t, fresh);
    const statuses = await Promise.all(Array.from({ length: 4 }, () => statusOf(first)));
    assert.deepEqual(new Set(statuses), new Set(['pending_old']));
    assert.equal((await profile(user.id, t)).email, user.email);
    const asked = await mailbox(t, user.email);
    assert.deepEqual(
      asked.map(({ type, data }) => [type, data.step]),
      [['change_email', 'old']],
      'asked once',
    );
    const second = await lastLink(t, user.email);
    assert.equal(await statusOf(second), 'applied');
    assert.equal((await profile(user.id, t)).email, fresh);
    assert.equal(await statusOf(second), 'applied', 'and says so again');
    assert.equal(await statusOf(first), 'pending_old');
  }
});

test('of many who follow the link at once one applies the change', async () => {
  const user = await acme.user({ email: address() });
  const fresh = address();
  await change(acme.adminToken, user.id, { new_email: fresh });
  const link = await lastLink(acme, fresh);
  const all = await Promise.all(Array.from({ length: 8 }, () => statusOf(link)));
  assert.deepEqual(new Set(all), new Set(['applied']));
  assert.equal((await mailbox(acme, user.email)).length, 1, 'one alert');
  assert.equal((await acme.api('GET', `/log?query=type:user.email_changed user:${user.id}`)).results.length, 1);
});

test('a later start voids the pending change', async () => {
  const user = await acme.user({ email: address() });
  const [one, two] = [address(), address()];
  await change(acme.adminToken, user.id, { new_email: one });
  await change(acme.adminToken, user.id, { new_email: two });
  assert.equal(await statusOf(await lastLink(acme, one)), 'invalid_link');
  assert.equal((await profile(user.id)).email, user.email);
  assert.equal(await statusOf(await lastLink(acme, two)), 'applied');
});

test('a change that an administrator overtook is not applied', async () => {
  const user = await acme.user({ email: address() });
  const [fresh, set] = [address(), address()];
  await change(acme.adminToken, user.id, { new_email: fresh });
  await acme.api('POST', `/user/${user.id}`, { email: set });
  assert.equal(await statusOf(await lastLink(acme, fresh)), 'invalid_link');
  assert.equal((await profile(user.id)).email, set);
});

test('the current address and one of another user are refused, at the start and at the link', async () => {
  const [ada, bob] = [await acme.user({ email: address() }), await acme.user({ email: address() })];
  const start = (user: User, new_email: string) => change(acme.adminToken, user.id, { new_email });
  assertRefused(await start(ada, ada.email.toUpperCase()), 400, 'same_as_current_email');
  assertRefused(await start(ada, bob.email), 409, 'email_already_exists');
  const foreign = await other.user({ email: address() });
  assert.equal((await start(ada, foreign.email)).status, 200, "another tenant's users are nobody here");

  const login = address();
  await acme.api('POST', '/credentials', { user: bob.id, connection: acme.connection, email: login });
  assertRefused(await start(ada, login), 409, 'email_already_exists');

  const wanted = address();
  const redirect_uri = 'https://app.example.com/settings';
  for (const user of [ada, bob])
    assert.equal((await change(acme.adminToken, user.id, { new_email: wanted, redirect_uri })).status, 200);
  const links = (await mailbox(acme, wanted)).map(({ data }) => data.link as string);
  const all = await Promise.all(links.map((link) => followLink(link)));
  assert.deepEqual(all.map(({ status }) => status).toSorted(), ['applied', 'email_already_exists']);
  assert.deepEqual(new Set(all.map(({ target }) => target)), new Set([redirect_uri]));
  const holders = (await acme.api('GET', `/user?query=email:${wanted}`)).results;
  assert.equal(holders.length, 1);
  assert.equal((await acme.api('GET', `/credentials?query=email:${wanted}`)).results[0].user, holders[0].id);
});

test('a user is not told whether an address has an account, and no link to a taken one is sent', async () => {
  const [ada, bob] = [await acme.user({ email: address() }), await acme.user({ email: address() })];
  const token = await tokenOf(ada);
  const answers = [];
  for (const new_email of [address(), bob.email]) {
    const answer = await change(token, ada.id, { new_email });
    answers.push([answer.status, Object.keys(answer.body), answer.body.verification_mode]);
    assert.equal(
      (await mailbox(acme, new_email)).filter(({ data }) => data.link).length,
      new_email === bob.email ? 0 : 1,
    );
  }
  assert.deepEqual(answers[0], answers[1]);
  assertRefused(await change(acme.adminToken, ada.id, { new_email: bob.email }), 409, 'email_already_exists');
});

/* ——— who may ask ——— */

test('a user may ask with an own access token, for nobody else', async () => {
  const [ada, bob] = [await acme.user({ email: address() }), await acme.user({ email: address() })];
  const token = await tokenOf(ada);
  assert.equal((await change(token, ada.id, { new_email: address() })).status, 200);
  assert.equal((await verify(token, ada.id)).status, 200);
  for (const start of [change, verify]) {
    assertRefused(await start(token, bob.id, { new_email: address() }), 403, 'aud_mismatch');
    assertRefused(await start(undefined, ada.id, { new_email: address() }), 401, 'unauthorized');
  }
  assertRefused(await w.call(acme.origin, token, 'GET', `/user/${ada.id}`), 403, 'aud_mismatch');
  const types = (await acme.api('GET', `/log?query=user:${ada.id}`)).results.map(({ type }: { type: string }) => type);
  assert.ok(types.includes('user.email_change_started') && types.includes('user.email_verification_started'));
});

test("a user's management token needs no permission for that user, and one for others", async () => {
  const [ada, bob] = [await acme.user({ email: address() }), await acme.user({ email: address() })];
  const { tokens } = await tokensOf(acme, client, ada, { audience: acme.audience });
  assert.equal((await verify(tokens.access_token, ada.id)).status, 200);
  assertRefused(await verify(tokens.access_token, bob.id), 403, 'insufficient_scope', /update:users/);
});

test('a machine needs update:users', async () => {
  const user = await acme.user({ email: address() });
  const without = await acme.token('read:users');
  for (const start of [change, verify]) {
    assertRefused(await start(without, user.id, { new_email: address() }), 403, 'insufficient_scope', /update:users/);
    assert.notEqual((await start(await acme.token('update:users'), user.id, { new_email: address() })).status, 403);
    assertRefused(await start(other.adminToken, user.id, { new_email: address() }), 403, 'aud_mismatch');
  }
});

test("another tenant's user is not there", async () => {
  const { id } = await acme.user({ email: address() });
  assertRefused(await change(other.adminToken, id, { new_email: address() }, other), 404, 'not_found');
  assertRefused(await verify(other.adminToken, id, {}, other), 404, 'not_found');
});

test("neither another API's token, nor a third party's, nor a dead one will do", async () => {
  const ada = await acme.user({ email: address() });
  await acme.api('POST', '/api', { name: 'Orders', identifier: 'https://orders' });
  const orders = (await tokensOf(acme, client, ada, { audience: 'https://orders' })).tokens.access_token;
  assertRefused(await verify(orders, ada.id), 403, 'aud_mismatch');
  const third = await acme.client({ is_first_party: false });
  assertRefused(await verify(await tokenOf(ada, third), ada.id), 403, 'insufficient_scope');

  const revoked = await tokenOf(ada);
  await revoke(acme, client, revoked);
  assertRefused(await verify(revoked, ada.id), 401, 'invalid_token');
  const stale = await tokenOf(ada);
  await acme.api('POST', `/credentials/${ada.credential}/set-password`, { password: 'Another-horse-2' });
  assertRefused(await verify(stale, ada.id), 401, 'invalid_token');
  const suspended = await tokenOf({ ...ada, password: 'Another-horse-2' });
  await acme.api('POST', `/user/${ada.id}`, { suspended: true });
  assertRefused(await verify(suspended, ada.id), 403, 'user_suspended');
});

test('a user may name only addresses that the tenant vouches for, an administrator any', async () => {
  const ada = await acme.user({ email: address() });
  const web = await acme.client({ callbacks: ['http://127.0.0.1:9/callback', 'https://shop.example/cb'] });
  const token = await tokenOf(ada, web);
  const evil = 'https://evil.example/';
  assertRefused(await verify(token, ada.id, { redirect_uri: evil }), 400, 'validation', /redirect_uri/);
  assertRefused(
    await change(token, ada.id, { new_email: address(), redirect_uri: evil }),
    400,
    'validation',
    /redirect_uri/,
  );
  for (const redirect_uri of ['https://shop.example/settings', '/account', `${acme.origin}/account`])
    assert.equal((await verify(token, ada.id, { redirect_uri })).status, 200, redirect_uri);
  await acme.api('POST', `/account/${acme.id}`, { callback_hostnames: ['partner.example'] });
  assert.equal((await verify(token, ada.id, { redirect_uri: 'https://partner.example/x' })).status, 200);
  assert.equal((await verify(acme.adminToken, ada.id, { redirect_uri: evil })).status, 200);
  for (const redirect_uri of ['javascript:alert(1)', '//evil.example', 'data:text/html,x'])
    assertRefused(await verify(acme.adminToken, ada.id, { redirect_uri }), 400, 'validation', /redirect_uri/);
});

test('bodies are closed and complete', async () => {
  const ada = await acme.user({ email: address() });
  const start = (body: object) => change(acme.adminToken, ada.id, body);
  assertRefused(await start({}), 400, 'validation', /new_email/);
  assertRefused(await start({ new_email: 'nobody' }), 400, 'validation', /new_email/);
  assertRefused(
    await start({ new_email: address(), verification_mode: 'none' }),
    400,
    'validation',
    /verification_mode/,
  );
  assertRefused(await start({ new_email: address(), force: true }), 400, 'validation', /force/);
  assertRefused(await verify(acme.adminToken, ada.id, { force: true }), 400, 'validation', /force/);
});

// Last, since the clock moves.
test('links are good for a day', async () => {
  const user = await acme.user({ email: address() });
  const fresh = address();
  await verify(acme.adminToken, user.id);
  await change(acme.adminToken, user.id, { new_email: fresh });
  w.clock.advance({ seconds: 86_401 });
  assert.equal(await statusOf(await lastLink(acme, user.email)), 'expired');
  assert.equal(await statusOf(await lastLink(acme, fresh)), 'expired');
  const after = await acme.api('GET', `/user/${user.id}`);
  assert.deepEqual([after.email, after.email_verified], [user.email, false]);
});

test('a user who changes the address has logged in within ten minutes; an administrator need not', async () => {
  const user = await acme.user({ email: address() });
  const visit = agent();
  const { tokens } = await tokensOf(acme, client, user, {}, visit);
  w.clock.advance({ seconds: 601 });
  const refused = await change(tokens.access_token, user.id, { new_email: address() });
  assertRefused(refused, 401, 'insufficient_user_authentication');
  assert.match(refused.headers.get('www-authenticate')!, /error="insufficient_user_authentication", max_age="600"/);
  const silent = (await tokensOf(acme, client, user, {}, visit)).tokens.access_token;
  assertRefused(await change(silent, user.id, { new_email: address() }), 401, 'insufficient_user_authentication');
  assert.equal((await verify(silent, user.id)).status, 200, 'a verification needs none');
  const fresh = (await tokensOf(acme, client, user, { max_age: '600' }, visit)).tokens.access_token;
  assert.equal((await change(fresh, user.id, { new_email: address() })).status, 200);
  assert.equal((await acme.call('POST', `/user/${user.id}/change-email`, { new_email: address() })).status, 200);
});
