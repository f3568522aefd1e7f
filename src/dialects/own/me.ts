/** `GET /me`: the user of the browser's session or of a bearer token, as the management API shows a user. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { UserView, users, viewOfUser } from '../../domain/user/user.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser } from '../../oidc/browser/browser.ts';

export function me(app: FastifyInstance, browser: Browser): void {
  const userOf = async (request: FastifyRequest): Promise<string> => {
    // Whoever sends a token means it, whatever cookie goes along.
    const id = (await browser.bearer(request)) ?? (await browser.visitor(request))?.user;
    if (!id) throw new Fault('unauthorized');
    return id;
  };

  app.get(
    '/me',
    {
      config: { access: 'session' },
      schema: {
        operationId: 'session/me',
        tags: ['session'],
        summary: 'Get current User',
        description:
          "The user behind the browser's session, or behind the bearer token where one is sent: a token without an audience or for the management API, of a client of the account's own. Pages of other origins cannot read it by the session; `/userinfo` is for them.",
        security: [{ session: [] }, { bearerAuth: [] }],
        response: { 200: UserView },
      },
    },
    async (request, reply) => {
      const user = await users.find(request.tenant, await userOf(request));
      if (!user || user.suspended) throw new Fault('invalid_token');
      reply.headers({
        'cache-control': 'no-store',
        vary: 'authorization, cookie',
        'cross-origin-resource-policy': 'same-origin',
      });
      return viewOfUser(user);
    },
  );
}
