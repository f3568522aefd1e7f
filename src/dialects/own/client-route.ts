/** Calls from the pages of a client that the body names by `client_id`: each is a POST that is open to all. */
import cors from '@fastify/cors';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import type { Browser } from '../../oidc/browser/browser.ts';

type ClientRoute = {
  url: string;
  schema: FastifySchema;
  handler(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
};

export async function clientRoute(
  app: FastifyInstance,
  browser: Browser,
  { url, schema, handler }: ClientRoute,
): Promise<void> {
  await app.register(
    async (scope) => {
      await clientCors(scope, browser);
      scope.post('', { config: { access: 'public' }, schema }, handler);
    },
    { prefix: url },
  );
}

async function clientCors(scope: FastifyInstance, browser: Browser): Promise<void> {
  /** Any origin may ask whether it may ask; an answer is for those of the client. */
  async function mayRead(request: FastifyRequest): Promise<boolean> {
    const { origin } = request.headers;
    if (origin === undefined || request.method === 'OPTIONS') return origin !== undefined;
    const { client_id } = (request.body ?? {}) as { client_id?: string };
    const client = client_id === undefined ? undefined : await browser.client(request.tenant, client_id);
    return client?.mayCallFrom(origin) ?? false;
  }

  await scope.register(cors, {
    hook: 'preHandler',
    delegator: async (request: FastifyRequest) => ({
      origin: await mayRead(request),
      credentials: true,
      methods: 'POST',
      maxAge: 3600,
    }),
  });
}
