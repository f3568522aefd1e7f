/** Users in and out in bulk, with the password hashes of other systems. */
import assert from 'node:assert/strict';
import { createHash, createHmac, pbkdf2Sync, scryptSync } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { hash as argon2 } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import fc from 'fast-check';
import { credentials } from '../../../src/domain/user/credential.ts';
import { agent, assertRefused, REDIRECT, signIn, type TenantHandle, world } from '../../kit/index.ts';

const IMPORT_MAX_BYTES = 1_000_000;
const w = await world({ env: { IMPORT_MAX_BYTES: String(IMPORT_MAX_BYTES) } });
const PASSWORD = 'Correct-horse-1';

type Line = Record<string, unknown>;

async function send(t: TenantHandle, lines: (Line | string)[], path = '/user/import', bearer = t.adminToken) {
  const body = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const answer = await w.send(`${t.origin}${path}`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/x-ndjson' },
  });
  const reports =
    answer.status === 200
      ? answer.text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : [];
  return { ...answer, reports: reports.slice(0, -1), summary: reports.at(-1)?.summary };
}

const logIn = async (t: TenantHandle, email: string, password = PASSWORD) => {
  const client = await t.client();
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT,
    scope: 'openid',
  });
  return signIn(agent(), `${t.origin}/authorize?${query}`, { email, password }).then(
    (landed) => landed.searchParams.has('code'),
    () => false,
  );
};

const b64 = (data: Buffer) => data.toString('base64').replace(/=+$/, '');
const salt = Buffer.from('a salt of sixteen');

test('hashes of other systems verify at the first login and are replaced by ours', async () => {
  const t = await w.tenant();
  const scrypted = scryptSync(PASSWORD, salt, 32, { N: 1024, r: 8, p: 1 });
  const derived = pbkdf2Sync(PASSWORD, salt, 1000, 32, 'sha256');
  const forms: Record<string, Line> = {
    bcrypt: { password_hash: bcrypt.hashSync(PASSWORD, 4) },
    'bcrypt 2y': { password_hash: bcrypt.hashSync(PASSWORD, 4).replace('$2b$', '$2y$') },
    auth0: { passwordHash: bcrypt.hashSync(PASSWORD, 4), _id: { $oid: '000000000000000000000000' } },
    argon2id: { password_hash: await argon2(PASSWORD, { memoryCost: 1024, timeCost: 2 }) },
    pbkdf2: { password_hash: `$pbkdf2-sha256$i=1000,l=32$${b64(salt)}$${b64(derived)}` },
    'auth0 scrypt': {
      custom_password_hash: {
        algorithm: 'scrypt',
        hash: { value: scrypted.toString('hex'), encoding: 'hex' },
        salt: { value: salt.toString('base64'), encoding: 'base64' },
        cost: 1024,
        blockSize: 8,
        parallelization: 1,
        keylen: 32,
      },
    },
    'auth0 pbkdf2': {
      custom_password_hash: {
        algorithm: 'pbkdf2',
        hash: { value: `$pbkdf2-sha256$i=1000,l=32$${b64(salt)}$${b64(derived)}`, encoding: 'utf8' },
      },
    },
    'auth0 sha256': {
      custom_password_hash: {
        algorithm: 'sha256',
        hash: { value: createHash('sha256').update(`${PASSWORD}pepper`).digest('hex'), encoding: 'hex' },
        salt: { value: 'pepper', position: 'suffix' },
      },
    },
    'auth0 hmac': {
      custom_password_hash: {
        algorithm: 'hmac',
        hash: {
          value: createHmac('sha256', 'key').update(PASSWORD).digest('base64'),
          encoding: 'base64',
          digest: 'sha256',
          key: { value: 'key' },
        },
      },
    },
  };
  const lines = Object.entries(forms).map(([name, form], index) => ({ email: `u${index}@example.com`, name, ...form }));
  const { reports, summary } = await send(t, lines);
  assert.deepEqual(summary, { created: lines.length, exists: 0, failed: 0 }, JSON.stringify(reports));
  for (const { email, name } of lines) {
    assert.equal(await logIn(t, email, 'wrong'), false, `${name}: a wrong password`);
    assert.equal(await logIn(t, email), true, name);
    const stored = await credentials.model.findOne({ email, account: t.id }).lean<{ password_hash: string }>();
    assert.ok(stored!.password_hash.startsWith(`$2b$0${w.bcryptCost}$`), `${name}: rehashed`);
    assert.equal(await logIn(t, email), true, `${name}: again`);
  }
});

test('a Firebase export is verified with the parameters of its first line', async () => {
  // The example that Firebase publishes with its scrypt.
  const t = await w.tenant();
  const { summary } = await send(t, [
    {
      hash_config: {
        base64_signer_key: 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==',
        base64_salt_separator: 'Bw==',
        rounds: 8,
        mem_cost: 14,
      },
    },
    {
      localId: 'x',
      email: 'fire@example.com',
      emailVerified: true,
      displayName: 'Fire Base',
      passwordHash: 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==',
      salt: '42xEC+ixf3L2lw==',
    },
  ]);
  assert.deepEqual(summary, { created: 1, exists: 0, failed: 0 });
  assert.equal(await logIn(t, 'fire@example.com', 'user1password'), true);
  const [user] = (await t.api('GET', '/user?query=email:fire@example.com')).results;
  assert.deepEqual([user.name, user.email_verified], ['Fire Base', true]);
});

test('each line is reported, a bad one costs only itself, and repeating the call changes nothing', async () => {
  const t = await w.tenant();
  const lines = [
    { email: 'Ada@Example.com', name: 'Ada' },
    'not json',
    { name: 'nobody' },
    { email: 'not an email' },
    { email: 'grace@example.com', password_hash: 'plain text' },
    { email: 'ada@example.com' },
    { email: 'bob@example.com', user_metadata: { $where: '1' } },
    { email: 'eve@example.com', logins_count: 1_000_000 },
    '',
    { username: 'linus', app_metadata: { plan: 'pro' } },
  ];
  const first = await send(t, lines);
  assert.deepEqual(
    first.reports.map(({ line, status }) => [line, status]),
    [
      [1, 'created'],
      [2, 'failed'],
      [3, 'failed'],
      [4, 'failed'],
      [5, 'failed'],
      [6, 'failed'],
      [7, 'failed'],
      [8, 'created'],
      [10, 'created'],
    ],
  );
  for (const report of first.reports)
    if (report.status === 'failed') assert.ok(report.error.length > 10, JSON.stringify(report));
  const again = await send(t, lines);
  assert.equal(again.summary.created, 0);
  assert.deepEqual(
    again.reports.filter(({ status }) => status === 'exists').map(({ id }) => id),
    [first.reports[0].id, first.reports[0].id, first.reports[7].id, first.reports[8].id],
  );
  const { results } = await t.api('GET', '/user?q=ada');
  assert.deepEqual(
    results.map(({ email, logins_count }: Line) => [email, logins_count]),
    [['ada@example.com', 0]],
  );
});

test('two imports of the same users at once make each user once', async () => {
  const t = await w.tenant();
  const lines = Array.from({ length: 200 }, (_, index) => ({ email: `u${index}@example.com` }));
  const [a, b] = await Promise.all([send(t, lines), send(t, lines)]);
  assert.equal(a.summary.created + b.summary.created, 200);
  const { reports } = await send(t, lines);
  assert.ok(reports.every(({ status }) => status === 'exists'));
  const all = new Set<string>();
  for (let next = ''; ; ) {
    const page = await t.api('GET', `/user?pageSize=200${next && `&cursor=${next}`}`);
    for (const { id } of page.results) all.add(id);
    if (!page.next) break;
    next = page.next;
  }
  assert.equal(all.size, 200);
});

test('an import that died between the two writes is finished by the next', async () => {
  const t = await w.tenant();
  const [line] = [{ email: 'half@example.com', name: 'Half' }];
  const { reports } = await send(t, [line]);
  const { users } = await import('../../../src/domain/user/user.ts');
  await users.model.deleteOne({ _id: reports[0].id });
  const again = await send(t, [line]);
  assert.deepEqual([again.reports[0].status, again.reports[0].id], ['created', reports[0].id]);
  assert.equal((await t.api('GET', `/user/${reports[0].id}`)).name, 'Half');
});

test('the export is what the import takes, hashes only with their own permission, other tenants never', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const user = await t.user({ user_metadata: { theme: 'dark' } });
  await other.user();
  const exported = async (scope?: string) => {
    const answer = await w.send(`${t.origin}/user/export`, {
      headers: { authorization: `Bearer ${await t.token(scope)}` },
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
  const masked = await exported('read:users');
  assert.deepEqual(
    masked.map(({ id, password_hash }) => [id, password_hash]),
    [[user.id, '********']],
  );
  const full = await exported('read:users read:password_hashes');
  assert.equal(full.length, 1);
  const target = await w.tenant();
  assert.deepEqual((await send(target, full)).summary, { created: 1, exists: 0, failed: 0 });
  assert.equal(await logIn(target, user.email, user.password), true);
  assert.deepEqual((await target.api('GET', '/user')).results[0].user_metadata, { theme: 'dark' });
});

test('import and export need their permissions, the right content type and a database connection of the tenant', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const line = { email: 'x@example.com' };
  assert.equal((await send(t, [line], '/user/import', await t.token('read:users'))).status, 403);
  assert.equal((await send(t, [line], '/user/import', other.adminToken)).status, 403);
  assert.equal(
    (await w.send(`${t.origin}/user/export`, { headers: { authorization: `Bearer ${await t.token('create:users')}` } }))
      .status,
    403,
  );
  assert.equal((await send(t, [line], `/user/import?connection=${other.connection}`)).status, 422);
  assert.equal((await t.call('POST', '/user/import', line)).status, 415);
  for (const type of ['application/json', 'text/plain']) {
    const headers = { authorization: `Bearer ${t.adminToken}`, 'content-type': type };
    const body = `${JSON.stringify(line)}\n${JSON.stringify(line)}\n`;
    const answer = await w.send(`${t.origin}/user/import`, { method: 'POST', headers, body });
    assertRefused(answer, 415, 'unsupported_media_type', /application\/x-ndjson/);
  }
});

/** Sends for as long as it is listened to. @returns the answer, and how much had been sent when it came. */
async function sendWithoutEnd(t: TenantHandle, piece: string) {
  const call = request(`http://localhost:${w.port}/user/import`, {
    method: 'POST',
    headers: {
      host: new URL(t.origin).host,
      authorization: `Bearer ${t.adminToken}`,
      'content-type': 'application/x-ndjson',
    },
  });
  // What is still on its way when the server has had enough.
  call.on('error', () => {});
  const answered = once(call, 'response');
  let sent = 0;
  let over = false;
  answered.finally(() => {
    over = true;
  });
  while (!over) {
    await new Promise<void>((resolve) => void call.write(piece, () => resolve()));
    sent += piece.length;
    assert.ok(sent < 100_000_000, 'the server goes on listening');
  }
  const [answer] = await answered;
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part;
  call.destroy();
  return { status: answer.statusCode as number, text, sent };
}

test('a line without an end is refused when it is too long, and is not collected', async () => {
  const t = await w.tenant();
  const { status, text, sent } = await sendWithoutEnd(t, 'x'.repeat(16_384));
  assert.equal(status, 413, text);
  assert.match(text, /Line 1 is longer than 65536 bytes/);
  assert.ok(sent < 10_000_000, `${sent} bytes`);
  const lines = [{ email: 'first@example.com' }, { email: 'long@example.com', name: 'x'.repeat(70_000) }];
  const second = await send(t, lines);
  assert.equal(second.status, 413);
  assert.match(second.text, /Line 2 /);
  assert.deepEqual((await t.api('GET', '/user')).results, [], 'what is refused as a whole leaves nothing');
});

test('a line that is too long after others were answered ends the report, which says so', async () => {
  const t = await w.tenant();
  const short = Array.from({ length: 1000 }, (_, index) => ({ email: `u${index}@example.com` }));
  const { status, reports, summary } = await send(t, [...short, 'x'.repeat(70_000), { email: 'late@example.com' }]);
  assert.equal(status, 200);
  const { line, status: outcome, error } = reports.at(-1);
  assert.deepEqual([line, outcome], [1001, 'failed']);
  assert.match(error, /Line 1001 is longer/);
  assert.deepEqual(summary, { created: 1000, exists: 0, failed: 1 });
});

test('a body has an end too, whatever it is made of', async () => {
  const t = await w.tenant();
  const pieces = [
    ['\n'.repeat(16_384), 'At most 100000 users'],
    [`${JSON.stringify({ nobody: 'x'.repeat(60_000) })}\n`, `over ${IMPORT_MAX_BYTES} bytes`],
  ] as const;
  for (const [piece, words] of pieces) {
    const { status, text, sent } = await sendWithoutEnd(t, piece);
    assert.equal(status, 413, text);
    assert.ok(text.includes(words), text);
    assert.ok(sent < 20 * IMPORT_MAX_BYTES, `${sent} bytes`);
  }
});

test('lines end as systems end them, and may be cut anywhere on their way', async () => {
  const t = await w.tenant();
  const text = ['{"email":"a@example.com","name":"Zoë"}\r', '', '{"email":"b@example.com"}'].join('\n');
  const bytes = Buffer.from(text);
  const body = new ReadableStream({
    async start(stream) {
      for (const byte of bytes) {
        stream.enqueue(Uint8Array.of(byte));
        await new Promise(setImmediate);
      }
      stream.close();
    },
  });
  const answer = await fetch(`${t.origin}/user/import`, {
    method: 'POST',
    body,
    duplex: 'half',
    headers: { authorization: `Bearer ${t.adminToken}`, 'content-type': 'application/x-ndjson' },
  } as RequestInit);
  assert.match(await answer.text(), /"summary":\{"created":2,"exists":0,"failed":0\}/);
  const { results } = await t.api('GET', '/user?q=zoe');
  assert.equal(results[0].name, 'Zoë');
});

const HASHES: Record<string, [hash: unknown, why: RegExp]> = {
  'bcrypt cost 15': [`$2b$15$${'a'.repeat(53)}`, /cost 15/],
  'bcrypt cost 31': [`$2b$31$${'a'.repeat(53)}`, /cost 31/],
  'bcrypt cost 0': [`$2b$00$${'a'.repeat(53)}`, /cost 00/],
  'argon2 memory': [`$argon2id$v=19$m=3000000,t=2,p=1$${b64(salt)}$${'A'.repeat(43)}`, /costs more than m=262144/],
  'argon2 passes': [`$argon2id$v=19$m=1024,t=11,p=1$${b64(salt)}$${'A'.repeat(43)}`, /costs more/],
  'argon2 lanes': [`$argon2id$v=19$m=1024,t=2,p=5$${b64(salt)}$${'A'.repeat(43)}`, /costs more/],
  'argon2 short key': [`$argon2id$v=19$m=1024,t=2,p=1$${b64(salt)}$AAAAAAAA`, /key of 6 bytes/],
  'scrypt parallelization': [`$scrypt$16384$8$16384$${b64(salt)}$${'A'.repeat(43)}`, /costs more/],
  'scrypt memory': [`$scrypt$4194304$8$1$${b64(salt)}$${'A'.repeat(43)}`, /costs more/],
  'scrypt with a block size too small': [`$scrypt$65536$1$1$${b64(salt)}$${'A'.repeat(43)}`, /larger block size/],
  'scrypt of nothing but lanes': [`$scrypt$2$1$1048576$${b64(salt)}$${'A'.repeat(43)}`, /1024 is the least/],
  'scrypt of nothing but block': [`$scrypt$2$1048576$1$${b64(salt)}$${'A'.repeat(43)}`, /1024 is the least/],
  'argon2 with less memory than lanes': [`$argon2id$v=19$m=8,t=1,p=4$${b64(salt)}$${'A'.repeat(43)}`, /less memory/],
  'scrypt cost 3': [`$scrypt$3$8$1$${b64(salt)}$${'A'.repeat(43)}`, /no power of two/],
  'scrypt empty key': [`$scrypt$1024$8$1$${b64(salt)}$`, /key of 0 bytes/],
  'scrypt short salt': [`$scrypt$1024$8$1$AAAA$${'A'.repeat(43)}`, /salt of 3 bytes/],
  'scrypt lenient base64': [`$scrypt$1024$8$1$${b64(salt)}$${'A'.repeat(40)}!?!`, /not base64/],
  'pbkdf2 rounds': [`$pbkdf2-sha512$i=90000000,l=64$${b64(salt)}$${'A'.repeat(86)}`, /costs more/],
  'pbkdf2 blocks': [`$pbkdf2-sha1$i=500000,l=500$${b64(salt)}$${b64(Buffer.alloc(500))}`, /costs more/],
  'pbkdf2 length': [`$pbkdf2-sha256$i=1000,l=64$${b64(salt)}$${b64(Buffer.alloc(32))}`, /says 64/],
  'digest cut short': [`$digest$sha256$prefix$$${b64(Buffer.alloc(16))}`, /sha256 has 32/],
  'digest unknown': ['$digest$constructor$prefix$$AAAA', /digest that is not known/],
  'form unknown': ['$toString$a$b', /not a form/],
  'custom base64 as hex': [
    { algorithm: 'scrypt', hash: { value: b64(Buffer.alloc(32, 7)) }, salt: { value: b64(salt), encoding: 'base64' } },
    /hash.value is not hex/,
  ],
  'custom hex, odd': [{ algorithm: 'sha256', hash: { value: 'abc', encoding: 'hex' } }, /hash.value is not hex/],
  'custom scrypt cost': [
    { algorithm: 'scrypt', cost: 2 ** 22, hash: { value: 'ab'.repeat(32) }, salt: { value: 'a salt of sixteen' } },
    /costs more/,
  ],
  'custom rounds beyond numbers': [
    { algorithm: 'pbkdf2', iterations: 1e21, hash: { value: 'ab'.repeat(32) }, salt: { value: 'a salt of sixteen' } },
    /not a number/,
  ],
  'custom keylen': [
    { algorithm: 'scrypt', keylen: 64, hash: { value: 'ab'.repeat(32) }, salt: { value: 'a salt of sixteen' } },
    /keylen says 64/,
  ],
};

test('a hash that asks too much of a login, or would fit too much, is refused with the reason', async () => {
  const t = await w.tenant();
  const lines = Object.entries(HASHES).map(([name, [hash]], index) => ({
    email: `h${index}@example.com`,
    name,
    [typeof hash === 'string' ? 'password_hash' : 'custom_password_hash']: hash,
  }));
  const { reports, summary } = await send(t, lines);
  assert.deepEqual(summary, { created: 0, exists: 0, failed: lines.length }, JSON.stringify(reports));
  for (const [index, [name, [, why]]] of Object.entries(HASHES).entries())
    assert.match(reports[index].error, why, name);
});

test('such a hash that is stored already opens nothing, and is not worked on', async () => {
  const t = await w.tenant();
  const good = bcrypt.hashSync(PASSWORD, 4);
  let checked = false;
  for (const [name, [hash]] of Object.entries(HASHES)) {
    if (typeof hash !== 'string' || hash.startsWith('$pbkdf2-')) continue;
    const email = `${name.replaceAll(/\W/g, '-')}@example.com`;
    await send(t, [{ email, password_hash: good }]);
    const store = (password_hash: string) => credentials.model.updateOne({ account: t.id, email }, { password_hash });
    await store(hash);
    assert.equal(await logIn(t, email), false, name);
    // One stands for all: every login costs a hash.
    if (checked) continue;
    checked = true;
    await store(good);
    assert.equal(await logIn(t, email), true, `${name}: what was refused was the hash`);
  }
  assert.ok(checked);
});

/* ——— other systems' words ——— */

const lineOf = async (t: TenantHandle, line: Line) => {
  const { reports } = await send(t, [line]);
  return { ...reports[0], user: reports[0].id && (await t.api('GET', `/user/${reports[0].id}`)) };
};

test('a user who was shut out elsewhere is suspended here, however that was said', async () => {
  const t = await w.tenant();
  const off = [{ disabled: true }, { blocked: true }, { banned: true }, { enabled: false }, { is_active: false }];
  const on = [{ disabled: false }, { blocked: null }, { enabled: true }, { active: true }, {}];
  for (const [index, line] of [...off, ...on].entries()) {
    const { user } = await lineOf(t, { email: `s${index}@example.com`, ...line });
    assert.equal(user.suspended, index < off.length, JSON.stringify(line));
    assert.equal(user.suspended_at !== null && user.suspended_at !== undefined, index < off.length);
  }
});

test('what is empty or null says nothing, and an address under another name is not lost', async () => {
  const t = await w.tenant();
  const { status, user } = await lineOf(t, {
    user_id: 'auth0|1',
    email: 'grace@example.com',
    email_verified: null,
    username: '',
    name: '',
    phone: '',
    phone_number: '+34 600',
    phone_number_verified: true,
    picture: null,
    address: null,
    firstName: 'Grace',
    user_metadata: null,
  });
  assert.equal(status, 'created');
  assert.deepEqual(
    [user.email_verified, user.phone, user.phone_verified, user.given_name, user.name ?? null, user.username ?? null],
    [false, '+34 600', true, 'Grace', null, null],
  );
});

test('an id of ours is kept where it is free, with the time that is in it; any other is told', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const theirs = (await other.user()).id;
  const own = `user_${'5f5e1000'}${'ab'.repeat(8)}`;
  const future = `user_${'f'.repeat(24)}`;
  const lines = [
    { id: own, email: 'own@example.com' },
    { id: theirs, email: 'theirs@example.com' },
    { id: future, email: 'future@example.com' },
    { user_id: 'auth0|5', email: 'auth0@example.com' },
    { _id: { $oid: '0'.repeat(24) }, email: 'mongo@example.com' },
    { id: own, email: 'second@example.com' },
    { id: own.replace('user', 'role'), email: 'role@example.com' },
    { id: `user_${'5f5e1000'}${'cd'.repeat(8)}`, name: 'Nobody to write to' },
    { id: 'nobody', name: 'Nobody we know' },
  ];
  const { reports } = await send(t, lines);
  assert.deepEqual(
    reports.map(({ status, was }) => [status, was]),
    [
      ['created', undefined],
      ['created', theirs],
      ['created', future],
      ['created', 'auth0|5'],
      ['created', '0'.repeat(24)],
      ['failed', undefined],
      ['created', lines[6]!.id],
      ['created', undefined],
      ['failed', undefined],
    ],
  );
  assert.equal(reports[0].id, own);
  const kept = await t.api('GET', `/user/${own}`);
  assert.equal(kept.createdAt, new Date(0x5f5e1000 * 1000).toISOString());
  const of2020 = await t.api('GET', '/user?query=since:2020-01-01%20until:2021-01-01');
  assert.deepEqual(of2020.results.map(({ name }: Line) => name ?? null).sort(), ['Nobody to write to', null]);
  assert.equal((await other.api('GET', `/user/${theirs}`)).id, theirs, 'whose id it is keeps it');
  const again = await send(t, lines);
  assert.equal(again.summary.created, 0);
  assert.deepEqual(
    again.reports.filter(({ line, status }) => status === 'exists' && line !== 6).map(({ id }) => id),
    reports.filter(({ status }) => status === 'created').map(({ id }) => id),
  );
});

test('ids that the server would give next are no way to keep other accounts from making users', async () => {
  const [t, other] = [await w.tenant(), await w.tenant()];
  const seen = (await t.api('POST', '/user', { name: 'Scout' })).id as string;
  const counter = Number.parseInt(seen.slice(-6), 16);
  const next = Array.from({ length: 600 }, (_, index) => {
    const seconds = Math.floor(Date.now() / 1000) + (index % 2);
    return `user_${seconds.toString(16)}${seen.slice(-16, -6)}${(counter + 1 + (index >> 1)).toString(16).padStart(6, '0')}`;
  });
  assert.equal(
    (
      await send(
        t,
        next.map((id) => ({ id, name: 'Squatter' })),
      )
    ).summary.created,
    600,
  );
  for (let n = 0; n < 3; n += 1) assert.ok((await other.api('POST', '/user', { name: 'Honest' })).id);
  const lines = Array.from({ length: 20 }, (_, index) => ({ email: `honest${index}@example.com` }));
  assert.equal((await send(other, lines)).summary.created, 20);
});

test('a mark before the first line is no part of it; a document that is no lines is refused whole', async () => {
  const t = await w.tenant();
  const users = [{ email: 'a@example.com' }, { email: 'b@example.com' }];
  const lines = users.map((user) => JSON.stringify(user));
  for (const document of [
    JSON.stringify(users),
    JSON.stringify(users, null, 2),
    `[\n${lines.join(',\n')}\n]`,
    `{\n"users": [\n${lines.join(',\n')}\n]}`,
    `{"users": [\n${lines.join(',\n')}\n]}`,
  ]) {
    const { status, text } = await send(t, [document]);
    assert.equal(status, 400, text);
    assert.match(text, /one user a line/);
  }
  assert.deepEqual((await t.api('GET', '/user')).results, []);
  assert.deepEqual((await send(t, [`\ufeff${lines[0]}`, lines[1]!])).summary, { created: 2, exists: 0, failed: 0 });
  const latin = Buffer.from('{"email":"c@example.com","name":"Zo\u00eb"}', 'latin1');
  const answer = await fetch(`${t.origin}/user/import`, {
    method: 'POST',
    body: latin,
    headers: { authorization: `Bearer ${t.adminToken}`, 'content-type': 'application/x-ndjson' },
  });
  assert.match(await answer.text(), /not UTF-8/);
  const { user } = await lineOf(t, { email: 'd@example.com', name: 'A \ufffd and a \\u0000' });
  assert.equal(user.name, 'A \ufffd and a \\u0000');
});

/* ——— out and in ——— */

const exported = async (t: TenantHandle, scope = 'read:users read:password_hashes'): Promise<Line[]> => {
  const { status, text } = await w.send(`${t.origin}/user/export`, {
    headers: { authorization: `Bearer ${await t.token(scope)}` },
  });
  assert.equal(status, 200, text);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
};

const secondConnection = (t: TenantHandle) =>
  t.api('POST', '/connection', { connection_name: 'Staff', connection_type: 'database' });

test('each credential comes out, and what somebody logs in with never takes the place of their address', async () => {
  const [t, target] = [await w.tenant(), await w.tenant()];
  const [staff] = await Promise.all([secondConnection(t), secondConnection(target)]);
  const user = await t.user({ email: 'login@example.com' });
  await t.api('POST', '/credentials', {
    user: user.id,
    connection: staff.id,
    username: 'ada',
    password: 'Other-horse-22',
  });
  await t.api('POST', `/user/${user.id}`, { email: 'proven@example.com', email_verified: true });
  const [line] = await exported(t);
  assert.deepEqual([line!.email, line!.email_verified], ['proven@example.com', true]);
  assert.deepEqual(
    (line!.credentials as Line[]).map(({ connection, email, username }) => [connection, email, username]),
    [
      ['Username-Password-Authentication', 'login@example.com', undefined],
      ['Staff', undefined, 'ada'],
    ],
  );
  const { reports } = await send(target, [line!]);
  const [status, found] = [reports[0].status, await target.api('GET', `/user/${reports[0].id}`)];
  assert.deepEqual([status, found.email, found.email_verified], ['created', 'proven@example.com', true]);
  assert.equal(await logIn(target, 'login@example.com'), true);
  assert.equal(await logIn(target, 'proven@example.com'), false, 'an address of the profile is no login');
  const nowhere = await w.tenant();
  assert.match((await send(nowhere, [line!])).reports[0].error, /"Staff"/);
  assert.deepEqual(
    (await exported(t, 'read:users')).flatMap(({ credentials: all }) =>
      (all as Line[]).map((one) => one.password_hash),
    ),
    ['********', '********'],
  );
});

test('a user of several credentials is finished where an import died, and made once where two run at once', async () => {
  const t = await w.tenant();
  await secondConnection(t);
  const lines = Array.from({ length: 40 }, (_, index) => ({
    id: `user_5f5e1000${index.toString(16).padStart(16, '0')}`,
    email: `p${index}@example.com`,
    credentials: [{ email: `l${index}@example.com` }, { connection: 'Staff', username: `s${index}` }],
  }));
  const whole = async () => {
    const all = await exported(t);
    assert.deepEqual(
      all.map(({ id, credentials: logins }) => [id, (logins as Line[]).length]),
      lines.map(({ id }) => [id, 2]),
    );
  };
  await Promise.all([send(t, lines), send(t, lines)]);
  await send(t, lines);
  await whole();
  const { users } = await import('../../../src/domain/user/user.ts');
  await users.model.deleteMany({ account: t.id, _id: { $in: lines.slice(0, 20).map(({ id }) => id) } });
  await credentials.model.deleteMany({ account: t.id, username: { $in: ['s0', 's1', 's2'] } });
  await credentials.model.deleteMany({ account: t.id, email: { $in: ['l3@example.com', 'l4@example.com'] } });
  const { summary } = await send(t, lines);
  assert.deepEqual(summary, { created: 20, exists: 20, failed: 0 });
  await whole();
});

const word = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const label = fc.stringMatching(/^[a-z][a-z0-9_]{2,11}$/);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const json = fc.dictionary(
  label,
  fc.jsonValue({ maxDepth: 2, noUnicodeString: false } as never) as fc.Arbitrary<unknown>,
  { maxKeys: 3 },
);
const hash = fc.constantFrom(
  undefined,
  bcrypt.hashSync(PASSWORD, 4),
  `$scrypt$1024$8$1$${b64(salt)}$${'A'.repeat(43)}`,
);
const anybody = fc.record({
  name: maybe(word),
  family_name: maybe(fc.constantFrom('', 'Müller-Łuczak', '田中')),
  email: maybe(label),
  email_verified: fc.boolean(),
  username: maybe(label),
  phone: maybe(fc.constantFrom('+34 600 11 22', '555-0100', '(030) 123/45;ext=6')),
  picture: maybe(fc.constant('https://example.com/a.png')),
  address: maybe(fc.record({ locality: fc.constantFrom('', 'Bergen'), region: fc.constant(null) })),
  suspended: fc.boolean(),
  suspended_reason: maybe(fc.constantFrom('spam', '')),
  user_metadata: json,
  app_metadata: json,
  logins: fc.array(
    fc.record({
      staff: fc.boolean(),
      own: fc.boolean(),
      email: maybe(label),
      username: maybe(label),
      password_hash: hash,
    }),
    { maxLength: 3 },
  ),
});

test('out and in is the identity: into where they were, and into another account but for the ids', async () => {
  const [home, away] = [await w.tenant(), await w.tenant()];
  const staff = (await secondConnection(home)).id;
  await secondConnection(away);
  let made = 0;
  const next = () => {
    made += 1;
    return made;
  };
  const make = async ({ logins, email, ...fields }: Line & { logins: Line[] }) => {
    const address = (local: unknown) => (local ? `${local}${next()}@bücher.example` : undefined);
    const username = fields.username && `${fields.username}${next()}`;
    const answer = await home.call('POST', '/user', { ...fields, username, email: address(email) });
    // What the API refuses of what was made up is no user.
    if (answer.status === 400) return;
    const user = answer.body as Line;
    for (const { staff: elsewhere, own, password_hash, ...login } of logins) {
      const identifiers = own
        ? { email: user.email ?? undefined, username: user.username ?? undefined }
        : { email: address(login.email), username: login.username && `${login.username}${next()}` };
      const connection = elsewhere ? staff : home.connection;
      const credential = await home.call('POST', '/credentials', { user: user.id, connection, ...identifiers });
      if (credential.status < 300 && password_hash)
        await credentials.model.updateOne({ _id: credential.body.id }, { $set: { password_hash } });
    }
  };
  const empty = async (t: TenantHandle) => {
    for (const { id } of (await t.api('GET', '/user?pageSize=200')).results) await t.api('DELETE', `/user/${id}`);
  };
  await fc.assert(
    fc.asyncProperty(fc.array(anybody, { minLength: 1, maxLength: 8 }), async (people) => {
      for (const person of people) await make(person as never);
      const out = await exported(home);
      const { reports } = await send(away, out);
      assert.deepEqual(
        reports.filter(({ status }) => status !== 'created'),
        [],
      );
      const ids = new Map(reports.map(({ id, was }) => [was, id]));
      const byId = (lines: Line[]) => lines.sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
      assert.deepEqual(await exported(away), byId(out.map((line) => ({ ...line, id: ids.get(line.id) }))));
      assert.equal((await send(away, out)).summary?.created ?? 0, 0, 'a second time changes nothing');
      await empty(home);
      await send(home, out);
      assert.deepEqual(await exported(home), out);
      await Promise.all([empty(home), empty(away)]);
    }),
    { numRuns: 6 },
  );
});
