/** Style sheets and scripts: named by their content and cached for a year. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
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

test('style sheets know where a line begins and ends, not left and right, and move nothing', () => {
  for (const path of globSync('views/assets/*.css')) {
    const rules = read(path).replace(/\/\*[\s\S]*?\*\//g, '');
    const sides = rules.match(/.*(?:[\s{-](?:left|right)\s*:|:\s*(?:left|right)\b|-(?:left|right)-).*/g);
    assert.equal(sides, null, path);
    for (const [shorthand, , end, , start] of rules.matchAll(
      /(?:margin|padding|inset): ([^\s;]+) ([^\s;]+) ([^\s;]+) ([^\s;]+);/g,
    ))
      assert.equal(end, start, `${path}: ${shorthand}`);
    // A page that goes on by itself appears later, at once.
    const moving = rules.match(/.*(?:transition|animation|: smooth\b).*/g) ?? [];
    const isLate = (line: string) => line.trim() === 'animation: appear 0s 600ms backwards;';
    assert.deepEqual(
      moving.filter((line) => !isLate(line)),
      [],
      path,
    );
  }
});
