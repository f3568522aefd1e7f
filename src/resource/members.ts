/** The rows of one collection that hang on one row of another, as a list of their own below it: `/role/{role_id}/users`. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { expandable } from './define.ts';
import { present } from './presentation.ts';
import type { AnyCollection } from './registry.ts';
import { expandParameter, type ListQuery, listOptions, pageSchema, pagingParameters } from './schemas.ts';

export function mountMembers(
  app: FastifyInstance,
  parents: AnyCollection,
  members: AnyCollection,
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
          { ...pagingParameters, ...expandParameter(Object.keys(expandable(members.spec))) },
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
      return { results: await present(request, members, page.results, query.expand), next: page.next };
    },
  );
}
