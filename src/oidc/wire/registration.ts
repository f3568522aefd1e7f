/**
 * Dynamic client registration on the wire: RFC 7591 at `/oidc/register`, RFC 7592 below it. JSON, bearer tokens, OAuth's
 * errors, and open to any origin, since nothing here goes by cookies.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  deleteRegistration,
  readRegistration,
  registerClient,
  updateRegistration,
  type Wire,
} from '../../auth/client-registration.ts';
import { bearerOf } from '../../kernel/authorization.ts';
import { Fault } from '../../kernel/fault.ts';
import { PATHS } from '../engine/configure.ts';
import type { AnswerError } from './errors.ts';

const BODY_LIMIT = 64 * 1024;

const askedBy = (request: FastifyRequest) => ({
  bearer: bearerOf(request.headers.authorization),
  ip: request.ip,
});

function body(request: FastifyRequest): Wire {
  const { body } = request;
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Fault('invalid_client_metadata', 'The request body must be a JSON object.');
  return body as Wire;
}

/** What is wrong with a body is wrong with what it says of the client. */
const CODES = { validation: 'invalid_client_metadata' };

/** RFC 6750 §3.1 */
const challenge = (request: FastifyRequest) =>
  request.headers.authorization ? 'Bearer error="invalid_token"' : 'Bearer';

export function registration(app: FastifyInstance, answerError: AnswerError): void {
  app.register(async (scope) => {
    scope.addHook('onRequest', async (_request, reply) => {
      reply.headers({
        'cache-control': 'no-store',
        'access-control-allow-origin': '*',
        'access-control-expose-headers': 'WWW-Authenticate, Retry-After',
      });
    });
    scope.setErrorHandler((error, request, reply) =>
      answerError(request, reply, error, { challenge: challenge(request), codes: CODES }),
    );

    const client = `${PATHS.registration}/:client_id`;
    const idOf = (request: FastifyRequest) => (request.params as { client_id: string }).client_id;
    type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
    const routes: [method: string, url: string, operationId: string, summary: string, handler: Handler][] = [
      [
        'POST',
        PATHS.registration,
        'oauth/register',
        'Register a client (RFC 7591)',
        async (request, reply) => {
          const registered = await registerClient(request.tenant, body(request), askedBy(request));
          return reply.code(201).send(registered);
        },
      ],
      [
        'GET',
        client,
        'oauth/readRegistration',
        'Read what a client registered (RFC 7592)',
        (request) => readRegistration(request.tenant, idOf(request), askedBy(request)),
      ],
      [
        'PUT',
        client,
        'oauth/updateRegistration',
        'Replace what a client registered (RFC 7592)',
        (request) => updateRegistration(request.tenant, idOf(request), body(request), askedBy(request)),
      ],
      [
        'DELETE',
        client,
        'oauth/deleteRegistration',
        'Remove a registered client (RFC 7592)',
        async (request, reply) => {
          await deleteRegistration(request.tenant, idOf(request), askedBy(request));
          return reply.code(204).send();
        },
      ],
    ];
    for (const [method, url, operationId, summary, handler] of routes)
      scope.route({
        method: method as 'GET',
        url,
        bodyLimit: BODY_LIMIT,
        config: { access: 'public' },
        schema: { operationId, tags: ['oauth'], summary },
        handler,
      });
    for (const url of [PATHS.registration, client])
      scope.route({
        method: 'OPTIONS',
        url,
        config: { access: 'public' },
        schema: { hide: true },
        handler: (request, reply) =>
          reply
            .code(204)
            .headers({
              'access-control-allow-methods': url === client ? 'GET, PUT, DELETE' : 'POST',
              'access-control-allow-headers':
                request.headers['access-control-request-headers'] ?? 'authorization, content-type',
              'access-control-max-age': '3600',
              vary: 'Access-Control-Request-Headers',
            })
            .send(),
      });
  });
}
