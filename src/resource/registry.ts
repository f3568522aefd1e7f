/** Every collection that was defined, and what they say about each other. */
import type { TObject } from 'typebox';
import type { Collection } from './collection.ts';
import type { Reference, ResourceSpec, Row } from './define.ts';

// biome-ignore lint/suspicious/noExplicitAny: whoever takes any collection knows of its rows only what all have
export type AnyCollection = Collection<any, any>;
export type AnyRow = Row<TObject>;

const registered: AnyCollection[] = [];

export function register(collection: AnyCollection): void {
  registered.push(collection);
}

/** What migrate.ts indexes, what account deletion empties. */
export const collections = (): readonly AnyCollection[] => registered;

/** @throws Error for a name that no resource has, which is a slip of the pen. */
export function collectionNamed(name: string): AnyCollection {
  const found = registered.find(({ spec }) => spec.name === name);
  if (!found) throw new Error(`there is no resource "${name}"`);
  return found;
}

/** One field of one resource that refers to another. */
export type Dependent = { collection: AnyCollection; field: string; reference: Reference };

/** Who refers to a resource, in the order in which they hear that a row of it goes: always the same. */
export function dependentsOf(name: string): Dependent[] {
  const rank = ({ reference }: Dependent) => (reference.first ? 0 : 1);
  const key = ({ collection, field }: Dependent) => `${collection.spec.name}.${field}`;
  return registered
    .flatMap((collection) =>
      Object.entries((collection.spec as ResourceSpec).references ?? {})
        .filter(([, { to }]) => to === name)
        .map(([field, reference]) => ({ collection, field, reference })),
    )
    .sort((a, b) => rank(a) - rank(b) || (key(a) < key(b) ? -1 : 1));
}

/** Every stored collection whose rows end by the clock, with the field that says when. */
export const expiring = (): [collection: string, field: string][] =>
  registered.flatMap(({ spec }) => (spec.expires ? [[spec.collection, spec.expires] as [string, string]] : []));

/**
 * Whether the references make sense together: called when everything is defined, so that a slip stops the start.
 * @throws Error naming the resource and field.
 */
export function verifyReferences(): void {
  for (const { spec } of registered)
    for (const [field, { to, gone }] of Object.entries((spec as ResourceSpec).references ?? {})) {
      const at = `${spec.name}.${field}`;
      const target = collectionNamed(to);
      const [head] = field.split('.');
      const fields = { ...spec.row.properties, ...spec.stored?.properties };
      if (!Object.hasOwn(fields, head!)) throw new Error(`${at} is a reference, and no field`);
      if (gone === 'remove' && dependentsOf(spec.name).some(({ reference }) => reference.gone === 'refuse'))
        throw new Error(`${at} would remove a row that something may keep from going`);
      if (spec.scope === 'root' && gone !== 'refuse') throw new Error(`${at}: an account neither goes nor forgets`);
      if (target.spec.scope === 'root') throw new Error(`${at}: rows of an account refer to it by being its own`);
    }
}
