/** Tables of the documentation and what prints them, and the example of an environment. */
import { readFileSync } from 'node:fs';
import { SETTINGS } from '../src/config.ts';
import { resourcesNotYet } from '../src/domain/index.ts';
import { NOT_THERE_YET } from '../src/domain/not-yet.ts';
import { EVENTS, type Event } from '../src/domain/trail/events.ts';
import type { OpenApi } from '../src/http/docs/openapi-types.ts';
import { CAPABILITIES, type Capability, LIBRARIES } from '../test/clients/libraries.ts';

type Rows = string[][];

const asIs = /[`( ]/;
export const settings = (): Rows => [
  ['Setting', 'Default', 'What it does'],
  ...Object.values(SETTINGS).map(({ name, fallback, about }) => [
    `\`${name}\``,
    asIs.test(fallback) ? fallback : `\`${fallback}\``,
    about,
  ]),
];

const INTRODUCTION = `# Every setting of Cardea. Copy to .env and uncomment what you need; what is commented out has its default.
# A development start needs none of them. Read by \`npm start\`, \`node --env-file=.env src/main.ts\` and \`docker run --env-file .env\`.
`;

/** A comment of lines of at most 119 characters. */
const comment = (text: string): string => text.replace(/(.{1,117})(?: |$)/g, '# $1\n');

/** Every setting, commented out, with what it does and an example. */
export const envExample = (): string =>
  [
    INTRODUCTION,
    ...Object.values(SETTINGS).map(({ name, about, fallback, example }) => {
      const words = `${about} Default: ${fallback}.`.replaceAll('`', '');
      return `${comment(words)}# ${name}=${example}\n`;
    }),
  ].join('\n');

/** With the versions that the lock file installs. */
export function clients(): Rows {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  // Where npm puts what the tests of client libraries ask for: at the root unless that has another version.
  const installed = (library: string) =>
    (lock.packages[`test/clients/node_modules/${library}`] ?? lock.packages[`node_modules/${library}`])!;
  const title = (capability: string) => `${capability[0]!.toUpperCase()}${capability.slice(1)}`;
  return [
    ['Library', 'Version', ...CAPABILITIES.map(title)],
    ...Object.entries<readonly Capability[]>(LIBRARIES).map(([library, proven]) => [
      `\`${library}\``,
      installed(library).version,
      ...CAPABILITIES.map((capability) => (proven.includes(capability) ? 'yes' : '–')),
    ]),
  ];
}

/** What works, and where that is described. */
const WORKS: readonly [what: string, page: string][] = [
  ['OAuth 2 and OpenID Connect: the flows and extensions that are listed, with the tests', 'docs/specifications.md'],
  ['Logging in by password, mailed code and mailed link', 'docs/guides/password-and-codes.md'],
  ['Sign-up by people themselves', 'docs/guides/sign-up.md'],
  ['Verified addresses, change of address, forgotten passwords', 'docs/guides/mailed-links.md'],
  ['An account page: profile, email, password, devices, apps, export, deletion', 'docs/guides/account-page.md'],
  ['A look of its own for each tenant, in English and Spanish', 'docs/guides/look.md'],
  ['Limits, lockout, leaked passwords, a challenge', 'docs/guides/abuse.md'],
  ['Roles, teams and invitations', 'docs/guides/teams-and-roles.md'],
  ['Devices without a keyboard', 'docs/guides/device.md'],
  ['Logout, everywhere', 'docs/guides/logout.md'],
  ['Mails by SMTP or Postmark, in words of your own', 'docs/operations/mail.md'],
  ['Webhooks', 'docs/guides/webhooks.md'],
  ['Import and export of users', 'docs/guides/import-users.md'],
  ['A management API for all of it', 'docs/reference/management-api.md'],
];

/** What works and what not yet, of the list above and of what the resources say of themselves. */
export const works = (): Rows => [
  ['What', 'Works'],
  ...WORKS.map(([what, page]) => [what, `[yes](${page})`]),
  ...[...resourcesNotYet, ...NOT_THERE_YET].map(({ what, says }) => [what, `not yet: ${says}`]),
];

/** Every event: when it is told, who may subscribe, and what is told. */
export const events = (): string =>
  Object.entries<Event>(EVENTS)
    .map(([name, { description, by, permission, example }]) => {
      const json = JSON.stringify(example, null, 2);
      return `## ${name}\n\n${description} Made by: ${by.join(', ')}. Permission: \`${permission}\`.\n\n\`\`\`json\n${json}\n\`\`\``;
    })
    .join('\n\n');

/** Every operation of the OpenAPI document: a heading and a table for each tag. */
export function endpoints(): string {
  const document = JSON.parse(readFileSync(new URL('../openapi/cardea.json', import.meta.url), 'utf8')) as OpenApi;
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ call: `${method.toUpperCase()} ${path}`, ...operation })),
  );
  return document.tags
    .map(({ name, description, 'x-displayName': title }) => {
      const rows = operations
        .filter(({ tags }) => tags.includes(name))
        .map(({ call, summary, 'x-permission': permission, 'x-permission-or-self': self }) => [
          `\`${call}\``,
          summary,
          permission ? `\`${permission}\`${self ? ', or the user' : ''}` : '',
        ]);
      return `## ${title}\n\n${description}\n\n${print([['Call', 'What it does', 'Permission'], ...rows])}`;
    })
    .join('\n\n');
}

/** Markdown, aligned as the formatter would. */
export function print(rows: Rows): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const [head, ...body] = rows.map(line);
  return [head, line(widths.map((width) => '-'.repeat(width))), ...body].join('\n');
}
