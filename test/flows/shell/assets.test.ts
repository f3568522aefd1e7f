/** Style sheets and scripts: named by their content and cached for a year. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fastify from 'fastify';
import { assets, assetUrl } from '../../../src/flows/shell/assets.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test('assets are cached for a year by content, compressed, and unknown names are not found', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  await app.register(assets);
  const found = await app.inject({ url: assetUrl('pages.css'), headers: { 'accept-encoding': 'gzip, br' } });
  assert.equal(found.statusCode, 200);
  assert.equal(found.headers['content-type'], 'text/css; charset=utf-8');
  assert.equal(found.headers['cache-control'], 'public, max-age=31536000, immutable');
  assert.equal(found.headers['x-content-type-options'], 'nosniff');
  assert.equal(found.headers['content-encoding'], 'br');
  const plain = await app.inject({ url: assetUrl('login.js'), headers: { 'accept-encoding': 'br;q=0, deflate' } });
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.equal(plain.body, read('views/assets/login.js'));
  for (const url of [
    '/assets/pages.0123456789abcdef.css',
    '/assets/pages.css',
    '/assets/..%2flayout.eta',
    '/assets/__proto__',
  ])
    assert.equal((await app.inject({ url })).statusCode, 404, url);
  assert.throws(() => assetUrl('nothing.css'));
});
