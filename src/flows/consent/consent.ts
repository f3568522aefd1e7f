/** The consent page: names the app, where it leads and what it may do; "Cancel" is as easy as "Allow". */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { append } from '../../domain/trail/log.ts';
import type { Flow, Interactions } from '../../oidc/browser/interactions.ts';
import { href } from '../shell/address.ts';
import { checkForm, csrfToken, pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { appsAddress, hostOf, noticeOf, sentences } from './app-words.ts';
import { describeDetail } from './authorization-details.ts';
import { consentPage } from './consent-page.ts';

export async function showConsent(
  request: FastifyRequest,
  reply: FastifyReply,
  flow: Flow,
  interactions: Interactions,
) {
  const { client } = flow;
  const { asked, held, again, details } = await interactions.question(flow, request);
  const common = pageCommon(request, flow.params.ui_locales);
  return renderPage(reply, consentPage, {
    ...common,
    appName: client.name,
    action: href(request, `/flow/${flow.uid}/consent`),
    switchAccountHref: href(request, `/flow/${flow.uid}/account`),
    csrf: csrfToken(flow.uid),
    ours: client.firstParty,
    notice: noticeOf(request.tenant, client),
    destination: hostOf(client.destination),
    // A picture that nobody has looked at is no help in telling who this is.
    appLogo: client.unverified ? undefined : client.logo,
    clientUri: client.uri,
    policyUri: client.policy,
    tosUri: client.tos,
    user: await pageUser(request, flow.sessionUser!),
    permissions: sentences(asked, common.locale),
    details: details.map((detail) => describeDetail(detail, common.locale)),
    held: held && sentences(held, common.locale),
    again: again && details.length === 0,
    appsAddress: appsAddress(request.tenant),
  });
}

function mount(app: FastifyInstance, { interactions }: FlowDeps): void {
  app.post('/flow/:uid/consent', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    const { decision } = checkForm(request, flow.uid);
    if (flow.prompt !== 'consent') return reply.redirect(`/flow/${flow.uid}`, 303);
    const allowed = decision === 'allow';
    const next = await (allowed ? interactions.allow : interactions.deny)(flow, request);
    await append(request.tenant, {
      type: allowed ? 'auth.consent.granted' : 'auth.consent.denied',
      status: 'success',
      user: flow.sessionUser,
      client: flow.client.id,
    });
    return reply.redirect(next, 303);
  });
}

export const consent: Journey = { pages: [consentPage], mount };
