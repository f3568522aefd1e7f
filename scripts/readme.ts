/** Prints the README's table of settings from config.ts between its markers; `--check` compares instead of writing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { SETTINGS } from '../src/config.ts';

const FILE = new URL('../README.md', import.meta.url);
const [BEGIN, END] = ['<!-- settings: printed by scripts/readme.ts -->', '<!-- /settings -->'];

const asIs = /[`( ]/;
const rows = [
  ['Setting', 'Default', 'What it does'],
  ...SETTINGS.map(({ name, fallback, unit, about }) => [
    `\`${name}\``,
    `${asIs.test(fallback) ? fallback : `\`${fallback}\``}${unit ? ` (${unit})` : ''}`,
    about,
  ]),
];
// Aligned as the formatter would.
const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
const [head, ...body] = rows.map(line);
const table = [BEGIN, '', head, line(widths.map((width) => '-'.repeat(width))), ...body, '', END].join('\n');

const written = readFileSync(FILE, 'utf8');
const [before, rest] = written.split(BEGIN);
const [, after] = rest?.split(END) ?? [];
if (before === undefined || after === undefined) throw new Error(`README.md lacks its markers ${BEGIN} and ${END}`);
const wanted = `${before}${table}${after}`;

if (!process.argv.includes('--check')) writeFileSync(FILE, wanted);
else if (wanted !== written) {
  process.stderr.write('The settings in README.md are not those of src/config.ts: run node scripts/readme.ts\n');
  process.exit(1);
}
