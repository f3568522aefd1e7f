/** The page where a user deletes their account, and the one after that. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { deleteOwnAccount } from '../../auth/own-account.ts';
import type { User } from '../../domain/user/user.ts';
import { SESSION_COOKIE, sessionCookie } from '../../oidc/browser/logout.ts';
import { href } from '../shell/address.ts';
import { pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { accountDeletedPage, accountDeletePage } from './account-delete-page.ts';
import { ACCOUNT, accountPages, DELETE, type Visit } from './visit.ts';

const DELETED = `${ACCOUNT}/deleted`;

/** By which one knows the account; its id where it has nothing else. */
const nameOf = ({ id, email, username }: User): string => email ?? username ?? id;

const show = async (request: FastifyRequest, reply: FastifyReply, { user, csrf }: Visit, typed?: string) =>
  renderPage(
    reply,
    accountDeletePage,
    {
      ...pageCommon(request),
      action: href(request, DELETE),
      csrf,
      user: await pageUser(request, user.id),
      confirm: nameOf(user),
      typed,
      wrong: typed !== undefined,
      keepHref: href(request, ACCOUNT),
    },
    { status: typed === undefined ? 200 : 400 },
  );

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const pages = accountPages(app, browser);
  const recent = { recent: true };
  pages.get(DELETE, (request, reply, visit) => show(request, reply, visit), recent);
  pages.post(
    DELETE,
    ['confirm'],
    async (request, reply, visit) => {
      const { user, visitor } = visit;
      const typed = (visit.form.confirm ?? '').trim().slice(0, 300);
      if (typed.toLowerCase() !== nameOf(user).toLowerCase()) return show(request, reply, visit, typed);
      await deleteOwnAccount(request.tenant, visitor, user, pageCommon(request).locale);
      reply.clearCookie(SESSION_COOKIE, sessionCookie(request.tenant));
      return reply.header('cache-control', 'no-store').redirect(href(request, DELETED), 303);
    },
    recent,
  );

  app.get(DELETED, { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) =>
    renderPage(reply, accountDeletedPage, { ...pageCommon(request), homeHref: href(request, '/') }),
  );
}

export const accountDelete: Journey = { pages: [accountDeletePage, accountDeletedPage], mount };
