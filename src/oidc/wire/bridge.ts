/** Fastify ↔ engine: which requests go to the engine, and by which way. */
import cors, { type FastifyCorsOptions } from '@fastify/cors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { recordRequestRefusal } from '../../auth/client-refusal.ts';
import { countLogin } from '../../auth/open-request.ts';
import { Fault } from '../../kernel/fault.ts';
import { PATHS } from '../engine/configure.ts';
import { EXPOSED, isNamed, takesCredentials } from '../engine/cors.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { type OnShortAnswer, SHORT_WAYS, type ShortWay } from '../short/index.ts';
import { loginOnly } from './authorize-request.ts';
import type { AnswerError } from './errors.ts';
import {
  asAuthorizationRequest,
  asFormPost,
  queryOf,
  readAuthorizationForm,
  readAuthorizationQuery,
  readForm,
} from './form.ts';
import { type HandOver, handingOver } from './hand-over.ts';
import { authorizationRequest, normalise } from './parameters.ts';
import { type Adjust, ENGINE_ROUTES, type EngineRoute } from './routes.ts';

export type BridgeOptions = {
  providerFor: ProviderFor;
  /** Answers a failure on a page's address; OAuth's endpoints answer JSON. */
  answerPageError: AnswerError;
  answerError: AnswerError;
  /** Without them the engine answers everything. */
  shortWays: boolean;
  onShortAnswer?: OnShortAnswer;
};

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export function bridge(app: FastifyInstance, options: BridgeOptions): void {
  const { providerFor, answerPageError, answerError } = options;
  const handOver = handingOver(providerFor);
  app.register(async (scope) => {
    // For the errors that are answered here: an answer of the engine's has its own, after its client's origins.
    await scope.register(cors, { hook: 'preSerialization', exposedHeaders: EXPOSED, preflight: false });
    // Bodies are the engine's to read.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.setErrorHandler((error, request, reply) => {
      if (!request.routeOptions.url?.startsWith(PATHS.authorization)) return answerError(request, reply, error);
      noteRefusal(request, error);
      return answerPageError(request, reply, error);
    });
    authorize(scope, providerFor, handOver);
    for (const route of ENGINE_ROUTES) mount(scope, route, handOver, options);
  });
}

/** What the engine never saw; what it refuses it tells itself. HEAD asked for nothing that could be refused. */
function noteRefusal(request: FastifyRequest, error: unknown): void {
  const { tenant, ip, log, method } = request;
  if (method === 'HEAD' || !(error instanceof Fault) || error.row.status >= 500 || !tenant) return;
  const client = queryOf(request).get('client_id');
  recordRequestRefusal(tenant, 'authorize', { client, reason: error.code, message: error.message, ip }).catch((err) =>
    log.warn({ err }, 'a refusal was not written down'),
  );
}

function authorize(scope: FastifyInstance, providerFor: ProviderFor, handOver: HandOver): void {
  const options = (operationId: string, summary: string) => ({
    config: { access: 'public' as const },
    schema: { operationId, tags: ['oauth'], summary },
  });
  refuseHead(scope, PATHS.authorization, 'GET, POST');
  scope.get(PATHS.authorization, options('authorize', 'Start a login (RFC 6749 §3.1)'), async (request, reply) => {
    await countLogin(request.tenant, request.ip);
    const params = readAuthorizationQuery(request);
    normalise(params);
    await authorizationRequest(params, request.tenant);
    const page = params.has('redirect_to') && (await loginOnly(providerFor, request.tenant, params));
    return page ? reply.redirect(page, 303) : handOver(request, reply, asAuthorizationRequest(request, params));
  });
  scope.post(
    PATHS.authorization,
    options('authorizePost', 'Start a login by a form (OpenID Connect Core §3.1.2.1)'),
    async (request, reply) => reply.redirect(`${PATHS.authorization}?${await readAuthorizationForm(request)}`, 303),
  );
}

/** Of errors that are answered here. */
const NAMING: FastifyCorsOptions = {
  credentials: true,
  origin: (origin, decide) => decide(null, isNamed(origin) ? origin : '*'),
};

/**
 * Where GET is the act itself, what it answers (a code, tokens, the next step of a login) is not there before: HEAD could
 * only do it too (RFC 9110 §9.2.1, §9.3.2).
 */
function refuseHead(scope: FastifyInstance, url: string, allow: string): void {
  scope.head(url, { config: { access: 'public', refuses: true }, schema: { hide: true } }, async (_request, reply) => {
    reply.header('allow', allow);
    throw new Fault('method_not_allowed');
  });
}

function mount(scope: FastifyInstance, route: EngineRoute, handOver: HandOver, options: BridgeOptions): void {
  const { url, operations, forms } = route;
  if (route.acts) refuseHead(scope, url, Object.keys(operations).sort().join(', '));
  const shortWays = options.shortWays ? SHORT_WAYS : [];
  for (const [method, [operationId, summary]] of Object.entries(operations))
    scope.route({
      method,
      url,
      config: { access: 'public', ...(takesCredentials(url) && { cors: NAMING }) },
      schema: { operationId, tags: ['oauth'], summary },
      handler: handlerOf({
        adjust: forms?.[method as keyof typeof operations],
        short: shortWays.find((way) => way.method === method && way.url === url),
        handOver,
        options,
      }),
    });
  // Preflights are the engine's, as its CORS is. Nothing from elsewhere finishes a login.
  if (!url.includes(':'))
    scope.options(url, { config: { access: 'public' }, schema: { hide: true } }, (request, reply) =>
      handOver(request, reply),
    );
}

type Ways = {
  /** Of a form that comes with the request. */
  adjust?: Adjust;
  short?: ShortWay;
  handOver: HandOver;
  options: BridgeOptions;
};

const NO_FORM = new URLSearchParams();

function handlerOf({ adjust, short, handOver, options }: Ways): Handler {
  const { providerFor, onShortAnswer } = options;

  /** False where there is no short way to the answer. */
  async function answerShortly(request: FastifyRequest, reply: FastifyReply, form = NO_FORM, sent?: string) {
    // What answers GET is asked for HEAD too.
    if (!short || (request.method !== short.method && !short.head)) return false;
    const answer = await short.answer(request, form, providerFor);
    if (!answer) return false;
    const { status, headers, body } = answer;
    reply.code(status).headers(headers);
    await onShortAnswer?.(request, sent, { status, headers: reply.getHeaders(), body: body?.toString() ?? '' });
    reply.send(body);
    return true;
  }
  if (!adjust)
    return async (request, reply) => ((await answerShortly(request, reply)) ? reply : handOver(request, reply));
  return async (request, reply) => {
    const form = await readForm(request);
    const sent = onShortAnswer && form.toString();
    normalise(form);
    await adjust(form, request);
    // Whatever speaks of tokens and secrets, refusals included (RFC 6749 §5.1).
    reply.header('cache-control', 'no-store');
    if (await answerShortly(request, reply, form, sent)) return reply;
    return handOver(request, reply, asFormPost(request, form));
  };
}
