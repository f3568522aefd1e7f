/** Logging out: at once when the app proves whom it means, else after asking. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { append } from '../domain/log.ts';
import { endSession, type LogoutRequest, readLogout, SESSION_COOKIE } from '../oidc/logout.ts';
import type { ProviderFor } from '../oidc/providers.ts';
import { checkForm, csrfToken, pageCommon } from './context.ts';
import { langQuery, pageUser } from './login.ts';
import { renderPage } from './render.ts';

const PARAMETERS = ['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'returnTo', 'state'] as const;

type Query = Record<string, string | undefined>;

const wantsHtml = (request: FastifyRequest): boolean => (request.headers.accept ?? '').includes('text/html');

export function logout(app: FastifyInstance, providerFor: ProviderFor): void {
  /** Ends the session, if any, and sends the browser on. */
  async function finish(request: FastifyRequest, reply: FastifyReply, asked: LogoutRequest) {
    const { session, user, redirectTo } = asked;
    if (session) {
      await endSession(request, session);
      await append(request.tenant, { type: 'auth.logout', status: 'success', user, data: { ip: request.from.ip } });
    }
    reply.clearCookie(SESSION_COOKIE, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax',
      secure: request.tenant.origin.startsWith('https:'),
    });
    if (redirectTo) return reply.redirect(redirectTo, 303);
    if (!wantsHtml(request)) return reply.header('cache-control', 'no-store').send({ status: 'logout' });
    return renderPage(reply, 'signed-out', pageCommon(request, (request.query as Query).ui_locales));
  }

  const start = async (request: FastifyRequest, reply: FastifyReply) => {
    const params = { ...(request.query as Query), ...((request.body as Query | undefined) ?? {}) };
    const asked = await readLogout(providerFor, request, params);
    if (asked.confirmed || !asked.session || !asked.user) return finish(request, reply, asked);
    const carried = new URLSearchParams();
    for (const name of PARAMETERS) if (params[name]) carried.set(name, params[name]);
    const lang = langQuery(request).slice(1);
    return renderPage(
      reply,
      'logout',
      {
        ...pageCommon(request, params.ui_locales),
        appName: asked.clientName,
        action: `/logout/confirm?${[carried.toString(), lang].filter(Boolean).join('&')}`,
        csrf: csrfToken(asked.session.uid),
        user: await pageUser(request, asked.user),
        stayHref: '/',
      },
      { formAction: asked.redirectTo ? [asked.redirectTo] : [] },
    );
  };

  const describe = { tags: ['session'], summary: 'Log out (OpenID Connect RP-Initiated Logout 1.0)' };
  app.get('/logout', { config: { access: 'public' }, schema: { ...describe, operationId: 'session/logout' } }, start);
  app.post(
    '/logout',
    { config: { access: 'public' }, schema: { ...describe, operationId: 'session/logoutPost' } },
    start,
  );
  app.post('/logout/confirm', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const asked = await readLogout(providerFor, request, request.query as Query);
    if (asked.session) {
      const { logout: decision } = checkForm(request, asked.session.uid);
      if (decision !== 'yes') return reply.redirect('/', 303);
    }
    return finish(request, reply, asked);
  });
}
