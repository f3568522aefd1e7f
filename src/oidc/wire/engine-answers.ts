/**
 * What the engine answers by itself: pages where people are, JSON at the machine endpoints. What a page looks like is
 * decided in flows/; app.ts hands it in.
 */
import type { FastifyRequest } from 'fastify';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { FailureCause } from '../../kernel/error-reference.ts';
import { Fault, SHORTLY_SECONDS } from '../../kernel/fault.ts';
import { PATHS, type ProviderOptions } from '../engine/configure.ts';
import type { PageResponse } from '../engine/response-pages.ts';
import { requestOf } from './hand-over.ts';

type ErrorOut = { error?: string; error_description?: string };
type Page = { status: number; headers: Record<string, string>; body: string };

/** Why there is no way on, as far as people need to know. */
type Failure = 'flow_expired' | 'access_denied' | 'too_many_requests' | 'unavailable' | 'internal' | 'broken_link';

const LONGEST = 300;

/** Whoever registers a client chooses how many they are, and how long; each request like this writes them into the log. */
const shortened = (addresses: readonly string[] = []): string[] =>
  addresses.slice(0, 20).map((address) => (address.length > LONGEST ? `${address.slice(0, LONGEST)}…` : address));

function causeOf({ oidc, response }: KoaContextWithOIDC, { error, error_description }: ErrorOut): FailureCause {
  const received = oidc?.params?.redirect_uri;
  return {
    retryAfterSeconds: Number(response.get('retry-after')) || undefined,
    error,
    description: error_description,
    ...(typeof received === 'string' && { received: received.slice(0, LONGEST) }),
    ...(oidc?.client && { registered: shortened(oidc.client.redirectUris) }),
  };
}

type Options = {
  failurePage(request: FastifyRequest, failure: Failure, about: FailureCause): Page;
  responsePage(request: FastifyRequest, response: PageResponse): Page;
  /** Whether a failure is the database's, and passes. */
  isUnavailable(error: unknown): boolean;
};

/** Errors of the engine's that are no broken link. */
const FAILURES: Record<string, Failure> = { SessionNotFound: 'flow_expired', AccessDenied: 'access_denied' };

function send(ctx: KoaContextWithOIDC, { status, headers, body }: Page): void {
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}

export function engineAnswers({ failurePage, responsePage, isUnavailable }: Options) {
  function failureOf(ctx: KoaContextWithOIDC, error: Error): Failure {
    const known = FAILURES[error.name];
    if (known) return known;
    if (error instanceof Fault && error.code === 'login_over') return 'flow_expired';
    if (isUnavailable(error)) return 'unavailable';
    if (ctx.status === 429) return 'too_many_requests';
    return ctx.status >= 500 ? 'internal' : 'broken_link';
  }

  return {
    /** For what cannot go back to a relying party. */
    renderError(ctx, out, error) {
      if (!ctx.path.startsWith(PATHS.authorization)) ctx.body = out;
      else send(ctx, failurePage(requestOf(ctx.req), failureOf(ctx, error), causeOf(ctx, out as ErrorOut)));
    },

    renderResponse: (ctx, response) => send(ctx, responsePage(requestOf(ctx.req), response)),

    /** Of what the engine is about to answer as `server_error`: logged, and told apart where trying again will help. */
    onServerError(ctx: KoaContextWithOIDC, error: Error): void {
      requestOf(ctx.req).log.error({ err: error }, 'the OIDC engine failed');
      if (!isUnavailable(error)) return;
      ctx.status = 503;
      ctx.set('retry-after', String(SHORTLY_SECONDS));
      ctx.body = { error: 'temporarily_unavailable', error_description: 'try again shortly' };
    },
  } satisfies Pick<ProviderOptions, 'renderError' | 'renderResponse'> & Record<string, unknown>;
}
