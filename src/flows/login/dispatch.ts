/** Which step a flow is at, decided from its stored state alone; a step answers the flow and comes back here. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { mfaRequired } from '../../auth/factor-due.ts';
import type { Flow } from '../../oidc/browser/interactions.ts';
import { ACCOUNT } from '../account/visit.ts';
import { guestOf } from '../consent/app-words.ts';
import { showConsent } from '../consent/consent.ts';
import { href } from '../shell/address.ts';
import { csrfToken, pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { showSignUp } from '../sign-up/sign-up.ts';
import { backOf } from './back.ts';
import { showLogin } from './login.ts';
import { signedInPage } from './signed-in-page.ts';
import { signUpConnection } from './ways.ts';

/** The page that the app asked for (`screen_hint`), where there is one. */
async function showFirst(request: FastifyRequest, reply: FastifyReply, flow: Flow) {
  const wants = flow.params.screen_hint === 'signup' && (await signUpConnection(request, flow));
  return wants ? showSignUp(request, reply, flow) : showLogin(request, reply, flow);
}

async function showAccount(request: FastifyRequest, reply: FastifyReply, flow: Flow) {
  if (!flow.sessionUser) return showFirst(request, reply, flow);
  return renderPage(reply, signedInPage, {
    ...pageCommon(request, flow.params.ui_locales),
    appName: flow.client.name,
    action: href(request, `/flow/${flow.uid}/account`),
    csrf: csrfToken(flow.uid),
    user: await pageUser(request, flow.sessionUser),
    accountHref: href(request, ACCOUNT),
    back: backOf(request, flow),
    guest: guestOf(request.tenant, flow.client),
  });
}

function mount(app: FastifyInstance, { interactions }: FlowDeps): void {
  app.get('/flow/:uid', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    // TODO: with factors, the page of the one that is due.
    if (flow.half) throw mfaRequired(flow.half.due);
    switch (flow.prompt) {
      case 'consent':
        return showConsent(request, reply, flow, interactions);
      case 'select_account':
        return showAccount(request, reply, flow);
      default:
        return showFirst(request, reply, flow);
    }
  });
  // From one to the other, whichever the app asked for first; and a reload, or the back button, after a refused form.
  for (const [step, show] of [
    ['login', showLogin],
    ['signup', showSignUp],
  ] as const)
    app.get(`/flow/:uid/${step}`, { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
      const flow = await interactions.open(request, reply);
      if (flow.half || flow.prompt === 'consent') return reply.redirect(href(request, `/flow/${flow.uid}`), 303);
      return show(request, reply, flow);
    });
  // A reload or the back button lands on a page, not on an error.
  for (const step of ['consent', 'account', 'back'])
    app.get(`/flow/:uid/${step}`, { config: { access: 'session' }, schema: { hide: true } }, (request, reply) => {
      const { uid } = request.params as { uid: string };
      return reply.redirect(href(request, `/flow/${encodeURIComponent(uid)}`), 303);
    });
}

export const dispatch: Journey = { pages: [signedInPage], mount };
