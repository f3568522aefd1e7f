/** Tokens and sessions that no request of the engine asked for, used where those of the engine's are used. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { accountById } from '../../src/domain/account/account.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { Fault, type FaultCode } from '../../src/kernel/fault.ts';
import { providers } from '../../src/oidc/engine/providers.ts';
import { minter } from '../../src/oidc/mint.ts';
import { authorizeUrl, type Client, REDIRECT, requestOf, type TenantHandle, world } from '../kit/index.ts';

const w = await world();
const ORDERS = 'https://orders.example.com';

const never = (): never => {
  throw new Error('no request of the engine takes part');
};
const mint = minter(
  providers(
    {
      playground: false,
      production: false,
      operatorClientId: w.operator.id,
      operatorClientSecret: w.operator.secret,
      fetch: never,
      factorDue: never,
      onMachineLogin: never,
      renderError: never,
      renderResponse: never,
    },
    never,
  ),
);

const tenantOf = async (t: TenantHandle) => asTenant((await accountById(t.id))!, t.origin);
const HOUR_AGO = Math.floor(Date.now() / 1000) - 3600;

async function ready(fields: Record<string, unknown> = {}) {
  const t = await w.tenant();
  const client = await t.client(fields);
  const user = await t.user();
  const tokens = async (asked: Partial<Parameters<typeof mint.tokens>[1]> = {}) =>
    mint.tokens(await tenantOf(t), {
      client: client.client_id,
      user: user.id,
      amr: ['pwd'],
      authTime: HOUR_AGO,
      scopes: ['openid', 'profile', 'offline_access'],
      gty: 'elsewhere',
      ...asked,
    });
  return { t, client, user, tokens };
}

const post = (t: TenantHandle, client: Client, path: string, form: Record<string, string>) =>
  w.send(`${t.origin}${path}`, {
    method: 'POST',
    form: { client_id: client.client_id, client_secret: client.client_secret, ...form },
  });
const userinfo = (t: TenantHandle, token: string) =>
  w.send(`${t.origin}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
const introspect = async (t: TenantHandle, client: Client, token: string) =>
  (await post(t, client, '/oauth/introspect', { token })).body;
const refresh = (t: TenantHandle, client: Client, refresh_token: string) =>
  post(t, client, '/oauth/token', { grant_type: 'refresh_token', refresh_token });

const refused = (code: FaultCode) => (error: unknown) => {
  assert.ok(error instanceof Fault, String(error));
  assert.equal(error.code, code);
  return true;
};

test('what is minted is what a login gets: userinfo, introspection, refresh and revocation take it', async () => {
  const { t, client, user, tokens } = await ready();
  const minted = await tokens();
  assert.deepEqual(
    [minted.tokenType, minted.expiresIn, minted.scope],
    ['Bearer', 86_400, 'openid profile offline_access'],
  );

  const { sub, aud, iss, acr, amr, name } = decodeJwt(minted.idToken!);
  assert.deepEqual(
    [sub, aud, iss, acr, amr, name],
    [user.id, client.client_id, t.origin, 'urn:cardea:acr:1fa', ['pwd'], 'Ada Lovelace'],
  );
  const claims = await userinfo(t, minted.accessToken);
  assert.deepEqual([claims.status, claims.body.sub, claims.body.name], [200, user.id, 'Ada Lovelace'], claims.text);
  const state = await introspect(t, client, minted.accessToken);
  assert.deepEqual([state.active, state.sub, state.client_id], [true, user.id, client.client_id]);

  const renewed = await refresh(t, client, minted.refreshToken!);
  assert.equal(renewed.status, 200, renewed.text);
  const login = decodeJwt(renewed.body.access_token);
  assert.deepEqual([login.sub, login.auth_time, login.amr], [user.id, HOUR_AGO, ['pwd']]);
  assert.equal(decodeJwt(renewed.body.id_token).sub, user.id);

  await post(t, client, '/oauth/revoke', { token: renewed.body.refresh_token });
  assert.equal((await refresh(t, client, renewed.body.refresh_token)).body.error, 'invalid_grant');
  assert.equal((await userinfo(t, minted.accessToken)).status, 401, 'they share a grant');
});

test('for an Api there are its scopes, its lifetime at most, and claims that say nothing of ours', async () => {
  const { t, client, user, tokens } = await ready();
  await t.api('POST', '/api', { name: 'Orders', identifier: ORDERS, permissions: [{ value: 'read:orders' }] });
  const { accessToken, expiresIn, scope } = await tokens({
    audience: ORDERS,
    scopes: ['openid', 'read:orders', 'drop:tables'],
    claims: { plan: 'gold', sub: 'somebody else', exp: 1, act: { sub: 'me' }, cnf: { jkt: 'mine' } },
    lifetimeSeconds: 600,
  });
  assert.deepEqual([expiresIn, scope], [600, 'openid read:orders']);
  const claims = decodeJwt(accessToken);
  assert.deepEqual(
    [claims.aud, claims.sub, claims.scope, claims.plan, claims.exp! - claims.iat!],
    [ORDERS, user.id, 'openid read:orders', 'gold', 600],
  );
  assert.deepEqual([claims.act, claims.cnf], [undefined, undefined]);
  assert.equal((await introspect(t, client, accessToken)).active, true);
  const long = await tokens({ audience: ORDERS, lifetimeSeconds: 10_000_000 });
  assert.equal(long.expiresIn, 86_400, 'never longer than the Api says');
  assert.ok(long.refreshToken);
  await assert.rejects(tokens({ audience: 'https://nowhere.example.com' }), refused('invalid_target'));
});

test('without a client the tokens are our own, and nobody can renew them', async () => {
  const { t, user, tokens } = await ready();
  const { accessToken, refreshToken, scope } = await tokens({ client: undefined });
  assert.deepEqual([refreshToken, scope], [undefined, 'openid profile']);
  assert.equal((await userinfo(t, accessToken)).body.sub, user.id);
});

test('a user who is suspended or gone gets nothing, and what there was dies', async () => {
  const { t, client, user, tokens } = await ready();
  const minted = await tokens();
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  await assert.rejects(tokens(), refused('user_suspended'));
  await assert.rejects(
    mint.session(await tenantOf(t), { user: user.id, amr: ['pwd'], authTime: HOUR_AGO }),
    refused('user_suspended'),
  );
  assert.equal((await userinfo(t, minted.accessToken)).status, 401);
  assert.equal((await introspect(t, client, minted.accessToken)).active, false);
  assert.equal((await refresh(t, client, minted.refreshToken!)).body.error, 'invalid_grant');
  await assert.rejects(tokens({ user: 'user_000000000000000000000000' }), refused('login_over'));
});

test("another tenant's client, user and Api are as good as none", async () => {
  const { tokens, t } = await ready();
  const other = await ready();
  await other.t.api('POST', '/api', { name: 'Orders', identifier: ORDERS });
  await assert.rejects(tokens({ client: other.client.client_id }), refused('invalid_request'));
  await assert.rejects(tokens({ user: other.user.id }), refused('login_over'));
  await assert.rejects(tokens({ audience: ORDERS }), refused('invalid_target'));
  const { accessToken } = await other.tokens();
  assert.equal((await userinfo(t, accessToken)).status, 401);
});

test('a third party gets nothing that the user was not asked for', async () => {
  const { t, client, tokens } = await ready({ is_first_party: false });
  await assert.rejects(tokens(), refused('consent_required'));
  await t.api('POST', `/client/${client.client_id}`, { is_first_party: true });
  assert.ok((await tokens()).accessToken);
});

test('a client that may not refresh gets no refresh token', async () => {
  const { tokens } = await ready({ grant_types: ['authorization_code'] });
  const { refreshToken, scope } = await tokens();
  assert.deepEqual([refreshToken, scope], [undefined, 'openid profile']);
});

test('a session is the browser’s, and what was given within it ends with it', async () => {
  const { t, client, user, tokens } = await ready();
  const session = await mint.session(await tenantOf(t), { user: user.id, amr: ['otp'], authTime: HOUR_AGO });
  const bound = await tokens({ session: session.uid, scopes: ['openid'] });
  const headers = { cookie: `cardea_sess=${session.id}`, accept: 'text/html' };
  const { parameters } = requestOf(client, { prompt: 'none' });
  const silent = await w.send(authorizeUrl(t, parameters), { headers });
  assert.match(silent.headers.get('location') ?? '', new RegExp(`^${REDIRECT}\\?.*code=`), silent.text);
  assert.equal((await userinfo(t, bound.accessToken)).status, 200);

  const hint = new URLSearchParams({ id_token_hint: bound.idToken! });
  await w.send(`${t.origin}/logout?${hint}`, { headers });
  assert.equal((await userinfo(t, bound.accessToken)).status, 401);
  await assert.rejects(tokens({ session: session.uid, scopes: ['openid'] }), refused('login_over'));
});
