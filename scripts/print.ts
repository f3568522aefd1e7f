/**
 * Prints what the documentation repeats of the code: tables and changes between their markers, and .env.example as a whole. `--check`
 * compares instead of writing. The addresses are those of the committed OpenAPI document, which openapi.ts prints.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { clients, endpoints, envExample, events, print, settings, works } from './tables.ts';

type Printed = { file: string; text(written: string): string };

/** What stands between `<!-- name: … -->` and `<!-- /name -->`. */
const between = (file: string, name: string, printed: string): Printed => ({
  file,
  text(written) {
    const [begin, end] = [`<!-- ${name}: printed by scripts/print.ts -->`, `<!-- /${name} -->`];
    const [before, rest] = written.split(begin);
    const [, after] = rest?.split(end) ?? [];
    if (before === undefined || after === undefined) throw new Error(`${file} lacks its markers ${begin} and ${end}`);
    return `${before}${begin}\n\n${printed}\n\n${end}${after}`;
  },
});

/** How a thing is added, as a change that test/docs/adding.test.ts makes. */
const CHANGES = new URL('../docs/adding/', import.meta.url);
const changes = readdirSync(CHANGES).map((file) => {
  const change = readFileSync(new URL(file, CHANGES), 'utf8').trimEnd();
  return between('docs/adding.md', basename(file, '.diff'), `\`\`\`diff\n${change}\n\`\`\``);
});

const PRINTED: Printed[] = [
  between('README.md', 'works', print(works())),
  between('docs/reference/settings.md', 'settings', print(settings())),
  between('docs/reference/libraries.md', 'clients', print(clients())),
  between('docs/reference/endpoints.md', 'endpoints', endpoints()),
  between('docs/reference/events.md', 'events', events()),
  ...changes,
  { file: '.env.example', text: envExample },
];

const check = process.argv.includes('--check');
for (const { file, text } of PRINTED) {
  const path = new URL(`../${file}`, import.meta.url);
  const written = readFileSync(path, 'utf8');
  const wanted = text(written);
  if (wanted === written) continue;
  if (!check) {
    writeFileSync(path, wanted);
    continue;
  }
  process.stderr.write(`${file} is not what the code says: run node scripts/print.ts and commit the result\n`);
  process.exitCode = 1;
}
