/** The page behind a mailed login link. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { openLink, redeemLink } from '../../auth/passwordless.ts';
import { forgetBrowser, isAskingBrowser } from '../../domain/link/asking-browser.ts';
import type { Mailed } from '../../domain/link/passwordless.ts';
import { logReference } from '../../kernel/error-reference.ts';
import { Fault } from '../../kernel/fault.ts';
import { errorPage } from '../error/error-page.ts';
import { ERROR_PAGES } from '../error/error-pages.ts';
import { href } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { emailLinkPage } from './email-link-page.ts';

const VERIFY = '/passwordless/verify_redirect';

const authorizeHref = ({ client, params }: Mailed, more: { prompt?: string }): string =>
  `/authorize?${new URLSearchParams({ client_id: client, response_type: 'code', ...JSON.parse(params ?? '{}'), ...more })}`;

function mount(app: FastifyInstance, { browser, policy }: FlowDeps): void {
  /** A link that is over: says which of the ways, and how to go on where the app is known. */
  async function showOver(request: FastifyRequest, reply: FastifyReply, fault: Fault) {
    const known = fault.code as 'link_unknown' | 'link_used' | 'link_expired';
    logReference(request, known);
    return renderPage(reply, errorPage, { ...pageCommon(request), ...ERROR_PAGES[known] });
  }

  async function complete(request: FastifyRequest, reply: FastifyReply, token: string) {
    const { outcome, link } = await redeemLink(request.tenant, token, request.from, policy);
    const more = await browser.conclude(request, reply, outcome, link.client);
    forgetBrowser(reply);
    return reply.header('cache-control', 'no-store').redirect(authorizeHref(link, more), 303);
  }

  const answer = async (request: FastifyRequest, reply: FastifyReply, act: () => Promise<unknown>) => {
    try {
      return await act();
    } catch (error) {
      if (error instanceof Fault && error.code.startsWith('link_')) return showOver(request, reply, error);
      throw error;
    }
  };

  app.get(
    VERIFY,
    {
      config: { access: 'public' },
      schema: {
        operationId: 'passwordless/verify_redirect',
        tags: ['passwordless'],
        summary: 'Receive a passwordless token via email link and convert it to a valid session',
        description:
          'In the browser that asked for the link it logs in and goes on to the client. In any other, such as that of a mail scanner, it shows one button that does.',
        querystring: Type.Object({ token: Type.String({ minLength: 1, maxLength: 200 }) }),
        response: {
          303: Type.Unsafe({ type: 'null', description: "To the client's callback, by way of `/authorize`" }),
        },
      },
    },
    (request, reply) =>
      answer(request, reply, async () => {
        const { token } = request.query as { token: string };
        const link = await openLink(request.tenant, token);
        if (isAskingBrowser(request, link)) return complete(request, reply, token);
        const client = await browser.client(request.tenant, link.client);
        if (!client) throw new Fault('link_unknown');
        return renderPage(reply, emailLinkPage, {
          ...pageCommon(request),
          appName: client.name,
          action: href(request, VERIFY),
          csrf: csrfToken(link.id),
          token,
          email: link.email,
        });
      }),
  );

  app.post(VERIFY, { config: { access: 'public' }, schema: { hide: true } }, (request, reply) =>
    answer(request, reply, async () => {
      const { token = '' } = (request.body ?? {}) as { token?: string };
      const link = await openLink(request.tenant, String(token));
      checkForm(request, link.id);
      return complete(request, reply, String(token));
    }),
  );
}

export const passwordless: Journey = { pages: [emailLinkPage], mount };
