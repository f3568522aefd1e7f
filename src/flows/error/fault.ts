/** Faults as pages: which page tells of which, and how it is sent. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type FailureCause, logReference } from '../../kernel/error-reference.ts';
import type { Fault } from '../../kernel/fault.ts';
import { duration } from '../../look/words.ts';
import { recentFlow } from '../../oidc/browser/recent-flows.ts';
import { leaveFor } from '../login/leave.ts';
import { language, pageTenant } from '../shell/context.ts';
import { FLOW_PAGE } from '../shell/policy.ts';
import { type RenderedPage, render } from '../shell/render.ts';
import { errorPage } from './error-page.ts';
import { ERROR_PAGES, type ErrorPage } from './error-pages.ts';

/** On from a login that is over, where this browser was shown it: to the app, by a button where nobody vouches for that. */
function wayOn(request: FastifyRequest, known: ErrorPage) {
  const { uid } = (request.params ?? {}) as { uid?: string };
  const flow = known === 'flow_expired' && request.tenant && uid ? recentFlow(request, uid) : undefined;
  if (!flow) return {};
  const { name: appName, address, stranger } = flow;
  if (!address) return { appName };
  return stranger
    ? { appName, leave: leaveFor(request, address, stranger) }
    : { appName, action: { href: address, labelKey: 'action.to_app' as const } };
}

function faultPage(
  request: FastifyRequest,
  known: ErrorPage,
  retryAfterSeconds = 60,
  cause?: FailureCause,
): RenderedPage {
  const words = language(request);
  const on = wayOn(request, known);
  const data = {
    ...words,
    ...on,
    ...(request.tenant && { tenant: pageTenant(request.tenant) }),
    ...ERROR_PAGES[known],
    cause,
    values: { tenant: request.tenant?.account.name ?? '', time: duration(words.locale, retryAfterSeconds) },
  };
  // What the button posts is answered with a redirect to the app.
  return render(errorPage, data, on.leave && FLOW_PAGE);
}

/**
 * The page of a failure that is no answer of ours, as the engine's are. Why the app's request was refused is in the log,
 * and in development on the page: elsewhere whoever looks at it is not who can mend it.
 */
export const failurePages =
  ({ development }: { development: boolean }) =>
  (request: FastifyRequest, known: ErrorPage, { retryAfterSeconds, ...cause }: FailureCause): RenderedPage => {
    const isTheirs = known === 'broken_link';
    logReference(request, known, isTheirs ? cause : undefined);
    return faultPage(request, known, retryAfterSeconds, development && isTheirs ? cause : undefined);
  };

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
