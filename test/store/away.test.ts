/** While the database is away: one way to say so everywhere, and what needs nothing new from it goes on. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { startEngine } from '../../src/store/embedded/engine.ts';
import {
  agent,
  authorizeUrl,
  bearer,
  credentialsOf,
  follow,
  introspect,
  ORDERS,
  ordersApi,
  passwordGrant,
  post,
  refresh,
  requestOf,
  revoke,
  submit,
  tokenRequest,
  tokensOf,
  until,
  userinfo,
  world,
} from '../kit/index.ts';
import { databaseProxy } from '../kit/proxy.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const directory = await mkdtemp(join(tmpdir(), 'away-test-'));
const engine = await startEngine(directory, { info() {}, warn() {}, error() {} });
const proxy = await databaseProxy(decodeURIComponent(/mongodb:\/\/([^/?]*)/.exec(engine.uri)![1]!));
const log: string[] = [];
const w = await world({ env: { MONGODB_URL: proxy.url }, log });
after(async () => {
  await proxy.close();
  await engine.close();
  await rm(directory, { recursive: true, force: true });
});

const t = await w.tenant();
await ordersApi(t);
const client = await t.client({
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials', 'password', DEVICE],
});
const user = await t.user();
const { tokens } = await tokensOf(t, client, user, { scope: 'openid offline_access' });
const machine = () => t.machineToken(client, ORDERS);
const machines = await machine();
const admin = await t.token();

const get = (path: string, headers: Record<string, string> = {}) => w.send(`${t.origin}${path}`, { headers });
const html = { accept: 'text/html' };

/** What cannot be answered without the database, as people and programs ask for it. */
const ASKED: Record<string, () => Promise<{ status: number; headers: Headers; text: string }>> = {
  'an authorization request': () => agent()(authorizeUrl(t, requestOf(client).parameters)),
  'a pushed one': () => post(t, '/oauth/par', { ...credentialsOf(client), ...requestOf(client).parameters }),
  'a code': () =>
    tokenRequest(t, client, {
      grant_type: 'authorization_code',
      code: 'x',
      code_verifier: 'y'.repeat(43),
      redirect_uri: 'http://127.0.0.1:9/callback',
    }),
  'a refresh': () => refresh(t, client, tokens.refresh_token!),
  'a password': () => passwordGrant(t, client, user, { scope: 'openid' }),
  'a device': () => post(t, '/oauth/device/code', { ...credentialsOf(client), scope: 'openid' }),
  userinfo: () => userinfo(t, tokens.access_token!),
  'introspection of a user’s token': () => introspect(t, client, tokens.access_token!),
  'introspection of a machine’s': () => introspect(t, client, machines),
  revocation: () => revoke(t, client, machines),
  'a management call': () => get('/user', bearer(admin)),
  'a logout': () => get('/logout', { ...html, cookie: 'cardea_sess=x' }),
  'the account pages': () => get('/flow/apps', { ...html, cookie: 'cardea_sess=x' }),
  readiness: () => get('/readyz'),
};

for (const how of ['refused', 'silent', 'cut'] as const)
  test(`${how}: 503 with Retry-After everywhere; machines, keys and discovery go on; then all is as before`, async (c) => {
    c.after(() => proxy.restore());
    const visit = agent();
    const page = await follow(visit, await visit(authorizeUrl(t, requestOf(client).parameters)));
    await machine();
    const warned = () => log.filter((line) => line.includes('the database does not answer')).length;
    const before = warned();
    await proxy.interrupt(how);

    // A login that is cut in the middle, and whoever else asks before it is known.
    const middle = await submit(visit, page, { email: user.email, password: user.password });
    assert.equal(middle.status, 503, middle.text.slice(0, 300));
    assert.match(middle.headers.get('content-type') ?? '', /text\/html/);
    await until('it is known', async () => !w.store.healthy());

    for (const [what, ask] of Object.entries(ASKED)) {
      const { status, headers, text } = await ask();
      assert.equal(status, 503, `${how}, ${what}: ${status} ${text.slice(0, 300)}`);
      assert.ok(headers.get('retry-after'), `${what} says when to come back`);
    }
    for (let minute = 0; minute < 9; minute += 3) {
      for (let n = 0; n < 10; n += 1) assert.ok(await machine());
      for (const path of [
        '/.well-known/jwks.json',
        '/.well-known/openid-configuration',
        '/.well-known/oauth-authorization-server',
      ])
        assert.equal((await get(path)).status, 200, path);
      w.clock.advance({ seconds: 180 });
    }
    w.clock.advance({ seconds: 180 });
    const late = await post(t, '/oauth/token', {
      ...credentialsOf(client),
      grant_type: 'client_credentials',
      audience: ORDERS,
    });
    assert.deepEqual([late.status, late.body.error], [503, 'temporarily_unavailable'], 'not for ever');
    assert.equal(warned(), before + 1, 'the log says it once');

    await proxy.restore();
    await until('it answers', async () => w.store.healthy() && (await get('/readyz')).status === 200);
    assert.ok(await machine());
    assert.equal((await introspect(t, client, machines)).body.active, true);
  });
