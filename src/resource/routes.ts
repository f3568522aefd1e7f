/**
 * Spec → Fastify routes with their OpenAPI metadata: list, create, get, update, remove as the contract spells them
 * (update is POST, lists answer `{results, next}`, `cursor` and `next` are one parameter). A missing operation is a
 * missing route.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type, { type TObject } from 'typebox';
import type { Tenant } from '../kernel/context.ts';
import type { Collection, Filter } from './collection.ts';
import { expandable, type ResourceSpec, type Row } from './define.ts';
import { present } from './presentation.ts';
import { createRow, updateRow } from './references.ts';
import type { AnyCollection, AnyRow } from './registry.ts';
import { removeRow } from './removal.ts';
import type { Given, Gives } from './request.ts';
import {
  countedPageSchema,
  expandParameter,
  type ListQuery,
  listOptions,
  pagingParameters,
  wireSchema,
} from './schemas.ts';
import { sortable } from './sort.ts';
import type { Wire } from './wire.ts';

export type Operations<R extends TObject, S extends TObject> = {
  create?: {
    body: TObject;
    /** Default: checks metadata and references, and stores the body. */
    run?(tenant: Tenant, input: never, request: FastifyRequest): Promise<Row<R, S>>;
    /** Permissions that the new row gives; none without. */
    gives?(tenant: Tenant, input: never): Given;
    /** A sealed field that the maker of the row sees in this one answer, whatever else the token may read. */
    reveals?: string;
  };
  update?: {
    body: TObject;
    /** Default: as of `create`. @param still what has to be so when it is written; else Fault `changed_meanwhile`. */
    run?(tenant: Tenant, id: string, patch: never, still: Filter): Promise<Row<R, S>>;
    /** Permissions that the change gives; none without. */
    gives?(tenant: Tenant, patch: never, current: Row<R, S>): Given;
    /**
     * Fields of which what is there already gives nothing new: a change of them is written over what `gives` saw alone, lest
     * it bring back what somebody takes away at the same moment.
     */
    weighs?: readonly (keyof Row<R, S> & string)[];
  };
  /** True: with all that the specs say goes along. */
  remove?: true | ((tenant: Tenant, id: string, request: FastifyRequest) => Promise<Row<R, S>>);
};

export function mountResource<R extends TObject, S extends TObject>(
  app: FastifyInstance,
  collection: Collection<R, S>,
  { create, update, remove }: Operations<R, S>,
): void {
  const routes = routesOf(app, collection);
  routes.list();
  routes.get();
  if (create) routes.create(create as never);
  if (update) routes.update(update as never);
  if (remove) routes.remove((remove === true ? undefined : remove) as never);
}

type AnyOperations = Operations<TObject, TObject>;
type Create = NonNullable<AnyOperations['create']>;
type Update = NonNullable<AnyOperations['update']>;

function routesOf(app: FastifyInstance, collection: AnyCollection) {
  const spec = collection.spec as ResourceSpec;
  const { name, title } = spec;
  if (!app.getSchema(title)) app.addSchema(wireSchema(collection));
  const row = Type.Ref(title);
  const [many, one] = [`/${name}`, `/${name}/:${name}_id`];
  const params = Type.Object({ [`${name}_id`]: Type.String({ maxLength: 100, description: `Id of the ${title}` }) });
  const paths = Object.keys(expandable(spec));

  const describe = (verb: string, operation: string, summary: string, schema: object, gives?: Gives) => ({
    config: { access: { permission: `${verb}:${spec.permission}`, gives }, notYet: spec.notYet },
    schema: {
      operationId: `${name}/${operation}`,
      tags: [name],
      summary,
      security: [{ bearerAuth: [] }],
      ...schema,
    },
  });
  const idOf = (request: FastifyRequest) => (request.params as Record<string, string>)[`${name}_id`]!;
  const bodyOf = (request: FastifyRequest) => request.body as Wire;
  const wire = async (request: FastifyRequest, value: AnyRow): Promise<Wire> =>
    (await present(request, collection, [value]))[0]!;
  const trace = (request: FastifyRequest, what: string, { id }: AnyRow, fields?: string[]) =>
    request.audit({
      type: `admin.${name}.${what}`,
      subject: id,
      ...(fields && { fields }),
      refs: spec.traced ? { [name]: id } : undefined,
    });

  return {
    list() {
      const querystring = Type.Object({ ...listParameters(spec), ...(paths.length && expandParameter(paths)) }, CLOSED);
      const route = describe('read', 'list', `List ${plural(title)}`, {
        querystring,
        response: { 200: countedPageSchema(row) },
      });
      app.get(many, route, async (request) => {
        const query = request.query as ListQuery;
        const page = await collection.list(request.tenant, listOptions(query));
        return { ...page, results: await present(request, collection, page.results, query.expand) };
      });
    },

    get() {
      const expand = paths.length && { querystring: Type.Object(expandParameter(paths), CLOSED) };
      const route = describe('read', 'get', `Get ${title}`, { params, ...expand, response: { 200: row } });
      app.get(one, route, async (request) => {
        const found = await collection.get(request.tenant, idOf(request));
        return (await present(request, collection, [found], (request.query as ListQuery).expand))[0];
      });
    },

    create({ body, run = (tenant, input) => createRow(collection, tenant, input), gives, reveals }: Create) {
      const given: Gives | undefined = gives && (({ tenant, body }) => gives(tenant, body as never));
      const route = describe('create', 'create', `Create ${title}`, { body, response: { 200: row } }, given);
      app.post(many, route, async (request) => {
        const created = await run(request.tenant, request.body as never, request);
        await trace(request, 'created', created, Object.keys(bodyOf(request)));
        const answer = await wire(request, created);
        const revealed = reveals && collection.reveal(created, reveals as never);
        if (revealed) answer[reveals] = revealed;
        return answer;
      });
    },

    update({ body, run = (...args) => updateRow(collection, ...args), gives, weighs = [] }: Update) {
      const seen = new WeakMap<FastifyRequest, AnyRow>();
      const given: Gives | undefined =
        gives &&
        (async (request) => {
          const current = await collection.find(request.tenant, idOf(request));
          if (!current) return [];
          seen.set(request, current);
          return gives(request.tenant, request.body as never, current);
        });
      const route = describe('update', 'update', `Update ${title}`, { params, body, response: { 200: row } }, given);
      app.post(one, route, async (request) => {
        const fields = weighs.filter((field) => field in bodyOf(request));
        const still = asSeen(seen.get(request), fields);
        const updated = await run(request.tenant, idOf(request), request.body as never, still);
        await trace(request, 'updated', updated, Object.keys(bodyOf(request)));
        return wire(request, updated);
      });
    },

    remove(
      run: Exclude<NonNullable<AnyOperations['remove']>, true> = (tenant, id) => removeRow(collection, tenant, id),
    ) {
      const route = describe('delete', 'delete', `Delete ${title}`, { params, response: { 200: row } });
      app.delete(one, route, async (request) => {
        const removed = await run(request.tenant, idOf(request), request);
        await trace(request, 'deleted', removed);
        return wire(request, removed);
      });
    },
  };
}

/** A row of an earlier release has nothing where it reads as if it had. */
const asSeen = (row: object | undefined, fields: readonly string[]): Filter =>
  Object.fromEntries(
    fields.map((field) => {
      const value = (row as Record<string, unknown> | undefined)?.[field];
      return [field, value ? { $eq: value } : { $in: [value ?? null, null] }];
    }),
  );

const plural = (title: string): string => `${title.replace(/y$/, 'ie')}s`;
const CLOSED = { additionalProperties: false } as const;

/** What a list may be asked, beside what to inline. */
function listParameters(spec: ResourceSpec) {
  const { filter, search, freeForm = [] } = spec;
  const members = freeForm.map((field) => `\`${field}.<path>\`, `).join('');
  const names = (fields: readonly string[]) => fields.map((field) => `\`${field}\``).join(', ');
  return {
    ...pagingParameters,
    query: Type.Optional(
      Type.String({
        maxLength: 1000,
        description: `Filter using a FaableQL query over ${names(filter)}, ${members}\`since\` and \`until\``,
      }),
    ),
    sort: Type.Optional(
      Type.String({
        maxLength: 100,
        description: `Order, the highest first with a hyphen before the field (default \`-createdAt\`): ${names(sortable(spec))}`,
      }),
    ),
    include_totals: Type.Optional(Type.Boolean({ description: 'Count the rows too' })),
    ...(search && {
      q: Type.Optional(
        Type.String({ minLength: 1, maxLength: 200, description: `Full-text search across: ${names(search)}.` }),
      ),
    }),
  };
}
