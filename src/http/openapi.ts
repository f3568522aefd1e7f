/** Routes → the OpenAPI document served at /docs/json and committed to openapi/cardea.json. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { Access } from '../resource/request.ts';

export async function openapi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.0.3',
      info: {
        title: 'Cardea',
        description: 'Multi-tenant identity provider: OAuth 2, OpenID Connect, hosted login and a management API.',
        version,
        license: { name: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          bearerAuth: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'An access token for the management audience of the account.',
          },
        },
      },
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `def-${index}`) },
    transform: ({ schema, url, route }) => {
      const access = (route.config as { access?: Access } | undefined)?.access;
      const permission = typeof access === 'object' ? access.permission : undefined;
      return { schema: { ...schema, ...(permission && { 'x-permission': permission }) } as never, url };
    },
  });
}
