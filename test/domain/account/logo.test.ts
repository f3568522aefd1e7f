/** Logos: what is taken for one, where it may come from, and how it is served. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
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

const w = await world();
let t: TenantHandle;
before(async () => {
  t = await w.tenant('Acme');
});

function png(width: number, height: number, shade = 0): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    size.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([size, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header[8] = 8;
  const lines = Buffer.alloc((width + 1) * height, shade);
  for (let line = 0; line < height; line++) lines[line * (width + 1)] = 0;
  const magic = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    magic,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(lines)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

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
