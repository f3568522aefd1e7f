/** The page where a user asks for another address: a link goes there, and nothing changes until it is followed. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { markBrowser, mintBrowserProof } from '../../domain/link/asking-browser.ts';
import { CHANGE_SECONDS, startEmailChange } from '../../domain/link/email-change.ts';
import { append } from '../../domain/trail/log.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { duration } from '../../look/words.ts';
import { carried, carriedEmail } from '../reset/way.ts';
import { href, queryOf } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { accountEmailPage, type EmailError } from './account-email-page.ts';
import { ACCOUNT, accountPages, EMAIL, type Visit } from './visit.ts';

type Tried = { typed: string; error: EmailError; status: number };

function show(request: FastifyRequest, reply: FastifyReply, { user, csrf }: Visit, tried?: Tried) {
  return renderPage(
    reply,
    accountEmailPage,
    {
      ...pageCommon(request),
      action: href(request, EMAIL),
      csrf,
      email: user.email ?? '',
      verified: user.email_verified,
      typed: tried?.typed,
      sentTo: tried ? undefined : carriedEmail(request),
      bothAsked: queryOf(request).both === '1',
      error: tried?.error,
      backHref: href(request, ACCOUNT),
    },
    { status: tried?.status },
  );
}

function errorOf(fault: Fault, request: FastifyRequest): EmailError {
  const { locale, tenant } = pageCommon(request);
  switch (fault.code) {
    case 'same_as_current_email':
      return { field: 'email', key: 'account_email.error.same' };
    case 'validation':
      return { field: 'email', key: 'account_email.error.invalid' };
    case 'too_many_requests':
      return { key: 'account_email.error.too_many', values: { time: duration(locale, fault.retryAfterSeconds ?? 60) } };
    case 'no_transport':
      return { key: 'account_email.error.no_transport', values: { tenant: tenant.name } };
    default:
      throw fault;
  }
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const pages = accountPages(app, browser);
  const recent = { recent: true };
  pages.get(EMAIL, async (request, reply, visit) => show(request, reply, visit), recent);
  pages.post(
    EMAIL,
    ['new_email'],
    async (request, reply, visit) => {
      const { tenant, from } = request;
      const typed = (visit.form.new_email ?? '').trim().slice(0, 254);
      const { visitor, user } = visit;
      try {
        const new_email = emailAddress.typed(typed);
        if (new_email === undefined) throw new Fault('validation');
        const { proof, browser: asking } = mintBrowserProof();
        const change = { new_email, browser: asking, session: visitor.session };
        const { mode } = await startEmailChange(tenant, user, change, false);
        markBrowser(request, reply, proof, CHANGE_SECONDS);
        await append(tenant, {
          type: 'user.email_change_started',
          status: 'success',
          user: user.id,
          data: { actor: user.id, actor_kind: 'user', subject: user.id, ip: from.ip },
        });
        const both = mode === 'old_and_new' && user.email ? '1' : undefined;
        return reply.redirect(href(request, EMAIL, { to: carried(request, new_email), both }), 303);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.retryAfterSeconds) reply.header('retry-after', String(error.retryAfterSeconds));
        const status = error.row.status;
        return show(request, reply, visit, { typed, error: errorOf(error, request), status });
      }
    },
    recent,
  );
}

export const accountEmail: Journey = { pages: [accountEmailPage], mount };
