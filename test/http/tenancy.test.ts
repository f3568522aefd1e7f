/** Which tenant a request is for, and that nothing of one tenant is reached through another. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import mongoose from 'mongoose';
import { pino } from 'pino';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { assertRefused, type Json, type TenantHandle, userinfo, world } from '../kit/index.ts';

const w = await world();
const acme = await w.tenant();
const other = await w.tenant('Other');
const DISCOVERY = '/.well-known/openid-configuration';

/** Bytes as they are, which fetch would not send. */
function raw(request: string, port = w.port): Promise<{ status: number; head: string; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request, 'latin1'));
    let answer = '';
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', ...body] = answer.split('\r\n\r\n');
      resolve({ status: Number(head.split(' ')[1]), head, body: body.join('\r\n\r\n') });
    });
  });
}
const at = (host: string | string[], path = DISCOVERY, more: string[] = [], port = w.port) =>
  raw(
    [
      `GET ${path} HTTP/1.1`,
      ...[host].flat().map((value) => `Host: ${value}`),
      ...more,
      'Connection: close',
      '',
      '',
    ].join('\r\n'),
    port,
  );
/** Node may send the body in chunks; the document is the part in braces. */
const json = (body: string) => JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1));

/* ——— hosts ——— */

test('the host picks the tenant: by slug, and the base domain is the installation’s own', async () => {
  const served: [host: string, issuer: string][] = [
    [`acme.localhost:${w.port}`, acme.origin],
    [`other.localhost:${w.port}`, other.origin],
    [`localhost:${w.port}`, w.originOf()],
  ];
  for (const [host, issuer] of served) {
    const document = json((await at(host)).body);
    assert.equal(document.issuer, issuer);
    for (const [field, value] of Object.entries(document))
      if (field.endsWith('_endpoint') || field === 'jwks_uri')
        assert.ok(String(value).startsWith(`${issuer}/`), `${field}: ${value}`);
  }
});

test('the installation’s own account has one issuer: its name is no host of it', async () => {
  const { slug } = (await w.call<Json>(w.originOf(), await w.operatorToken(), 'GET', '/account/current')).body;
  assert.equal((await at(`${slug}.localhost:${w.port}`)).status, 404);
  assertRefused(await w.send(`${w.originOf()}/account/host/${slug}.localhost`), 404, 'not_found');
  assert.equal((await w.send(`${w.originOf()}/account/host/localhost`)).status, 200);
});

test('how a host is written changes neither issuer nor links', async () => {
  const canonical = json((await at(`acme.localhost:${w.port}`)).body);
  for (const host of [
    'acme.localhost',
    'acme.localhost:9999',
    'acme.localhost:1',
    'acme.localhost:00080',
    'ACME.LocalHost',
    `AcMe.LOCALHOST:${w.port}`,
    '\tacme.localhost  ',
  ]) {
    const answer = await at(host);
    assert.equal(answer.status, 200, host);
    assert.deepEqual(json(answer.body), canonical, host);
  }
  const redirect = await at('acme.localhost:9999', '/authorize?client_id=x&response_type=code');
  assert.ok(!redirect.head.includes('9999') && !redirect.body.includes('9999'));
});

test('a host that is none is refused, and nothing of it comes back', async () => {
  const hosts = [
    ...['', ' ', '.', ':80', '.acme.localhost', 'acme..localhost', '-acme.localhost', 'acme.localhost-'],
    ...['acme.localhost:', 'acme.localhost:x', 'acme.localhost:123456', 'acme.localhost:80:80', 'acme.localhost:-1'],
    ...[
      'evil@acme.localhost',
      'acme.localhost@evil.example',
      'evil:x@acme.localhost',
      'acme.localhost:80@evil.example',
    ],
    ...[
      'acme.localhost/..',
      'acme.localhost/x',
      '../acme.localhost',
      'acme.localhost?x',
      'acme.localhost#x',
      'acme.localhost\\@evil.example',
    ],
    ...[
      'acme.localhost,evil.example',
      'acme.localhost evil.example',
      'acme%2elocalhost',
      '%61cme.localhost',
      'acme_x.localhost',
      'http://acme.localhost',
    ],
    ...[
      'acmé.localhost',
      'acme\u00adx.localhost',
      '<script>.localhost',
      "acme'.localhost",
      '{"$gt":""}',
      `${'a'.repeat(300)}.localhost`,
    ],
    ...['[::1', '::1', '[::1]x', '[evil.example]', '[::1]@acme.localhost'],
  ];
  for (const host of hosts) {
    const answer = await at(host);
    assert.equal(answer.status, 400, JSON.stringify(host));
    assert.ok(!answer.body.includes('evil') && !answer.body.includes('<script'), host);
  }
  assert.equal((await at([])).status, 400);
  assert.equal((await raw(`GET ${DISCOVERY} HTTP/1.0\r\n\r\n`)).status, 400);
});

test('of two Host headers neither counts (RFC 9112 §3.2)', async () => {
  assert.equal((await at('acme.localhost')).status, 200);
  for (const hosts of [
    ['acme.localhost', 'other.localhost'],
    ['other.localhost', 'acme.localhost'],
    ['acme.localhost', 'acme.localhost'],
  ])
    assert.equal((await at(hosts)).status, 400, String(hosts));
});

test('a host whose name ends in a dot is the same one, and its pages are at the name without', async () => {
  for (const host of ['acme.localhost.', `ACME.localhost.:${w.port}`])
    assert.equal(json((await at(host)).body).issuer, acme.origin, host);
  const page = await at('acme.localhost.', '/docs?x=1', ['Accept: text/html']);
  assert.equal(page.status, 308);
  assert.match(page.head, new RegExp(`^location: ${acme.origin}/docs\\?x=1\\r?$`, 'im'));
  for (const host of ['acme.localhost..', '.acme.localhost', '.', 'acme..localhost.'])
    assert.equal((await at(host)).status, 400, host);
  assert.equal((await at('nobody.localhost.')).status, 404);
});

test('an absolute request target does not pick another tenant', async () => {
  const answer = await at('acme.localhost', `http://other.localhost:${w.port}${DISCOVERY}`);
  if (answer.status === 200) assert.equal(json(answer.body).issuer, acme.origin);
  else assert.ok([400, 404].includes(answer.status), String(answer.status));
});

test('a host that nobody is served at is 404, as JSON and as a page', async () => {
  for (const host of [
    'nobody.localhost',
    'a.acme.localhost',
    'acme.localhost.evil.example',
    'evil.example',
    'localhost.localhost',
    '127.0.0.1',
    '[::1]',
    '[::1]:80',
    'acme',
    'xn--acme-9za.localhost',
    'acme.localhost.localhost',
  ]) {
    const answer = await at(host, '/role');
    assert.equal(answer.status, 404, host);
    assert.deepEqual(json(answer.body), {
      statusCode: 404,
      code: 'unknown_host',
      message: `No account is served at ${host.replace(/:80$/, '')}.`,
    });
    const page = await at(host, '/role', ['Accept: text/html,application/xhtml+xml']);
    assert.equal(page.status, 404, host);
    assert.match(page.head, /content-type: text\/html/i);
    assert.match(page.head, /content-security-policy: /i);
    assert.match(page.body, /<html/);
    // OAuth endpoints keep their own format.
    assert.deepEqual(Object.keys(json((await at(host)).body)).sort(), ['error', 'error_description'], host);
  }
  const malformed = await at('evil@x', '/role', ['Accept: text/html']);
  assert.equal(malformed.status, 400);
  assert.match(malformed.head, /content-type: text\/html/i);
});

test('what answers before a tenant is known does so at any host', async () => {
  for (const path of ['/healthz', '/readyz', '/version'])
    assert.equal((await at('nobody.localhost', path)).status, 200, path);
  for (const path of ['/healthz/x', '/healthz/../role', '/assets/../role', '/versions', '//role'])
    assert.ok([400, 404].includes((await at('nobody.localhost', path)).status), path);
});

/** Another server on the same database, behind whatever the setting says. @returns its port */
async function behind(TRUST_PROXY: string): Promise<number> {
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', TRUST_PROXY });
  const app = await buildApp({ config, store: w.store, operator: w.operator, log: pino({ level: 'silent' }) });
  await app.listen({ port: 0, host: '127.0.0.1' });
  w.closers.push(() => app.close());
  return (app.server.address() as { port: number }).port;
}

/** The client's address as the audit log has it. */
async function ipSeen(origin: string, forwardedFor = '203.0.113.9'): Promise<string> {
  const name = `seen ${Math.random()}`;
  const headers = { account_id: acme.id, 'x-forwarded-for': forwardedFor };
  const made = await w.call(origin, acme.adminToken, 'POST', '/role', { name }, headers);
  assert.equal(made.status, 200, made.text);
  const { results } = await acme.api('GET', '/log?query=type:admin.role.created&pageSize=1');
  assert.equal(results[0].data.subject, made.body.id);
  return results[0].data.ip;
}

test('who is in front is believed only where the configuration says so, and never about the host', async () => {
  const forwarded = [
    'X-Forwarded-Host: other.localhost',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 443',
    'Forwarded: host=other.localhost;proto=https',
    'X-Original-Host: other.localhost',
  ];
  const canonical = json((await at('acme.localhost')).body);
  assert.deepEqual(json((await at('acme.localhost', DISCOVERY, forwarded)).body), canonical);
  assert.equal((await at('nobody.localhost', '/role', ['X-Forwarded-Host: acme.localhost'])).status, 404);

  assert.equal(await ipSeen(acme.origin), '127.0.0.1');

  const port = await behind('true');
  assert.equal(await ipSeen(`http://acme.localhost:${port}`), '203.0.113.9');
  assert.equal(
    json((await at('acme.localhost', DISCOVERY, forwarded, port)).body).issuer,
    `http://acme.localhost:${port}`,
  );
  assert.equal((await at('nobody.localhost', '/role', ['X-Forwarded-Host: acme.localhost'], port)).status, 404);
});

test('every form of the setting is believed as far as it says', async () => {
  const claimed = '198.51.100.7, 203.0.113.9, 10.1.2.3';
  const forms: [setting: string, ip: string][] = [
    ['false', '127.0.0.1'],
    ['off', '127.0.0.1'],
    ['0', '127.0.0.1'],
    ['1', '10.1.2.3'],
    ['2', '203.0.113.9'],
    ['3', '198.51.100.7'],
    ['9', '198.51.100.7'],
    ['true', '198.51.100.7'],
    ['ON', '198.51.100.7'],
    ['127.0.0.1', '10.1.2.3'],
    ['loopback', '10.1.2.3'],
    ['loopback, uniquelocal', '203.0.113.9'],
    ['127.0.0.0/8,10.0.0.0/8', '203.0.113.9'],
    ['::1, 127.0.0.1, 10.1.2.3, 203.0.113.9', '198.51.100.7'],
    ['192.0.2.0/24', '127.0.0.1'],
  ];
  for (const [setting, ip] of forms)
    assert.equal(await ipSeen(`http://acme.localhost:${await behind(setting)}`, claimed), ip, setting);
});

test('what is no form of it stops the start, by name', () => {
  for (const setting of [
    '1.5',
    '-1',
    '100',
    'loopbackk',
    '10.0.0.0/33',
    '10.0.0.0/8/8',
    '::1/129',
    '300.1.1.1',
    '10.0.0.1,',
    'proxy.example.com',
  ])
    assert.throws(() => readConfig({ TRUST_PROXY: setting }), /TRUST_PROXY has "/, setting);
});

test('behind TLS the issuer is what the configuration says, whatever port the request came to', async () => {
  const config = readConfig({ NODE_ENV: 'test', PORT: '0', PUBLIC_SCHEME: 'https', PUBLIC_PORT: '443' });
  const secure = await buildApp({ config, store: w.store, operator: w.operator, log: pino({ level: 'silent' }) });
  await secure.listen({ port: 0, host: '127.0.0.1' });
  w.closers.push(() => secure.close());
  const { port } = secure.server.address() as { port: number };
  const answer = await at(`acme.localhost:${port}`, DISCOVERY, [], port);
  assert.equal(json(answer.body).issuer, 'https://acme.localhost');
  assert.match(answer.head, /strict-transport-security: max-age=/i);
});

/* ——— custom domains ——— */

let minted = 0;
const claimDomain = (t: TenantHandle, domain: string, status: string) => {
  minted += 1;
  const _id = `customdomain_${Math.floor(Date.now() / 1000).toString(16)}${String(minted).padStart(16, '0')}`;
  const time = new Date();
  return mongoose.models.Customdomain!.create({
    _id,
    account: t.id,
    domain,
    status,
    token: 'x',
    attempts: 0,
    metadata: {},
    createdAt: time,
    updatedAt: time,
  });
};

test('a verified domain serves its tenant under its own issuer; one that is not yet does not', async () => {
  await claimDomain(acme, 'login.acme.example', 'ACTIVE');
  const document = json((await at('login.acme.example')).body);
  assert.equal(document.issuer, `http://login.acme.example:${w.port}`);
  assert.equal(document.management_audience, acme.audience);
  assert.equal(json((await at('LOGIN.acme.example:1')).body).issuer, document.issuer);
  const tag = /^etag: (.*)$/im.exec((await at('login.acme.example')).head)![1];
  const known = [`If-None-Match: ${tag}`];
  assert.equal((await at('login.acme.example', DISCOVERY, known)).status, 304);
  assert.equal(
    (await at(new URL(acme.origin).host, DISCOVERY, known)).status,
    200,
    'another issuer of the same tenant',
  );
  const { body: found } = await w.send(`${w.originOf()}/account/host/login.acme.example`);
  assert.equal(found.id, acme.id);

  for (const status of ['PENDING', 'VERIFYING', 'FAILED']) {
    const domain = `${status.toLowerCase()}.acme.example`;
    await claimDomain(acme, domain, status);
    assert.equal((await at(domain)).status, 404, status);
    assertRefused(await w.send(`${w.originOf()}/account/host/${domain}`), 404, 'not_found');
  }
});

test('a domain that two claim is served for the one who proved it', async () => {
  await claimDomain(other, 'both.example', 'PENDING');
  await claimDomain(acme, 'both.example', 'ACTIVE');
  assert.equal(json((await at('both.example')).body).management_audience, acme.audience);
  await assert.rejects(claimDomain(other, 'both.example', 'ACTIVE'), /E11000/);
});

test('a domain row cannot take over an address under the base domain', async () => {
  await claimDomain(acme, 'other.localhost', 'ACTIVE');
  await claimDomain(acme, 'localhost', 'ACTIVE');
  await claimDomain(acme, 'unclaimed.localhost', 'ACTIVE');
  assert.equal(json((await at('other.localhost')).body).management_audience, other.audience);
  assert.notEqual(json((await at('localhost')).body).management_audience, acme.audience);
  assert.equal((await at('unclaimed.localhost')).status, 404);
});

const OPEN = [
  'branding',
  'callback_hostnames',
  'createdAt',
  'domain',
  'enabled_locales',
  'icon_src',
  'id',
  'logo_src',
  'name',
  'notification_settings',
  'slug',
  'token_signature',
  'token_signing_alg',
];

test('a look-up by host shows what a login page does, and nothing that an administrator set besides', async () => {
  await acme.api('POST', `/account/${acme.id}`, {
    metadata: { secret_plan: 'x' },
    callback_hostnames: ['secret-plan.example'],
    notification_settings: { welcome_email_enabled: true },
    branding: { primary_color: '#123456' },
  });
  for (const host of ['acme.localhost', 'ACME.localhost', 'acme.localhost:4500']) {
    const { body, text, status } = await w.send(`${other.origin}/account/host/${host}`);
    assert.equal(status, 200);
    assert.deepEqual([body.id, body.domain, body.token_signature], [acme.id, 'acme.localhost', '********']);
    assert.ok(!/secret.plan/.test(text));
    assert.deepEqual(Object.keys(body).sort(), OPEN);
    assert.deepEqual([body.callback_hostnames, body.notification_settings.welcome_email_enabled], [[], false]);
    assert.equal(body.branding.primary_color, '#123456');
  }
  for (const host of [
    'nobody.localhost',
    '%00',
    'acme',
    encodeURIComponent('{"$gt":""}'),
    encodeURIComponent('acme.localhost/x'),
  ])
    assert.equal((await w.send(`${acme.origin}/account/host/${host}`)).status, 404, host);
});

/* ——— isolation ——— */

type Thing = { resource: string; id: string };

async function oneOfEach(t: TenantHandle): Promise<Record<string, Thing>> {
  const name = `isolated ${Math.random()}`;
  const user = await t.user();
  const role = await t.api('POST', '/role', { name });
  const member = await t.api('POST', '/rolemember', { role: role.id, users: [user.id] });
  const things: Record<string, string> = {
    user: user.id,
    role: role.id,
    rolemember: member.id,
    credentials: user.credential,
    client: (await t.client()).id,
    connection: (await t.api('POST', '/connection', { connection_name: name, connection_type: 'oidc' })).id,
    api: (
      await t.api('POST', '/api', {
        name: 'x',
        identifier: `https://${Math.random()}`,
        permissions: [{ value: 'x' }],
      })
    ).id,
    log: (await t.api('GET', '/log?pageSize=1')).results[0].id,
  };
  return Object.fromEntries(Object.entries(things).map(([resource, id]) => [resource, { resource, id }]));
}

test('a foreign id is answered like a missing one, by every operation of every resource', async () => {
  const theirs = await oneOfEach(other);
  const snapshot = async () => {
    const rows: Record<string, unknown> = {};
    for (const { resource, id } of Object.values(theirs)) rows[resource] = await other.api('GET', `/${resource}/${id}`);
    return rows;
  };
  const before = await snapshot();
  const patch: Record<string, object> = {
    user: { name: 'taken over', suspended: true },
    role: { name: 'taken over' },
    credentials: { email: 'taken@over.example' },
    client: { name: 'taken over' },
    connection: { connection_name: 'taken over' },
    api: { name: 'taken over' },
  };
  const calls: [method: string, path: (id: string) => string, resource: string, body?: object][] = [];
  for (const { resource } of Object.values(theirs)) {
    calls.push(['GET', (id) => `/${resource}/${id}`, resource]);
    if (patch[resource]) calls.push(['POST', (id) => `/${resource}/${id}`, resource, patch[resource]]);
    if (resource !== 'log') calls.push(['DELETE', (id) => `/${resource}/${id}`, resource]);
  }
  calls.push(
    ['POST', (id) => `/client/${id}/rotate-secret`, 'client'],
    ['POST', (id) => `/credentials/${id}/set-password`, 'credentials', { password: 'Correct-horse-2' }],
    ['GET', (id) => `/role/${id}/users`, 'role'],
    ['POST', (id) => `/role/${id}/users`, 'role', { users: [theirs.user!.id] }],
  );
  for (const [method, path, resource, body] of calls) {
    const { id } = theirs[resource]!;
    const foreign = await acme.call(method, path(id), body);
    const missing = await acme.call(method, path(`${id.slice(0, -24)}${'0'.repeat(24)}`), body);
    assertRefused(foreign, 404, 'not_found');
    assert.equal(foreign.text, missing.text, `${method} ${path(id)}`);
    assert.equal(
      (await other.call('GET', path(id).replace(/\/(rotate-secret|set-password)$/, ''))).status,
      200,
      'it is there',
    );
  }
  assert.deepEqual(await snapshot(), before);
});

test('a foreign row cannot be referred to, and is refused like a missing one', async () => {
  const theirs = await oneOfEach(other);
  const own = await oneOfEach(acme);
  const missing = (id: string) => `${id.slice(0, -24)}${'0'.repeat(24)}`;
  const cases: [path: string, field: string, of: string, body: (id: string) => object][] = [
    ['/rolemember', 'users', 'user', (id) => ({ role: own.role!.id, users: [id] })],
    ['/rolemember', 'role', 'role', (id) => ({ role: id, users: [own.user!.id] })],
    [`/role/${own.role!.id}/users`, 'users', 'user', (id) => ({ users: [own.user!.id, id] })],
    ['/credentials', 'user', 'user', (id) => ({ user: id, connection: acme.connection, username: 'foreign' })],
    ['/credentials', 'connection', 'connection', (id) => ({ user: own.user!.id, connection: id, username: 'foreign' })],
    [
      `/connection/${own.connection!.id}`,
      'enabled_clients',
      'client',
      (id) => ({ enabled_clients: [own.client!.id, id] }),
    ],
    ['/role', 'permissions', 'api', (id) => ({ name: 'foreign', permissions: [{ api: id, value: 'x' }] })],
    [`/role/${own.role!.id}`, 'permissions', 'api', (id) => ({ permissions: [{ api: id, value: 'x' }] })],
    [`/client/${own.client!.id}`, 'grants', 'api', (id) => ({ grants: [{ api: id, scope: [] }] })],
    [`/account/${acme.id}`, 'default_connection', 'connection', (id) => ({ default_connection: id })],
  ];
  for (const [path, field, of, body] of cases) {
    const foreign = await acme.call('POST', path, body(theirs[of]!.id));
    const absent = await acme.call('POST', path, body(missing(theirs[of]!.id)));
    assertRefused(foreign, 422, 'invalid_reference', new RegExp(field));
    assert.deepEqual((foreign.body as unknown as { details: unknown }).details, [
      { path: `/${field}`, message: 'does not exist' },
    ]);
    assert.equal(
      foreign.text.replaceAll(theirs[of]!.id, 'ID'),
      absent.text.replaceAll(missing(theirs[of]!.id), 'ID'),
      path,
    );
    const fine = await acme.call('POST', path, body(own[of]!.id));
    assert.ok(fine.status < 300 || field === 'connection', `${path} ${field}: ${fine.text}`);
  }
  assert.deepEqual(
    (await acme.api('GET', `/role/${own.role!.id}/users`)).results.map(({ user }: { user: string }) => user),
    [own.user!.id],
  );
});

test('a token of one tenant is no use at the userinfo or introspection of another', async () => {
  const code = await userinfo(other, acme.adminToken);
  assert.equal(code.status, 401);
  assert.equal(code.body.error, 'invalid_token');
});
