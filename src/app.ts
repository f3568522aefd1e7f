/** Composition root: the one file that knows every room. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RouteOptions,
} from 'fastify';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Logger } from 'pino';
import Type from 'typebox';
import { clientOfDocument } from './auth/client-document.ts';
import { closeMachineLogins } from './auth/machine-login.ts';
import type { Config } from './config.ts';
import { publishedFetch } from './connections/published-fetch.ts';
import { safePost } from './connections/safe-fetch.ts';
import { backchannelLogout } from './delivery/channels/backchannel-logout.ts';
import { type Worker, worker } from './delivery/worker.ts';
import { deviceAddresses } from './dialects/own/device-addresses.ts';
import { deviceJson } from './dialects/own/device-json.ts';
import { me } from './dialects/own/me.ts';
import { passwordlessStart } from './dialects/own/passwordless-start.ts';
import { clients, isDocumentId } from './domain/client/client.ts';
import { mountResources } from './domain/index.ts';
import { BACKCHANNEL_LOGOUT } from './domain/protocol/session-end.ts';
import { append } from './domain/trail/log.ts';
import { apps } from './flows/account/apps.ts';
import { consent } from './flows/consent/consent.ts';
import { device } from './flows/device/device.ts';
import { landing } from './flows/landing/landing.ts';
import { passwordless } from './flows/link/passwordless.ts';
import { dispatch } from './flows/login/dispatch.ts';
import { login } from './flows/login/login.ts';
import { responsePage } from './flows/login/response.ts';
import { returning } from './flows/login/return.ts';
import { logout } from './flows/logout/logout.ts';
import { assets, assetUrl, preferredEncoding } from './flows/shell/assets.ts';
import { faultPage, pageCommon, renderFault } from './flows/shell/context.ts';
import type { ErrorPage } from './flows/shell/pages.ts';
import type { RenderedPage } from './flows/shell/render.ts';
import { SURFACES, themeCss } from './flows/shell/theme.ts';
import { enforce } from './http/actor.ts';
import { openapi } from './http/docs/openapi.ts';
import { reference } from './http/docs/reference.ts';
import { logFault, toFault } from './http/errors/fault.ts';
import { sendFault } from './http/errors/management.ts';
import { answerOAuthError } from './http/errors/oauth.ts';
import { protectedResource } from './http/protected-resource.ts';
import { tenantOf } from './http/tenant.ts';
import { asRoot } from './kernel/context.ts';
import { Fault, SHORTLY_SECONDS } from './kernel/fault.ts';
import { browser } from './oidc/browser/browser.ts';
import { interactions } from './oidc/browser/interactions.ts';
import { PLAYGROUND } from './oidc/client/client-metadata.ts';
import { providers } from './oidc/engine/providers.ts';
import { openAccessToken } from './oidc/token/access-token.ts';
import { mintLogoutToken } from './oidc/token/logout-token.ts';
import { bridge, requestOf } from './oidc/wire/bridge.ts';
import { registration } from './oidc/wire/registration.ts';
import type { AuditEvent } from './resource/request.ts';
import { watchChanges } from './store/changes.ts';
import { isUnavailable, type Store } from './store/connect.ts';
import { VERSION } from './version.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** What sends the outbox. Started by main.ts, stopped with the app. */
    outbox: Worker;
  }
}

export type AppOptions = {
  config: Config;
  store: Pick<Store, 'healthy' | 'ping'>;
  operator: { id: string; secret: string };
  log: Logger;
  /** True when the demo tenant was seeded, so that the landing page can say where its credentials are. */
  demo?: () => boolean;
  /** Sees every route as it is registered: what a review of the whole surface starts from. */
  onRoute?: (route: RouteOptions) => void;
};

const BODY_LIMIT = 1_048_576;
/** Addresses that answer before any tenant is known. */
const HOSTLESS = /^\/(healthz|readyz|version|assets\/[^?]*)(\?|$)/;

/** Posted to by pages and by apps. */
const LOGOUT = /^\/logout(\/confirm)?(\?|$)/;

const wantsPage = (request: FastifyRequest): boolean =>
  request.method === 'GET' && /\btext\/html\b/.test(request.headers.accept ?? '');

/**
 * Bodies are checked as they came; only query and path, which are all text, are coerced. Answers are built field by field
 * (toWire): their schemas are documentation. Given as factories because Fastify replaces compilers that were merely set
 * in every scope that adds a schema.
 */
function compilers() {
  const options = { allErrors: false, removeAdditional: false, strict: false } as const;
  // Without defaults: a field of a patch that was not sent is not to change.
  const exact = new Ajv({ ...options, coerceTypes: false });
  const coercing = new Ajv({ ...options, coerceTypes: 'array', useDefaults: true });
  for (const ajv of [exact, coercing]) (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  return {
    buildValidator:
      () =>
      ({ schema, httpPart }: { schema: unknown; httpPart?: string }) =>
        (httpPart === 'body' ? exact : coercing).compile(schema as object),
    buildSerializer: () => () => (data: unknown) => JSON.stringify(data),
  };
}

/** Deeper than any body of ours, and shallow enough for whoever walks it. */
const MAX_DEPTH = 64;

/** JSON can spell what UTF-8 cannot hold; such text would be stored as something else than was sent. */
function checkText(value: unknown, path = '', depth = 0): void {
  if (typeof value === 'string') {
    if (!value.isWellFormed() || value.includes('\0'))
      throw new Fault('validation', `${path || '/'} holds characters that are not text.`, {
        details: [{ path: path || '/', message: 'is not well-formed Unicode text' }],
      });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth > MAX_DEPTH) throw new Fault('validation', `The request is nested more than ${MAX_DEPTH} levels deep.`);
  for (const [key, child] of Object.entries(value)) {
    checkText(key, path);
    checkText(child, `${path}/${key}`, depth + 1);
  }
}

function answerFault(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fault = toFault(error);
  logFault(request, fault, error);
  const page =
    wantsPage(request) ||
    (request.routeOptions.url ?? '').startsWith('/flow/') ||
    (LOGOUT.test(request.url) && /\btext\/html\b/.test(request.headers.accept ?? ''));
  return page ? renderFault(request, reply, fault) : sendFault(reply, fault);
}

/**
 * JSON that is UTF-8 to the byte: a lenient decoder would store something else than was sent. Nothing at all is no body,
 * since many clients name a content type on a bare POST or DELETE.
 */
function parseJsonBytes(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined);
    let text: string;
    try {
      text = utf8.decode(body);
    } catch (cause) {
      return done(new Fault('invalid_request', 'The request body is not UTF-8.', { cause }));
    }
    return parse(request, text, done);
  });
}

export async function buildApp({ config, store, operator, log, demo, onRoute }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustProxy as never,
    bodyLimit: BODY_LIMIT,
    genReqId: () => randomUUID(),
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    routerOptions: { maxParamLength: 300 },
    // Slow senders do not hold connections.
    requestTimeout: 30_000,
    frameworkErrors: answerFault as never,
    schemaController: { compilersFactory: compilers() as never },
  }) as unknown as FastifyInstance;

  if (onRoute) app.addHook('onRoute', onRoute);
  parseJsonBytes(app);
  await app.register(cookie);
  await openapi(app, VERSION.version);

  app.decorateRequest('tenant');
  app.decorateRequest('actor');
  app.decorateRequest('from');
  app.decorateRequest('audit');

  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      ...(config.publicScheme === 'https' && { 'strict-transport-security': 'max-age=31536000; includeSubDomains' }),
    });
    request.from = { ip: request.ip, userAgent: request.headers['user-agent'] ?? null };
    if (HOSTLESS.test(request.url)) return;
    request.tenant = await tenantOf(config, request);
  });
  app.addHook('preParsing', async (request) => {
    const { access } = request.routeOptions.config;
    if (access) await enforce(config, request, access, openAccessToken as never);
  });
  app.addHook('preValidation', async (request) => {
    // A streamed body is checked line by line by who reads it.
    if (!(request.body instanceof Readable)) checkText(request.body);
    checkText(request.query);
  });
  app.addHook('preHandler', async (request) => {
    request.audit = ({ tenant = request.tenant, type, subject, fields, refs }: AuditEvent) =>
      append(tenant, {
        type,
        status: 'success',
        ...refs,
        data: {
          actor: request.actor.id,
          actor_kind: request.actor.kind,
          subject,
          ip: request.from.ip,
          ...(fields && { fields }),
        },
      });
  });
  app.addHook('onResponse', async (request, reply) => {
    if (reply.statusCode < 500 && !log.isLevelEnabled('debug')) return;
    const { method, routeOptions, ip } = request;
    // The route's pattern, not the address: queries and paths carry tokens.
    const line = {
      method,
      route: routeOptions.url,
      ip,
      account: request.tenant?.id,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    };
    if (reply.statusCode >= 500) request.log.warn(line, 'request');
    else request.log.debug(line, 'request');
  });

  app.setErrorHandler(answerFault);
  app.setNotFoundHandler((request, reply) =>
    answerFault(new Fault('not_found', 'There is nothing at this address.'), request, reply),
  );

  await app.register(assets);

  const fetchPublished = publishedFetch({ production: config.production });
  const providerFor = providers(
    {
      playground: !config.production,
      production: config.production,
      passwordHash: config.passwordHash,
      operatorClientId: operator.id,
      operatorClientSecret: operator.secret,
      fetch: fetchPublished,
      renderError: renderEngineError,
      renderResponse: (ctx, response) => sendPage(ctx, responsePage(requestOf(ctx.req), response)),
    },
    (ctx, error) => {
      log.error({ err: error, reqId: requestOf(ctx.req).id }, 'the OIDC engine failed');
      if (!isUnavailable(error)) return;
      ctx.status = 503;
      ctx.set('retry-after', String(SHORTLY_SECONDS));
      ctx.body = { error: 'temporarily_unavailable', error_description: 'try again shortly' };
    },
  );
  const { production } = config;
  const outbox = worker(
    {
      [BACKCHANNEL_LOGOUT]: backchannelLogout({
        findClient: (tenant, id) =>
          isDocumentId(id)
            ? clientOfDocument(tenant, id, { fetch: fetchPublished, production, ip: '' })
            : clients.find(tenant, id),
        mintToken: (...about) => mintLogoutToken(providerFor, ...about),
        post: (address, form) => safePost(address, form, { production, timeoutSeconds: 5 }),
      }),
    },
    (err, what) => log.warn({ err }, what),
  );
  app.decorate('outbox', outbox);
  const stopWatching = watchChanges((err) => log.warn({ err }, 'changes of other instances are seen late'));
  app.addHook('onClose', stopWatching);
  app.addHook('onClose', async () => {
    await outbox.stop();
    await closeMachineLogins(true);
  });

  const steps = interactions(providerFor);
  const pages = browser(providerFor);
  bridge(app, {
    providerFor,
    answerError: answerOAuthError,
    renderPageFault(request, reply, error) {
      const fault = toFault(error);
      logFault(request, fault, error);
      return renderFault(request, reply, fault);
    },
  });

  registration(app, answerOAuthError);

  app.register(async (scope) => {
    mountResources(scope, { root: asRoot(), baseDomain: config.baseDomain });
    system(scope, store);
    await protectedResource(scope);
    deviceAddresses(scope);
    me(scope, pages);
    await passwordlessStart(scope, pages, {
      development: !config.production,
      localeOf: (request, uiLocales) => pageCommon(request, uiLocales).locale,
    });
    deviceJson(scope, pages);
  });
  app.register(async (scope) => {
    // Only pages take forms.
    await scope.register(formbody, { bodyLimit: 65_536 });
    dispatch(scope, steps);
    login(scope, steps, { passwordHash: config.passwordHash });
    consent(scope, steps);
    apps(scope, pages);
    device(scope, pages);
    returning(scope, pages);
    passwordless(scope, pages);
    logout(scope, providerFor);
    landing(scope, { development: !config.production, demo: demo ?? (() => false), playgroundClient: PLAYGROUND });
    reference(scope, { assetUrl, preferredEncoding, themeCss, surfaces: SURFACES });
  });
  return app;
}

/** What the engine calls an error, as the page that tells a person. */
const ENGINE_PAGES: Record<string, ErrorPage> = {
  SessionNotFound: 'flow_expired',
  AccessDenied: 'access_denied',
};

/** Failures that cannot go back to a relying party: pages where people are, JSON at the machine endpoints. */
function renderEngineError(
  ctx: KoaContextWithOIDC,
  out: { error: string; error_description?: string },
  error: Error,
): void {
  if (!ctx.path.startsWith('/authorize')) {
    ctx.body = out;
    return;
  }
  const internal = ctx.status >= 500;
  const known =
    ENGINE_PAGES[error.name] ?? (isUnavailable(error) ? 'unavailable' : internal ? 'internal' : 'broken_link');
  sendPage(ctx, faultPage(requestOf(ctx.req), known));
}

function sendPage(ctx: KoaContextWithOIDC, { status, headers, body }: RenderedPage): void {
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}

function system(app: FastifyInstance, store: AppOptions['store']): void {
  const describe = (operationId: string, summary: string, response: Record<number, Type.TSchema>) => ({
    config: { access: 'public' as const },
    schema: { operationId, tags: ['system'], summary, response },
  });
  const Version = Type.Object({ name: Type.String(), version: Type.String(), commit: Type.String() });
  app.get(
    '/version',
    describe('getVersion', 'Get the running service version and git commit', { 200: Version }),
    async () => VERSION,
  );
  const Status = Type.Object({ status: Type.String() });
  app.get('/healthz', describe('getHealth', 'Whether the process runs', { 200: Status }), async () => ({
    status: 'ok',
  }));
  app.get('/readyz', describe('getReadiness', 'Whether the database answers', { 200: Status }), async () => {
    await store.ping();
    return { status: 'ok' };
  });
  app.get('/docs/json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger());
}
