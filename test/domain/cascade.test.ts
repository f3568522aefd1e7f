/** What goes along when a row is deleted, seen through the API, and what is kept from being deleted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { addConsent } from '../../src/domain/access/consent.ts';
import { asTenant } from '../../src/kernel/context.ts';
import { assertRefused, credentialsOf, post, type TenantHandle, world } from '../kit/index.ts';
import { lastLink } from '../kit/mailbox.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
let count = 0;
const unique = (word: string) => `${word}${++count}`;
const connection = (fields: object = {}, t = acme) =>
  t.api('POST', '/connection', { connection_name: unique('c'), connection_type: 'github', ...fields });

/** Two people with a bit of everything; the second is to survive. */
async function everything(t: TenantHandle = acme) {
  const role = await t.api('POST', '/role', { name: unique('role') });
  const team = await t.api('POST', '/team', { name: unique('team') });
  const github = await connection({}, t);
  const partner = await t.client({ is_first_party: false });
  const people = [];
  for (const name of ['gone', 'stays']) {
    const user = await t.user({ email: `${unique(name)}@example.com` });
    await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
    await t.api('POST', `/team/${team.id}/member`, { users: [user.id], roles: [role.id] });
    await t.api('POST', '/identity', {
      account: t.id,
      user: user.id,
      connection: github.id,
      identity_id: unique('gh'),
      profile_data: {},
    });
    await t.api('POST', `/user/${user.id}/verify-email/start`, {});
    const app = { user: user.id, client: partner.client_id };
    await addConsent(asTenant({ id: t.id } as never, ''), app, { scopes: ['openid'], claims: [], resources: {} });
    people.push(user);
  }
  await t.api('POST', `/team/${team.id}/invite`, { email: `${unique('guest')}@example.com` });
  return { role, team, github, partner, gone: people[0]!, stays: people[1]! };
}

/** Where an id still stands in the tenant's rows; the log keeps what happened. */
async function traces(id: string): Promise<string[]> {
  const db = mongoose.connection.db!;
  const found: string[] = [];
  for (const { name } of await db.listCollections().toArray()) {
    if (name === 'logs') continue;
    for (const row of await db.collection(name).find().toArray())
      if (JSON.stringify(row).includes(id)) found.push(name);
  }
  return found;
}

test('a deleted user leaves nothing behind, and takes nobody along', async () => {
  const { gone, stays, team } = await everything();
  const link = await lastLink(acme, gone.email);
  assert.ok((await traces(gone.id)).length >= 6);
  const before = await traces(stays.id);
  await acme.api('DELETE', `/user/${gone.id}`);
  assert.deepEqual(await traces(gone.id), []);
  assert.deepEqual(await traces(stays.id), before);
  assert.equal((await acme.api('GET', `/team/${team.id}/member`)).results.length, 1);
  const landed = await w.send(link);
  assert.match(landed.headers.get('location')!, /status=invalid_link$/);
});

test('a deleted role is taken from users, from members and from nothing else', async () => {
  const { role, team, stays } = await everything();
  const kept = await acme.api('POST', '/role', { name: unique('role') });
  const both = await acme.api('POST', '/teammember', {
    team: team.id,
    users: [(await acme.user()).id],
    roles: [role.id, kept.id],
  });
  await acme.api('DELETE', `/role/${role.id}`);
  assert.deepEqual(await traces(role.id), []);
  assert.deepEqual((await acme.api('GET', `/teammember/${both.id}`)).roles, [kept.id]);
  const [member] = (await acme.api('GET', `/teammember?query=user:${stays.id}`)).results;
  assert.deepEqual([member.team, member.roles], [team.id, []]);
});

test('a deleted team takes its members and invitations along', async () => {
  const { team, stays } = await everything();
  await acme.api('DELETE', `/team/${team.id}`);
  // What was going to be mailed names the team, and is dropped because its ticket is gone.
  assert.deepEqual(await traces(team.id), []);
  assert.equal((await acme.api('GET', `/user/${stays.id}`)).id, stays.id);
});

test('a deleted connection takes credentials and identities along', async () => {
  const { github, gone } = await everything();
  const staff = await connection({ connection_type: 'database' });
  await acme.api('POST', '/credentials', { user: gone.id, connection: staff.id, email: gone.email });
  for (const { id } of [github, staff]) {
    const removed = await acme.api('DELETE', `/connection/${id}`);
    assert.equal(removed.enabled, true, 'the answer is the row as it was');
    assert.deepEqual(await traces(id), []);
  }
  assert.equal((await acme.api('GET', `/credentials?query=user:${gone.id}`)).results.length, 1);
});

test('a deleted client leaves the connections it was allowed at, which are not opened to everybody by that', async () => {
  const [gone, stays] = [await acme.client(), await acme.client()];
  const only = await connection({ enabled_clients: [gone.client_id] });
  const shared = await connection({ enabled_clients: [gone.client_id, stays.client_id] });
  const open = await connection();
  await acme.api('DELETE', `/client/${gone.client_id}`);
  assert.deepEqual(await traces(gone.client_id), []);
  const enabled = async (id: string) => (await acme.api('GET', `/connection/${id}`)).enabled_clients;
  assert.deepEqual(
    [await enabled(only.id), await enabled(shared.id), await enabled(open.id)],
    [[], [stays.client_id], null],
  );
});

test('a deleted client takes along what users allowed it', async () => {
  const { partner, stays } = await everything();
  const kept = await everything();
  await acme.api('DELETE', `/client/${partner.client_id}`);
  assert.deepEqual(await traces(partner.client_id), []);
  assert.deepEqual((await acme.api('GET', `/grant?query=user:${stays.id}`)).results, []);
  assert.equal((await acme.api('GET', `/grant?query=client:${kept.partner.client_id}`)).results.length, 2);
});

test('a deleted API leaves roles and grants, which do not grow by that', async () => {
  const api = async () =>
    acme.api('POST', '/api', { name: 'A', identifier: unique('https://a'), permissions: [{ value: 'x' }] });
  const [gone, stays] = [await api(), await api()];
  const permission = (of: { id: string }) => ({ api: of.id, value: 'x' });
  const role = await acme.api('POST', '/role', {
    name: unique('role'),
    permissions: [permission(gone), permission(stays)],
  });
  const grant = (of: { id: string }) => ({ api: of.id, scope: ['x'] });
  const client = await acme.client({ grants: [grant(gone)] });
  const wide = await acme.client({ grants: [grant(gone), grant(stays)] });
  await acme.machineToken(client as never, gone.identifier);
  await acme.api('DELETE', `/api/${gone.id}`);
  assert.deepEqual(await traces(gone.id), []);
  assert.deepEqual((await acme.api('GET', `/role/${role.id}`)).permissions, [permission(stays)]);
  assert.deepEqual((await acme.api('GET', `/client/${client.client_id}`)).grants, []);
  assert.deepEqual((await acme.api('GET', `/client/${wide.client_id}`)).grants, [grant(stays)]);
  const form = { grant_type: 'client_credentials', ...credentialsOf(client) };
  for (const audience of [gone.identifier, stays.identifier]) {
    const refused = await post(acme, '/oauth/token', { ...form, audience });
    assert.equal(refused.body.error, 'invalid_target', audience);
  }
});

test('a deleted account takes everything along, and nothing of another', async () => {
  const doomed = await w.tenant('Doomed');
  await everything(doomed);
  const { gone } = await everything(other);
  const before = await traces(other.id);
  const deleted = await w.call(w.originOf(), await w.operatorToken(), 'DELETE', `/account/${doomed.id}`);
  assert.equal(deleted.status, 200, deleted.text);
  // The mark by which other instances hear of it; it goes within a day.
  assert.deepEqual(await traces(doomed.id), ['changes']);
  assert.deepEqual(await traces(other.id), before);
  assert.equal((await other.api('GET', `/user/${gone.id}`)).id, gone.id);
});

/* ——— what may not go ——— */

test('the default connection and the last enabled one stay, with the reason', async () => {
  const t = await w.tenant('Single');
  assertRefused(await t.call('DELETE', `/connection/${t.connection}`), 409, 'protected', /default/);
  const [one, two] = [await connection({}, t), await connection({}, t)];
  await t.api('POST', `/connection/${t.connection}`, { enabled: false });
  // Both at once: each may go while the other is there.
  const answers = await Promise.all([one, two].map(({ id }) => t.call('DELETE', `/connection/${id}`)));
  const left = (await t.api('GET', '/connection?query=enabled:true')).results;
  assert.ok(left.length >= 1, 'one way to log in is left');
  assert.equal(answers.filter(({ status }) => status === 200).length, 2 - left.length);
  for (const { id } of left.slice(1)) await t.api('DELETE', `/connection/${id}`);
  const last = left[0].id;
  assertRefused(await t.call('DELETE', `/connection/${last}`), 409, 'protected', /last enabled/);
  assert.equal((await t.api('GET', `/connection/${last}`)).enabled, true, 'and it is as enabled as before');
  const disabled = await connection({ enabled: false }, t);
  await t.api('DELETE', `/connection/${disabled.id}`);
  await t.api('POST', `/connection/${t.connection}`, { enabled: true });
  await t.api('DELETE', `/connection/${last}`);
});

test('the management API stays', async () => {
  const [api] = (await acme.api('GET', '/api?query=slug:management-api')).results;
  assertRefused(await acme.call('DELETE', `/api/${api.id}`), 409, 'protected', /management/i);
});
