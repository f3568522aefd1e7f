/** `POST /dbconnections/change_password`: asking for the link by which a forgotten password is changed. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { startPasswordReset } from '../../auth/password-reset.ts';
import { TypedEmail } from '../../domain/fields.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { ChallengeResponse } from './challenge.ts';
import { clientRoute } from './client-route.ts';
import { mailingClient } from './mailing-client.ts';
import type { StartOptions } from './passwordless-start.ts';

const Body = Type.Object({
  email: TypedEmail,
  client_id: Type.Optional(Type.String({ maxLength: 300, description: 'The app that the user goes back to' })),
  connection: Type.Optional(
    Type.String({ maxLength: 200, description: 'Id or name; without it the one that the address logs in with' }),
  ),
  challenge_response: ChallengeResponse,
});
type Body = { email: string; client_id?: string; connection?: string; challenge_response?: string };

export async function changePassword(
  app: FastifyInstance,
  browser: Browser,
  { localeOf }: StartOptions,
): Promise<void> {
  await clientRoute(app, browser, {
    url: '/dbconnections/change_password',
    schema: {
      operationId: 'change_password',
      tags: ['dbconnection'],
      summary: 'Change password',
      description:
        'Mails a link, good for an hour, by which the user chooses another password; an address gets at most one in three minutes. The answer is the same either way, and whether or not the address has an account.',
      body: Body,
      response: { 200: Type.Object({ status: Type.Unsafe<'ok'>({ type: 'string', enum: ['ok'] }) }) },
    },
    handler: async (request, reply) => {
      const { email, client_id, connection, challenge_response } = request.body as Body;
      const client = client_id === undefined ? undefined : await mailingClient(browser, request.tenant, client_id);
      await startPasswordReset(request.tenant, {
        email,
        connection,
        client: client && { id: client_id!, name: client.name },
        challenge: challenge_response,
        locale: localeOf(request),
        from: request.from,
      });
      return reply.header('cache-control', 'no-store').send({ status: 'ok' });
    },
  });
}
