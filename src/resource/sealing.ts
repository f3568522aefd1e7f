/** Rows as the database keeps them: secret fields sealed, and absent what is null although its schema has no null. */
import type { TSchema } from 'typebox';
import { seal, unseal } from '../kernel/secret/seal.ts';
import type { ResourceSpec } from './define.ts';
import { fieldsOf, isNullable } from './storage.ts';

/** Shown instead of a sealed value to a caller without the permission to see it. */
export const MASK = '********';

export type Sealing = {
  toStored(id: string, input: Record<string, unknown>): Record<string, unknown>;
  /** What a patch really changes: a mask that comes back is the value that it stands for. */
  given(patch: Record<string, unknown>): Record<string, unknown>;
  /** Opens a sealed field; null when it holds nothing. */
  reveal(row: { id: string }, field: string): string | null;
};

// Bound to row and field, so that a value moved elsewhere does not open.
const contextOf =
  ({ collection }: Pick<ResourceSpec, 'collection'>, field: string) =>
  (id: string): string =>
    `${collection}.${field}:${id}`;

/** A field of a collection's rows that is sealed, and what each value is bound to. */
export type SealedPlace = { collection: string; field: string; contextOf(id: string): string };

export const sealedFields = (spec: ResourceSpec): SealedPlace[] =>
  Object.keys(spec.sealed ?? {}).map((field) => ({
    collection: spec.collection,
    field,
    contextOf: contextOf(spec, field),
  }));

export function sealing(spec: ResourceSpec): Sealing {
  const sealed = new Set(Object.keys(spec.sealed ?? {}));
  const fields: Record<string, TSchema> = fieldsOf(spec);
  const context = (id: string, field: string) => contextOf(spec, field)(id);
  return {
    toStored(id, input) {
      const stored: Record<string, unknown> = {};
      for (const [field, value] of Object.entries(input)) {
        const absent = value === undefined || (value === null && fields[field] && !isNullable(fields[field]));
        if (absent) continue;
        const secret = sealed.has(field) && typeof value === 'string';
        stored[field] = secret ? seal(value, context(id, field)) : value;
      }
      return stored;
    },
    given: (patch) =>
      Object.fromEntries(
        Object.entries(patch).filter(([field, value]) => value !== undefined && !(value === MASK && sealed.has(field))),
      ),
    reveal(row, field) {
      const value = (row as Record<string, unknown>)[field];
      return typeof value === 'string' ? unseal(value, context(row.id, field)) : null;
    },
  };
}
