/** Claims that a request names one by one (OIDC Core §5.5), how the user logged in, and requests for one user only. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import {
  agent,
  arrive,
  authorizeUrl,
  discovery,
  follow,
  formOf,
  push,
  REDIRECT,
  redeem,
  refresh,
  requestOf,
  signIn,
  tokensOf,
  userinfo,
  world,
} from '../../kit/index.ts';

const w = await world();
const ONE_FACTOR = 'urn:cardea:acr:1fa';
const asking = (claims: unknown) => ({ claims: JSON.stringify(claims) });

test('claims come where they were asked for, and nowhere else', async () => {
  const t = await w.tenant();
  const [client, user] = [await t.client(), await t.user({ birth_date: '1815-12-10', website: 'https://ada.example' })];
  const document = await discovery(t);
  assert.equal(document.claims_parameter_supported, true);
  const { tokens } = await tokensOf(t, client, user, {
    scope: 'openid offline_access',
    ...asking({
      id_token: { birthdate: { essential: true }, email_verified: null, phone_number: { essential: true } },
      userinfo: { email: null, website: { value: 'https://other.example' }, made_up: null, password_hash: null },
    }),
  });
  const next = (await refresh(t, client, tokens.refresh_token!)).body;
  for (const { id_token, access_token } of [tokens, next]) {
    const claims = decodeJwt(id_token!);
    assert.deepEqual([claims.birthdate, claims.email_verified], ['1815-12-10', false]);
    assert.equal(claims.email, undefined);
    assert.equal(claims.phone_number, undefined, 'essential or not: what is not there cannot be sent (§5.5.1)');
    assert.deepEqual((await userinfo(t, access_token)).body, {
      sub: user.id,
      email: user.email,
      website: 'https://ada.example',
    });
  }
  const plain = await tokensOf(t, client, user);
  assert.deepEqual((await userinfo(t, plain.tokens.access_token)).body, { sub: user.id }, 'the next login asks anew');
});

test('the page of a user is a claim of profile, and an address is whole where only its parts were given', async () => {
  const t = await w.tenant();
  const parts = { street_address: '12 St James’s Square', locality: 'London', postal_code: 'SW1Y', country: 'UK' };
  const page = 'https://people.example/ada';
  const [client, user] = [await t.client(), await t.user({ profile: page, address: { ...parts, region: null } })];
  const told = async () => {
    const { tokens } = await tokensOf(t, client, user, { scope: 'openid profile address' });
    return (await userinfo(t, tokens.access_token)).body;
  };
  const formatted = '12 St James’s Square\nLondon, SW1Y\nUK';
  const { profile, address } = await told();
  assert.deepEqual([profile, address], [page, { formatted, ...parts }]);
  await t.api('POST', `/user/${user.id}`, { profile: null, address: { formatted: 'London, as ever', country: 'UK' } });
  const then = await told();
  assert.deepEqual([then.profile, then.address], [undefined, { formatted: 'London, as ever', country: 'UK' }]);
  for (const bad of ['ada', 'javascript:alert(1)', 'ftp://people.example/ada'])
    assert.equal((await t.call('POST', `/user/${user.id}`, { profile: bad })).status, 400, bad);
  assert.ok((await discovery(t)).claims_supported.includes('profile'));
});

test('they come with a pushed request too, which keeps them from the browser', async () => {
  const t = await w.tenant();
  const [client, user] = [await t.client(), await t.user()];
  const { verifier, parameters } = requestOf(client, asking({ userinfo: { email: null } }));
  const { body } = await push(t, client, parameters);
  const url = authorizeUrl(t, { client_id: client.client_id, request_uri: body.request_uri });
  const code = (await signIn(agent(), url, user)).searchParams.get('code')!;
  const tokens = await redeem(t, client, { code, verifier });
  assert.equal((await userinfo(t, tokens.body.access_token)).body.email, user.email);
});

test('the user of a third party’s app is asked for them by name', async () => {
  const t = await w.tenant();
  const [client, user] = [await t.client({ is_first_party: false }), await t.user({ birth_date: '1815-12-10' })];
  const visit = agent();
  const { verifier, parameters } = requestOf(
    client,
    asking({ id_token: { birthdate: null }, userinfo: { email: null } }),
  );
  const login = formOf(await arrive(authorizeUrl(t, parameters), visit));
  const page = await follow(
    visit,
    await visit(login.action, {
      form: { csrf: login.csrf, email: user.email, password: user.password },
      headers: { origin: t.origin },
    }),
    REDIRECT,
  );
  for (const sentence of ['See your date of birth', 'See your email address']) assert.ok(page.text.includes(sentence));
  const { action, csrf } = formOf(page);
  const landed = await follow(
    visit,
    await visit(action, { form: { csrf, decision: 'allow' }, headers: { origin: t.origin } }),
    REDIRECT,
  );
  const code = new URL(landed.location!).searchParams.get('code')!;
  const { body } = await redeem(t, client, { code, verifier });
  assert.equal(decodeJwt(body.id_token).birthdate, '1815-12-10');
  assert.equal((await userinfo(t, body.access_token)).body.email, user.email);
});

test('a malformed claims parameter is refused', async () => {
  const t = await w.tenant();
  const client = await t.client();
  for (const claims of [
    'x',
    '[]',
    '{"id_token":[]}',
    '{"userinfo":{"email":true}}',
    '{"id_token":{"acr":{"essential":true,"values":"1"}}}',
    JSON.stringify({ userinfo: { email: { value: 'x'.repeat(5000) } } }),
  ]) {
    const { parameters } = requestOf(client, { claims });
    assert.equal((await arrive(authorizeUrl(t, parameters))).error, 'invalid_request', claims.slice(0, 60));
    assert.equal((await push(t, client, parameters)).body.error, 'invalid_request');
  }
});

test('every id token says how the user logged in; one who asks for more than there is hears so at once', async () => {
  const t = await w.tenant();
  const [client, user] = [await t.client(), await t.user()];
  const document = await discovery(t);
  assert.deepEqual(document.acr_values_supported, [ONE_FACTOR]);
  const visit = agent();
  const how = async (parameters: Record<string, string>) => {
    const { tokens } = await tokensOf(t, client, user, { scope: 'openid offline_access', ...parameters }, visit);
    const { acr, amr } = decodeJwt(tokens.id_token!);
    const again = decodeJwt((await refresh(t, client, tokens.refresh_token!)).body.id_token);
    assert.deepEqual([again.acr, again.amr], [acr, amr], 'a refresh does not change how they logged in');
    assert.equal((await userinfo(t, tokens.access_token)).body.acr, undefined);
    return [acr, amr];
  };
  const acr = (request: object) => asking({ id_token: { acr: request } });
  for (const parameters of [
    {},
    { acr_values: ONE_FACTOR },
    { acr_values: 'phr phrh' },
    acr({ values: ['phr'] }),
    acr({ essential: true }),
    acr({ essential: true, value: ONE_FACTOR }),
    acr({ essential: true, values: ['phr', ONE_FACTOR] }),
  ])
    assert.deepEqual(await how(parameters as never), [ONE_FACTOR, ['pwd']], JSON.stringify(parameters));

  for (const impossible of [acr({ essential: true, value: 'phr' }), acr({ essential: true, values: ['phr', 'phrh'] })])
    for (const more of [{}, { prompt: 'login' }, { prompt: 'none' }]) {
      const { parameters } = requestOf(client, { ...impossible, ...more } as never);
      assert.equal((await arrive(authorizeUrl(t, parameters), visit)).error, 'unmet_authentication_requirements');
    }
});

test('a request for one user is answered about no other', async () => {
  const t = await w.tenant();
  const [client, ada, eve] = [await t.client(), await t.user(), await t.user()];
  const forAda = (more: Record<string, string> = {}, request: object = { value: ada.id }) =>
    authorizeUrl(t, requestOf(client, { ...asking({ id_token: { sub: request } }), ...more }).parameters);
  const visit = agent();
  await tokensOf(t, client, eve, {}, visit);
  assert.equal((await arrive(forAda({ prompt: 'none' }), visit)).error, 'login_required');
  assert.equal((await arrive(forAda({ prompt: 'none' }, { values: [ada.id] }), visit)).error, 'login_required');
  // The form is there for Ada; Eve's password does not get Eve's tokens, nor the form forever.
  assert.equal((await signIn(visit, forAda(), eve)).searchParams.get('error'), 'login_required');
  assert.ok((await signIn(visit, forAda(), ada)).searchParams.get('code'));
  assert.ok((await arrive(forAda({ prompt: 'none' }), visit)).code);
  assert.ok((await arrive(forAda({ prompt: 'none' }, { values: [eve.id, ada.id] }), visit)).code);
});
