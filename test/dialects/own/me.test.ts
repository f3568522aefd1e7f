/** `GET /me`: whose session or token it answers for, and whose it does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreed } from '../../kit/contract.ts';
import { agent, type Client, ORDERS, revoke, type TenantHandle, tokensOf, type User, world } from '../../kit/index.ts';

const w = await world();

const byToken = (t: TenantHandle, token: string, headers: Record<string, string> = {}) =>
  w.send(`${t.origin}/me`, { headers: { authorization: `Bearer ${token}`, ...headers } });

async function tokenFor(t: TenantHandle, client: Client, user: User, parameters: Record<string, string> = {}) {
  const { tokens } = await tokensOf(t, client, user, parameters);
  return tokens.access_token;
}

test('the browser’s session and a token answer with the user as the contract has it', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client()];
  const { tokens, visit } = await tokensOf(t, client, user);
  const answers = [
    await byToken(t, tokens.access_token),
    await visit(`${t.origin}/me`, { headers: { accept: 'application/json' } }).then((answer) => ({
      ...answer,
      body: JSON.parse(answer.text),
    })),
    await byToken(t, await tokenFor(t, client, user, { audience: t.audience })),
  ];
  for (const answer of answers) {
    const body = agreed('session/me', answer) as Record<string, unknown>;
    assert.deepEqual([body.id, body.account, body.email], [user.id, t.id, user.email]);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
  }
});

test('nobody is a 401, whatever is sent in place of a token, and a bad token is not made up for by the session', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client()];
  const { visit } = await tokensOf(t, client, user);
  const json = { accept: 'application/json' };
  assert.equal((await w.send(`${t.origin}/me`)).status, 401);
  assert.equal((await agent()(`${t.origin}/me`, { headers: { ...json, cookie: 'cardea_sess=nobody' } })).status, 401);
  for (const authorization of ['Bearer nonsense', 'Basic abc', 'Bearer', 'Bearer a.b.c'])
    assert.equal((await visit(`${t.origin}/me`, { headers: { ...json, authorization } })).status, 401, authorization);
  assert.equal((await visit(`${t.origin}/me`, { headers: json })).status, 200);
});

test('tokens of another Api, of machines, of third parties and of other tenants open nothing', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  await t.api('POST', '/api', { name: 'Orders API', identifier: ORDERS });
  const [user, client] = [await t.user(), await t.client({ grants: await t.managementGrants() })];
  const [stranger, foreign] = [await other.user(), await other.client()];
  assert.equal((await byToken(t, await tokenFor(t, client, user, { audience: ORDERS }))).status, 401);
  assert.equal((await byToken(t, await t.machineToken(client, t.audience))).status, 401);
  assert.equal((await byToken(t, await tokenFor(other, foreign, stranger))).status, 401);
  assert.equal((await byToken(other, await tokenFor(other, foreign, stranger), { account_id: t.id })).status, 200);
  const partner = await t.client({ is_first_party: false });
  assert.equal((await byToken(t, await tokenFor(t, partner, user, { scope: 'openid profile' }))).status, 403);
});

test('a suspended user is refused by token and by session, and one whose token was revoked', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client()];
  const { tokens, visit } = await tokensOf(t, client, user);
  const revoked = await tokenFor(t, client, user);
  await revoke(t, client, revoked);
  assert.equal((await byToken(t, revoked)).status, 401);
  assert.equal((await byToken(t, tokens.access_token)).status, 200);
  await t.api('POST', `/user/${user.id}`, { suspended: true });
  assert.equal((await byToken(t, tokens.access_token)).status, 401);
  assert.equal((await visit(`${t.origin}/me`, { headers: { accept: 'application/json' } })).status, 401);
});

test('a page of another origin cannot read it with the session', async () => {
  const t = await w.tenant();
  const [user, client] = [await t.user(), await t.client({ web_origins: ['https://app.example.com'] })];
  const { visit } = await tokensOf(t, client, user);
  const headers = { accept: 'application/json', origin: 'https://app.example.com' };
  const sameSite = await visit(`${t.origin}/me`, { headers });
  assert.equal(sameSite.headers.get('access-control-allow-origin'), null);
  assert.equal(sameSite.headers.get('access-control-allow-credentials'), null);
  assert.equal(sameSite.headers.get('cross-origin-resource-policy'), 'same-origin');
  const embedded = { ...headers, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'empty' };
  assert.equal((await visit(`${t.origin}/me`, { headers: embedded })).status, 401);
});
