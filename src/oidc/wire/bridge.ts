/**
 * Fastify ↔ engine. Owns the wire variants (JSON bodies, GET at the token endpoint, `audience`), the headers of hijacked
 * replies, and OAuth's own error format for what fails before the engine is reached.
 */
import cors from '@fastify/cors';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import { countLogin } from '../../auth/open-request.ts';
import { resourceOf } from '../../domain/api/audience.ts';
import { Fault } from '../../kernel/fault.ts';
import { PATHS } from '../engine/configure.ts';
import type { ProviderFor } from '../engine/providers.ts';
import { MISMATCH } from '../request/resource-server.ts';
import { plainIntrospection } from '../short/introspection.ts';
import { plainMachineToken } from '../short/machine-token.ts';
import { plainUserinfo } from '../short/userinfo.ts';
import { opaqueForm } from '../token/access-token.ts';
import { loginOnly } from './authorize-request.ts';
import type { AnswerError } from './errors.ts';

const BODY_LIMIT = 56 * 1024;

/** As the engine has them on an answer of its own; `exposed` are what an address may tell an app in a browser by. */
const plainHeaders = (exposed: string) => ({
  'cache-control': 'no-store',
  vary: 'Origin',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': exposed,
  'content-type': 'application/json; charset=utf-8',
});
const PLAIN = plainHeaders('WWW-Authenticate');
const PLAIN_WITH_NONCE = plainHeaders('DPoP-Nonce,WWW-Authenticate');

/** Secrets that would end up in logs and histories when sent in a query string. */
const NEVER_IN_QUERY = [
  'client_secret',
  'client_assertion',
  'password',
  'otp',
  'refresh_token',
  'code_verifier',
  'subject_token',
  'actor_token',
];

const requests = new WeakMap<object, FastifyRequest>();
/** The request that an engine context came from: what its error pages need to know. */
export const requestOf = (raw: object): FastifyRequest => requests.get(raw)!;

type Callback = ReturnType<Provider['callback']>;
const callbacks = new WeakMap<Provider, Callback>();
/** The engine composes its middleware anew at each `callback()`; once is enough. */
function callbackOf(provider: Provider): Callback {
  const known = callbacks.get(provider);
  if (known) return known;
  const made = provider.callback();
  callbacks.set(provider, made);
  return made;
}

/** By events: an async iterator over the stream costs a tenth of a machine token. */
function readBody({ raw }: FastifyRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    raw.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_LIMIT) reject(new Fault('payload_too_large'));
      else chunks.push(chunk);
    });
    raw.on('end', () => resolve(Buffer.concat(chunks)));
    raw.on('error', reject);
  });
}

/** `audience` is an alias of `resource` (RFC 8707); several that differ are the engine's `invalid_target`. */
function aliasAudience(params: URLSearchParams): void {
  const audiences = params.getAll('audience').filter(Boolean);
  if (audiences.length === 0) return;
  const [audience, ...others] = new Set([...audiences, ...params.getAll('resource')]);
  params.set('resource', others.length ? MISMATCH : resourceOf(audience!));
}

/** A JSON object of strings (and arrays of them) as the form that the engine reads. */
function formOf(json: unknown): URLSearchParams {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Fault('invalid_request', 'the request body must be a JSON object');
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(json)) {
    for (const item of [value].flat()) {
      if (item === null || item === undefined) continue;
      if (typeof item === 'object') throw new Fault('invalid_request', `"${name.slice(0, 50)}" must be a string`);
      form.append(name, String(item));
    }
  }
  return form;
}

/** The request as the engine would have received it had it come as a form POST. */
function asFormPost(request: FastifyRequest, form: URLSearchParams) {
  const { raw } = request;
  const body = Buffer.from(form.toString());
  const headers = {
    ...raw.headers,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.length),
  } as Record<string, string | string[] | undefined>;
  delete headers['transfer-encoding'];
  // What the engine reads of a request, and no more: a real stream around a body that is here already costs as much as routing.
  return {
    method: 'POST',
    url: raw.url?.split('?')[0],
    headers,
    socket: raw.socket,
    connection: raw.socket,
    httpVersion: raw.httpVersion,
    httpVersionMajor: raw.httpVersionMajor,
    httpVersionMinor: raw.httpVersionMinor,
    complete: true,
    readable: true,
    async *iterator() {
      yield body;
    },
  };
}

/** Revocation and introspection of our JWTs, which the engine takes for somebody else's. */
function hideJwt(form: URLSearchParams): void {
  const [token, ...others] = form.getAll('token');
  // Several are the engine's to refuse.
  if (token && others.length === 0) form.set('token', opaqueForm(token));
}

async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  const query = new URLSearchParams(request.raw.url?.split('?')[1] ?? '');
  for (const name of NEVER_IN_QUERY) {
    if (query.has(name))
      throw new Fault('invalid_request', `${name} must not be sent in the query string, where logs would keep it`);
  }
  if (request.method === 'GET') return query;
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json' && type !== 'application/x-www-form-urlencoded')
    throw new Fault('unsupported_media_type', 'send application/x-www-form-urlencoded or application/json');
  const body = (await readBody(request)).toString('utf8');
  if (type !== 'application/json') return new URLSearchParams(body);
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new Fault('invalid_request', 'the request body is not valid JSON');
  }
  return formOf(json);
}

/** `audience` becomes `resource`. */
function authorizeRequest(request: FastifyRequest): unknown {
  const [path, search = ''] = (request.raw.url ?? '').split('?', 2);
  const params = new URLSearchParams(search);
  if (params.has('audience')) {
    aliasAudience(params);
    request.raw.url = `${path}?${params}`;
  }
  return request.raw;
}

/** Longer, and browsers and proxies no longer carry it in an address. */
const LONGEST_QUERY = 8000;

/**
 * The parameters of a request that came as a form. It goes on as a GET: browsers keep the session's cookie from a post of
 * another site where it is SameSite=Lax, and a reload of the login page posts nothing again.
 */
async function formParams(request: FastifyRequest): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers['content-type'] ?? ''))
    throw new Fault('unsupported_media_type', 'send application/x-www-form-urlencoded');
  const body = (await readBody(request)).toString('utf8');
  if (body.length > LONGEST_QUERY)
    throw new Fault('payload_too_large', `push what is this long to ${PATHS.pushed_authorization_request} first`);
  return new URLSearchParams(body);
}

export type BridgeOptions = {
  providerFor: ProviderFor;
  /** Answers a failure on a page address; OAuth endpoints answer JSON themselves. */
  renderPageFault(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply | Promise<FastifyReply>;
  answerError: AnswerError;
};

export function bridge(app: FastifyInstance, { providerFor, renderPageFault, answerError }: BridgeOptions): void {
  app.register(async (scope) => {
    // For the errors that are answered here: an answer of the engine's has its own, after its client's origins.
    await scope.register(cors, { hook: 'preSerialization', exposedHeaders: 'Retry-After', preflight: false });
    // Bodies are the engine's to read.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));

    scope.setErrorHandler((error, request, reply) => {
      if (request.routeOptions.url?.startsWith(PATHS.authorization)) return renderPageFault(request, reply, error);
      return answerError(request, reply, error);
    });

    const handOver = async (request: FastifyRequest, reply: FastifyReply, asEngineTakesIt: unknown = request.raw) => {
      const provider = await providerFor(request.tenant);
      const raw = asEngineTakesIt as typeof request.raw;
      requests.set(raw, request);
      const [scheme, host] = request.tenant.origin.split('://') as [string, string];
      // The engine builds its URLs from these, and only from what we resolved.
      Object.assign(raw.headers, { host, 'x-forwarded-proto': scheme, 'x-forwarded-host': host });
      delete raw.headers['x-forwarded-port'];
      raw.headers['x-forwarded-for'] = request.ip;
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) reply.raw.setHeader(name, value);
      reply.hijack();
      await callbackOf(provider)(raw, reply.raw);
    };

    type Route = {
      method: ('GET' | 'POST' | 'OPTIONS')[];
      url: string;
      operationId: string;
      summary: string;
      /** Of a form that speaks of tokens and secrets: what the engine calls otherwise. */
      adjust?: (form: URLSearchParams) => void;
      /** The short way, where most requests go. */
      plain?: (request: FastifyRequest, form: URLSearchParams) => Promise<object | undefined>;
    };
    const routes: Route[] = [
      {
        method: ['GET'],
        url: `${PATHS.authorization}/:uid`,
        operationId: 'authorizeResume',
        summary: 'Finish a login: where the hosted pages return to',
      },
      {
        method: ['POST', 'GET'],
        url: PATHS.token,
        operationId: 'oauth/token',
        summary: 'Get tokens (RFC 6749 §3.2)',
        adjust: aliasAudience,
        plain: plainMachineToken,
      },
      {
        method: ['GET', 'POST'],
        url: PATHS.userinfo,
        operationId: 'oauth/userinfo',
        summary: 'Claims about the user (OIDC Core §5.3)',
      },
      {
        method: ['POST'],
        url: PATHS.revocation,
        operationId: 'oauth/revoke',
        summary: 'Revoke a token (RFC 7009)',
        adjust: hideJwt,
      },
      {
        method: ['POST'],
        url: PATHS.introspection,
        operationId: 'oauth/introspect',
        summary: 'Ask about a token (RFC 7662)',
        adjust: hideJwt,
        plain: plainIntrospection,
      },
      {
        method: ['POST'],
        url: PATHS.device_authorization,
        operationId: 'oauth/deviceCode',
        summary: 'Start the login of a device (RFC 8628)',
        adjust: aliasAudience,
      },
      {
        method: ['POST'],
        url: PATHS.pushed_authorization_request,
        operationId: 'oauth/par',
        summary: 'Push an authorization request (RFC 9126)',
        adjust: aliasAudience,
      },
      { method: ['GET'], url: PATHS.jwks, operationId: 'oauth/jwks', summary: 'Public keys (RFC 7517)' },
      {
        method: ['GET'],
        url: '/.well-known/openid-configuration',
        operationId: 'oauth/openidConfiguration',
        summary: 'Discovery (OIDC Discovery §4)',
      },
      {
        method: ['GET'],
        url: '/.well-known/oauth-authorization-server',
        operationId: 'oauth/authorizationServer',
        summary: 'Discovery (RFC 8414)',
      },
    ];
    const suffix: Record<string, string> = { 'oauth/token GET': 'Get', 'oauth/userinfo POST': 'Post' };
    const route = {
      url: PATHS.authorization,
      config: { access: 'public' as const },
    };
    const describe = (operationId: string, summary: string) => ({ operationId, tags: ['oauth'], summary });
    scope.route({
      ...route,
      method: 'GET',
      schema: describe('authorize', 'Start a login (RFC 6749 §3.1)'),
      handler: async (request, reply) => {
        await countLogin(request.tenant, request.ip);
        const params = new URLSearchParams(request.raw.url?.split('?', 2)[1]);
        const page = params.has('redirect_to') && (await loginOnly(providerFor, request.tenant, params));
        return page ? reply.redirect(page, 303) : handOver(request, reply, authorizeRequest(request));
      },
    });
    scope.route({
      ...route,
      method: 'POST',
      schema: describe('authorizePost', 'Start a login by a form (OpenID Connect Core §3.1.2.1)'),
      handler: async (request, reply) => reply.redirect(`${PATHS.authorization}?${await formParams(request)}`, 303),
    });

    const withForm =
      ({ url, adjust, plain }: Route): ((request: FastifyRequest, reply: FastifyReply) => Promise<unknown>) =>
      async (request, reply) => {
        const form = await readForm(request);
        adjust?.(form);
        const answer = await plain?.(request, form);
        if (answer) return reply.headers(url === PATHS.token ? PLAIN_WITH_NONCE : PLAIN).send(JSON.stringify(answer));
        // Whatever speaks of tokens and secrets, refusals included (RFC 6749 §5.1).
        return handOver(request, reply.header('cache-control', 'no-store'), asFormPost(request, form));
      };
    const userinfo = async (request: FastifyRequest, reply: FastifyReply) => {
      const claims = await plainUserinfo(request);
      return claims ? reply.headers(PLAIN_WITH_NONCE).send(JSON.stringify(claims)) : handOver(request, reply);
    };
    const asItIs = (request: FastifyRequest, reply: FastifyReply) => handOver(request, reply);

    for (const route of routes) {
      const { method, url, operationId, summary, adjust } = route;
      for (const verb of method) {
        scope.route({
          method: verb,
          url,
          config: { access: 'public' },
          schema: { operationId: operationId + (suffix[`${operationId} ${verb}`] ?? ''), tags: ['oauth'], summary },
          handler: adjust ? withForm(route) : url === PATHS.userinfo && verb === 'GET' ? userinfo : asItIs,
        });
      }
      if (!url.includes(':'))
        scope.route({
          method: 'OPTIONS',
          url,
          config: { access: 'public' },
          schema: { hide: true },
          handler: (request, reply) => handOver(request, reply),
        });
    }
  });
}
