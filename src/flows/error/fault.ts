/** Faults as pages: which page tells of which, and how it is sent. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { logReference } from '../../kernel/error-reference.ts';
import type { Fault } from '../../kernel/fault.ts';
import { duration } from '../../look/words.ts';
import { language, pageTenant } from '../shell/context.ts';
import { type RenderedPage, render } from '../shell/render.ts';
import { errorPage } from './error-page.ts';
import { ERROR_PAGES, type ErrorPage } from './error-pages.ts';

function faultPage(request: FastifyRequest, known: ErrorPage, retryAfterSeconds = 60): RenderedPage {
  const words = language(request);
  return render(errorPage, {
    ...words,
    ...(request.tenant && { tenant: pageTenant(request.tenant) }),
    ...ERROR_PAGES[known],
    values: { tenant: request.tenant?.account.name ?? '', time: duration(words.locale, retryAfterSeconds) },
  });
}

/** The page of a failure that is no answer of ours, as the engine's are. */
export function failurePage(request: FastifyRequest, known: ErrorPage, retryAfterSeconds?: number): RenderedPage {
  logReference(request, known);
  return faultPage(request, known, retryAfterSeconds);
}

export function renderFault(request: FastifyRequest, reply: FastifyReply, fault: Fault): FastifyReply {
  const known =
    fault.code in ERROR_PAGES ? (fault.code as ErrorPage) : fault.row.status < 500 ? 'invalid_request' : 'internal';
  if (fault.retryAfterSeconds) reply.header('retry-after', String(fault.retryAfterSeconds));
  const { status, headers, body } = faultPage(request, known, fault.retryAfterSeconds);
  // A fault without a page of its own keeps its status on the general one.
  return reply
    .code(known === fault.code ? status : fault.row.status)
    .headers(headers)
    .send(body);
}
