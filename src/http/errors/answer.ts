/** A failure, answered to whoever asked: a page where people are, the management API's JSON everywhere else. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { logReference } from '../../kernel/error-reference.ts';
import type { Fault } from '../../kernel/fault.ts';
import { wantsPage } from '../../kernel/reader.ts';
import { logFault, toFault } from './fault.ts';
import { sendFault } from './management.ts';

/** Writes a Fault as a page; flows/ has them. */
export type RenderFault = (request: FastifyRequest, reply: FastifyReply, fault: Fault) => FastifyReply;

/** Addresses of pages that take forms, beside `/flow/`. */
const TAKES_FORMS =
  /^\/(logout(\/confirm)?|verify-email|change-email-verify|invite-verify|reset-change|login\/callback|passwordless\/verify_redirect)(\?|$)/;

function isForPeople(request: FastifyRequest): boolean {
  return (
    (wantsPage(request) && (/^(GET|HEAD)$/.test(request.method) || TAKES_FORMS.test(request.url))) ||
    (request.routeOptions.url ?? '').startsWith('/flow/')
  );
}

export const answerAsPage =
  (renderFault: RenderFault) =>
  (request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply => {
    const fault = toFault(error);
    logFault(request, fault, error);
    logReference(request, fault.code);
    return renderFault(request, reply, fault);
  };

export function answerFault(renderFault: RenderFault) {
  const asPage = answerAsPage(renderFault);
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    if (isForPeople(request)) return asPage(request, reply, error);
    const fault = toFault(error);
    logFault(request, fault, error);
    return sendFault(reply, fault);
  };
}
