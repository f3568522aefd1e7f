/** What every page of a request shares: tenant, language, request id, form protection. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mac, sameSecret } from '../../kernel/secrets.ts';
import { directionOf, localeLinks, negotiateLocale } from './locale.ts';
import { ERROR_PAGES, type ErrorPage, type PageCommon, type PageTenant } from './pages.ts';
import { page, type RenderedPage } from './render.ts';

export function pageTenant({ account }: Tenant): PageTenant {
  return {
    name: account.name,
    logo: account.logo_src ?? undefined,
    icon: account.icon_src ?? undefined,
    primaryColor: account.branding.primary_color ?? undefined,
    showBadge: account.branding.show_badge ?? true,
    termsUrl: account.branding.tos_uri ?? undefined,
    privacyUrl: account.branding.policy_uri ?? undefined,
  };
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** The words that a request asked for, before a tenant is known or after. */
function language(request: FastifyRequest, uiLocales?: unknown) {
  const enabled = request.tenant?.account.enabled_locales;
  const query = request.query as Record<string, unknown>;
  const locale = negotiateLocale({
    lang: text(query?.lang),
    uiLocales: text(uiLocales),
    acceptLanguage: request.headers['accept-language'],
    enabled,
  });
  return { locale, dir: directionOf(locale), locales: localeLinks(request.url, enabled), requestId: request.id };
}

export const pageCommon = (request: FastifyRequest, uiLocales?: unknown): PageCommon => ({
  ...language(request, uiLocales),
  tenant: pageTenant(request.tenant),
});

/** A form's token: bound to the flow (or session) that the page belongs to, and to the installation's secret. */
export const csrfToken = (binding: string): string => mac('csrf', binding);

/** @throws Fault `csrf` for a form that did not come from our own page of this flow. */
export function checkForm(request: FastifyRequest, binding: string): Record<string, string> {
  const { origin } = request.headers;
  const form = (request.body ?? {}) as Record<string, unknown>;
  const token = text(form.csrf);
  if ((origin !== undefined && origin !== request.tenant.origin) || !token || !sameSecret(token, csrfToken(binding)))
    throw new Fault('csrf');
  return Object.fromEntries(Object.entries(form).filter(([, value]) => typeof value === 'string')) as Record<
    string,
    string
  >;
}

/** What happened in the reader's words, and nothing technical but the request id. */
export function faultPage(request: FastifyRequest, known: ErrorPage, retryAfterSeconds = 60): RenderedPage {
  return page('error', {
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
