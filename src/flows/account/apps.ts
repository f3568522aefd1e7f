/** The page where a user sees which apps they let in, and puts one out again. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { revokeConsent } from '../../domain/access/consent.ts';
import type { Browser } from '../../oidc/browser/browser.ts';
import { APPS, hostOf, sentences } from '../consent/app-words.ts';
import { href, queryOf, text } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { appRemovePage } from './app-remove-page.ts';
import { appsPage, type ListedApp } from './apps-page.ts';
import { ACCOUNT } from './visit.ts';

type Granted = NonNullable<Awaited<ReturnType<Browser['apps']['oneLetInBy']>>>;

function listed(request: FastifyRequest, { id, app, permissions, ...granted }: Granted, locale: string): ListedApp {
  const day = (date: Date) => new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(date);
  return {
    appName: app?.name,
    appLogo: app?.unverified ? undefined : app?.logo,
    ours: app?.firstParty ?? false,
    hosts: [...new Set(granted.destinations.flatMap((destination) => hostOf(destination) ?? []))],
    clientUri: app?.uri,
    since: day(granted.since),
    lastLogin: granted.lastLogin && day(granted.lastLogin),
    permissions: sentences(permissions, locale),
    removeHref: href(request, `${APPS}/${id}`),
  };
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };
  const idOf = (request: FastifyRequest) => (request.params as { id: string }).id;

  app.get(APPS, page, async (request, reply) => {
    const { tenant } = request;
    const visitor = await browser.visitor(request);
    if (!visitor) return reply.redirect(browser.loginHref(tenant, href(request, APPS)), 303);
    const { removed, next: cursor } = queryOf(request);
    const common = pageCommon(request);
    const found = await browser.apps.letInBy(tenant, visitor.user, text(cursor));
    return renderPage(reply, appsPage, {
      ...common,
      user: await pageUser(request, visitor.user),
      removed: removed === '1',
      apps: found.apps.map((one) => listed(request, one, common.locale)),
      nextHref: found.next && href(request, APPS, { next: found.next }),
      backHref: href(request, ACCOUNT),
      switchAccountHref: browser.loginHref(tenant, href(request, APPS), { prompt: 'login' }),
      logoutHref: '/logout',
    });
  });

  app.get(`${APPS}/:id`, page, async (request, reply) => {
    const { tenant } = request;
    const visitor = await browser.visitor(request);
    if (!visitor) return reply.redirect(browser.loginHref(tenant, href(request, APPS)), 303);
    const found = await browser.apps.oneLetInBy(tenant, visitor.user, idOf(request));
    // Removed meanwhile, or never this user's: the list says how things are.
    if (!found) return reply.redirect(href(request, APPS), 303);
    return renderPage(reply, appRemovePage, {
      ...pageCommon(request),
      appName: found.app?.name,
      action: href(request, `${APPS}/${found.id}`),
      csrf: csrfToken(visitor.session),
      keepHref: href(request, APPS),
    });
  });

  app.post(`${APPS}/:id`, page, async (request, reply) => {
    const { tenant } = request;
    const visitor = await browser.visitor(request);
    if (!visitor) return reply.redirect(browser.loginHref(tenant, href(request, APPS)), 303);
    checkForm(request, visitor.session);
    const own = { user: { $eq: visitor.user } };
    await revokeConsent(tenant, idOf(request), own, { actor: visitor.user, actor_kind: 'user', ip: request.from.ip });
    return reply.redirect(href(request, APPS, { removed: '1' }), 303);
  });
}

export const apps: Journey = { pages: [appsPage, appRemovePage], mount };
