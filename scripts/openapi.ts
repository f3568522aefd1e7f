/** Writes openapi/cardea.json from the routes, without a port and without a database; `--check` only compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { RouteOptions } from 'fastify';
import { pino } from 'pino';
import { buildApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import type { OpenApi } from '../src/http/docs/openapi-types.ts';
import { useSecret } from '../src/kernel/secret/seal.ts';

export const COMMITTED = new URL('../openapi/cardea.json', import.meta.url);

/** The document as /docs/json serves it, and the text that is committed. */
export async function currentDocument(
  onRoute?: (route: RouteOptions) => void,
): Promise<{ document: OpenApi; text: string }> {
  useSecret('nothing is sealed while the document is made');
  const app = await buildApp({
    config: readConfig({ NODE_ENV: 'test' }),
    store: { healthy: () => true, ping: async () => {} },
    operator: { id: 'operator', secret: 'nobody logs in while the document is made' },
    log: pino({ level: 'silent' }),
    onRoute,
  });
  await app.ready();
  const document = app.swagger() as unknown as OpenApi;
  await app.close();
  return { document, text: `${JSON.stringify(document, null, 2)}\n` };
}

async function main(): Promise<void> {
  const { document, text } = await currentDocument();
  if (!process.argv.includes('--check')) {
    writeFileSync(COMMITTED, text);
    const count = Object.values(document.paths).flatMap((item) => Object.keys(item)).length;
    console.log(`openapi/cardea.json: ${count} operations`);
    return;
  }
  if (readFileSync(COMMITTED, { encoding: 'utf8', flag: 'a+' }) === text) return;
  console.error('openapi/cardea.json is not what the routes say. Run `npm run openapi` and commit the result.');
  process.exitCode = 1;
}

if (import.meta.main) await main();
