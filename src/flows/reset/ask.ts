/** The pages that ask for a link to choose another password: from the login page, or by themselves. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { challengeFor } from '../../auth/challenge.ts';
import { RESET_SECONDS, startPasswordReset } from '../../auth/password-reset.ts';
import { markBrowser, mintBrowserProof } from '../../domain/link/asking-browser.ts';
import { Fault } from '../../kernel/fault.ts';
import { duration } from '../../look/words.ts';
import { queryOf } from '../shell/address.ts';
import { challengeError, challengePolicy, challengeResponse } from '../shell/challenge.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { type ResetAskError, resetAskPage } from './reset-ask-page.ts';
import { resetSentPage } from './reset-sent-page.ts';
import { carriedEmail, flowHref, RESET, resetHref, type Way, wayOf } from './way.ts';

const SENT = `${RESET}/sent`;

/** Nobody is logged in here: it is one of our own pages that the form has to come from. */
const bindingOf = ({ tenant }: FastifyRequest): string => `${tenant.id} reset-password`;

type Attempt = { email?: string; error?: ResetAskError };

function ask(request: FastifyRequest, reply: FastifyReply, way: Way, { email, error }: Attempt, status?: number) {
  const challenge = challengeFor(request.tenant, 'password_reset');
  return renderPage(
    reply,
    resetAskPage,
    {
      ...pageCommon(request),
      ...way,
      action: resetHref(request, {}),
      csrf: csrfToken(bindingOf(request)),
      email,
      error,
      challenge,
      backHref: flowHref(request, way),
    },
    { ...challengePolicy({ challenge }), status },
  );
}

/** What a refused form says. */
function errorOf(fault: Fault, request: FastifyRequest): ResetAskError {
  const { locale, tenant } = pageCommon(request);
  const unsolved = challengeError(fault);
  if (unsolved) return { key: unsolved };
  switch (fault.code) {
    case 'validation':
      return { field: 'email', key: 'reset_ask.error.email_invalid' };
    case 'too_many_requests':
      return { key: 'reset_ask.error.too_many', values: { time: duration(locale, fault.retryAfterSeconds ?? 60) } };
    case 'no_transport':
      return { key: 'reset_ask.error.no_transport', values: { tenant: tenant.name } };
    case 'csrf':
      return { key: 'reset_ask.error.csrf' };
    default:
      throw fault;
  }
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };

  app.get(RESET, page, async (request, reply) =>
    ask(request, reply, wayOf(queryOf(request)), { email: carriedEmail(request) }),
  );

  app.get(SENT, page, async (request, reply) => {
    const way = wayOf(queryOf(request));
    const email = carriedEmail(request);
    if (!email) return reply.redirect(resetHref(request, way), 303);
    return renderPage(reply, resetSentPage, {
      ...pageCommon(request),
      email,
      againHref: resetHref(request, way),
      backHref: flowHref(request, way),
    });
  });

  app.post(RESET, page, async (request, reply) => {
    const form = (request.body ?? {}) as Record<string, unknown>;
    const way = wayOf(form);
    const email = typeof form.email === 'string' ? form.email.trim().slice(0, 254) : '';
    if (!email)
      return ask(request, reply, way, { error: { field: 'email', key: 'reset_ask.error.email_missing' } }, 400);
    try {
      checkForm(request, bindingOf(request));
      const known = way.client === undefined ? undefined : await browser.client(request.tenant, way.client);
      const asking = mintBrowserProof();
      await startPasswordReset(request.tenant, {
        email,
        // What nobody vouches for is not named in a mail of ours.
        client: known?.mayMail ? { id: way.client!, name: known.name } : undefined,
        flow: way.flow,
        browser: asking.browser,
        challenge: challengeResponse(form),
        locale: pageCommon(request).locale,
        from: request.from,
      });
      markBrowser(request, reply, asking.proof, RESET_SECONDS);
      return reply.redirect(resetHref(request, way, { path: SENT, email }), 303);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.retryAfterSeconds) reply.header('retry-after', String(error.retryAfterSeconds));
      return ask(request, reply, way, { email, error: errorOf(error, request) }, error.row.status);
    }
  });
}

export const resetAsk: Journey = { pages: [resetAskPage, resetSentPage], mount };
