/** What every page of a request shares: tenant, language, request id, who is logged in, form protection. */
import type { FastifyRequest } from 'fastify';
import { users } from '../../domain/user/user.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { isMac, mac } from '../../kernel/secret/seal.ts';
import { directionOf, negotiateLocale } from '../../look/words.ts';
import { queryOf, text } from './address.ts';
import { localeLinks } from './locale.ts';
import type { PageCommon, PageTenant, PageUser } from './page.ts';

/** A picture that we keep is at every host of the tenant's, and so within a page's own origin. */
function atThisHost(address: string | null | undefined): string | undefined {
  const path = URL.parse(address ?? '')?.pathname;
  return path && /^\/branding\/[0-9a-f]{32}\.[a-z]+$/.test(path) ? path : (address ?? undefined);
}

export function pageTenant({ account }: Tenant): PageTenant {
  return {
    name: account.name,
    logo: atThisHost(account.logo_src),
    logoDark: atThisHost(account.branding.logo_dark_src),
    pageColor: account.branding.page_color ?? undefined,
    icon: atThisHost(account.icon_src),
    primaryColor: account.branding.primary_color ?? undefined,
    showBadge: account.branding.show_badge ?? true,
    termsUrl: account.branding.tos_uri ?? undefined,
    privacyUrl: account.branding.policy_uri ?? undefined,
  };
}

/** The words that a request asked for, before a tenant is known or after. */
export function language(request: FastifyRequest, uiLocales?: unknown) {
  const enabled = request.tenant?.account.enabled_locales;
  const locale = negotiateLocale({
    lang: text(queryOf(request).lang),
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

export async function pageUser(request: FastifyRequest, id: string): Promise<PageUser> {
  const user = await users.find(request.tenant, id);
  return { name: user?.name ?? user?.given_name ?? user?.username ?? '', email: user?.email ?? '' };
}

/** A form's token: bound to the flow (or session) that the page belongs to, and to the installation's secret. */
export const csrfToken = (binding: string): string => mac('csrf', binding);

/** @throws Fault `csrf` for a form that did not come from our own page of this flow. */
export function checkForm(request: FastifyRequest, binding: string): Record<string, string> {
  const { origin } = request.headers;
  const form = (request.body ?? {}) as Record<string, unknown>;
  const token = text(form.csrf);
  if ((origin !== undefined && origin !== request.tenant.origin) || !token || !isMac('csrf', binding, token))
    throw new Fault('csrf');
  return Object.fromEntries(Object.entries(form).filter(([, value]) => typeof value === 'string')) as Record<
    string,
    string
  >;
}
