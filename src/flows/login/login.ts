/** The login page of a flow: choose who you are, type a password, or go on as who you are. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { authenticate } from '../../auth/authenticate.ts';
import { maySignUp } from '../../domain/connection/connection.ts';
import { Fault } from '../../kernel/fault.ts';
import { duration } from '../../look/words.ts';
import type { Flow } from '../../oidc/browser/interactions.ts';
import { guestOf } from '../consent/app-words.ts';
import { resetHref } from '../reset/way.ts';
import { href, text } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { backOf } from './back.ts';
import { type LoginError, loginPage } from './login-page.ts';
import { mailHref, showMailAsk, wantsPassword } from './mail.ts';
import { isLastUsed, rememberWay, waysOf } from './ways.ts';

type Attempt = { email?: string; error?: LoginError; status?: number };

/** Of a page that asks who it is first; nothing where it asks for both at once. */
function stepOf(identifierFirst: boolean | undefined, { email, error }: Attempt) {
  if (!identifierFirst) return undefined;
  return email && error?.field !== 'email' ? 'password' : 'identifier';
}

export async function showLogin(request: FastifyRequest, reply: FastifyReply, flow: Flow, attempt: Attempt = {}) {
  const ways = await waysOf(request, flow);
  const { password: connection, mail, mailFirst } = ways;
  const isTried = attempt.email !== undefined || attempt.error !== undefined || wantsPassword(request);
  if (mail && (!connection || (mailFirst && !isTried))) return showMailAsk(request, reply, flow, ways);
  const common = pageCommon(request, flow.params.ui_locales);
  const email = attempt.email ?? text(flow.params.login_hint);
  const step = stepOf(connection?.identifier_first, attempt);
  return renderPage(
    reply,
    loginPage,
    {
      ...common,
      appName: flow.client.name,
      action: href(request, `/flow/${flow.uid}/login`),
      csrf: csrfToken(flow.uid),
      email,
      identifier: 'email_or_username',
      error: attempt.error,
      passwordEnabled: connection !== undefined,
      connection: connection?.id,
      step,
      changeHref: step === 'password' ? href(request, `/flow/${flow.uid}/login`, { way: 'password' }) : undefined,
      connections: (mail ? [mail] : []).map((way) => ({
        id: way.id,
        label: way.connection_name,
        type: 'mail',
        words: 'login.mail' as const,
        href: mailHref(request, flow, 'mail', attempt.email),
        lastUsed: isLastUsed(request, way),
      })),
      forgotHref: resetHref(request, { client: flow.client.id, flow: flow.uid }, { email, locale: common.locale }),
      signupHref:
        connection && maySignUp(request.tenant, connection)
          ? resetHref(request, {}, { path: `/flow/${flow.uid}/signup`, email: attempt.email })
          : undefined,
      back: backOf(request, flow),
      guest: guestOf(request.tenant, flow.client),
    },
    { status: attempt.status },
  );
}

/** What a refused attempt says, at which field. */
function errorOf(fault: Fault, { tenant, locale }: { tenant: string; locale: string }): Attempt {
  switch (fault.code) {
    case 'wrong_credentials':
    case 'unknown_user':
      return { status: 401, error: { field: 'password', key: 'login.error.wrong_credentials' } };
    case 'user_suspended':
      return { status: 403, error: { key: 'login.error.user_suspended', values: { tenant } } };
    case 'unavailable':
      return { status: 503, error: { key: 'login.error.unavailable' } };
    case 'csrf':
      return { status: 403, error: { key: 'login.error.csrf' } };
    case 'locked_out':
      return {
        status: 429,
        error: { key: 'login.error.locked_out', values: { time: duration(locale, fault.retryAfterSeconds ?? 60) } },
      };
    default:
      throw fault;
  }
}

function mount(app: FastifyInstance, { interactions, policy }: FlowDeps): void {
  app.post('/flow/:uid/login', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    let email: string | undefined;
    try {
      const { password, ...form } = checkForm(request, flow.uid);
      email = form.email?.trim().slice(0, 254);
      if (!email)
        return showLogin(request, reply, flow, {
          status: 400,
          error: { field: 'email', key: 'login.error.identifier_missing' },
        });
      const { password: connection } = await waysOf(request, flow);
      if (!connection) throw new Fault('forbidden');
      if (password === undefined && connection.identifier_first) return showLogin(request, reply, flow, { email });
      if (!password)
        return showLogin(request, reply, flow, {
          status: 400,
          email,
          error: { field: 'password', key: 'login.error.password_missing' },
        });
      const attempt = { connection, identifier: email, password, client: flow.client.id, from: request.from };
      const outcome = await authenticate(request.tenant, attempt, policy);
      rememberWay(request, reply, connection);
      return reply.redirect(await interactions.conclude(flow, request, outcome), 303);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.retryAfterSeconds) reply.header('retry-after', String(error.retryAfterSeconds));
      const { locale } = pageCommon(request, flow.params.ui_locales);
      return showLogin(request, reply, flow, {
        ...errorOf(error, { tenant: request.tenant.account.name, locale }),
        email,
      });
    }
  });

  app.post('/flow/:uid/account', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    const { decision } = checkForm(request, flow.uid);
    if (decision !== 'continue' || !flow.sessionUser) return showLogin(request, reply, flow);
    return reply.redirect(await interactions.continueAs(flow), 303);
  });
}

export const login: Journey = { pages: [loginPage], mount };
