/**
 * Dynamic client registration on the wire: RFC 7591 at `/oidc/register`, RFC 7592 below it. JSON, bearer tokens, OAuth's
 * errors, and open to any origin, since nothing here goes by cookies.
 */
import cors from '@fastify/cors';
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

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;
type Route = [method: string, url: string, operationId: string, summary: string, handler: Handler];

const CLIENT = '/:client_id';
const idOf = (request: FastifyRequest) => (request.params as { client_id: string }).client_id;

const ROUTES: Route[] = [
  [
    'POST',
    '',
    'oauth/register',
    'Register a client (RFC 7591)',
    async (request, reply) => {
      const registered = await registerClient(request.tenant, body(request), askedBy(request));
      return reply.code(201).send(registered);
    },
  ],
  [
    'GET',
    CLIENT,
    'oauth/readRegistration',
    'Read what a client registered (RFC 7592)',
    (request) => readRegistration(request.tenant, idOf(request), askedBy(request)),
  ],
  [
    'PUT',
    CLIENT,
    'oauth/updateRegistration',
    'Replace what a client registered (RFC 7592)',
    (request) => updateRegistration(request.tenant, idOf(request), body(request), askedBy(request)),
  ],
  [
    'DELETE',
    CLIENT,
    'oauth/deleteRegistration',
    'Remove a registered client (RFC 7592)',
    async (request, reply) => {
      await deleteRegistration(request.tenant, idOf(request), askedBy(request));
      return reply.code(204).send();
    },
  ],
];

export function registration(app: FastifyInstance, answerError: AnswerError): void {
  app.register(
    async (scope) => {
      await scope.register(cors, {
        methods: ['GET', 'POST', 'PUT', 'DELETE'],
        exposedHeaders: ['WWW-Authenticate', 'Retry-After'],
        maxAge: 3600,
        strictPreflight: false,
      });
      scope.addHook('onRequest', async (_request, reply) => void reply.header('cache-control', 'no-store'));
      scope.setErrorHandler((error, request, reply) =>
        answerError(request, reply, error, { challenge: challenge(request), codes: CODES }),
      );
      for (const [method, url, operationId, summary, handler] of ROUTES)
        scope.route({
          method: method as 'GET',
          url,
          bodyLimit: BODY_LIMIT,
          config: { access: 'public' },
          schema: { operationId, tags: ['oauth'], summary },
          handler,
        });
    },
    { prefix: PATHS.registration },
  );
}
