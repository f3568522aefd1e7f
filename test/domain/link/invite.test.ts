/** Invitations: who is added at once, who gets a link, and what the link does however often it is followed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { everyExpiring } from '../../../src/jobs/expiring.ts';
import { sweep } from '../../../src/store/sweep.ts';
import { agreed } from '../../kit/contract.ts';
import { assertRefused, fieldOf, passwordGrant, submit, world } from '../../kit/index.ts';
import { followLink, lastLink, mailbox, openLink } from '../../kit/mailbox.ts';
import { assertPermissions } from '../../kit/operations.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
let count = 0;
const address = () => `guest${++count}@example.com`;
const team = (t = acme) => t.api('POST', '/team', { name: 'Crew' }).then(({ id }) => id as string);
const invite = (team: string, body: object, t = acme) => t.call('POST', `/team/${team}/invite`, body);
const pending = async (team: string, query = '') =>
  agreed('team/listInvites', await acme.call('GET', `/team/${team}/invite${query}`)).data;
const members = async (team: string) => (await acme.api('GET', `/team/${team}/member?expand=user`)).results;
const done = (t = acme) => `${t.origin}/flow/team-invite-done`;

test('a known user is added at once, unless a link is asked for', async () => {
  const id = await team();
  const email = address();
  const user = await acme.api('POST', '/user', { email });
  const lead = await acme.api('POST', '/role', { name: 'lead' });
  const added = agreed('team/invite', await invite(id, { email: email.toUpperCase(), roles: [lead.id] }));
  assert.equal(added.status, 'added');
  assert.deepEqual([added.member.user, added.member.roles], [user.id, [lead.id]]);
  assert.deepEqual(
    (await mailbox(acme, email)).map(({ type }) => type),
    ['team_member_added'],
  );
  const invited = agreed('team/invite', await invite(id, { email, mode: 'invite' }));
  assert.equal(invited.status, 'invited');
  assert.match(invited.ticket_id, /^ticket_[0-9a-f]{24}$/);
  assert.equal((await mailbox(acme, email)).length, 2);
  // A user of another tenant is not a known one.
  assert.equal((await invite(await team(other), { email }, other)).body.status, 'invited');
});

test('accepting makes a verified user and a member, and sends the browser on', async () => {
  const id = await team();
  const email = address();
  const dev = await acme.api('POST', '/role', { name: 'dev' });
  const redirect_uri = 'https://app.example.com/welcome?from=mail';
  const { ticket_id } = (await invite(id, { email, roles: [dev.id], redirect_uri })).body;
  const [open] = await pending(id);
  assert.deepEqual(
    [open.id, open.email, open.team, open.roles, open.mode, open.redirect_uri, open.inviter],
    [ticket_id, email, id, [dev.id], 'auto', redirect_uri, undefined],
  );
  assert.equal(Math.round((Date.parse(open.expires_at) - Date.parse(open.createdAt)) / 86_400_000), 7);
  const link = await lastLink(acme, email);
  assert.ok(link.startsWith(`${acme.origin}/invite-verify?ticket=`));
  assert.ok(!JSON.stringify(open).includes(new URL(link).searchParams.get('ticket')!), 'the link is not in the list');

  const { visit, page } = await openLink(link);
  assert.deepEqual([page.status, await members(id)], [200, []], 'opening it accepts nothing');
  const landed = await submit(visit, page, { ticket: fieldOf(page, 'ticket') });
  assert.deepEqual([landed.status, landed.location], [303, `${redirect_uri}&status=accepted`]);
  const [member] = await members(id);
  assert.deepEqual(
    [member.user.email, member.user.email_verified, member.user.email_verified_method, member.roles],
    [email, true, 'team_invite', [dev.id]],
  );
  assert.deepEqual(await pending(id), []);
  const [row] = (await acme.api('GET', `/log?query=type:team.member.added team:${id}`)).results;
  assert.deepEqual([row.user, row.ticket, row.status], [member.user.id, ticket_id, 'success']);
});

test('a link is followed once however often it is opened', async () => {
  const id = await team();
  const email = address();
  await invite(id, { email });
  const link = await lastLink(acme, email);
  const all = await Promise.all(Array.from({ length: 8 }, () => followLink(link)));
  for (const each of all) assert.deepEqual(each, { status: 'accepted', target: done() });
  assert.equal((await members(id)).length, 1);
  assert.equal((await acme.api('GET', `/user?query=email:${email}`)).results.length, 1);
  assert.equal((await acme.api('GET', `/log?query=type:team.member.added team:${id}`)).results.length, 1);

  const [member] = await members(id);
  await acme.api('DELETE', `/teammember/${member.id}`);
  assert.equal((await followLink(link)).status, 'accepted');
  assert.equal((await members(id)).length, 0, 'an old link does not bring back who was taken out');
});

test('an unverified user who accepts has proven the address', async () => {
  const id = await team();
  const email = address();
  const user = await acme.user({ email });
  const door = await acme.client({ grant_types: ['password'] });
  assert.equal((await passwordGrant(acme, door, user)).status, 200);
  await invite(id, { email, mode: 'invite' });
  assert.equal((await followLink(await lastLink(acme, email))).status, 'accepted');
  const after = await acme.api('GET', `/user/${user.id}`);
  assert.deepEqual([after.email_verified, after.email_verified_method], [true, 'team_invite']);
  assert.equal((await passwordGrant(acme, door, user)).status, 400, 'what others set for the account has ended');
  assert.deepEqual(
    (await members(id)).map(({ user }: { user: { id: string } }) => user.id),
    [user.id],
  );
});

test('what opens the management API is given to who reads the mail, whatever somebody set for the address before', async () => {
  const id = await team();
  const [grant] = await acme.managementGrants(['read:logs']);
  const permissions = [{ api: grant!.api, value: 'read:logs' }];
  const admin = await acme.api('POST', '/role', { name: 'admin', permissions });
  for (const mode of ['auto', 'invite']) {
    // By somebody who may make users, and vouches for an address that is not theirs.
    const email = address();
    const user = await acme.api('POST', '/user', { email, email_verified: true });
    const password = 'Another-horse-2';
    const login = { user: user.id, connection: acme.connection, password };
    await acme.api('POST', '/credentials', { ...login, email });
    await acme.api('POST', '/credentials', { ...login, username: `u${count}` });
    const client = await acme.client({ grant_types: ['password'] });
    const logIn = (email: string) => passwordGrant(acme, client, { email, password });
    assert.equal((await logIn(email)).status, 200);
    assert.equal((await invite(id, { email, mode, roles: [admin.id] })).body.status, 'invited');
    await followLink(await lastLink(acme, email));
    const member = (await members(id)).find((one: { user: { id: string } }) => one.user.id === user.id);
    assert.deepEqual([member.roles, member.user.email_verified_method], [[admin.id], 'team_invite']);
    for (const name of [email, `u${count}`]) assert.equal((await logIn(name)).status, 400, `${mode} ${name}`);
    // From now on it is proved: they are known.
    await acme.api('POST', `/credentials/${(await loginOf(user.id)).id}/set-password`, { password });
    assert.equal((await invite(await team(), { email, roles: [admin.id] })).body.status, 'added');
    assert.equal((await logIn(email)).status, 200);
  }
});
const loginOf = async (user: string) => (await acme.api('GET', `/credentials?query=user:${user}`)).results[0];

test('inviting again voids the link before; of many at once one stays open', async () => {
  const id = await team();
  const email = address();
  await invite(id, { email });
  const first = await lastLink(acme, email);
  const second = (await invite(id, { email: ` ${email} `.trim().toUpperCase(), redirect_uri: '/hello' })).body;
  assert.deepEqual(
    (await pending(id)).map(({ id }: { id: string }) => id),
    [second.ticket_id],
  );
  assert.deepEqual(await followLink(first), { status: 'invalid_link', target: done() });
  await Promise.all(Array.from({ length: 6 }, () => invite(id, { email })));
  assert.equal((await pending(id)).length, 1);
  const elsewhere = await team();
  await invite(elsewhere, { email, redirect_uri: '/hello' });
  assert.equal((await pending(id)).length, 1, 'another team has invitations of its own');
  assert.deepEqual(await followLink(await lastLink(acme, email)), {
    status: 'accepted',
    target: `${acme.origin}/hello`,
  });
});

test('pending invitations are found by email', async () => {
  const id = await team();
  const [one, two] = [address(), address()];
  for (const email of [one, two]) await invite(id, { email });
  assert.equal((await pending(id)).length, 2);
  assert.deepEqual(
    (await pending(id, `?query=email:${one}`)).map(({ email }: { email: string }) => email),
    [one],
  );
  assert.deepEqual(
    (await pending(id, `?query=email!:${one}`)).map(({ email }: { email: string }) => email),
    [two],
  );
  assertRefused(await acme.call('GET', `/team/${id}/invite?query=user:x`), 400, 'invalid_query', /user/);
  assertRefused(await acme.call('GET', `/team/${id}/invite?cursor=x`), 400, 'validation', /cursor/);
});

test('a revoked invitation cannot be accepted, and an accepted one not revoked', async () => {
  const id = await team();
  const [one, two] = [address(), address()];
  const revoked = (await invite(id, { email: one })).body.ticket_id;
  const accepted = (await invite(id, { email: two })).body.ticket_id;
  const revoke = (ticket: string, of = id, t = acme) => t.call('DELETE', `/team/${of}/invite/${ticket}`);
  assertRefused(await revoke(revoked, await team()), 404, 'not_found');
  assertRefused(await revoke(revoked, id, other), 404, 'not_found');
  assertRefused(await revoke('ticket_000000000000000000000000'), 404, 'not_found');
  assert.deepEqual(agreed('team/revokeInvite', await revoke(revoked)), { status: 'revoked' });
  assert.equal((await followLink(await lastLink(acme, one))).status, 'invalid_link');
  assertRefused(await revoke(revoked), 400, 'invalid_request');
  await followLink(await lastLink(acme, two));
  assertRefused(await revoke(accepted), 400, 'invalid_request');
  assert.deepEqual(
    (await members(id)).map(({ user }: { user: { email: string } }) => user.email),
    [two],
  );
});

test('a ticket is worth nothing at another host, for another link, or made up', async () => {
  const id = await team();
  const email = address();
  await invite(id, { email });
  const { search } = new URL(await lastLink(acme, email));
  for (const path of ['/verify-email', '/change-email-verify'])
    assert.equal((await followLink(`${acme.origin}${path}${search}`)).status, 'invalid_link');
  assert.equal((await followLink(`${other.origin}/invite-verify${search}`)).status, 'invalid_link');
  assert.equal((await followLink(`${acme.origin}/invite-verify?ticket=nonsense`)).status, 'invalid_link');
  assertRefused(await w.send(`${acme.origin}/invite-verify`), 400, 'validation', /ticket/);
  assert.equal((await pending(id)).length, 1);
});

test('what cannot be accepted is refused at once', async () => {
  const id = await team();
  const email = address();
  const foreignRole = await other.api('POST', '/role', { name: 'theirs' });
  assertRefused(await invite(id, { email, roles: [foreignRole.id] }), 422, 'invalid_reference', /roles/);
  assertRefused(await invite(id, {}), 400, 'validation', /email/);
  assertRefused(await invite(id, { email: 'nobody' }), 400, 'validation', /email/);
  assertRefused(await invite(id, { email, mode: 'quietly' }), 400, 'validation', /mode/);
  assertRefused(await invite(id, { email, note: 'hi' }), 400, 'validation', /note/);
  for (const redirect_uri of [
    'javascript:alert(1)',
    '//evil.example/x',
    'https://u:p@evil.example/',
    'https://a b/',
    'ftp://a/',
  ])
    assertRefused(await invite(id, { email, redirect_uri }), 400, 'validation', /redirect_uri/);
  assertRefused(await invite(id, { email }, other), 404, 'not_found');
  assert.deepEqual(await pending(id), []);
  assert.deepEqual(await mailbox(acme, email), []);
});

test('a role that was deleted meanwhile does not stop the invitation, a deleted team does', async () => {
  const id = await team();
  const email = address();
  const role = await acme.api('POST', '/role', { name: 'gone' });
  await invite(id, { email, roles: [role.id] });
  await acme.api('DELETE', `/role/${role.id}`);
  assert.equal((await followLink(await lastLink(acme, email))).status, 'accepted');
  assert.deepEqual((await members(id))[0].roles, []);
  const late = address();
  await invite(id, { email: late });
  const link = await lastLink(acme, late);
  await acme.api('DELETE', `/team/${id}`);
  assert.equal((await followLink(link)).status, 'invalid_link');
  assert.deepEqual((await acme.api('GET', `/user?query=email:${late}`)).results, []);
});

test('each operation needs its permission', async () => {
  const id = await team();
  const ticket = (await invite(id, { email: address() })).body.ticket_id;
  await assertPermissions(acme, 'read:teams', [
    ['create:teammembers', 'POST', `/team/${id}/invite`, { email: address() }],
    ['read:teammembers', 'GET', `/team/${id}/invite`],
    ['delete:teammembers', 'DELETE', `/team/${id}/invite/${ticket}`],
  ]);
  const types = (await acme.api('GET', `/log?query=team:${id}`)).results.map(({ type }: { type: string }) => type);
  assert.ok(types.includes('admin.team.invited') && types.includes('admin.team.invite_revoked'), types.join());
});

test('nothing that is stored opens a link', async () => {
  const id = await team();
  const email = address();
  await invite(id, { email });
  const token = new URL(await lastLink(acme, email)).searchParams.get('ticket')!;
  const db = mongoose.connection.db!;
  for (const { name } of await db.listCollections().toArray()) {
    const rows = await db.collection(name).find().toArray();
    assert.ok(!JSON.stringify(rows).includes(token), name);
  }
});

// Last, since the clock moves.
test('a link is good for seven days, and told apart from nonsense afterwards', async () => {
  const id = await team();
  const email = address();
  await invite(id, { email, redirect_uri: 'https://app.example.com/' });
  w.clock.advance({ seconds: 7 * 86_400 + 1 });
  assert.deepEqual(await followLink(await lastLink(acme, email)), {
    status: 'expired',
    target: 'https://app.example.com/',
  });
  assert.deepEqual((await acme.api('GET', `/team/${id}/invite`)).data, []);
  assert.deepEqual((await acme.api('GET', `/team/${id}/member`)).results, []);

  // Long after, nothing of it is left.
  w.clock.advance({ seconds: 31 * 86_400 });
  await sweep(everyExpiring());
  const db = mongoose.connection.db!;
  assert.deepEqual(
    [await db.collection('tickets').countDocuments(), await db.collection('outbox').countDocuments()],
    [0, 0],
  );
});
