/** The README's tables as rows of cells, and what prints them. */
import { readFileSync } from 'node:fs';
import { SETTINGS } from '../src/config.ts';
import { CAPABILITIES, type Capability, LIBRARIES } from '../test/clients/libraries.ts';

type Rows = string[][];

const asIs = /[`( ]/;
export const settings = (): Rows => [
  ['Setting', 'Default', 'What it does'],
  ...SETTINGS.map(({ name, fallback, unit, about }) => [
    `\`${name}\``,
    `${asIs.test(fallback) ? fallback : `\`${fallback}\``}${unit ? ` (${unit})` : ''}`,
    about,
  ]),
];

/** With the versions that the lock file installs. */
export function clients(): Rows {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  const title = (capability: string) => `${capability[0]!.toUpperCase()}${capability.slice(1)}`;
  return [
    ['Library', 'Version', ...CAPABILITIES.map(title)],
    ...Object.entries<readonly Capability[]>(LIBRARIES).map(([library, proven]) => [
      `\`${library}\``,
      lock.packages[`node_modules/${library}`]!.version,
      ...CAPABILITIES.map((capability) => (proven.includes(capability) ? 'yes' : '–')),
    ]),
  ];
}

/** Markdown, aligned as the formatter would. */
export function print(rows: Rows): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const [head, ...body] = rows.map(line);
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body].join('\n');
}
