/** The reference page: complete without a script, strict about what may run, and a place to call the API from. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { brotliDecompressSync } from 'node:zlib';
import mongoose from 'mongoose';
import { browsers } from '../kit/browser.ts';
import { world } from '../kit/index.ts';

const w = await world();
const tenant = await w.tenant('Harbour & Sons');
const visit = browsers();

const docs = (headers: Record<string, string> = {}) => w.send(`${tenant.origin}/docs`, { headers });

describe('the page', () => {
  test('has every documented operation, under an anchor of its own', async () => {
    const { status, text } = await docs();
    assert.equal(status, 200);
    const { paths } = (await w.send(`${tenant.origin}/docs/json`)).body;
    for (const [path, item] of Object.entries<Record<string, { operationId: string }>>(paths))
      for (const [method, { operationId }] of Object.entries(item)) {
        const opening = `id="${operationId.replace(/\W+/g, '-')}" data-method="${method.toUpperCase()}" data-path="${path}"`;
        assert.ok(text.includes(opening), opening);
      }
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
    assert.deepEqual(ids, [...new Set(ids)]);
    const targets = [...text.matchAll(/ href="#([^"]+)"/g)].map(([, id]) => id!);
    assert.deepEqual(
      targets.filter((id) => !ids.includes(id)),
      [],
    );
  });

  test("speaks of this tenant's addresses and never of another's", async () => {
    const { text } = await docs();
    assert.ok(text.includes(`${tenant.origin}/role?pageSize=10`));
    assert.ok(text.includes(tenant.audience));
    assert.ok(text.includes('Harbour &amp; Sons'));
    const other = await w.tenant('Other');
    const theirs = await w.send(`${other.origin}/docs`);
    assert.ok(theirs.text.includes(other.audience));
    assert.ok(!theirs.text.includes(tenant.id));
  });

  test('a name cannot turn its sentence around, nor hide what is in it', async () => {
    const odd = await w.tenant('Odd');
    const rows = mongoose.connection.db!.collection<{ _id: string }>('accounts');
    // As a row has it from before names were judged.
    await rows.updateOne({ _id: odd.id }, { $set: { name: 'Odd\u202ereverse\u200b\u2066' } });
    await odd.api('POST', `/account/${odd.id}`, { branding: { primary_color: '#123456' } });
    const { text } = await w.send(`${odd.origin}/docs`);
    assert.match(text, /Odd reverse/);
    assert.doesNotMatch(text, /[\u200b\u202a-\u202e\u2066-\u2069]/);
  });

  test('says which permission an operation needs, and what a field may be', async () => {
    const { text } = await docs();
    const operation = /<article[^>]*id="role-create"[\s\S]*?<\/article>/.exec(text)![0];
    assert.match(operation, /create:roles/);
    assert.match(operation, /<code>name<\/code> <span class="must">required/);
    assert.match(operation, /1 to 200 characters/);
    assert.match(operation, /href="#object-Role"/);
  });

  test('may run only scripts and styles of its own, and call only its own origin', async () => {
    const { headers, text } = await docs();
    const policy = headers.get('content-security-policy')!;
    assert.match(
      policy,
      /^default-src 'none'; style-src 'self' 'sha256-[^' ]+'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'$/,
    );
    assert.doesNotMatch(text, /<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:/);
    assert.equal(headers.get('x-frame-options'), 'DENY');
  });

  test('travels light, and not at all when the browser has it', async () => {
    const answer = await w.app.inject({
      url: '/docs',
      headers: { host: new URL(tenant.origin).host, 'accept-encoding': 'br' },
    });
    assert.equal(answer.headers['content-encoding'], 'br');
    assert.ok(answer.rawPayload.length < 60_000, `${answer.rawPayload.length} bytes`);
    assert.match(brotliDecompressSync(answer.rawPayload).toString(), /^<!doctype html>/);
    const again = await docs({ 'if-none-match': (await docs()).headers.get('etag')! });
    assert.equal(again.status, 304);
    assert.equal(again.text, '');
  });

  test('is nobody without a tenant', async () => {
    assert.equal((await w.send(`${w.originOf('nobody')}/docs`)).status, 404);
  });
});

describe('in a browser', () => {
  const desktop = { viewport: { width: 1280, height: 900 } };

  test('a token is got, a role is made and the list shows it', () =>
    visit(desktop, async (page) => {
      await page.goto(`${tenant.origin}/docs`);
      await page.getByLabel('Client id').fill(tenant.admin.client_id);
      await page.getByLabel('Client secret').fill(tenant.admin.client_secret);
      await page.getByRole('button', { name: 'Get a token' }).click();
      await page.getByText(/^Got a token with \d+ permissions/).waitFor();
      assert.equal(
        await page.getByLabel('Client secret').inputValue(),
        '',
        'the secret is not kept longer than needed',
      );

      const create = page.locator('#role-create');
      await create.getByRole('button', { name: 'Try it' }).click();
      await create.getByLabel('Request body').fill('{"name": "made by hand"}');
      await create.getByRole('button', { name: 'Send POST' }).click();
      await create.getByText('200 OK').waitFor();

      const list = page.locator('#role-list');
      await list.getByRole('button', { name: 'Try it' }).click();
      await list.getByLabel('pageSize query').fill('1');
      await list.getByRole('button', { name: 'Send GET' }).click();
      await list.getByText('200 OK').waitFor();
      const answer = JSON.parse((await list.locator('.trial pre').textContent())!);
      assert.equal(answer.results[0].name, 'made by hand');

      const kept = await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])');
      assert.equal(kept, '[{},{},""]', 'the token is in memory only');
    }));

  test('a refusal is shown as it came', () =>
    visit(desktop, async (page) => {
      await page.goto(`${tenant.origin}/docs#role-list`);
      const list = page.locator('#role-list');
      await list.getByRole('button', { name: 'Try it' }).click();
      await list.getByRole('link', { name: 'Give this page a token first' }).waitFor();
      await page.getByLabel('or paste one').fill(await tenant.token('read:users'));
      await list.getByRole('button', { name: 'Send GET' }).click();
      await list.getByText('403 Forbidden').waitFor();
      assert.match((await list.locator('.trial pre').textContent())!, /"missing": "read:roles"/);
    }));

  test('it is all there without a script', () =>
    visit({ ...desktop, javaScriptEnabled: false }, async (page) => {
      await page.goto(`${tenant.origin}/docs#role-create`);
      assert.ok(await page.locator('#role-create h3').isVisible());
      assert.equal(await page.getByRole('button', { name: /Try it|Copy/ }).count(), 0);
      assert.equal(await page.getByLabel('Client secret').isVisible(), false);
    }));

  for (const colorScheme of ['light', 'dark'] as const)
    test(`a phone scrolls it in one direction only (${colorScheme})`, () =>
      visit({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme }, async (page) => {
        await page.goto(`${tenant.origin}/docs`);
        await page.evaluate("for (const details of document.querySelectorAll('details.object')) details.open = true");
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 390);
        await page.getByText('Contents', { exact: true }).click();
        await page.getByRole('link', { name: 'Create Role POST' }).click();
        await page.locator('#role-create h3').waitFor();
        assert.equal(await page.getByRole('link', { name: 'Create Role POST' }).isVisible(), false, 'the menu folds');
      }));

  test('the contents can be filtered and reached by keyboard alone', () =>
    visit(desktop, async (page) => {
      await page.goto(`${tenant.origin}/docs`);
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the reference');
      await page.keyboard.press('/');
      await page.keyboard.type('rotate secret');
      assert.equal(await page.locator('.entry:visible li:visible').count(), 1);
      await page.keyboard.press('Enter');
      await page.waitForURL(/#client-rotateSecret$/);
    }));
});
