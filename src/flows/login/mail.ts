/**
 * Logging in within a flow by what is mailed: asks for the address, mails a code or a link, and takes the code. A link goes
 * on at `/authorize` by itself, so it is offered where it can carry all that the app asked for.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { challengeFor } from '../../auth/challenge.ts';
import { LINK_PARAMETERS, redeemCode, startPasswordless } from '../../auth/passwordless.ts';
import type { Connection } from '../../domain/connection/connection.ts';
import { markBrowser, mintBrowserProof } from '../../domain/link/asking-browser.ts';
import { LINK_SECONDS } from '../../domain/link/passwordless.ts';
import { Fault } from '../../kernel/fault.ts';
import type { Flow } from '../../oidc/browser/interactions.ts';
import { carriedEmail, resetHref } from '../reset/way.ts';
import { href, queryOf, text } from '../shell/address.ts';
import { challengePolicy, challengeResponse } from '../shell/challenge.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { backOf } from './back.ts';
import { mailAskPage } from './mail-ask-page.ts';
import { mailCodePage } from './mail-code-page.ts';
import { type MailError, tellMailError } from './mail-errors.ts';
import { mailSentPage } from './mail-sent-page.ts';
import { rememberWay, type Ways, waysOf } from './ways.ts';

/** A step of the flow for an address, which is sealed in it. */
export const mailHref = (request: FastifyRequest, { uid }: Flow, step: string, email?: string): string =>
  resetHref(request, {}, { path: `/flow/${uid}/${step}`, email });

/** What a link says itself, and what its login makes good: it is a fresh one. */
const UNSAID = ['client_id', 'response_type', 'login_hint', 'connection', 'connection_id', 'prompt', 'screen_hint'];
const CARRIED = new Set([...LINK_PARAMETERS, ...UNSAID]);

/** Asking again for what was allowed is the consent page's, and no login makes it good (OIDC Core §3.1.2.1). */
const asksConsent = ({ params }: Flow): boolean => String(params.prompt ?? '').includes('consent');

/** A link comes back with an address: a client whose requests have to come otherwise could only refuse it. */
const mayLink = (flow: Flow): boolean =>
  !flow.client.ours &&
  !flow.client.plainRequestsRefused &&
  flow.params.response_type === 'code' &&
  !asksConsent(flow) &&
  Object.entries(flow.params).every(
    ([name, value]) => value === undefined || (CARRIED.has(name) && typeof value === 'string'),
  );

const carriedBy = ({ params }: Flow): string =>
  JSON.stringify(Object.fromEntries(LINK_PARAMETERS.flatMap((name) => (params[name] ? [[name, params[name]]] : []))));

type Attempt = { email?: string; error?: MailError; status?: number };

export function showMailAsk(
  request: FastifyRequest,
  reply: FastifyReply,
  flow: Flow,
  ways: Ways,
  { email, error, status }: Attempt = {},
): FastifyReply {
  const challenge = challengeFor(request.tenant, 'passwordless');
  const data = {
    ...pageCommon(request, flow.params.ui_locales),
    appName: flow.client.name,
    action: href(request, `/flow/${flow.uid}/mail`),
    csrf: csrfToken(flow.uid),
    email: email ?? text(flow.params.login_hint),
    error,
    challenge,
    link: mayLink(flow),
    passwordHref: ways.password && href(request, `/flow/${flow.uid}/login`, { way: 'password' }),
    back: backOf(request, flow),
  };
  return renderPage(reply, mailAskPage, data, { ...challengePolicy({ challenge }), status });
}

function showCode(
  request: FastifyRequest,
  reply: FastifyReply,
  flow: Flow,
  { email, error, status }: Attempt & { email: string },
): FastifyReply {
  const data = {
    ...pageCommon(request, flow.params.ui_locales),
    appName: flow.client.name,
    action: mailHref(request, flow, 'code', email),
    csrf: csrfToken(flow.uid),
    email,
    error,
    againHref: mailHref(request, flow, 'mail', email),
    back: backOf(request, flow),
  };
  return renderPage(reply, mailCodePage, data, { status });
}

async function send(request: FastifyRequest, reply: FastifyReply, flow: Flow, connection: Connection, email: string) {
  const form = checkForm(request, flow.uid);
  const isLink = form.send === 'link' && mayLink(flow);
  const asking = mintBrowserProof();
  const id = await startPasswordless(request.tenant, {
    connection,
    client: { id: flow.client.id, name: flow.client.name },
    email,
    send: isLink ? 'link' : 'code',
    ...(isLink && { params: carriedBy(flow), browser: asking.browser }),
    challenge: challengeResponse(form),
    locale: pageCommon(request, flow.params.ui_locales).locale,
    from: request.from,
  });
  if (id && isLink) markBrowser(request, reply, asking.proof, LINK_SECONDS);
  return reply.redirect(mailHref(request, flow, isLink ? 'mailed' : 'code', email), 303);
}

function mount(app: FastifyInstance, { interactions, policy }: FlowDeps): void {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };

  /** The flow with its way by mail. @throws Fault `forbidden` where its app has none. */
  async function opened(request: FastifyRequest, reply: FastifyReply) {
    const flow = await interactions.open(request, reply);
    const ways = await waysOf(request, flow);
    if (!ways.mail || flow.prompt === 'consent') throw new Fault('forbidden');
    return { flow, ways, mail: ways.mail };
  }

  /** What a refused form says instead of failing. */
  function refused(error: unknown, request: FastifyRequest, reply: FastifyReply, flow: Flow) {
    if (!(error instanceof Fault)) throw error;
    if (error.retryAfterSeconds) reply.header('retry-after', String(error.retryAfterSeconds));
    const { locale, tenant } = pageCommon(request, flow.params.ui_locales);
    return { error: tellMailError(error, { locale, tenant: tenant.name }), status: error.row.status };
  }

  app.get('/flow/:uid/mail', page, async (request, reply) => {
    const { flow, ways } = await opened(request, reply);
    return showMailAsk(request, reply, flow, ways, { email: carriedEmail(request) });
  });

  app.post('/flow/:uid/mail', page, async (request, reply) => {
    const { flow, ways, mail } = await opened(request, reply);
    const email = text((request.body as Record<string, unknown> | null)?.email)
      ?.trim()
      .slice(0, 254);
    const ask = (attempt: Attempt) => showMailAsk(request, reply, flow, ways, attempt);
    if (!email) return ask({ status: 400, error: { field: 'email', key: 'login.error.email_missing' } });
    try {
      return await send(request, reply, flow, mail, email);
    } catch (error) {
      return ask({ email, ...refused(error, request, reply, flow) });
    }
  });

  app.get('/flow/:uid/code', page, async (request, reply) => {
    const { flow } = await opened(request, reply);
    const email = carriedEmail(request);
    return email ? showCode(request, reply, flow, { email }) : reply.redirect(mailHref(request, flow, 'mail'), 303);
  });

  app.post('/flow/:uid/code', page, async (request, reply) => {
    const { flow, mail } = await opened(request, reply);
    const email = carriedEmail(request);
    if (!email) return reply.redirect(mailHref(request, flow, 'mail'), 303);
    try {
      const code = (checkForm(request, flow.uid).code ?? '').replace(/[\s-]/g, '').slice(0, 20);
      const missing = { field: 'code', key: 'mail_code.error.missing' } as const;
      if (!code) return showCode(request, reply, flow, { email, status: 400, error: missing });
      const attempt = { connection: mail, client: flow.client.id, email, code, from: request.from };
      const outcome = await redeemCode(request.tenant, attempt, policy);
      rememberWay(request, reply, mail);
      return reply.redirect(await interactions.conclude(flow, request, outcome), 303);
    } catch (error) {
      return showCode(request, reply, flow, { email, ...refused(error, request, reply, flow) });
    }
  });

  app.get('/flow/:uid/mailed', page, async (request, reply) => {
    const { flow } = await opened(request, reply);
    const email = carriedEmail(request);
    if (!email) return reply.redirect(mailHref(request, flow, 'mail'), 303);
    return renderPage(reply, mailSentPage, {
      ...pageCommon(request, flow.params.ui_locales),
      appName: flow.client.name,
      email,
      againHref: mailHref(request, flow, 'mail', email),
    });
  });
}

/** Whether the visitor has come to this page from the one that a tenant put first. */
export const wantsPassword = (request: FastifyRequest): boolean => queryOf(request).way === 'password';

export const mailLogin: Journey = { pages: [mailAskPage, mailCodePage, mailSentPage], mount };
