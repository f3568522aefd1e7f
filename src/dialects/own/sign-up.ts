/** `POST /dbconnections/signup`: an account of one's own, as JSON, from wherever the client's own pages are. */
import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { signUp } from '../../auth/sign-up.ts';
import { connectionsFor } from '../../domain/connection/connection.ts';
import { Text, TypedEmail } from '../../domain/fields.ts';
import { VERIFY_SECONDS } from '../../domain/link/email-verification.ts';
import { MAX_PASSWORD_LENGTH } from '../../domain/user/password-policy.ts';
import { UserWrite } from '../../domain/user/user.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { askingBrowser } from './asking-page.ts';
import { ChallengeResponse } from './challenge.ts';
import { clientRoute } from './client-route.ts';
import { mailingClient } from './mailing-client.ts';
import type { StartOptions } from './passwordless-start.ts';

const Body = Type.Object(
  {
    client_id: Type.String({ maxLength: 300, description: 'The app that somebody signs up at' }),
    email: TypedEmail,
    password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
    username: Type.Optional(Text('Without white space and "@"; needed where the connection `requires_username`', 150)),
    name: Type.Optional(Text(undefined, 300)),
    given_name: Type.Optional(Text(undefined, 150)),
    family_name: Type.Optional(Text(undefined, 150)),
    user_metadata: UserWrite.properties.user_metadata,
    connection: Type.Optional(
      Type.String({ maxLength: 200, description: "Id or name of a database; the client's first one without it" }),
    ),
    challenge_response: ChallengeResponse,
  },
  { additionalProperties: false },
);

const Created = Type.Object({
  status: Type.Unsafe<'created'>({ type: 'string', enum: ['created'] }),
  user_id: Type.String(),
  email_verified: Type.Unsafe<false>({ type: 'boolean', enum: [false] }),
});

export async function signUpByApi(app: FastifyInstance, browser: Browser, { localeOf }: StartOptions): Promise<void> {
  await clientRoute(app, browser, {
    url: '/dbconnections/signup',
    schema: {
      operationId: 'signup',
      tags: ['dbconnection'],
      summary: 'Sign up',
      description:
        'Makes a user with a password; nobody is logged in by that. 403 `signup_disabled` where the account or the connection has turned it off, 409 `email_taken` or `username_taken`, 400 `password_policy` with what the password lacks, `password_breached` for one that leaked elsewhere.',
      body: Body,
      response: { 200: Created },
    },
    handler: async (request, reply) => {
      const { tenant, from } = request;
      const {
        client_id,
        connection: named,
        email,
        username,
        password,
        challenge_response,
        ...profile
      } = request.body as Static<typeof Body>;
      const client = await mailingClient(browser, tenant, client_id);
      const usable = await connectionsFor(tenant, client_id, 'checkPassword');
      const connection = named
        ? usable.find(({ id, connection_name }) => id === named || connection_name === named)
        : usable[0];
      if (!connection) throw new Fault('invalid_request', 'The client has no such database connection.');
      const asking = askingBrowser(request, client);
      const user = await signUp(tenant, {
        connection,
        client: { id: client_id, name: client.name, home: client.home },
        email,
        username,
        password,
        profile,
        browser: asking.browser,
        challenge: challenge_response,
        locale: localeOf(request),
        from,
      });
      // The link that verifies the address acts at once in the browser that asked for it.
      if (tenant.account.notifications.verify_email_auto_send) asking.mark(reply, VERIFY_SECONDS);
      reply.header('cache-control', 'no-store');
      return { status: 'created' as const, user_id: user.id, email_verified: false as const };
    },
  });
}
