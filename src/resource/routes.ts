/**
 * Spec → Fastify routes with their OpenAPI metadata: list, create, get, update, remove as the contract spells them
 * (update is POST, lists answer `{results, next}`, `cursor` and `next` are one parameter). A missing operation is a
 * missing route.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type, { type TObject, type TSchema } from 'typebox';
import { type Actor, can, type Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { type Collection, expandWire, expansion, type ListOptions, toWire } from './collection.ts';
import { Metadata, type Row, Timestamp } from './define.ts';
import type { Access } from './request.ts';
import './request.ts';

type Wire = Record<string, unknown>;

export type Operations<R extends TObject, S extends TObject> = {
  create?: {
    body: TObject;
    run(tenant: Tenant, input: never, request: FastifyRequest): Promise<Row<R, S>>;
    /** A sealed field that the maker of the row sees in this one answer, whatever else the token may read. */
    reveals?: string;
  };
  update?: {
    body: TObject;
    run(tenant: Tenant, id: string, patch: never, request: FastifyRequest): Promise<Row<R, S>>;
  };
  remove?: (tenant: Tenant, id: string, request: FastifyRequest) => Promise<Row<R, S>>;
  /** Path and OpenAPI parameter of one row; `<name>_id` unless said otherwise. */
  param?: string;
  /** False where the contract lists without FaableQL. */
  query?: boolean;
};

export const may = (actor: Actor) => (permission: string) => can(actor, permission);

/** The wire schema of a resource, with the base fields. */
export function wireSchema(collection: Collection<TObject, TObject>): TObject {
  const { spec } = collection;
  return Type.Object(
    {
      id: Type.String({ description: `${spec.title} ID` }),
      ...spec.row.properties,
      ...expandable(spec),
      account: Type.String({ description: 'Object is related with this account' }),
      metadata: Type.Optional(Metadata),
      createdAt: Timestamp(`${spec.title} creation date`),
      updatedAt: Type.Optional(Timestamp(`${spec.title} updated date`)),
    },
    { $id: spec.title, description: spec.title },
  );
}

/** An id, or with `expand` the row that it names. */
function expandable({ row, expand = {} }: Collection<TObject, TObject>['spec']): Record<string, TSchema> {
  return Object.fromEntries(
    Object.entries(expand).map(([field, target]) => {
      const id = row.properties[field] as TSchema & { items?: TSchema };
      const either = id.items
        ? Type.Array(Type.Union([id.items, Type.Ref(target().spec.title)]))
        : Type.Union([id, Type.Ref(target().spec.title)]);
      return [field, row.required?.includes(field) ? either : Type.Optional(either)];
    }),
  );
}

export const pageSchema = (item: TSchema) =>
  Type.Object({ results: Type.Array(item), next: Type.Union([Type.String(), Type.Null()]) });

export const pagingParameters = {
  pageSize: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 200, description: 'Number of items per page (max 200)', default: 30 }),
  ),
  cursor: Type.Optional(Type.String({ maxLength: 200, description: 'Cursor for next page' })),
  next: Type.Optional(Type.String({ maxLength: 200, description: 'Cursor returned by the previous page' })),
};

export const expandParameter = (paths: readonly string[]) => ({
  expand: Type.Optional(
    Type.Union([Type.String({ maxLength: 400 }), Type.Array(Type.String({ maxLength: 100 }), { maxItems: 20 })], {
      description: `Inline these id fields, repeatable or comma-separated: ${paths.map((path) => `\`${path}\``).join(', ')}`,
    }),
  ),
});

export type ListQuery = ListOptions & { next?: string; expand?: string | string[] };

/** @throws Fault `invalid_cursor` when `cursor` and `next` are both given and differ. */
export function listOptions(query: ListQuery): ListOptions {
  const { cursor, next, pageSize, query: text, q } = query;
  if (cursor !== undefined && next !== undefined && cursor !== next)
    throw new Fault('invalid_cursor', '"cursor" and "next" are one parameter under two names; send one of them.');
  return { cursor: cursor ?? next, pageSize, query: text, q };
}

export const expandPaths = (expand: string | string[] | undefined): string[] =>
  [expand ?? []]
    .flat()
    .flatMap((part) => part.split(','))
    .map((path) => path.trim())
    .filter(Boolean);

/** Expansion shows other resources' rows, so it needs the permission to read them too. */
export async function present(
  request: FastifyRequest,
  collection: Collection<never, never>,
  rows: readonly unknown[],
  expand?: string | string[],
): Promise<Wire[]> {
  const source = collection as unknown as Collection;
  const paths = expandPaths(expand);
  for (const path of paths) requirePermission(request.actor, `read:${expansion(source, path).spec.permission}`);
  return expandWire(source, request.tenant, rows as Row<TObject>[], paths, may(request.actor));
}

export function requirePermission(actor: Actor, permission: string): void {
  if (!can(actor, permission))
    throw new Fault('insufficient_scope', `The access token lacks the permission ${permission}.`, {
      details: { missing: permission },
    });
}

export function mountResource<R extends TObject, S extends TObject>(
  app: FastifyInstance,
  typed: Collection<R, S>,
  operations: Operations<R, S>,
): void {
  const collection = typed as unknown as Collection;
  const { spec } = collection;
  const param = operations.param ?? `${spec.name}_id`;
  const paths = Object.keys(spec.expand ?? {});
  const schema = wireSchema(collection);
  if (!app.getSchema(spec.title)) app.addSchema(schema);
  const row = Type.Ref(spec.title);
  const params = Type.Object({ [param]: Type.String({ maxLength: 100, description: `Id of the ${spec.title}` }) });
  const access = (verb: string): { config: { access: Access } } => ({
    config: { access: { permission: `${verb}:${spec.permission}` } },
  });
  const describe = (operation: string, summary: string) => ({
    operationId: `${spec.name}/${operation}`,
    tags: [spec.name],
    summary,
    security: [{ bearerAuth: [] }],
  });
  const idOf = (request: FastifyRequest) => (request.params as Record<string, string>)[param]!;
  const wire = (request: FastifyRequest, value: unknown) =>
    toWire(collection, value as Row<TObject>, may(request.actor));
  const refs = (id: string) =>
    ['user', 'client', 'connection', 'team'].includes(spec.name) ? { [spec.name]: id } : undefined;

  app.get(
    `/${spec.name}`,
    {
      ...access('read'),
      schema: {
        ...describe('list', `List ${spec.title}s`),
        querystring: Type.Object(
          {
            ...pagingParameters,
            ...(operations.query !== false && {
              query: Type.Optional(
                Type.String({
                  maxLength: 1000,
                  description: `Filter using a FaableQL query over ${spec.filter.map((field) => `\`${field}\``).join(', ')}, \`since\` and \`until\``,
                }),
              ),
            }),
            ...(spec.search && {
              q: Type.Optional(
                Type.String({
                  minLength: 1,
                  maxLength: 200,
                  description: `Full-text search across: ${spec.search.map((field) => `\`${field}\``).join(', ')}.`,
                }),
              ),
            }),
            ...(paths.length && expandParameter(paths)),
          },
          { additionalProperties: false },
        ),
        response: { 200: pageSchema(row) },
      },
    },
    async (request) => {
      const query = request.query as ListQuery;
      const page = await collection.list(request.tenant, listOptions(query));
      return { results: await present(request, collection as never, page.results, query.expand), next: page.next };
    },
  );

  app.get(
    `/${spec.name}/:${param}`,
    {
      ...access('read'),
      schema: {
        ...describe('get', `Get ${spec.title}`),
        params,
        ...(paths.length && { querystring: Type.Object(expandParameter(paths), { additionalProperties: false }) }),
        response: { 200: row },
      },
    },
    async (request) => {
      const found = await collection.get(request.tenant, idOf(request));
      return (await present(request, collection as never, [found], (request.query as ListQuery).expand))[0];
    },
  );

  const { create, update, remove } = operations;
  if (create) {
    app.post(
      `/${spec.name}`,
      {
        ...access('create'),
        schema: {
          ...describe('create', `Create ${spec.title}`),
          body: create.body,
          response: { 200: row },
        },
      },
      async (request) => {
        const body = request.body as Wire;
        const created = await create.run(request.tenant, body as never, request);
        await request.audit({
          type: `admin.${spec.name}.created`,
          subject: created.id,
          fields: Object.keys(body),
          refs: refs(created.id),
        });
        const answer = wire(request, created);
        if (create.reveals)
          answer[create.reveals] = collection.reveal(created as unknown as Row<TObject>, create.reveals as never);
        return answer;
      },
    );
  }

  if (update) {
    app.post(
      `/${spec.name}/:${param}`,
      {
        ...access('update'),
        schema: { ...describe('update', `Update ${spec.title}`), params, body: update.body, response: { 200: row } },
      },
      async (request) => {
        const body = request.body as Wire;
        const updated = await update.run(request.tenant, idOf(request), body as never, request);
        await request.audit({
          type: `admin.${spec.name}.updated`,
          subject: updated.id,
          fields: Object.keys(body),
          refs: refs(updated.id),
        });
        return wire(request, updated);
      },
    );
  }

  if (remove) {
    app.delete(
      `/${spec.name}/:${param}`,
      {
        ...access('delete'),
        schema: { ...describe('delete', `Delete ${spec.title}`), params, response: { 200: row } },
      },
      async (request) => {
        const removed = await remove(request.tenant, idOf(request), request);
        await request.audit({ type: `admin.${spec.name}.deleted`, subject: removed.id, refs: refs(removed.id) });
        return wire(request, removed);
      },
    );
  }
}

/** The rows of one collection that hang on one row of another, as a list of their own below it: `/role/{role_id}/users`. */
export function mountMembers<R extends TObject, S extends TObject, M extends TObject, N extends TObject>(
  app: FastifyInstance,
  parents: Collection<R, S>,
  members: Collection<M, N>,
  { path, operationId, summary }: { path: string; operationId: string; summary: string },
): void {
  const { name } = parents.spec;
  const param = `${name}_id`;
  app.get(
    path,
    {
      config: { access: { permission: `read:${members.spec.permission}` } },
      schema: {
        operationId,
        tags: [name],
        summary,
        security: [{ bearerAuth: [] }],
        params: Type.Object({ [param]: Type.String({ maxLength: 100 }) }),
        querystring: Type.Object(
          { ...pagingParameters, ...expandParameter(Object.keys(members.spec.expand ?? {})) },
          { additionalProperties: false },
        ),
        response: { 200: pageSchema(Type.Ref(members.spec.title)) },
      },
    },
    async (request) => {
      const id = (request.params as Record<string, string>)[param]!;
      const query = request.query as ListQuery;
      await parents.get(request.tenant, id);
      const page = await members.list(request.tenant, listOptions(query), { [name]: { $eq: id } });
      return { results: await present(request, members as never, page.results, query.expand), next: page.next };
    },
  );
}
