/**
 * The pages behind the links that verify an address, change it or invite to a team. What is opened does nothing: mail
 * scanners open links, too. One button does, or the browser that asked for the link.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { forgetBrowser, hasAsked, isAskingBrowser } from '../../domain/link/asking-browser.ts';
import { emailChangeLink } from '../../domain/link/email-change.ts';
import { verificationLink } from '../../domain/link/email-verification.ts';
import { landingOf } from '../../domain/link/link-target.ts';
import type { MailedLink } from '../../domain/link/mailed-link.ts';
import { invitationLink } from '../../domain/link/team-invite.ts';
import { lookUpTicket, TICKET_PATHS, type Ticket, voidTicket } from '../../domain/link/ticket.ts';
import { href, text } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { linkConfirmPage } from './link-confirm-page.ts';

/** Each with its operation in the document of the API. */
const LINKS: readonly (MailedLink & { operationId: string; tag: string; summary: string; statuses: string })[] = [
  {
    ...verificationLink,
    operationId: 'user_verify_email_confirm',
    tag: 'user',
    summary: 'Verify a verify-email ticket and mark the user verified',
    statuses: 'verified|already_verified|invalid_link|expired',
  },
  {
    ...emailChangeLink,
    operationId: 'user_change_email_verify',
    tag: 'user',
    summary: 'Verify a change-email ticket and apply the change',
    statuses: 'applied|pending_old|invalid_link|expired|email_already_exists',
  },
  {
    ...invitationLink,
    operationId: 'team_invite_verify',
    tag: 'team',
    summary: 'Verify a team-invite ticket and add the user to the team',
    statuses: 'accepted|invalid_link|expired',
  },
];

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  for (const { operationId, tag, summary, statuses, ...link } of LINKS) {
    const path = TICKET_PATHS[link.type];
    const land = (request: FastifyRequest, reply: FastifyReply, status: string, ticket?: Ticket) =>
      reply
        .header('cache-control', 'no-store')
        .redirect(
          landingOf(request.tenant, ticket?.redirect_uri, link.fallback, status),
          request.method === 'POST' ? 303 : 302,
        );

    async function act(request: FastifyRequest, reply: FastifyReply, token: string, found: Ticket) {
      const visitor = hasAsked(request, found) ? await browser.visitor(request) : undefined;
      const session = visitor && { id: visitor.session, user: visitor.user };
      const { status, ticket } = await link.follow(request.tenant, token, { ip: request.from.ip, session });
      if (ticket?.browser) forgetBrowser(reply);
      return land(request, reply, status, ticket);
    }

    app.get(
      path,
      {
        config: { access: 'public' },
        schema: {
          operationId,
          tags: [tag],
          summary,
          description: `Where the mailed link leads. In the browser that asked for it the link acts at once; in any other, such as that of a mail scanner, a page shows one button that does. Then redirects to the \`redirect_uri\` of the start, else to a page of ours, with \`?status=${statuses}\`.`,
          querystring: Type.Object({ ticket: Type.String({ maxLength: 200 }) }),
          response: {
            200: Type.Unsafe({ type: 'string', description: 'The page with the button (HTML)' }),
            302: Type.Unsafe({ type: 'null', description: 'To where the outcome is told' }),
          },
        },
      },
      async (request, reply) => {
        const { tenant } = request;
        const { ticket: token } = request.query as { ticket: string };
        const found = await lookUpTicket(tenant, link.type, token);
        if (found.status !== 'open') return land(request, reply, await link.over(tenant, found), found.ticket);
        const { ticket } = found;
        if (isAskingBrowser(request, ticket)) return act(request, reply, token, ticket);
        return renderPage(reply, linkConfirmPage, {
          ...pageCommon(request),
          ...(await link.question(tenant, ticket)),
          action: href(request, path),
          csrf: csrfToken(ticket.id),
          ticket: token,
        });
      },
    );

    app.post(path, { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) => {
      const { tenant } = request;
      const token = (text((request.body as Record<string, unknown> | null)?.ticket) ?? '').slice(0, 200);
      const found = await lookUpTicket(tenant, link.type, token);
      if (found.status !== 'open') return land(request, reply, await link.over(tenant, found), found.ticket);
      const { decision } = checkForm(request, found.ticket.id);
      if (decision !== 'no') return act(request, reply, token, found.ticket);
      const status = (await link.decline?.(tenant, found.ticket)) ?? 'declined';
      await voidTicket(tenant, found.ticket.id);
      // Nobody of the app's: they stay with us.
      return land(request, reply, status);
    });
  }
}

export const mailedLinks: Journey = { pages: [linkConfirmPage], mount };
