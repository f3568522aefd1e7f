/** The schemas that routes of resources share: a row on the wire, a page of rows, and what a list may be asked. */
import Type, { type TObject, type TSchema } from 'typebox';
import { Fault } from '../kernel/fault.ts';
import { expandable, Metadata, type ResourceSpec, Timestamp } from './define.ts';
import { type AnyCollection, collectionNamed } from './registry.ts';
import type { ListOptions } from './search.ts';

/** The wire schema of a resource, with the base fields. */
export function wireSchema({ spec }: AnyCollection): TObject {
  return Type.Object(
    {
      id: Type.String({ description: `${spec.title} ID` }),
      ...spec.row.properties,
      ...expanded(spec),
      account: Type.String({ description: 'Object is related with this account' }),
      metadata: Type.Optional(Metadata),
      createdAt: Timestamp(`${spec.title} creation date`),
      updatedAt: Type.Optional(Timestamp(`${spec.title} updated date`)),
    },
    { $id: spec.title, description: spec.title },
  );
}

/** An id, or with `expand` the row that it names. */
function expanded(spec: ResourceSpec): Record<string, TSchema> {
  return Object.fromEntries(
    Object.entries(expandable(spec)).map(([field, to]) => {
      const id = spec.row.properties[field] as TSchema & { items?: TSchema };
      const row = Type.Ref(collectionNamed(to).spec.title);
      const either = id.items ? Type.Array(Type.Union([id.items, row])) : Type.Union([id, row]);
      return [field, spec.row.required?.includes(field) ? either : Type.Optional(either)];
    }),
  );
}

export const pageSchema = (item: TSchema) =>
  Type.Object({ results: Type.Array(item), next: Type.Union([Type.String(), Type.Null()]) });

/** Of a list that counts where asked. */
export const countedPageSchema = (item: TSchema) =>
  Type.Object({
    ...pageSchema(item).properties,
    total: Type.Optional(
      Type.Integer({ description: 'With `include_totals`: how many rows there are, 10,000 at most' }),
    ),
    total_is_more: Type.Optional(Type.Boolean({ description: 'With `include_totals`: there are more than `total`' })),
  });

export const pagingParameters = {
  pageSize: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, description: 'Number of items per page (max 200)', default: 30 }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 2000, description: 'Cursor for next page' })),
  next: Type.Optional(Type.String({ maxLength: 2000, description: 'Cursor returned by the previous page' })),
};

export const expandParameter = (paths: readonly string[]) => ({
  expand: Type.Optional(
    Type.Union([Type.String({ maxLength: 400 }), Type.Array(Type.String({ maxLength: 100 }), { maxItems: 20 })], {
      description: `Inline these id fields, repeatable or comma-separated: ${paths.map((path) => `\`${path}\``).join(', ')}`,
    }),
  ),
});

export type ListQuery = Omit<ListOptions, 'totals'> & {
  include_totals?: boolean;
  next?: string;
  expand?: string | string[];
};

/** @throws Fault `invalid_cursor` when `cursor` and `next` are both given and differ. */
export function listOptions(query: ListQuery): ListOptions {
  const { cursor, next, pageSize, query: text, q, sort, include_totals: totals } = query;
  if (cursor !== undefined && next !== undefined && cursor !== next)
    throw new Fault('invalid_cursor', '"cursor" and "next" are one parameter under two names; send one of them.');
  return { cursor: cursor ?? next, pageSize, query: text, q, sort, totals };
}

export const expandPaths = (expand: string | string[] | undefined): string[] =>
  [expand ?? []]
    .flat()
    .flatMap((part) => part.split(','))
    .map((path) => path.trim())
    .filter(Boolean);
