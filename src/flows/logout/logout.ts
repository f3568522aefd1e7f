/** Logging out: at once when the app proves whom it means, else after asking; and telling the other apps on the way. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { append } from '../../domain/trail/log.ts';
import { wantsPage } from '../../kernel/reader.ts';
import {
  endSession,
  frontchannelOf,
  LOGOUT_PARAMETERS,
  type LogoutParams,
  type LogoutRequest,
  logoutParams,
  readLogout,
  SESSION_COOKIE,
  sessionCookie,
} from '../../oidc/browser/logout.ts';
import { leaveFor } from '../login/leave.ts';
import { href } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { FLOW_PAGE } from '../shell/policy.ts';
import { renderPage } from '../shell/render.ts';
import { logoutPage } from './logout-page.ts';
import { signedOutPage } from './signed-out-page.ts';

/** The request once more, for a page of ours to come back with. */
const carry = (path: string, request: FastifyRequest, params: LogoutParams): string =>
  href(request, path, Object.fromEntries(LOGOUT_PARAMETERS.map((name) => [name, params[name]])));

function mount(app: FastifyInstance, { providerFor }: FlowDeps): void {
  /** Ends the session, if any, and sends the browser on. */
  async function finish(request: FastifyRequest, reply: FastifyReply, asked: LogoutRequest, params: LogoutParams) {
    const { tenant } = request;
    const { session, user, redirectTo, destination, client } = asked;
    const frames = session ? await frontchannelOf(tenant, session) : [];
    // What checks links asks by HEAD, which answers as GET would and ends nothing.
    const acts = request.method !== 'HEAD';
    if (session && acts) {
      await endSession(tenant, session);
      await append(tenant, {
        type: 'auth.logout',
        status: 'success',
        user,
        client: client?.id,
        data: { ip: request.from.ip },
      });
    }
    if (acts) reply.clearCookie(SESSION_COOKIE, sessionCookie(tenant));
    const page = wantsPage(request);
    // Whoever may register could have people sent anywhere by a link of ours.
    const leave = redirectTo !== undefined && client?.guest ? leaveFor(request, redirectTo, destination) : undefined;
    if (redirectTo && !leave && !(page && frames.length))
      return reply.header('cache-control', 'no-store').redirect(redirectTo, 303);
    if (!page) return reply.header('cache-control', 'no-store').send({ status: 'logout' });
    const { post_logout_redirect_uri = params.returnTo, state } = params;
    return renderPage(
      reply,
      signedOutPage,
      {
        ...pageCommon(request, params.ui_locales),
        appName: redirectTo ? client?.name : undefined,
        stays: asked.refusesReturn,
        leave,
        next: client?.uri && !leave ? { href: client.uri, labelKey: 'action.back' } : undefined,
        // By way of this endpoint, which checks the address again and knows schemes that a page may not link to.
        onward:
          redirectTo && !leave
            ? { href: carry('/logout', request, { client_id: client?.id, post_logout_redirect_uri, state }) }
            : undefined,
        frames: frames.map((href) => ({ href })),
      },
      { frameSrc: frames, ...(leave && FLOW_PAGE) },
    );
  }

  async function startWith(request: FastifyRequest, reply: FastifyReply, params: LogoutParams) {
    const asked = await readLogout(providerFor, request, params);
    if (asked.confirmed || !asked.session || !asked.user) return finish(request, reply, asked, params);
    return renderPage(
      reply,
      logoutPage,
      {
        ...pageCommon(request, params.ui_locales),
        appName: asked.client?.name,
        action: carry('/logout/confirm', request, params),
        csrf: csrfToken(asked.session.uid),
        user: await pageUser(request, asked.user),
        stays: asked.refusesReturn,
        stayHref: '/',
      },
      asked.redirectTo ? FLOW_PAGE : {},
    );
  }
  const start = (request: FastifyRequest, reply: FastifyReply) =>
    startWith(request, reply, logoutParams(request.query, request.body));

  const describe = { tags: ['session'], summary: 'Log out (OpenID Connect RP-Initiated Logout 1.0)' };
  app.get('/logout', { config: { access: 'public' }, schema: { ...describe, operationId: 'session/logout' } }, start);
  app.post(
    '/logout',
    { config: { access: 'public' }, schema: { ...describe, operationId: 'session/logoutPost' } },
    start,
  );

  app.get(
    '/v2/logout',
    {
      config: { access: 'public' },
      schema: { tags: ['session'], operationId: 'session/logoutV2', summary: 'Log out, as apps written for Auth0 do' },
    },
    (request, reply) => {
      const params = logoutParams(request.query);
      // Only an app has logout URLs here: without one there is nowhere to return to.
      const named = params.client_id !== undefined || params.id_token_hint !== undefined;
      const known = named ? params : { ...params, returnTo: undefined, post_logout_redirect_uri: undefined };
      return startWith(request, reply, known);
    },
  );

  // The language menu of the last page, and a reload that lost its form.
  app.get('/logout/confirm', { config: { access: 'session' }, schema: { hide: true } }, (request, reply) =>
    reply.redirect(carry('/logout', request, logoutParams(request.query)), 303),
  );
  app.post('/logout/confirm', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const params = logoutParams(request.query);
    const asked = await readLogout(providerFor, request, params);
    if (asked.session) {
      const { logout: decision } = checkForm(request, asked.session.uid);
      if (decision !== 'yes') return reply.redirect('/', 303);
    }
    return finish(request, reply, asked, params);
  });
}

export const logout: Journey = { pages: [logoutPage, signedOutPage], mount };
