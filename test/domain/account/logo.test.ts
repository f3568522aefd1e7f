/** Logos: what is taken for one, where it may come from, and how it is served. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import mongoose from 'mongoose';
import {
  agent,
  assertRefused,
  authorizeUrl,
  follow,
  listen,
  requestOf,
  type TenantHandle,
  world,
} from '../../kit/index.ts';
import { png } from '../../kit/picture.ts';

const w = await world();
let t: TenantHandle;
before(async () => {
  t = await w.tenant('Acme');
});

const set = (body: object, to = t) => to.call('POST', `/account/${to.id}/logo`, body);
const upload = (bytes: Buffer, more: object = {}) => set({ data: bytes.toString('base64'), ...more });

test('an uploaded logo is served by what is in it, for ever, as a picture and nothing else', async () => {
  const bytes = png(64, 32);
  const answer = await upload(bytes);
  assert.equal(answer.status, 200, answer.text);
  const address = answer.body.logo_src as string;
  assert.match(address, new RegExp(`^${t.origin}/branding/[0-9a-f]{32}\\.png$`));
  assert.equal((await upload(bytes)).body.logo_src, address);
  const got = await fetch(address);
  assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
  assert.deepEqual(
    ['content-type', 'cache-control', 'x-content-type-options', 'content-security-policy'].map((name) =>
      got.headers.get(name),
    ),
    ['image/png', 'public, max-age=31536000, immutable', 'nosniff', "default-src 'none'; sandbox"],
  );
  const other = await w.tenant('Other');
  for (const path of [new URL(address).pathname, '/branding/x.png', '/branding/..%2fversion', '/branding/__proto__'])
    assert.equal((await fetch(other.origin + path)).status, 404, path);
});

test('pages show the one for a light and the one for a dark background from their own origin', async () => {
  const light = (await upload(png(64, 32))).body.logo_src as string;
  const dark = (await upload(png(64, 32, 255), { scheme: 'dark' })).body.branding.logo_dark_src as string;
  assert.notEqual(light, dark);
  const visit = agent();
  const client = await t.client();
  const { text } = await follow(visit, await visit(authorizeUrl(t, requestOf(client).parameters)));
  const path = (address: string) => new URL(address).pathname;
  assert.ok(text.includes(`<source media="(prefers-color-scheme: dark)" srcset="${path(dark)}">`), text.slice(0, 2000));
  assert.ok(text.includes(`<img class="logo" src="${path(light)}" alt="Acme">`));
  const plain = await t.api('POST', `/account/${t.id}`, { logo_src: null, branding: {} });
  assert.deepEqual([plain.logo_src, plain.branding], [null, {}]);
});

test('a logo may be fetched from an address, at once, and without looking around in our network', async () => {
  const { origin, serve } = await listen();
  const bytes = png(48, 48, 7);
  const asked: string[] = [];
  serve((request, response) => {
    asked.push(request.url!);
    if (request.url === '/away') response.writeHead(302, { location: `${origin}/logo.png` }).end();
    else if (request.url === '/large') response.end(Buffer.alloc(300_000));
    else if (request.url === '/text') response.end('<svg xmlns="http://www.w3.org/2000/svg"/>');
    else response.end(bytes);
  });
  const kept = (await set({ address: `${origin}/logo.png` })).body.logo_src as string;
  assert.deepEqual(Buffer.from(await (await fetch(kept)).arrayBuffer()), bytes);
  assert.equal(asked.length, 1);
  const words = new Set<string>();
  for (const address of [`${origin}/away`, `${origin}/large`, 'file:///etc/passwd', 'http://10.0.0.1/', 'nonsense']) {
    const answer = await set({ address });
    assertRefused(answer, 400, 'validation', /could not be fetched/);
    words.add(JSON.stringify(answer.body.details));
  }
  assert.equal(words.size, 1, 'which reason it was is nobody’s to know');
  assertRefused(await set({ address: `${origin}/text` }), 400, 'validation', /not a PNG, JPEG, GIF or WebP/);
});

test('an address in the account’s fields is fetched and kept the same way, where it is made and where it is changed', async () => {
  const { origin, serve } = await listen();
  const asked: string[] = [];
  serve((request, response) => {
    asked.push(request.url!);
    const shade = /^\/(\d+)\.png$/.exec(request.url!)?.[1];
    if (shade) response.end(png(32, 32, Number(shade)));
    else response.writeHead(request.url === '/page' ? 200 : 404).end('<html>');
  });
  const places = (row: typeof made.body) => [row.logo_src, row.icon_src, row.branding.logo_dark_src];
  const fields = (...[logo_src, icon_src, logo_dark_src]: string[]) => ({
    logo_src,
    icon_src,
    branding: { logo_dark_src },
  });
  const at = (shade: number) => `${origin}/${shade}.png`;
  const ours = (host: string) => new RegExp(`^${host}/branding/[0-9a-f]{32}\\.png$`);
  const operatorToken = await w.operatorToken();
  const operator = (method: string, path: string, body?: object) =>
    w.call(w.originOf(), operatorToken, method, path, body);

  const made = await operator('POST', '/account', { name: 'Dressed', team: 'a', ...fields(at(1), at(2), at(3)) });
  assert.equal(made.status, 201, made.text);
  const host = w.originOf(made.body.slug);
  for (const [n, address] of places(made.body).entries()) {
    assert.match(address, ours(host));
    assert.deepEqual(Buffer.from(await (await fetch(address)).arrayBuffer()), png(32, 32, n + 1));
  }
  const path = `/account/${made.body.id}`;
  const again = await operator('POST', path, fields(...places(made.body)));
  assert.deepEqual([again.status, places(again.body)], [200, places(made.body)], 'what it says is what it takes');
  const changed = await operator('POST', path, { logo_src: made.body.icon_src, icon_src: at(4) });
  assert.equal(changed.body.logo_src, made.body.icon_src, 'one of ours may stand elsewhere');
  assert.match(changed.body.icon_src, ours(host));
  assert.notEqual(changed.body.icon_src, made.body.icon_src);
  assert.equal(asked.length, 4, 'once each');

  const before = await t.api('GET', `/account/${t.id}`);
  for (const [bad, why] of [
    [`${origin}/page`, /not a PNG/],
    [`${origin}/gone.png`, /could not be fetched/],
    ['http://10.0.0.1/logo.png', /could not be fetched/],
    [`${t.origin}/branding/${'0'.repeat(32)}.png`, /could not be fetched/],
  ] as const)
    for (const [body, field] of [
      [{ name: 'Undressed', logo_src: bad }, '/logo_src'],
      [{ name: 'Undressed', icon_src: bad }, '/icon_src'],
      [{ name: 'Undressed', branding: { logo_dark_src: bad } }, '/branding/logo_dark_src'],
    ] as const)
      for (const refused of [
        await t.call('POST', `/account/${t.id}`, body),
        await operator('POST', '/account', { ...body, team: 'a' }),
      ]) {
        assertRefused(refused, 400, 'validation', why);
        assert.equal(refused.body.details[0].path, field);
      }
  assert.deepEqual(await t.api('GET', `/account/${t.id}`), before);
  const { results } = (await operator('GET', '/account?pageSize=100')).body;
  assert.ok(results.length > 1 && !results.some(({ name }: { name: string }) => name === 'Undressed'));

  // Another tenant's copy is an address like any other: it is not ours, and hosts under localhost are not fetched from.
  const theirs = await t.call('POST', `/account/${t.id}`, { logo_src: changed.body.logo_src });
  assertRefused(theirs, 400, 'validation', /could not be fetched/);
  assert.equal((await t.call('POST', path, { logo_src: null })).status, 404);
  assert.equal(
    (await w.call(t.origin, await t.token('read:accounts'), 'POST', `/account/${t.id}`, fields(at(5)))).status,
    403,
  );
  assert.ok(!asked.includes('/5.png'));
  const bare = await operator('POST', path, { logo_src: null, icon_src: null, branding: {} });
  assert.deepEqual([bare.status, places(bare.body)], [200, [null, null, undefined]]);
});

test('somebody else’s address of before is shown until it is changed', async () => {
  const old = await w.tenant('Older');
  const [logo_src, icon_src] = ['https://elsewhere.invalid/logo.svg', 'https://elsewhere.invalid/icon.ico'];
  await mongoose.connection
    .db!.collection<{ _id: string }>('accounts')
    .updateOne({ _id: old.id }, { $set: { logo_src, icon_src } });
  const kept = await old.api('POST', `/account/${old.id}`, { name: 'Old', logo_src, icon_src });
  assert.deepEqual([kept.logo_src, kept.icon_src], [logo_src, icon_src]);
  const { text } = await w.send(`${old.origin}/password-reset`, { headers: { accept: 'text/html' } });
  assert.ok(text.includes(`<img class="logo" src="${logo_src}" alt="Old">`), text.slice(0, 1500));
  assert.ok(text.includes(icon_src));
  assertRefused(await old.call('POST', `/account/${old.id}`, { icon_src: logo_src }), 400, 'validation', /icon_src/);
});

test('what is no picture that a page can show is refused', async () => {
  const whole = png(64, 64);
  for (const [bytes, why] of [
    [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'), /not a PNG/],
    [Buffer.from('GIF89a<script>alert(1)</script>............'), /not a PNG|has to measure/],
    [whole.subarray(0, whole.length - 20), /not a PNG/],
    [Buffer.concat([whole, Buffer.from('<script>')]), /not a PNG/],
    [png(8, 8), /16 to 4096 pixels/],
    [png(5000, 16), /16 to 4096 pixels/],
  ] as const)
    assertRefused(await upload(bytes), 400, 'validation', why);
  assertRefused(await set({}), 400, 'validation', /one of them/);
  assertRefused(await set({ data: 'AAAA', address: 'https://x.example' }), 400, 'validation', /one of them/);
  assertRefused(await set({ data: 'no base64!' }), 400, 'validation', /base64/);
});

test('a logo is for who may change the account, and of the account that is asked', async () => {
  const other = await w.tenant('Other');
  const body = { data: png(64, 64, 9).toString('base64') };
  assert.equal((await t.call('POST', `/account/${other.id}/logo`, body)).status, 404);
  const reader = await t.token('read:accounts');
  const path = `/account/${t.id}/logo`;
  assert.equal((await w.call(t.origin, reader, 'POST', path, body)).status, 403);
  assert.equal((await w.call(t.origin, undefined as never, 'POST', path, body)).status, 401);
});

test('of many logos the last stay, and the one that is shown', async () => {
  const shown = (await upload(png(64, 64, 100), { scheme: 'dark' })).body.branding.logo_dark_src as string;
  const made: string[] = [];
  const add = async (shade: number) => made.push((await upload(png(64, 64, shade))).body.logo_src as string);
  for (let shade = 101; shade < 108; shade++) await add(shade);
  await add(101);
  for (let shade = 108; shade < 114; shade++) await add(shade);
  const there = await Promise.all([shown, ...made].map(async (address) => (await fetch(address)).ok));
  assert.equal(there[0], true);
  assert.equal(there.at(-1), true);
  assert.equal(there[1], true, 'what was set again is as new as then');
  assert.equal(there[2], false);
});

test('an account sets so many logos and no more: each may be asked of somebody else’s host', async () => {
  const busy = await w.tenant('Busy');
  const answers = await Promise.all(Array.from({ length: 61 }, () => set({ data: 'AAAA' }, busy)));
  const refused = answers.filter(({ status }) => status === 429);
  assert.deepEqual([answers.filter(({ status }) => status === 400).length, refused.length], [60, 1]);
  assert.ok(Number(refused[0]!.headers.get('retry-after')) > 0);
});
