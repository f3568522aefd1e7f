/**
 * The templates that mails are made from: files in views/mail, one for each, with a subject, a body in HTML and one in
 * text; and the engine that fills them in. Liquid, because a tenant's own templates run here too: it has no code, no files
 * and no way out, and each rendering has a limit.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Liquid } from 'liquidjs';
import { Fault } from '../../kernel/fault.ts';
import { isKey, translator } from '../../look/words.ts';

export type Source = { subject: string; html: string; text: string };
export type Part = keyof Source;
export const PARTS = ['subject', 'html', 'text'] as const satisfies readonly Part[];

/** What one rendering may take: an allowance that every list and changed string is taken from, and milliseconds of a busy machine. */
const LIMITS = { parseLimit: 100_000, renderLimit: 1_000, memoryLimit: 30_000 };
const MAX_RENDERED = 200_000;

const directory = new URL('../../../views/mail/', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, directory), 'utf8');

/** A file is three parts, each under a line that names it. */
function sourceOf(file: string): Source {
  const [, ...pieces] = read(file).split(/^--- (subject|html|text)\n/m);
  const found = Object.fromEntries(
    pieces.flatMap((name, at) => (at % 2 === 0 ? [[name, pieces[at + 1]!.trim()]] : [])),
  ) as Partial<Source>;
  for (const part of PARTS) if (!found[part]) throw new Error(`views/mail/${file} has no part ${part}`);
  return found as Source;
}

/** Ours, by name. */
export const SOURCES: Readonly<Record<string, Source>> = Object.fromEntries(
  readdirSync(directory)
    .filter((file) => file.endsWith('.liquid') && !file.startsWith('layout'))
    .map((file) => [file.slice(0, -'.liquid'.length), sourceOf(file)]),
);

const parts = Object.fromEntries(
  readdirSync(new URL('parts/', directory)).map((file) => [file.slice(0, -'.liquid'.length), read(`parts/${file}`)]),
);

function engine(outputEscape?: 'escape'): Liquid {
  const liquid = new Liquid({
    ...LIMITS,
    templates: parts,
    ...(outputEscape && { outputEscape }),
    strictFilters: true,
    strictVariables: true,
    lenientIf: true,
    ownPropertyOnly: true,
    cache: 500,
  });
  // `{{ 'mail.verify_email.title' | words }}`: what the locale files say, with the values of the mail filled in.
  liquid.registerFilter('words', function words(key: unknown) {
    if (typeof key !== 'string' || !isKey(key)) throw new Error(`there are no words for ${key}`);
    const values = this.context.environments as Record<string, string | number>;
    return translator(String(values.locale))(key, values);
  });
  return liquid;
}

const engines: Record<Part, Liquid> = { subject: engine(), html: engine('escape'), text: engine() };
const layouts = { html: read('layout.html.liquid'), text: read('layout.text.liquid') };

export type Variables = Readonly<Record<string, unknown>>;

/** @throws Fault `validation` naming the part, and where it goes wrong there. */
export async function renderSource(source: Source, variables: Variables): Promise<Source> {
  const body = Object.fromEntries(
    await Promise.all(PARTS.map(async (part) => [part, await renderPart(part, source[part], variables)])),
  ) as Source;
  const [html, text] = await Promise.all([
    engines.text.parseAndRender(layouts.html, { ...variables, subject: body.subject, content: body.html }),
    engines.text.parseAndRender(layouts.text, { ...variables, content: body.text.trim() }),
  ]);
  return { subject: oneLine(body.subject), html, text: `${text.trim()}\n` };
}

async function renderPart(part: Part, source: string, variables: Variables): Promise<string> {
  try {
    const rendered = (await engines[part].parseAndRender(source, variables)) as string;
    if (rendered.length > MAX_RENDERED) throw new Error(`the mail is longer than ${MAX_RENDERED} characters`);
    return rendered;
  } catch (error) {
    const message = (error as Error).message.split('\n')[0]!.slice(0, 300);
    throw new Fault('validation', `The ${part} cannot be rendered: ${message}.`, {
      details: [{ path: `/${part}`, message }],
      cause: error,
    });
  }
}

/** A subject is one header: line ends and other controls in a name must not end it. */
const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
