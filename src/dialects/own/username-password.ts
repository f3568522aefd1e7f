/**
 * `POST /usernamepassword/login`: a password that a page of the account's own took, answered with a form that takes the
 * login to `/login/callback`, where it becomes a session and the app is gone on to.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type, { type Static } from 'typebox';
import type { LoginPolicy } from '../../auth/conclude-login.ts';
import { RESULT_SECONDS, stateLogin } from '../../auth/login-result.ts';
import { connectionsFor } from '../../domain/connection/connection.ts';
import { markBrowser, mintBrowserProof } from '../../domain/link/asking-browser.ts';
import { MAX_PASSWORD_LENGTH } from '../../domain/user/password-policy.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Browser, StartingClient } from '../../oidc/browser/browser.ts';
import { isNamedPage } from './asking-page.ts';
import { clientRoute } from './client-route.ts';

const Parameter = (description?: string, maxLength = 2048) =>
  Type.Optional(Type.String({ maxLength, ...(description && { description }) }));

const Body = Type.Object(
  {
    username: Type.String({ minLength: 1, maxLength: 254, description: 'Email or username' }),
    password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
    client_id: Type.String({ maxLength: 300 }),
    state: Parameter('Comes back to the app'),
    response_type: Parameter('Default: `code`', 100),
    redirect_to: Parameter('Path of this origin to go on to in place of the client; one of another origin is ignored'),
    connection: Parameter('Deprecated: use `connection_id`', 200),
    connection_id: Parameter("A database connection; the client's first one without it", 100),
    scope: Parameter(),
    redirect_uri: Parameter("One of the client's callbacks; the first without it"),
    nonce: Parameter(),
    max_age: Type.Optional(Type.Number({ minimum: 0 })),
    prompt: Parameter('`consent` asks anew; what asks for a login is answered by this one', 100),
    audience: Parameter(),
    resource: Parameter(),
    code_challenge: Parameter('Needed of a client without a secret (RFC 7636)', 128),
    code_challenge_method: Parameter('`S256`', 20),
  },
  { additionalProperties: false },
);
type Body = Static<typeof Body>;

/** What the app is sent on with to /authorize. */
const PARAMETERS = [
  'client_id',
  'state',
  'response_type',
  'scope',
  'redirect_uri',
  'nonce',
  'max_age',
  'audience',
  'resource',
  'code_challenge',
  'code_challenge_method',
] as const;

export type FormPage = (
  request: FastifyRequest,
  form: { action: string; fields: Record<string, string>; appName: string },
) => { status: number; headers: Record<string, string>; body: string };

const refuse = (message: string): never => {
  throw new Fault('invalid_request', message);
};

/** A client of the account's own: to no other are passwords typed. */
async function clientOf(request: FastifyRequest, browser: Browser, { client_id }: Body): Promise<StartingClient> {
  const client = await browser.client(request.tenant, client_id);
  if (!client) return refuse('"client_id" is unknown.');
  if (!client.ours) throw new Fault('forbidden', 'Only a client of the account itself may take passwords.');
  return client;
}

/**
 * The origin of the page that asks, as its browser says, which has to be named: what is open to any page (no `web_origins`)
 * would let any page log its visitors in as somebody else.
 */
function originOf(request: FastifyRequest, client: StartingClient): string | undefined {
  if (isNamedPage(request, client)) return request.headers.origin;
  throw new Fault('forbidden', "This is for pages of the client's callbacks and web_origins.");
}

/** The request that goes on after the login, to the letter. */
function requestOf({ tenant }: FastifyRequest, client: StartingClient, body: Body): string {
  if (!client.hasSecret && !(body.code_challenge && body.code_challenge_method === 'S256'))
    return refuse('A client without a secret needs "code_challenge" and "code_challenge_method" S256.');
  const path = body.redirect_to && URL.parse(body.redirect_to, tenant.origin);
  if (path && path.origin === tenant.origin)
    return JSON.stringify({ redirect_to: `${path.pathname}${path.search}${path.hash}` });
  if (client.plainRequestsRefused)
    return refuse('The client sends its requests pushed or signed: name a "redirect_to".');
  const redirect_uri = body.redirect_uri ?? client.callbacks[0] ?? refuse('The client has no callback to return to.');
  if (!client.mayRedirectTo(redirect_uri)) return refuse('"redirect_uri" is not one of the callbacks of the client.');
  const told = Object.fromEntries(PARAMETERS.flatMap((name) => (body[name] === undefined ? [] : [[name, body[name]]])));
  const asked = { response_type: 'code', scope: 'openid', ...told, redirect_uri };
  return JSON.stringify({ ...asked, ...(body.prompt?.split(' ').includes('consent') && { prompt: 'consent' }) });
}

async function connectionOf({ tenant }: FastifyRequest, { client_id, connection_id, connection: name }: Body) {
  const usable = await connectionsFor(tenant, client_id, 'checkPassword');
  const found =
    connection_id || name
      ? usable.find(
          ({ id, connection_name }) => id === (connection_id || name) || (!connection_id && connection_name === name),
        )
      : usable[0];
  return found ?? refuse('The client has no such database connection.');
}

export async function usernamePassword(
  app: FastifyInstance,
  browser: Browser,
  { policy, formPage }: { policy: LoginPolicy; formPage: FormPage },
): Promise<void> {
  async function answer(request: FastifyRequest, reply: FastifyReply) {
    const { tenant, from } = request;
    const body = request.body as Body;
    const client = await clientOf(request, browser, body);
    const origin = originOf(request, client);
    const wctx = requestOf(request, client, body);
    const connection = await connectionOf(request, body);
    const identifier = body.username.trim();
    const attempt = { connection, identifier, password: body.password, client: body.client_id, from };
    // Who is no browser sends no origin; a browser that is said to have sent none has the cookie.
    const asking = mintBrowserProof();
    const bound = origin === undefined ? { browser: asking.browser } : { origin };
    const wresult = await stateLogin(tenant, attempt, { ...bound, request: wctx }, policy);
    if (origin === undefined) markBrowser(request, reply, asking.proof, RESULT_SECONDS);
    const fields = { wa: 'wsignin1.0', wresult, wctx };
    const page = formPage(request, { action: `${tenant.origin}/login/callback`, fields, appName: client.name });
    return reply.code(page.status).headers(page.headers).send(page.body);
  }

  await clientRoute(app, browser, {
    url: '/usernamepassword/login',
    schema: {
      operationId: 'usernamepassword/login',
      tags: ['usernamepassword'],
      summary: 'Username + password login',
      description:
        'For a login page of your own, of a client of the account itself: checks the password, with the limits that the hosted page has, and answers a page whose form goes to `/login/callback` by itself. What is in the form is good for a minute and once, from the page that asked. A client without a secret sends `code_challenge`. A wrong password and an unknown user are one answer, 401 `wrong_credentials`.',
      body: Body,
      response: { 200: Type.Unsafe({ type: 'string', description: 'The page with the form (HTML)' }) },
    },
    handler: answer,
  });
}
