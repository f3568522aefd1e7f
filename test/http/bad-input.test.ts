/** Hostile and broken input at the management API, the login form, the OAuth endpoints: a clear 4xx in the surface's own format, and nothing changed. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import mongoose from 'mongoose';
import { pino } from 'pino';
import { logReference } from '../../src/kernel/error-reference.ts';
import {
  type Answer,
  agent,
  assertRefused,
  credentialsOf,
  follow,
  formOf,
  REDIRECT,
  signIn,
  until,
  world,
} from '../kit/index.ts';
import { cut, raw } from '../kit/raw.ts';

const log: string[] = [];
const w = await world({ log });
const t = await w.tenant();
const user = await t.user({ name: 'Victim' });
const client = await t.client({ logout_urls: ['https://app.example.com/out'] });

// biome-ignore lint/suspicious/noExplicitAny: bodies are built to be wrong
type Json = any;

/** What must not be in any log line, filled as the tests go. */
const secrets = new Set([user.password, client.client_secret, t.admin.client_secret, t.adminToken, w.operator.secret]);

after(() => {
  const lines = log.join('\n');
  assert.ok(log.length > 100, 'the log was collected');
  for (const secret of secrets) assert.ok(!lines.includes(secret), `the log holds ${secret}`);
  assert.deepEqual(
    log.filter((line) => JSON.parse(line).level >= 50),
    [],
    'nothing failed inside',
  );
});

/** Every row of the tenant, but for the trail of refusals and open flows. */
async function everything(): Promise<string> {
  const rows: unknown[] = [];
  for (const name of [
    'accounts',
    'users',
    'clients',
    'connections',
    'credentials',
    'roles',
    'rolemembers',
    'apis',
    'signing_keys',
  ])
    rows.push(await mongoose.connection.db!.collection(name).find({}).sort({ _id: 1 }).toArray());
  return JSON.stringify(rows);
}

const post = (
  path: string,
  body: string | Uint8Array,
  type: string | null = 'application/json',
  token = t.adminToken,
) =>
  w.send(`${t.origin}${path}`, {
    method: 'POST',
    body: body as never,
    headers: { authorization: `Bearer ${token}`, ...(type && { 'content-type': type }) },
  });

/* ——— the management API ——— */

type Target = { path: string; resource: string; base: Json; properties: Record<string, Json> };

/** Every create and update with a body that would be fine, and what its document says of each field. */
async function targets(): Promise<Target[]> {
  const document = (await w.send(`${t.origin}/docs/json`)).body;
  const role = await t.api('POST', '/role', { name: `target ${Math.random()}` });
  const api = await t.api('POST', '/api', { name: 'target', identifier: `https://target${Math.random()}` });
  const connection = await t.api('POST', '/connection', {
    connection_name: `target ${Math.random()}`,
    connection_type: 'oidc',
  });
  const made: [path: string, template: string, base: Json][] = [
    ['/user', '/user', {}],
    [`/user/${user.id}`, '/user/{user_id}', {}],
    ['/role', '/role', { name: 'never made' }],
    [`/role/${role.id}`, '/role/{role_id}', {}],
    [`/role/${role.id}/users`, '/role/{role_id}/users', { users: [user.id] }],
    ['/rolemember', '/rolemember', { users: [user.id], role: role.id }],
    ['/client', '/client', { name: 'never made' }],
    [`/client/${client.id}`, '/client/{client_id}', {}],
    ['/connection', '/connection', { connection_name: 'never made', connection_type: 'oidc' }],
    [`/connection/${connection.id}`, '/connection/{connection_id}', {}],
    ['/credentials', '/credentials', { user: user.id, connection: t.connection, username: 'never-made' }],
    [`/credentials/${user.credential}`, '/credentials/{credentials_id}', {}],
    [
      `/credentials/${user.credential}/set-password`,
      '/credentials/{credentials_id}/set-password',
      { password: 'Never-made-1' },
    ],
    ['/api', '/api', { name: 'never made', identifier: 'https://never' }],
    [`/api/${api.id}`, '/api/{api_id}', {}],
    [`/account/${t.id}`, '/account/{account_id}', {}],
  ];
  return made.map(([path, template, base]) => {
    const operation = document.paths[template]?.post;
    assert.ok(operation, template);
    const { schema } = operation.requestBody.content['application/json'];
    const { properties } = schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)] : schema;
    return { path, resource: path.split('/')[1]!, base, properties };
  });
}
const all = await targets();
const text = (value: Json) => typeof value?.type === 'string' && value.type === 'string';

const refuses = async (
  target: Target,
  body: string | Uint8Array,
  what: string,
  code = /^(validation|invalid_request)$/,
) => {
  const answer = await post(target.path, body);
  assert.equal(answer.status, 400, `${target.path} ${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
  assert.match(answer.body.code, code, what);
  assert.deepEqual(
    Object.keys(answer.body).filter((key) => !['statusCode', 'code', 'message', 'details'].includes(key)),
    [],
  );
  assert.match(answer.headers.get('content-type') ?? '', /application\/json/);
  const { details = [] } = answer.body as { details?: { message?: string }[] };
  const vague = Array.isArray(details)
    ? details.filter(({ message }) => /must match a schema/.test(message ?? ''))
    : [];
  assert.deepEqual(vague, [], `${target.path} ${what}: says what was wrong, and no more`);
  return answer;
};

test('operators of the database are no values, in any field of any body', async () => {
  const before = await everything();
  const operators = [{ $gt: '' }, [{ $gt: '' }], { $where: 'sleep(1)' }, { $ne: null }, { a: { $regex: '.*' } }];
  for (const target of all) {
    for (const field of Object.keys(target.properties)) {
      for (const value of operators) {
        const answer = await refuses(
          target,
          JSON.stringify({ ...target.base, [field]: value }),
          `${field}: ${JSON.stringify(value)}`,
          /^validation$/,
        );
        assert.ok(answer.text.includes(field), `${target.path} names ${field}: ${answer.text}`);
      }
    }
    await refuses(target, JSON.stringify({ ...target.base, $where: '1' }), '$where', /^validation$/);
    await refuses(target, JSON.stringify({ ...target.base, $set: { name: 'x' } }), '$set', /^validation$/);
  }
  assert.equal(await everything(), before);
});

test('text is text: no array, number, boolean or object stands in for it', async () => {
  const before = await everything();
  for (const target of all) {
    for (const [field, schema] of Object.entries(target.properties)) {
      if (!text(schema) && !schema.anyOf?.some(text)) continue;
      for (const value of [['x'], 1, true, {}, 1.5])
        await refuses(
          target,
          JSON.stringify({ ...target.base, [field]: value }),
          `${field}: ${JSON.stringify(value)}`,
          /^validation$/,
        );
    }
  }
  assert.equal(await everything(), before);
});

test('characters that are not text, and text without end, are refused wherever they stand', async () => {
  const before = await everything();
  const json = (base: Json, field: string, raw: string) =>
    JSON.stringify({ ...base, [field]: 'HERE' }).replace('"HERE"', raw);
  for (const target of all) {
    const fields = Object.entries(target.properties).filter(([, schema]) => text(schema) || schema.anyOf?.some(text));
    for (const [field] of fields) {
      for (const raw of ['"a\\u0000b"', '"\\ud800"', '"\\udc00x"', `"${'a'.repeat(20_000)}"`])
        await refuses(target, json(target.base, field, raw), `${field}: ${raw.slice(0, 20)}`, /^validation$/);
    }
    for (const key of ['"a\\u0000"', '"\\ud800"']) await refuses(target, `{${key}:1}`, key, /^validation$/);
  }
  const nested = await post(`/user/${user.id}`, '{"user_metadata":{"a":[{"b":"\\udfff"}]}}');
  assertRefused(nested, 400, 'validation', /user_metadata\/a\/0\/b/);
  assert.equal(await everything(), before);
});

test('bytes that are not UTF-8 are refused, also where lenient decoders would not notice', async () => {
  const before = await everything();
  const broken = [
    [0xff],
    [0xc3],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f, 0x98],
    [0xf5, 0x80, 0x80, 0x80],
    [0x80],
  ];
  for (const target of all) {
    for (const bytes of broken) {
      const [start, end] = JSON.stringify({ ...target.base, name: 'aHERE' }).split('HERE');
      await refuses(
        target,
        Buffer.concat([Buffer.from(start!), Buffer.from(bytes), Buffer.from(end!)]),
        String(bytes),
        /^invalid_request$/,
      );
    }
    await refuses(target, Buffer.from('\ufeff{"name":"utf-16"}', 'utf16le'), 'UTF-16', /^invalid_request$/);
  }
  assert.equal(await everything(), before);
  const bom = await post('/role', `\ufeff{"name":"with a byte order mark"}`);
  assert.deepEqual([bom.status, bom.body.name], [200, 'with a byte order mark']);
});

test('what is not a JSON object is refused', async () => {
  const before = await everything();
  const bodies = [
    '{',
    '{"name":}',
    "{'name':'x'}",
    '{"name":"x",}',
    '{"n":NaN}',
    '{"n":Infinity}',
    '{"n":01}',
    'NaN',
    'undefined',
    '<x/>',
    'name=x',
    '\0',
    '{"name":"x"}{"name":"y"}',
  ];
  for (const target of all) {
    for (const body of bodies) await refuses(target, body, body, /^invalid_request$/);
    for (const body of ['[]', '[{}]', '"x"', '1', 'true', 'null', '1e999', ''])
      await refuses(target, body, body, /^validation$/);
  }
  assert.equal(await everything(), before);
});

test('no prototype is reached through a body', async () => {
  const before = await everything();
  for (const target of all) {
    const base = JSON.stringify(target.base).slice(1, -1);
    const join = (rest: string) => `{${base}${base && ','}${rest}}`;
    for (const rest of [
      '"__proto__":{"polluted":1}',
      '"constructor":{"prototype":{"polluted":1}}',
      '"metadata":{"__proto__":{"polluted":1}}',
      '"\\u005f_proto__":{"polluted":1}',
      '"user_metadata":{"constructor":{"prototype":{"polluted":1}}}',
    ])
      await refuses(target, join(rest), rest);
    for (const rest of ['"constructor":"x"', '"toString":"x"', '"hasOwnProperty":"x"', '"__defineGetter__":"x"'])
      await refuses(target, join(rest), rest, /^validation$/);
  }
  assert.equal(({} as Json).polluted, undefined);
  assert.equal(await everything(), before);
});

test('nesting ten thousand deep is refused, not recursed into', async () => {
  const before = await everything();
  for (const target of all) {
    const field = ['user_metadata', 'metadata', 'name', 'users', 'password', 'email'].find(
      (name) => name in target.properties,
    )!;
    for (const depth of [100, 10_000, 200_000]) {
      const arrays = `{"${field}":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      const objects = `{"${field}":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;
      for (const body of [arrays, objects])
        if (body.length < 1_000_000) await refuses(target, body, `${field} ${depth} deep`);
    }
  }
  assert.equal(await everything(), before);
});

test('numbers out of range are refused', async () => {
  const [api] = (await t.api('GET', '/api?q=target')).results;
  const lifetime = (raw: string) => post(`/api/${api.id}`, `{"token_lifetime":${raw}}`);
  for (const raw of [
    '-1',
    '0',
    '59',
    '60.5',
    '1e400',
    '-1e400',
    '9007199254740993',
    '1e21',
    '"3600"',
    'null',
    'true',
    '[3600]',
  ])
    assertRefused(await lifetime(raw), 400, 'validation', /token_lifetime/);
  assert.equal((await lifetime('3.6e3')).body.token_lifetime, 3600);
  const client1 = (raw: string) =>
    post(
      `/client/${client.id}`,
      `{"refresh_token":{"expiration_mode":"expire","infinite_token_lifetime":false,"token_lifetime":${raw}}}`,
    );
  for (const raw of ['-1', '0', '1e400', '1e15', '"60"'])
    assertRefused(await client1(raw), 400, 'validation', /refresh_token/);
});

test('anything but JSON is 415, and so is a content type that is none', async () => {
  const before = await everything();
  for (const target of all) {
    const body = JSON.stringify(target.base);
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      'application/jsonp',
      'text/json',
      'x',
      'application/json/x',
      'application/octet-stream',
    ]) {
      const answer = await post(target.path, body, type);
      assertRefused(answer, 415, 'unsupported_media_type');
    }
    // A text body without a type of its own gets text/plain from fetch; bytes get none.
    assertRefused(await post(target.path, Buffer.from(body), null), 415, 'unsupported_media_type');
  }
  assert.equal(await everything(), before);
  const charset = await post('/role', '{"name":"with a charset"}', 'Application/JSON; charset=utf-8');
  assert.equal(charset.status, 200);
});

/** Links of a page lead to the page's own origin, and nothing on it is script of somebody's making. */
function assertHarmless(page: string, what: string): void {
  assert.ok(!/<script>alert|onload="x|javascript:/i.test(page.replaceAll(/="\/[^"]*"|<code>[^<]*<\/code>/g, '')), what);
  for (const [, address] of page.matchAll(/\s(?:href|action|src|content)="([^"]*:?\/\/[^"]*)"/g))
    assert.ok(/^\/(?!\/)|^data:image\//.test(address!.replaceAll('&#x2F;', '/')), `${what}: ${address}`);
}

const byHand = (head: string[], body: string, origin = t.origin) => raw(w, { head, body, host: new URL(origin).host });

test('a body over the limit is 413, whether its length is announced or not', async () => {
  const before = await everything();
  for (const { path } of all) {
    const announced = await byHand(
      [
        `POST ${path} HTTP/1.1`,
        `Authorization: Bearer ${t.adminToken}`,
        'Content-Type: application/json',
        'Content-Length: 1100000',
      ],
      '{"name":"',
    );
    assert.equal(announced.status, 413, announced.text);
    assert.match(announced.text, /"code":"payload_too_large"/);
  }
  const chunk = `${(65_536).toString(16)}\r\n${' '.repeat(65_536)}\r\n`;
  const chunked = await byHand(
    [
      'POST /role HTTP/1.1',
      `Authorization: Bearer ${t.adminToken}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ],
    chunk.repeat(17),
  );
  assert.equal(chunked.status, 413, chunked.text);
  assert.equal(await everything(), before);
});

test('whoever may not call is told so before the body is read', async () => {
  const refused = await byHand(
    ['POST /role HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 1100000'],
    '{',
  );
  assert.equal(refused.status, 401);
  for (const { path } of all) assertRefused(await post(path, '{', 'application/json', 'x.y.z'), 401, 'invalid_token');
});

test('addresses are refused as clearly as bodies', async () => {
  for (const path of ['/role/%ff', '/role/%c0%80', '/role/%', '/role/%zz', '/%ff']) {
    const answer = await byHand([`GET ${path} HTTP/1.1`, `Authorization: Bearer ${t.adminToken}`], '');
    assert.equal(answer.status, 400, path);
    assert.match(answer.text, /"code":"invalid_request"/);
    const page = await byHand([`GET ${path} HTTP/1.1`, 'Accept: text/html'], '');
    assert.equal(page.status, 400, path);
    assert.match(page.text, /<html/);
  }
  for (const query of [
    'q=%00',
    'query=%00',
    'cursor=%00',
    'expand=%00',
    '__proto__=x',
    'constructor=x',
    'q[]=x',
    'q=a&q=b',
    'pageSize=1&pageSize=2',
    '$where=1',
    'query[$gt]=',
  ]) {
    const answer = await t.call('GET', `/credentials?${query}`);
    assert.equal(answer.status, 400, `${query}: ${answer.text}`);
  }
  for (const path of ['/nothing', '/role/x/y', '/user/../role/x', '//role', '/.env', '/role%2f', '/admin']) {
    const answer = await byHand([`GET ${path} HTTP/1.1`, `Authorization: Bearer ${t.adminToken}`], '');
    assert.ok([400, 404].includes(answer.status), `${path}: ${answer.status}`);
  }
  for (const method of ['PUT', 'PATCH', 'TRACE', 'FOO'])
    assert.ok((await byHand([`${method} /role HTTP/1.1`, 'Content-Length: 0'], '')).status < 500, method);
});

/* ——— the token endpoint ——— */

function assertOAuth(answer: Answer<unknown>, status: number | number[], what: string): void {
  const body = answer.body as Record<string, unknown> | undefined;
  assert.ok([status].flat().includes(answer.status), `${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
  assert.match(String(body?.error), /^[a-z_]+$/, `${what}: ${answer.text.slice(0, 300)}`);
  assert.deepEqual(
    Object.keys(body ?? {}).filter((key) => !['error', 'error_description'].includes(key)),
    [],
    what,
  );
  // RFC 6749 §5.2: printable ASCII without quote and backslash.
  assert.match(String(body?.error_description ?? ''), /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/, what);
  assert.equal(answer.headers.get('cache-control'), 'no-store', what);
}

test('the token endpoint answers broken requests in OAuth’s format', async () => {
  const good = {
    grant_type: 'client_credentials',
    ...credentialsOf(client),
  };
  const token = (body: string | Uint8Array, type: string) =>
    w.send(`${t.origin}/oauth/token`, { method: 'POST', body: body as never, headers: { 'content-type': type } });
  const json = 'application/json';
  const form = 'application/x-www-form-urlencoded';
  assert.equal((await token(JSON.stringify(good), json)).status, 200);

  for (const body of [
    '{',
    'null',
    '[]',
    '"x"',
    '1',
    'NaN',
    '',
    '\0',
    `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
  ])
    assertOAuth(await token(body, json), 400, `JSON ${body.slice(0, 20)}`);
  for (const field of Object.keys(good)) {
    // RFC 6749 §3.1: a parameter without a value counts as left out, which an audience may be.
    const nothing = field === 'audience' ? [] : ['', null];
    for (const value of [
      { $gt: '' },
      [{ $gt: '' }],
      ['x', 'y'],
      'a\0b',
      '\ud800',
      'a'.repeat(20_000),
      1,
      true,
      '\r\nX: y',
      ...nothing,
    ])
      assertOAuth(
        await token(JSON.stringify({ ...good, [field]: value }), json),
        [400, 401],
        `${field} ${JSON.stringify(value)?.slice(0, 30)}`,
      );
    for (const value of ['a%00b', '%ff', '%c0%80', `${'a'.repeat(20_000)}`, '%0d%0aX:%20y', '%', '%zz', '%22%5c'])
      assertOAuth(
        await token(`${new URLSearchParams({ ...good, [field]: 'HERE' })}`.replace('HERE', value), form),
        [400, 401],
        `${field} ${value.slice(0, 20)}`,
      );
    assertOAuth(await token(`${new URLSearchParams(good)}&${field}=x`, form), [400, 401], `${field} twice`);
    const { [field as keyof typeof good]: _, ...rest } = good;
    if (field !== 'audience')
      assertOAuth(await token(`${new URLSearchParams(rest)}&${field}[$gt]=`, form), [400, 401], `${field}[$gt]`);
  }
  for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'x'])
    assertOAuth(await token(JSON.stringify(good), type), 415, type);
  assertOAuth(
    await token(Buffer.concat([Buffer.from('{"grant_type":"'), Buffer.from([0xff]), Buffer.from('"}')]), json),
    400,
    'bytes',
  );
  const over = await byHand(
    ['POST /oauth/token HTTP/1.1', `Content-Type: ${form}`, `Content-Length: 70000`],
    'a'.repeat(70_000),
  );
  assert.equal(over.status, 413, over.text);
  assert.match(over.text, /"error":"invalid_request"/);
  assert.equal(
    (await token('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}', json)).status,
    400,
  );
  assert.equal(({} as Json).polluted, undefined);
  for (const name of ['client_secret', 'password', 'refresh_token', 'code_verifier'])
    for (const method of ['GET', 'POST'])
      assertOAuth(
        await w.send(`${t.origin}/oauth/token?grant_type=client_credentials&${name}=in-the-open`, {
          method,
          ...(method === 'POST' && { form: good }),
        }),
        400,
        `${name} in the query`,
      );
});

/* ——— the login form ——— */

const authorize = (more: Record<string, string> = {}) =>
  `${t.origin}/authorize?${new URLSearchParams({ client_id: client.client_id, redirect_uri: REDIRECT, response_type: 'code', scope: 'openid', code_challenge: 'x'.repeat(43), code_challenge_method: 'S256', ...more })}`;

test('the login form answers broken posts with a page, and the flow goes on', async () => {
  const visit = agent();
  const page = await follow(visit, await visit(authorize()), REDIRECT);
  const { action, csrf } = formOf(page);
  const headers = { origin: t.origin };
  const form = 'application/x-www-form-urlencoded';
  const fields = (more: string) => `csrf=${encodeURIComponent(csrf)}&${more}`;
  const broken: [what: string, type: string, body: string | Uint8Array, status: number[]][] = [
    ['operators', form, fields('email[$gt]=&password[$gt]='), [400]],
    ['arrays', form, fields('email=a&email=b&password=x'), [400]],
    ['nothing', form, fields(''), [400]],
    ['NUL', form, fields('email=a%00b&password=x'), [400]],
    ['not UTF-8', form, fields('email=%ff%fe&password=%ff'), [400, 401]],
    ['raw bytes', form, Buffer.concat([Buffer.from(fields('email=')), Buffer.from([0xff, 0xfe])]), [400, 401]],
    ['a bad escape', form, fields('email=%zz&password=x'), [400, 401]],
    ['long text', form, fields(`email=${'a'.repeat(30_000)}&password=${'b'.repeat(30_000)}`), [400, 401]],
    ['too long', form, fields(`email=${'a'.repeat(70_000)}&password=x`), [400, 413]],
    ['a prototype', form, fields('__proto__[x]=1&__proto__=x&constructor=x&email=a&password=b'), [400, 401]],
    ['no token', form, 'email=a&password=b', [403]],
    ['a wrong token', form, 'csrf=x&email=a&password=b', [403]],
    ['tokens', form, fields('csrf=x&email=a&password=b'), [403]],
    [
      'operators in JSON',
      'application/json',
      JSON.stringify({ csrf, email: { $gt: '' }, password: { $gt: '' } }),
      [400, 415],
    ],
    ['no JSON', 'application/json', '{', [400, 415]],
    ['deep JSON', 'application/json', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, [400, 403, 415]],
    ['a prototype in JSON', 'application/json', '{"__proto__":{"x":1}}', [400, 415]],
    ['XML', 'text/xml', '<x/>', [400, 415]],
    ['multipart', 'multipart/form-data; boundary=x', '--x--', [400, 415]],
  ];
  for (const [what, type, body, status] of broken) {
    const answer = await visit(action, {
      method: 'POST',
      body: body as never,
      headers: { ...headers, 'content-type': type },
    });
    assert.ok(status.includes(answer.status), `${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
    assert.match(answer.headers.get('content-type') ?? '', /text\/html/, what);
    assert.equal(answer.location, null, what);
    assert.ok(answer.headers.get('content-security-policy'), what);
  }
  assert.equal(
    (
      await visit(action, {
        form: { csrf, email: user.email, password: user.password },
        headers: { origin: 'https://evil.example' },
      })
    ).status,
    403,
  );
  const done = await follow(
    visit,
    await visit(action, { form: { csrf, email: user.email, password: user.password }, headers }),
    REDIRECT,
  );
  assert.ok(done.location?.startsWith(REDIRECT), `${done.status} ${done.text.slice(0, 300)}`);
});

/* ——— where browsers are sent ——— */

test('a redirect that is not registered is a page, never a redirect', async () => {
  const visit = agent();
  const bad = [
    ...[
      '//evil.example',
      'https://evil.example',
      'javascript:alert(1)',
      'data:text/html,x',
      '/callback',
      'callback',
      '',
      ' ',
    ],
    ...[
      `${REDIRECT}/x`,
      `${REDIRECT}?x=1`,
      `${REDIRECT}#x`,
      `${REDIRECT}%0d%0aSet-Cookie:a=b`,
      `${REDIRECT}\r\nSet-Cookie: a=b`,
      `${REDIRECT}\0`,
      `${REDIRECT} `,
    ],
    ...[
      'http://127.0.0.1@evil.example/callback',
      'http://127.0.0.1:9@evil.example/callback',
      'http://127.0.0.1.evil.example:9/callback',
      'http://user@127.0.0.1:9/callback',
      'http:\\\\127.0.0.1:9\\callback',
      'HTTP://127.0.0.1:9/callback',
      'http://127.0.0.1:9/x/../callback',
      'http://127.0.0.1:9//callback',
    ],
  ];
  for (const redirect_uri of bad) {
    const answer = await visit(authorize({ redirect_uri }));
    assert.ok(
      answer.status >= 400 && answer.status < 500,
      `${JSON.stringify(redirect_uri)}: ${answer.status} ${answer.location}`,
    );
    assert.equal(answer.location, null);
    assert.match(answer.headers.get('content-type') ?? '', /text\/html/);
    assertHarmless(answer.text, redirect_uri);
    assert.ok(!answer.headers.getSetCookie().some((line) => line.startsWith('a=')), redirect_uri);
  }
  assert.match((await visit(authorize())).location ?? '', /\/flow\//);
});

test('state comes back as it was sent, and never as a header', async () => {
  const visit = agent();
  await signIn(visit, authorize(), user);
  for (const state of [
    'a\r\nSet-Cookie: a=b',
    '%0d%0aSet-Cookie:a=b',
    '"><script>alert(1)</script>',
    '&code=forged',
    '#x',
    'ñ🎉',
    '//evil.example',
    'a'.repeat(1500),
  ]) {
    const answer = await visit(authorize({ prompt: 'none', state }));
    assert.ok(answer.location?.startsWith(`${REDIRECT}?`), `${state}: ${answer.status}`);
    const landed = new URL(answer.location!);
    assert.equal(landed.searchParams.get('state'), state);
    assert.equal(landed.searchParams.getAll('code').length, 1);
    assert.ok(!answer.headers.getSetCookie().some((line) => line.startsWith('a=')), state);
    secrets.add(landed.searchParams.get('code')!);
  }
  for (const more of [{ state: 'a\0b' }, { nonce: '\0' }, { login_hint: '\0' }, { scope: 'openid \0' }] as Record<
    string,
    string
  >[]) {
    const answer = await visit(authorize({ prompt: 'none', ...more }));
    assert.ok(answer.status < 500, `${JSON.stringify(more)}: ${answer.status}`);
  }
  const hinted = await follow(
    visit,
    await visit(authorize({ prompt: 'login', login_hint: '"><script>alert(1)</script>', ui_locales: '"><script>' })),
    REDIRECT,
  );
  assertHarmless(hinted.text, 'the hint');
});

test('logging out leads only to a registered address', async () => {
  for (const name of ['post_logout_redirect_uri', 'returnTo']) {
    for (const target of [
      '//evil.example',
      'https://evil.example',
      'javascript:alert(1)',
      '/role',
      'https://app.example.com/out/x',
      'https://app.example.com/out?x',
      'https://app.example.com@evil.example/out',
      'https://app.example.com/out%0d%0aX:y',
      'https://app.example.com/out\r\nX: y',
      '',
      '\0',
    ]) {
      for (const whose of [{}, { client_id: client.client_id }] as Record<string, string>[]) {
        const answer = await agent()(`${t.origin}/logout?${new URLSearchParams({ ...whose, [name]: target })}`);
        assert.ok(answer.status < 500, `${target}: ${answer.status}`);
        assert.ok(answer.location === null, `${name}=${target} went to ${answer.location}`);
        assertHarmless(answer.text, target);
      }
    }
    const fine = await agent()(
      `${t.origin}/logout?${new URLSearchParams({ client_id: client.client_id, [name]: 'https://app.example.com/out', state: 'a\r\nX: y' })}`,
    );
    assert.ok(fine.location?.startsWith('https://app.example.com/out?state='), `${fine.status} ${fine.location}`);
    assert.equal(fine.headers.get('x'), null);
  }
});

test('?lang= chooses words, and nothing else', async () => {
  const visit = agent();
  const start = await follow(visit, await visit(authorize({ prompt: 'login' })), REDIRECT);
  const address = new URL(start.url);
  for (const lang of [
    '//evil.example',
    'javascript:alert(1)',
    '"><script>alert(1)</script>',
    'es"onload="x',
    '../../etc/passwd',
    '__proto__',
    'constructor',
    'es\r\nX: y',
    'a'.repeat(5000),
    '%',
    'ñ',
  ]) {
    const answer = await visit(`${address.origin}${address.pathname}?${new URLSearchParams({ lang })}`);
    assert.equal(answer.status, 200, `${lang.slice(0, 30)}: ${answer.status}`);
    assert.equal(answer.location, null);
    assertHarmless(answer.text, lang);
  }
  assert.match((await visit(`${address.origin}${address.pathname}?lang=es`)).text, /<html lang="es"/);
  assert.ok((await visit(`${address.origin}${address.pathname}?lang=%00`)).status < 500);
});

test('the reference on an error page leads to a line of the log, whoever answered, at every level', async () => {
  for (const path of [
    `/authorize?client_id=${client.client_id}&redirect_uri=https://evil.example&response_type=code`,
    '/flow/nothing',
    '/passwordless/verify_redirect?token=made-up',
    '/nowhere',
  ]) {
    const page = await agent()(`${t.origin}${path}`);
    assert.ok(page.status >= 400, path);
    const [, reference] = /<code>([^<]+)<\/code>/.exec(page.text) ?? [];
    assert.equal(reference, page.headers.get('x-request-id'), path);
    const line = log.find((one) => one.includes(reference!) && one.includes('an error page was shown'));
    assert.ok(line, path);
  }
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) {
    const lines: string[] = [];
    const logger = pino({ level }, { write: (line: string) => void lines.push(line) });
    logReference({ log: logger, method: 'GET', routeOptions: {} } as never, 'broken_link');
    assert.equal(lines.length, 1, level);
  }
});

test('who hangs up in the middle of a body is nobody’s failure', async () => {
  const open = promisify<number>((done) => w.app.server.getConnections(done));
  const before = await open();
  const kinds = ['application/x-www-form-urlencoded', 'application/json', 'application/x-ndjson'];
  const doors = [
    '/oauth/token',
    '/oauth/par',
    '/userinfo',
    '/authorize',
    '/logout',
    '/passwordless/start',
    '/oidc/register',
    '/role',
    '/user/import',
  ];
  for (const path of doors)
    for (const kind of kinds) {
      const head = [
        `POST ${path} HTTP/1.1`,
        `Content-Type: ${kind}`,
        'Content-Length: 50',
        `Authorization: Bearer ${t.adminToken}`,
      ];
      await cut(w, { head, host: new URL(t.origin).host, body: '{"name":' });
    }
  await until('they are gone', async () => (await open()) <= before);
  // What failed inside is told in the end, see above.
});
