/** Prints the README's tables between their markers; `--check` compares instead of writing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { clients, print, settings } from './tables.ts';

const FILE = new URL('../README.md', import.meta.url);

function fill(text: string, name: string, rows: string[][]): string {
  const [begin, end] = [`<!-- ${name}: printed by scripts/readme.ts -->`, `<!-- /${name} -->`];
  const [before, rest] = text.split(begin);
  const [, after] = rest?.split(end) ?? [];
  if (before === undefined || after === undefined) throw new Error(`README.md lacks its markers ${begin} and ${end}`);
  return `${before}${begin}\n\n${print(rows)}\n\n${end}${after}`;
}

const written = readFileSync(FILE, 'utf8');
const wanted = fill(fill(written, 'settings', settings()), 'clients', clients());

if (!process.argv.includes('--check')) writeFileSync(FILE, wanted);
else if (wanted !== written) {
  process.stderr.write(
    'The tables in README.md are not those of src/config.ts and test/clients/libraries.ts: run node scripts/readme.ts\n',
  );
  process.exit(1);
}
