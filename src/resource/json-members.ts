/**
 * Members of free-form JSON as lists find rows by them. What a row has of each such field is derived when the field is
 * written, and nowhere else: a bounded list of texts under an index, each a path and a value of its own kind.
 */
import type { Filter, ResourceSpec } from './define.ts';
import type { Term } from './faableql.ts';
import { canBeKept } from './metadata.ts';
import { rederiving } from './rederiving.ts';

/** Of each field so many members are found by, those nearest the top first. */
const MOST_MEMBERS = 64;
/** In characters, as a query writes it without the field's name. What is at a longer path is not found by it. */
const LONGEST_PATH = 100;
/** In characters. Of a longer text the beginning is found. */
const LONGEST_VALUE = 100;
/** After every other character. */
const LAST = '\u{10ffff}';

type Spec = Pick<ResourceSpec, 'freeForm'>;
type Row = Record<string, unknown>;

/** Where the database has the members of a field. */
export const membersAt = (field: string): string => `_m.${field}`;

// No key has a dot or a zero character, so that no path reads like another with a value.
const under = (path: string, key: string): string => `${path}.${key}`;
const textAt = (path: string, text: string): string => `${path}\0"${text}`;
const otherAt = (path: string, json: string): string => `${path}\0${json}`;
const fits = (path: string): boolean => path.length <= LONGEST_PATH + 1;

function leafAt(path: string, value: unknown): string {
  // One character more than can be asked for, lest the beginning of a text pass for the whole.
  if (typeof value === 'string') return textAt(path, value.slice(0, LONGEST_VALUE + 1).toWellFormed());
  return otherAt(path, JSON.stringify(value));
}

/** What is in a list is at the list's own path, as the database has it. */
function membersOf(value: unknown): string[] {
  const members = new Set<string>();
  let level: [path: string, node: unknown][] = [['', value]];
  while (level.length > 0) {
    const below: typeof level = [];
    for (const [path, node] of level) {
      if (members.size === MOST_MEMBERS) return [...members];
      if (typeof node !== 'object' || node === null) {
        if (node !== undefined && path) members.add(leafAt(path, node));
      } else if (Array.isArray(node)) for (const item of node) below.push([path, item]);
      else
        for (const [key, child] of Object.entries(node))
          if (fits(under(path, key))) below.push([under(path, key), child]);
    }
    level = below;
  }
  return [...members];
}

/** What a new row is stored with. */
export function newMembers({ freeForm = [] }: Spec, row: Row): { _m?: Record<string, string[]> } {
  const found = freeForm.flatMap((field) => {
    const members = membersOf(row[field]);
    return members.length ? [[field, members] as const] : [];
  });
  return found.length ? { _m: Object.fromEntries(found) } : {};
}

/** What a change of these fields sets besides. Also where nothing is left: the row is of this release then. */
export const changedMembers = ({ freeForm = [] }: Spec, fields: Row): Row =>
  Object.fromEntries(
    freeForm.filter((field) => field in fields).map((field) => [membersAt(field), membersOf(fields[field])]),
  );

/** A number as JSON has it, whichever way it was written. */
function asJson(value: string): string | undefined {
  if (/^(true|false|null)$/.test(value)) return value;
  if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return undefined;
  return Number.isFinite(Number(value)) ? JSON.stringify(Number(value)) : undefined;
}

/**
 * A value without quotes is a text, and what else it reads like: 3, "3"; in quotes it is a text alone.
 * @param refuse says of the term what is wrong with it. @throws what that throws
 */
export function memberFilter(
  { field, path: steps, value, quoted, negated, prefix, comparison }: Term,
  refuse: (why: string) => never,
): Filter {
  if (comparison) refuse('cannot be compared so');
  if (!steps.every((step) => canBeKept(step))) refuse('names a member that no row may have');
  const path = steps.reduce(under, '');
  if (!fits(path)) refuse(`names a path of more than ${LONGEST_PATH} characters`);
  if (value.length > LONGEST_VALUE) refuse(`takes ${LONGEST_VALUE} characters at most`);
  const text = textAt(path, value);
  if (prefix) return { [membersAt(field)]: { $elemMatch: { $gte: text, $lt: text + LAST } } };
  const json = quoted ? undefined : asJson(value);
  const wanted = json === undefined ? [text] : [text, otherAt(path, json)];
  return { [membersAt(field)]: { [negated ? '$nin' : '$in']: wanted } };
}

/** Rows of an earlier release are found by what they had already. */
export const jsonMembers = rederiving('json-members', ({ freeForm }) => {
  if (!freeForm) return undefined;
  return {
    reads: ['_m', ...freeForm],
    changes(row) {
      const { _m: known = {} } = row as { _m?: Row };
      return freeForm.flatMap((field) => {
        const members = field in known ? [] : membersOf(row[field]);
        const at = membersAt(field);
        // Who changes the field meanwhile writes the members of that.
        return members.length ? [{ set: { [at]: members }, where: { [at]: { $exists: false } } }] : [];
      });
    },
  };
});
