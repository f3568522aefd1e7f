/** `POST /passwordless/start`: asking for a code or a link, as JSON, from wherever the client's own pages are. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { LINK_PARAMETERS, startPasswordless } from '../../auth/passwordless.ts';
import { connectionsFor } from '../../domain/connection/connection.ts';
import { TypedEmail } from '../../domain/fields.ts';
import { LINK_SECONDS } from '../../domain/link/passwordless.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser, StartingClient } from '../../oidc/browser/browser.ts';
import { askingBrowser } from './asking-page.ts';
import { ChallengeResponse } from './challenge.ts';
import { clientRoute } from './client-route.ts';
import { mailingClient } from './mailing-client.ts';

const START = '/passwordless/start';
const GRANT = 'http://auth0.com/oauth/grant-type/passwordless/otp';

const StartBody = Type.Object({
  client_id: Type.String({ maxLength: 100 }),
  email: TypedEmail,
  send: Type.Unsafe<'link' | 'code'>({
    type: 'string',
    enum: ['link', 'code'],
    description: 'Whether a link or a six-digit code is mailed',
  }),
  connection_id: Type.Optional(Type.String({ maxLength: 100, description: "The client's first one without it" })),
  challenge_response: ChallengeResponse,
  auth_params: Type.Optional(
    Type.Record(Type.String(), Type.String({ maxLength: 2048 }), {
      description: 'With a link: what `/authorize` takes, such as `redirect_uri`, `scope`, `state`, `code_challenge`',
    }),
  ),
});
type StartBody = {
  client_id: string;
  email: string;
  send: 'link' | 'code';
  connection_id?: string;
  auth_params?: Record<string, string>;
  challenge_response?: string;
};

const refuse = (message: string): never => {
  throw new Fault('invalid_request', message);
};

async function connectionOf(request: FastifyRequest, { client_id, connection_id }: StartBody) {
  const usable = await connectionsFor(request.tenant, client_id, 'sendsCodes');
  const found = connection_id ? usable.find(({ id }) => id === connection_id) : usable[0];
  return found ?? refuse('The client has no such passwordless connection.');
}

/** What the link will send to /authorize. @throws Fault for what would only fail once the mail is read. */
function paramsOf(client: StartingClient, given: Record<string, string> = {}): string {
  if (client.plainRequestsRefused) refuse('The client sends its requests pushed or signed, which no link can do.');
  const known = Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value && LINK_PARAMETERS.includes(name)),
  );
  const redirect_uri = known.redirect_uri ?? client.callbacks[0] ?? refuse('The client has no callback to return to.');
  if (!client.mayRedirectTo(redirect_uri)) refuse('"redirect_uri" is not one of the callbacks of the client.');
  return JSON.stringify({ scope: 'openid profile email', ...known, redirect_uri });
}

export type StartOptions = {
  /** The language of the message: what the app asked for, else the browser's. */
  localeOf(request: FastifyRequest, uiLocales?: string): string;
};

export async function passwordlessStart(
  app: FastifyInstance,
  browser: Browser,
  { localeOf }: StartOptions,
): Promise<void> {
  await clientRoute(app, browser, {
    url: START,
    schema: {
      operationId: 'passwordless/start',
      tags: ['passwordless'],
      summary: 'Start Passwordless authentication flow',
      description:
        'Mails a link, or a code for the token endpoint. An address gets at most one code and one link in three minutes; the answer is the same either way, and whether or not the address has an account.',
      body: StartBody,
      response: { 200: Type.Object({ success: Type.Boolean() }) },
    },
    handler: async (request, reply) => {
      const { tenant } = request;
      const body = request.body as StartBody;
      const known = await mailingClient(browser, tenant, body.client_id);
      if (body.send === 'code' && !known.mayUse(GRANT)) refuse('The client may not use one-time codes.');
      if (body.send === 'link' && !known.mayUse('authorization_code')) refuse('The client may not use login links.');
      const connection = await connectionOf(request, body);
      const params = body.send === 'link' ? paramsOf(known, body.auth_params) : undefined;
      const asking = askingBrowser(request, known);
      const id = await startPasswordless(tenant, {
        connection,
        client: { id: body.client_id, name: known.name },
        email: body.email,
        send: body.send,
        params,
        browser: params && asking.browser,
        challenge: body.challenge_response,
        locale: localeOf(request, body.auth_params?.ui_locales),
        from: request.from,
      });
      if (id && params) asking.mark(reply, LINK_SECONDS);
      return reply.header('cache-control', 'no-store').send({ success: true });
    },
  });
}
