/** What the suite of client libraries shares: a plan that is kept, and pages for the apps. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { browsers } from '../kit/browser.ts';
import { LIBRARIES, type Library } from './libraries.ts';

type Proofs<L extends Library> = Record<(typeof LIBRARIES)[L][number], (page: Page) => Promise<void>>;

/**
 * Runs the proofs of a library one after the other in one browser profile, each a test with the capability's name. They
 * have to be the ones that the table promises, in its order.
 */
export function suite<L extends Library>(library: L, proofs: Proofs<L>, options: BrowserContextOptions = {}): void {
  const visit = browsers();
  test(`an app that uses ${library} does what the table promises of it`, (t) => {
    assert.deepEqual(Object.keys(proofs), [...LIBRARIES[library]]);
    return visit(options, async (page) => {
      for (const [capability, prove] of Object.entries(proofs) as [string, (page: Page) => Promise<void>][])
        await t.test(capability, () => prove(page));
    });
  });
}

/**
 * A single-page app: a library's own browser build, as its package ships it, and the app's script. Every path answers the
 * same page.
 * @param build the build's path in the library's package
 */
export function singlePage(library: Library, build: string, script: string): RequestListener {
  const code = readFileSync(join(dirname(findPackageJSON(library, import.meta.url)!), build));
  const page = `<!doctype html><meta charset="utf-8"><title>App</title><link rel="icon" href="data:,"><h1>Signed out</h1>
<script src="/library.js"></script>
<script>
const heading = document.querySelector('h1');
${script}
</script>`;
  return (request, response) =>
    request.url === '/library.js'
      ? response.writeHead(200, { 'content-type': 'text/javascript' }).end(code)
      : response.writeHead(200, { 'content-type': 'text/html' }).end(page);
}

/** The world's log of requests, for what a library does behind the app's back. */
export function requestLog() {
  const lines: string[] = [];
  return {
    lines,
    /** Whether a route has been answered with success. */
    saw: (route: string) =>
      lines.map((line) => JSON.parse(line)).some((line) => line.route === route && line.status === 200),
  };
}

export const heading = (page: Page, text: string | RegExp) =>
  page.getByRole('heading', { level: 1, name: text }).waitFor();
/** The hosted login page is shown: there is no session any more. */
export const asked = (page: Page) => page.waitForURL(/\/flow\//);
/** What the app answered as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: answers are inspected field by field, and assertions are the check
export const shown = async (page: Page): Promise<any> => JSON.parse((await page.textContent('body')) ?? '');
