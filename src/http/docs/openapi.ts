/**
 * Routes → the OpenAPI 3.0.3 document served at /docs/json and committed to openapi/cardea.json. A route says what is its
 * own in its `schema`; what its declared access means is added here, what all share in openapi-document.ts.
 */
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import type { Access } from '../../resource/request.ts';
import { COMPONENTS, finish, TAGS } from './openapi-document.ts';
import { OAUTH_OPERATIONS } from './openapi-oauth.ts';

const DESCRIPTION = `A multi-tenant identity provider: OAuth 2, OpenID Connect, hosted login and a management API.

Every account is served at a host of its own and is an issuer of its own. Management calls carry an access token for the
account's management audience, \`cardea:management:<account id>\`, which its discovery document publishes as
\`management_audience\`. Updates are \`POST\` with the fields to change, and \`PATCH\` does the same; lists answer \`{results, next}\`.`;

/** What a route may carry besides what Fastify knows; swagger's own types have it too. */
type Described = FastifySchema & {
  hide?: boolean;
  operationId?: string;
  description?: string;
  security?: readonly Record<string, readonly string[]>[];
};

export async function openapi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'Cardea',
        description: DESCRIPTION,
        version,
        license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      },
      // Relative: whatever host the document was fetched from.
      servers: [{ url: '/', description: 'The account that this host serves' }],
      tags: TAGS.map(({ name, title, description }) => ({ name, description, 'x-displayName': title })),
      components: COMPONENTS as never,
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `def-${index}`) },
    transform: ({ schema, url, route }) => ({
      schema: describe(
        schema as Described | undefined,
        (route.config as { access?: Access } | undefined)?.access,
      ) as never,
      url,
    }),
    transformObject: (document) => finish((document as { openapiObject: never }).openapiObject) as never,
  });
}

/**
 * The route's own schema, for the document only: the parameters of OAuth endpoints are the engine's to check, so Fastify
 * must not see them.
 */
function describe(schema: Described | undefined, access: Access | undefined): Described {
  if (!schema) return { hide: true };
  const known = { ...OAUTH_OPERATIONS[schema.operationId ?? ''], ...schema };
  if (typeof access === 'object') {
    const or = access.self ? ', or an access token of that user itself' : '';
    const beyond = access.gives ? ', and every one that the call gives' : '';
    const sentence = `Needs the permission \`${access.permission}\`${or}${beyond}.`;
    return Object.assign(known, {
      'x-permission': access.permission,
      ...(access.self && { 'x-permission-or-self': access.self }),
      description: known.description ? `${known.description}\n\n${sentence}` : sentence,
      security: known.security ?? [{ bearerAuth: [] }],
    });
  }
  if (access === 'session') return { ...known, security: known.security ?? [{ session: [] }] };
  return known;
}
