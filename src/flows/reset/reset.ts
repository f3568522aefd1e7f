/**
 * The page behind the mailed link, and what sets the password: for our own form, and as JSON for a page of the tenant's.
 * Opening the link does nothing, however often: mail scanners do, too.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { lookUpReset, resetOriginOf, resetPassword } from '../../auth/password-reset.ts';
import { forgetBrowser, hasAsked } from '../../domain/link/asking-browser.ts';
import type { Ticket } from '../../domain/link/ticket.ts';
import { brokenRules, MAX_PASSWORD_LENGTH, passwordRules } from '../../domain/user/password-policy.ts';
import { Fault } from '../../kernel/fault.ts';
import { href, queryOf, text } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { type ResetTold, resetDonePage } from './reset-done-page.ts';
import { type ResetPasswordError, resetPasswordPage } from './reset-password-page.ts';
import { loginAfter, RESET, resetHref, type Way, wayOf } from './way.ts';

const VERIFY = '/reset-verify';
const CHANGE = '/reset-change';
const DONE = `${RESET}/done`;

const errorOf = ({ code }: Fault): ResetPasswordError =>
  code === 'password_breached'
    ? { field: 'password', key: 'password.error.breached' }
    : { key: 'password.error.unavailable' };

/** The login that was interrupted is open in the browser that it is in alone. */
function wayFrom(request: FastifyRequest, ticket: Ticket | undefined): Way {
  if (!ticket) return {};
  const { client, flow, browser } = resetOriginOf(ticket);
  return { client, flow: hasAsked(request, { browser }) ? flow : undefined };
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const tell = async (request: FastifyRequest, reply: FastifyReply, told: ResetTold, way: Way) =>
    renderPage(reply, resetDonePage, {
      ...pageCommon(request),
      told,
      loginHref: await loginAfter(request, browser, way),
      ...(told !== 'changed' && { againHref: resetHref(request, way) }),
    });

  /** @param refused the password that was not taken, or why one was not that keeps the rules. */
  async function show(request: FastifyRequest, reply: FastifyReply, token: string, refused?: string | Fault) {
    const found = await lookUpReset(request.tenant, token);
    if (found.status !== 'open') return tell(request, reply, found.status, wayFrom(request, found.ticket));
    const { ticket, connection } = found;
    const policy = connection.password_policy;
    const broken = new Set(typeof refused === 'string' ? brokenRules(policy, refused).map(({ name }) => name) : []);
    return renderPage(
      reply,
      resetPasswordPage,
      {
        ...pageCommon(request),
        // The address of a page that was refused is one that a reload, or another language, finds again.
        action: href(request, CHANGE, { ticket: token }),
        csrf: csrfToken(ticket.id),
        state: token,
        email: ticket.email,
        rules: passwordRules(policy).map((rule) => ({ ...rule, broken: broken.has(rule.name) })),
        error:
          refused instanceof Fault
            ? errorOf(refused)
            : refused === undefined
              ? undefined
              : { field: 'password', key: refused ? 'password.error.rules' : 'password.error.missing' },
      },
      { status: refused instanceof Fault ? refused.row.status : refused === undefined ? 200 : 400 },
    );
  }

  app.get(
    VERIFY,
    {
      config: { access: 'public' },
      schema: {
        operationId: 'change_password_verify',
        tags: ['dbconnection'],
        summary: 'Change password verify',
        description: 'Where the mailed link leads: a page that asks for another password. Opening it changes nothing.',
        querystring: Type.Object({ ticket: Type.String({ maxLength: 200 }) }),
        response: { 200: Type.Unsafe({ type: 'string', description: 'The page with the form (HTML)' }) },
      },
    },
    (request, reply) => show(request, reply, (request.query as { ticket: string }).ticket),
  );

  // A reload that lost its form, or another language.
  app.get(CHANGE, { config: { access: 'public' }, schema: { hide: true } }, (request, reply) =>
    reply.redirect(href(request, VERIFY, { ticket: text(queryOf(request).ticket) ?? 'none' }), 303),
  );

  app.post(
    CHANGE,
    {
      config: { access: 'public' },
      attachValidation: true,
      schema: {
        operationId: 'change_password_change',
        tags: ['dbconnection'],
        summary: 'Reset password change',
        description:
          'Sets the password, ends the sessions and tokens of the user, and proves the address. The link is used up by that; a password that the policy of the connection refuses (400 `password_policy`, `password_breached`) leaves it as it is. A link that does not work is 404 `link_unknown`, 410 `link_used` or `link_expired`.',
        body: Type.Object({
          state: Type.String({ maxLength: 200, description: 'The `ticket` of the mailed link' }),
          new_password: Type.String({ minLength: 1, maxLength: MAX_PASSWORD_LENGTH }),
        }),
        response: { 200: Type.Object({ status: Type.Unsafe<'ok'>({ type: 'string', enum: ['ok'] }) }) },
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const { tenant, from, validationError } = request;
      const body = (request.body ?? {}) as Record<string, unknown>;
      const [token, password] = [text(body.state) ?? '', text(body.new_password) ?? ''];
      if (!/^application\/x-www-form-urlencoded/i.test(request.headers['content-type'] ?? '')) {
        if (validationError) throw validationError;
        await resetPassword(tenant, token, password, from);
        return { status: 'ok' };
      }
      const found = await lookUpReset(tenant, token);
      if (found.status !== 'open') return tell(request, reply, found.status, wayFrom(request, found.ticket));
      checkForm(request, found.ticket.id);
      if (!password) return show(request, reply, token, '');
      try {
        const ticket = await resetPassword(tenant, token, password, from);
        const way = wayFrom(request, ticket);
        if (ticket.browser) forgetBrowser(reply);
        return reply.redirect(resetHref(request, way, { path: DONE }), 303);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        if (error.code === 'password_policy') return show(request, reply, token, password);
        if (error.code === 'unavailable' || error.code === 'password_breached')
          return show(request, reply, token, error);
        if (error.code.startsWith('link_')) return show(request, reply, token);
        throw error;
      }
    },
  );

  app.get(DONE, { config: { access: 'session' }, schema: { hide: true } }, (request, reply) =>
    tell(request, reply, 'changed', wayOf(queryOf(request))),
  );
}

export const reset: Journey = { pages: [resetPasswordPage, resetDonePage], mount };
