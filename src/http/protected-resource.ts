/**
 * The management API as a protected resource (RFC 9728): where a client that was turned away learns which authorization
 * server to ask. The resource is the origin itself, as the RFC wants an address; tokens for it carry the account's
 * management audience.
 */
import cors from '@fastify/cors';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { managementPermissions } from '../domain/api/permission.ts';
import type { Tenant } from '../kernel/context.ts';
import { DPOP_ALGS } from '../kernel/dpop.ts';

const PATH = '/.well-known/oauth-protected-resource';

/** §5.1: the parameter of `WWW-Authenticate` that points here. */
export const resourceMetadata = (tenant: Tenant): string => `resource_metadata="${tenant.origin}${PATH}"`;

const Metadata = Type.Object({
  resource: Type.String({ description: 'What to ask a token for, as `resource`' }),
  resource_name: Type.String(),
  authorization_servers: Type.Array(Type.String(), { description: 'Issuers whose tokens are taken' }),
  scopes_supported: Type.Array(Type.String()),
  bearer_methods_supported: Type.Array(Type.String()),
  dpop_signing_alg_values_supported: Type.Array(Type.String()),
  resource_documentation: Type.String(),
});

export async function protectedResource(app: FastifyInstance): Promise<void> {
  await app.register(
    async (scope) => {
      await scope.register(cors, { methods: 'GET', maxAge: 3600, strictPreflight: false });
      scope.get(
        '',
        {
          config: { access: 'public' },
          schema: {
            operationId: 'oauth/protectedResource',
            tags: ['oauth'],
            summary: 'About the management API (RFC 9728)',
            description:
              'For clients that start from the API, as MCP clients do: its 401 answers point here. A user gets of these scopes what the roles of that user grant.',
            response: { 200: Metadata },
          },
        },
        async ({ tenant }, reply) => {
          reply.header('cache-control', 'public, max-age=60');
          return {
            resource: tenant.origin,
            resource_name: `${tenant.account.name} management API`,
            authorization_servers: [tenant.origin],
            scopes_supported: managementPermissions().map(({ value }) => value),
            bearer_methods_supported: ['header'],
            dpop_signing_alg_values_supported: [...DPOP_ALGS],
            resource_documentation: `${tenant.origin}/docs`,
          };
        },
      );
    },
    { prefix: PATH },
  );
}
