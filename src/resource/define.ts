/**
 * What a resource is made of, as data. collection.ts stores it, routes.ts serves it, migrate.ts indexes it; nothing in
 * this room knows any resource by name.
 */
import Type, { type Static, type TObject, type TSchema } from 'typebox';
import type { Collection } from './collection.ts';

/** A point in time: a Date inside, ISO 8601 on the wire. */
export const Timestamp = (description?: string) =>
  Type.Unsafe<Date>({ type: 'string', format: 'date-time', ...(description && { description }) });

/** A string out of a fixed list. */
export const OneOf = <const T extends string>(values: readonly T[], description?: string) =>
  Type.Unsafe<T>({ type: 'string', enum: [...values], ...(description && { description }) });

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** An object with any names and values of one shape. Said as `additionalProperties`, which no name slips past. */
export const MapOf = <T>(values: TSchema | true, description?: string) =>
  Type.Unsafe<Record<string, T>>({
    type: 'object',
    additionalProperties: values,
    ...(description && { description }),
  });

export const Metadata = MapOf<unknown>(
  true,
  'Free-form JSON, 16 KB at most; keys may not start with "$" or contain "."',
);

/** The fields that every row has. */
export type Base = {
  id: string;
  account: string;
  metadata: Record<string, unknown>;
  createdAt: Date;
  updatedAt: Date;
};

/** A resource without stored-only fields. */
export type Nothing = TObject<Record<never, never>>;

export type Row<R extends TObject, S extends TObject = Nothing> = Static<R> & Static<S> & Base;

export type ResourceSpec<R extends TObject = TObject, S extends TObject = TObject> = {
  /** Wire path, tag and id prefix: `role` serves `/role` with ids `role_…`. */
  name: string;
  /** Prefix of the ids where it is not the name. */
  idPrefix?: string;
  /** As prose and schema name: `Role`. */
  title: string;
  /** Plural noun of its permissions: `roles` makes `read:roles`. */
  permission: string;
  collection: string;
  /** The wire shape without the base fields; all of it is stored. */
  row: R;
  /** Stored, never on the wire. */
  stored?: S;
  /** Wire fields that are sealed at rest, with the permission that shows them; others see a mask. */
  sealed?: Record<string, string>;
  defaults: () => Partial<Static<NoInfer<R>>>;
  /** Fields that FaableQL may compare; each is indexed under the account. */
  filter: readonly string[];
  /** Fields whose words `q` finds. */
  search?: readonly string[];
  /** Field groups that are unique within the account; a row without one of them is not compared. */
  unique?: readonly (readonly string[])[];
  /** id fields that `expand` inlines. Thunks, because resources refer to each other. */
  expand?: Record<string, () => Collection<TObject, TObject>>;
  /** Set-up that every request may ask for: held for longer, since each instance hears of changes (store/changes.ts). */
  watched?: true;
  /** How a field's compared form is made: emails are folded, and so on. */
  normalize?: Record<string, (value: string) => string>;
  /** What the wire shows besides the row's own fields, e.g. a secret that sits inside one of them. */
  wire?: (row: Row<R, S>, may: (permission: string) => boolean) => Record<string, unknown>;
};
