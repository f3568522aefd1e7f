/** The table of what can go wrong on a page: the status and the words of each. */
import type { MessageKey } from '../../look/words.ts';

/** The error pages we know, by what happened: spread one into the data of the error page. `values` they need are named beside them. */
export const ERROR_PAGES = {
  unknown_host: { status: 404, titleKey: 'error.unknown_host.title', messageKey: 'error.unknown_host.message' },
  not_found: { status: 404, titleKey: 'error.not_found.title', messageKey: 'error.not_found.message' },
  internal: { status: 500, titleKey: 'error.internal.title', messageKey: 'error.internal.message' },
  unavailable: { status: 503, titleKey: 'error.unavailable.title', messageKey: 'error.unavailable.message' },
  flow_expired: { status: 410, titleKey: 'error.flow_expired.title', messageKey: 'error.flow_expired.message' },
  csrf: { status: 403, titleKey: 'error.csrf.title', messageKey: 'error.csrf.message' },
  /** values: tenant */
  user_suspended: { status: 403, titleKey: 'error.user_suspended.title', messageKey: 'error.user_suspended.message' },
  access_denied: { status: 403, titleKey: 'error.access_denied.title', messageKey: 'error.access_denied.message' },
  /** values: time, in words */
  locked_out: { status: 429, titleKey: 'error.locked_out.title', messageKey: 'error.locked_out.message' },
  too_many_requests: {
    status: 429,
    titleKey: 'error.too_many_requests.title',
    messageKey: 'error.too_many_requests.message',
  },
  /** The app is unknown, or asked to be answered at an address that it has not registered: nowhere to redirect to. */
  broken_link: { status: 400, titleKey: 'error.broken_link.title', messageKey: 'error.broken_link.message' },
  link_used: { status: 410, titleKey: 'error.link_used.title', messageKey: 'error.link_used.message' },
  link_expired: { status: 410, titleKey: 'error.link_expired.title', messageKey: 'error.link_expired.message' },
  link_unknown: { status: 404, titleKey: 'error.link_unknown.title', messageKey: 'error.link_unknown.message' },
  invalid_request: {
    status: 400,
    titleKey: 'error.invalid_request.title',
    messageKey: 'error.invalid_request.message',
  },
} as const satisfies Record<string, { status: number; titleKey: MessageKey; messageKey: MessageKey }>;

export type ErrorPage = keyof typeof ERROR_PAGES;
