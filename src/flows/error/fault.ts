/** Faults as pages: which page tells of which, and how it is sent. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Fault } from '../../kernel/fault.ts';
import { language, pageTenant } from '../shell/context.ts';
import { type RenderedPage, render } from '../shell/render.ts';
import { errorPage } from './error-page.ts';
import { ERROR_PAGES, type ErrorPage } from './error-pages.ts';

export function faultPage(request: FastifyRequest, known: ErrorPage, retryAfterSeconds = 60): RenderedPage {
  return render(errorPage, {
    ...language(request),
    ...(request.tenant && { tenant: pageTenant(request.tenant) }),
    ...ERROR_PAGES[known],
    values: { tenant: request.tenant?.account.name ?? '', count: Math.ceil(retryAfterSeconds / 60) },
  });
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
