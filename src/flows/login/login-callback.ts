/**
 * Where a login that a page of the account's own took becomes a session, and goes on to the app. What was used already, or
 * is too old, goes on too: who is logged in by then gets there, anybody else to the login page.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { redeemStatement } from '../../auth/login-result.ts';
import { browserShown, forgetBrowser } from '../../domain/link/asking-browser.ts';
import { Fault } from '../../kernel/fault.ts';
import { text } from '../shell/address.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';

const CALLBACK = '/login/callback';
const SIGN_IN = 'wsignin1.0';

type Context = { redirect_to?: string } & Record<string, string | number>;

function mount(app: FastifyInstance, { browser, policy }: FlowDeps): void {
  /** @param more parameters of the request that comes next. */
  function onward({ tenant }: FastifyRequest, context: Context, more: Record<string, string> = {}): string {
    if (context.redirect_to === undefined)
      return `/authorize?${new URLSearchParams({ ...(context as Record<string, string>), ...more })}`;
    // A path of this origin, as it was made; half a login has to go by way of one.
    return more.prompt
      ? browser.loginHref(tenant, context.redirect_to, more)
      : `${tenant.origin}${context.redirect_to}`;
  }

  app.post(
    CALLBACK,
    {
      config: { access: 'public' },
      schema: {
        operationId: 'usernamepassword/loginCallback',
        tags: ['usernamepassword'],
        summary: 'Username + password login callback',
        description:
          'Takes the form that `/usernamepassword/login` answered: logs the browser in, and redirects to the client by way of `/authorize`. 410 where the fields do not belong together, 403 where the form comes from another page than the one that asked.',
        body: Type.Object({
          wa: Type.String({ maxLength: 20, description: `Always \`${SIGN_IN}\`` }),
          wresult: Type.String({ maxLength: 8192, description: 'JWT' }),
          wctx: Type.String({ maxLength: 32_768, description: 'Serialized JSON with context' }),
        }),
        response: {
          303: Type.Unsafe({ type: 'null', description: "To the client's callback, by way of `/authorize`" }),
        },
      },
    },
    async (request, reply) => {
      const { tenant, headers } = request;
      const body = request.body as Record<string, unknown>;
      const [wresult, wctx] = [text(body.wresult) ?? '', text(body.wctx) ?? ''];
      if (body.wa !== SIGN_IN) throw new Fault('invalid_request');
      const asking = { origin: headers.origin, browser: browserShown(request) };
      const redeemed = await redeemStatement(tenant, wresult, { ...asking, request: wctx }, policy);
      const context = JSON.parse(wctx) as Context;
      reply.header('cache-control', 'no-store');
      if (redeemed.status === 'over') return reply.redirect(onward(request, context), 303);
      const client = context.redirect_to === undefined ? String(context.client_id) : browser.pagesClient;
      const more = await browser.conclude(request, reply, redeemed.outcome, client);
      if (headers.origin === undefined) forgetBrowser(reply);
      return reply.redirect(onward(request, context, more as Record<string, string>), 303);
    },
  );

  // A reload that lost its form.
  app.get(CALLBACK, { config: { access: 'session' }, schema: { hide: true } }, (_request, reply) =>
    reply.redirect('/', 303),
  );
}

export const loginCallback: Journey = { pages: [], mount };
