/**
 * FaableQL: the filter language of list endpoints. Turns text into typed terms and nothing else; that a term names a
 * filterable field, and what it compares with, is the collection's business.
 *
 *   query := (term | word)*      term := field ("." member)* (":" | "!:") (value | bare "*" | compare value)
 *   value := bare | "quoted"        compare := ">" | ">=" | "<" | "<="
 *   member := name | "quoted"
 */
import { Fault } from '../kernel/fault.ts';

export type Comparison = '>' | '>=' | '<' | '<=';
export type Term = {
  field: string;
  /** Names of members within the field, from the outermost on. */
  path: string[];
  /** Field and path as they were written. */
  name: string;
  negated: boolean;
  value: string;
  quoted: boolean;
  position: number;
  /** The value is the beginning of what is looked for. */
  prefix?: true;
  comparison?: Comparison;
};
export type Query = { terms: Term[]; words: string[] };

const TOKEN =
  /(?:([\p{L}\p{N}_-]+)((?:\.(?:[\p{L}\p{N}_-]+|"(?:[^"\\]|\\.)*"))*)(!?:)([<>]=?)?)?(?:("(?:[^"\\]|\\.)*")|([\p{L}\p{M}\p{N}_\-@.+'&/]+)(\*)?)(?=\s|$)/uy;
const MEMBER = /\.(?:"((?:[^"\\]|\\.)*)"|([^."]+))/gu;
const unquoted = (text: string): string => text.replace(/\\(.)/gu, '$1');

/** @throws Fault `invalid_query` naming the term and its position (characters from 0). */
export function parseQuery(text: string): Query {
  const query: Query = { terms: [], words: [] };
  let position = 0;
  while (position < text.length) {
    if (/\s/u.test(text[position]!)) {
      position += 1;
      continue;
    }
    TOKEN.lastIndex = position;
    const match = TOKEN.exec(text);
    if (!match || (match[7] && (!match[1] || match[4]))) {
      const term = text.slice(position).split(/\s/u, 1)[0]!;
      throw new Fault('invalid_query', `The query is malformed at position ${position}: ${JSON.stringify(term)}.`, {
        details: { position, term },
      });
    }
    const [token, field, path = '', operator, compare, quoted, bare, star] = match;
    const value = quoted ? unquoted(quoted.slice(1, -1)) : bare!;
    if (field)
      query.terms.push({
        field,
        path: [...path.matchAll(MEMBER)].map(([, inQuotes, bareName]) => bareName ?? unquoted(inQuotes!)),
        name: field + path,
        negated: operator === '!:',
        value,
        quoted: quoted !== undefined,
        position,
        ...(star && { prefix: true }),
        ...(compare && { comparison: compare as Comparison }),
      });
    else query.words.push(value);
    position += token.length;
  }
  return query;
}
