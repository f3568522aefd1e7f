/** Rich authorization requests (RFC 9396): which are taken, what the user sees, and what the tokens say. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import {
  type Agent,
  agent,
  arrive,
  authorizeUrl,
  type Client,
  clientKey,
  credentialsOf,
  discovery,
  follow,
  formOf,
  introspect,
  oauthSettings,
  ordersApi,
  post,
  push,
  REDIRECT,
  redeem,
  requestObject,
  requestOf,
  signIn,
  tokenRequest,
  type User,
  world,
} from '../../kit/index.ts';

const w = await world();

const payment = {
  type: 'payment_initiation',
  actions: ['initiate', 'status'],
  locations: ['https://bank.example.com/payments'],
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant A',
};
const account = { type: 'account_information', datatypes: ['balances'], identifier: 'DE02100100109307118603' };
const json = (...details: object[]) => JSON.stringify(details);

async function rich(client: Record<string, unknown> = {}) {
  const t = await w.tenant();
  await oauthSettings(t, {
    authorization_details_types: ['payment_initiation', 'account_information'],
    request_objects: true,
  });
  const api = await ordersApi(t);
  return { t, api: api.identifier as string, client: await t.client(client), user: await t.user() };
}
type Rich = Awaited<ReturnType<typeof rich>>;

/** Logs in as far as the consent page. */
async function toConsent(visit: Agent, url: string, user: User) {
  const login = await follow(visit, await visit(url), REDIRECT);
  const { action, csrf } = formOf(login);
  if (action.includes('/consent')) return login;
  const form = { csrf, email: user.email, password: user.password };
  return follow(visit, await visit(action, { form, headers: { origin: new URL(action).origin } }), REDIRECT);
}

const ask = ({ t, api, client }: Rich, details: string, more: Record<string, string> = {}) => {
  const { verifier, parameters } = requestOf(client, {
    scope: 'openid offline_access read:orders',
    audience: api,
    authorization_details: details,
    ...more,
  });
  return { verifier, parameters, url: authorizeUrl(t, parameters) };
};

async function granted(r: Rich, details: string, visit = agent()) {
  const { verifier, url } = ask(r, details);
  const landed = await signIn(visit, url, r.user);
  return { code: landed.searchParams.get('code')!, verifier };
}

test('what the user allowed is in the answer, in the token, in introspection and in refreshed tokens', async () => {
  const r = await rich();
  const document = await discovery(r.t);
  assert.deepEqual(document.authorization_details_types_supported, ['payment_initiation', 'account_information']);
  const { body, status, text } = await redeem(r.t, r.client, await granted(r, json(payment, account)));
  assert.equal(status, 200, text);
  const refreshed = await tokenRequest(r.t, r.client, {
    grant_type: 'refresh_token',
    refresh_token: body.refresh_token,
  });
  for (const tokens of [body, refreshed.body]) {
    assert.deepEqual(tokens.authorization_details, [payment, account]);
    assert.deepEqual(decodeJwt(tokens.access_token).authorization_details, [payment, account]);
    const state = (await introspect(r.t, r.client, tokens.access_token)).body;
    assert.deepEqual([state.active, state.authorization_details], [true, [payment, account]]);
  }
});

test('everybody is asked, each time, also for the tenant’s own apps; whoever says no grants nothing', async () => {
  const r = await rich();
  const visit = agent();
  for (const details of [json(payment), json(payment)]) {
    const page = await toConsent(visit, ask(r, details).url, r.user);
    assert.match(page.text, /payment_initiation/);
    for (const shown of ['initiate', 'status', 'https://bank.example.com/payments', 'EUR', '123.50', 'Merchant A'])
      assert.ok(page.text.includes(shown), shown);
    assert.ok(page.text.includes('Instructed amount › amount'));
    const { action, csrf } = formOf(page);
    const post = (decision: string) =>
      visit(action, { form: { csrf, decision }, headers: { origin: r.t.origin } }).then((at) =>
        follow(visit, at, REDIRECT),
      );
    if (details === json(payment)) assert.ok(new URL((await post('allow')).location!).searchParams.get('code'));
  }
  const none = await arrive(ask(r, json(payment), { prompt: 'none' }).url, visit);
  assert.equal(none.error, 'consent_required');
  const { action, csrf } = formOf(await toConsent(visit, ask(r, json(account)).url, r.user));
  const denied = await follow(
    visit,
    await visit(action, { form: { csrf, decision: 'deny' }, headers: { origin: r.t.origin } }),
    REDIRECT,
  );
  assert.equal(new URL(denied.location!).searchParams.get('error'), 'access_denied');
  // Without details nobody is asked, and what was allowed once is not in that token.
  const { verifier, parameters } = requestOf(r.client, { audience: r.api });
  const { code } = await arrive(authorizeUrl(r.t, parameters), visit);
  const { body } = await redeem(r.t, r.client, { code: code!, verifier });
  assert.equal(body.authorization_details, undefined);
  assert.equal(decodeJwt(body.access_token).authorization_details, undefined);
});

test('what somebody else wrote is shown as text', async () => {
  const r = await rich({ is_first_party: false, name: 'Shop' });
  const nasty = { ...payment, creditorName: '<script>alert(1)</script>', '<b>x</b>': ['\u202egnp.exe'] };
  const { text } = await toConsent(agent(), ask(r, json(nasty)).url, r.user);
  assert.ok(!text.includes('<script>alert') && !text.includes('<b>x</b>') && !text.includes('\u202e'));
  assert.ok(text.includes('&lt;script&gt;alert(1)'));
});

test('a token request may ask for less, never for more', async () => {
  const r = await rich();
  const visit = agent();
  const less = { ...payment, actions: ['status'] };
  const { body } = await redeem(r.t, r.client, await granted(r, json(payment, account), visit), {
    authorization_details: json(less),
    resource: r.api,
  });
  assert.deepEqual(body.authorization_details, [less]);
  const refresh = (refresh_token: string, details: string) =>
    tokenRequest(r.t, r.client, {
      grant_type: 'refresh_token',
      refresh_token,
      authorization_details: details,
      resource: r.api,
    });
  // The grant is as wide as the user made it: a narrow token does not narrow the next one.
  const second = await refresh(body.refresh_token, json(account));
  assert.deepEqual(second.body.authorization_details, [account]);
  const { refresh_token } = second.body;
  for (const [name, more] of Object.entries({
    'another action': { ...payment, actions: ['initiate', 'cancel'] },
    'another place': { ...payment, locations: ['https://evil.example.com'] },
    'no list where there was one': { ...payment, actions: undefined },
    'an empty list': { ...payment, actions: [] },
    'another amount': { ...payment, instructedAmount: { currency: 'EUR', amount: '12350' } },
    'another creditor': { ...payment, creditorName: 'Merchant B' },
    'a member more': { ...payment, recurring: true },
    'another account': { ...account, identifier: 'DE00' },
  })) {
    const refused = await refresh(refresh_token, json(more));
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_authorization_details'], name);
  }
  w.clock.advance({ seconds: 60 });
  const again = await refresh(refresh_token, json(less));
  assert.equal(again.status, 200, 'what was refused has not used the token up');
  const code = await granted(r, json(account), visit);
  const refused = await redeem(r.t, r.client, code, { authorization_details: json(payment), resource: r.api });
  assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_authorization_details']);
});

test('only known types are taken, well-formed and of a size that tokens can carry', async () => {
  const r = await rich();
  const other = await w.tenant();
  await oauthSettings(other, { authorization_details_types: ['theirs'] });
  for (const details of [
    json({ type: 'theirs' }),
    json({ type: 'toString' }),
    json(payment, { type: 'unknown' }),
    json({ actions: ['x'] }),
    json({ ...payment, actions: 'initiate' }),
    json({ ...payment, identifier: 1 }),
    json({ ...payment, creditorName: 'x'.repeat(5000) }),
    '{"type":"payment_initiation"}',
    '[1]',
    'x',
  ]) {
    const { url, parameters } = ask(r, details);
    assert.equal((await arrive(url)).error, 'invalid_authorization_details', details.slice(0, 80));
    assert.equal((await push(r.t, r.client, parameters)).body.error, 'invalid_authorization_details');
  }
  // The API that the token is for has to be named: the details are for it to read.
  const { parameters } = ask(r, json(payment));
  const { audience: _, ...without } = parameters;
  assert.equal((await arrive(authorizeUrl(r.t, without))).error, 'invalid_target');
});

test('they come pushed and signed as well', async () => {
  const key = await clientKey();
  const r = await rich({ jwks: key.jwks });
  const visit = agent();
  const { verifier, parameters } = ask(r, json(payment));
  const signed = await requestObject(r.t, r.client, key, { ...parameters, authorization_details: [payment] });
  const pushed = async (form: Record<string, string>) => ({
    client_id: r.client.client_id,
    request_uri: (await push(r.t, r.client, form)).body.request_uri as string,
  });
  for (const sent of [
    await pushed(parameters),
    await pushed({ request: signed }),
    { client_id: r.client.client_id, request: signed },
  ]) {
    const landed = await signIn(visit, authorizeUrl(r.t, sent), r.user);
    const { body } = await redeem(r.t, r.client, { code: landed.searchParams.get('code')!, verifier });
    assert.deepEqual(body.authorization_details, [payment]);
  }
});

test('nobody gets them without a user who was asked', async () => {
  const r = await rich();
  const device = 'urn:ietf:params:oauth:grant-type:device_code';
  const password = await r.t.client({ grant_types: ['password', 'client_credentials', device] });
  const form = { audience: r.api, authorization_details: json(payment) };
  for (const grant of [
    { grant_type: 'client_credentials' },
    { grant_type: 'password', username: r.user.email, password: r.user.password },
  ]) {
    const refused = await tokenRequest(r.t, password, { ...grant, ...form } as Record<string, string>);
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_authorization_details'], grant.grant_type);
  }
  const started = await post(r.t, '/oauth/device/code', { ...credentialsOf(password), ...form });
  assert.deepEqual([started.status, started.body.error], [400, 'invalid_authorization_details']);
});

test('an account without types refuses them, and drops what it granted when a type goes', async () => {
  const r = await rich();
  const code = await granted(r, json(payment, account));
  const { body } = await redeem(r.t, r.client, code);
  await oauthSettings(r.t, { authorization_details_types: ['account_information'] });
  const refresh = (refresh_token: string) =>
    tokenRequest(r.t, r.client, { grant_type: 'refresh_token', refresh_token });
  const narrowed = await refresh(body.refresh_token);
  assert.deepEqual(narrowed.body.authorization_details, [account]);
  await oauthSettings(r.t, { authorization_details_types: [] });
  const bare = await refresh(narrowed.body.refresh_token);
  assert.deepEqual([bare.status, bare.body.authorization_details], [200, undefined]);
  const document = await discovery(r.t);
  assert.equal(document.authorization_details_types_supported, undefined);
  const { url, parameters } = ask(r, json(payment));
  assert.equal((await arrive(url)).error, 'invalid_authorization_details');
  assert.equal((await push(r.t, r.client as Client, parameters)).body.error, 'invalid_authorization_details');
});
