/** The consent page: names the app, who publishes it and what it may do; "Cancel" is as easy as "Allow". */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { append } from '../domain/log.ts';
import type { Flow, Interactions } from '../oidc/interactions.ts';
import { checkForm, csrfToken, pageCommon } from './context.ts';
import { scopePermission } from './locale.ts';
import { FLOW_PAGE, langQuery, pageUser } from './login.ts';
import { renderPage } from './render.ts';

export async function showConsent(
  request: FastifyRequest,
  reply: FastifyReply,
  flow: Flow,
  interactions: Interactions,
) {
  const { scopes, permissions } = await interactions.wanted(flow, request);
  const common = pageCommon(request, flow.params.ui_locales);
  const standard = scopes.flatMap((scope) => scopePermission(scope, common.locale) ?? []);
  const uri = flow.client.uri ?? (flow.params.redirect_uri as string | undefined);
  return renderPage(
    reply,
    'consent',
    {
      ...common,
      appName: flow.client.name,
      action: `/flow/${flow.uid}/consent${langQuery(request)}`,
      csrf: csrfToken(flow.uid),
      publisher: flow.client.firstParty
        ? request.tenant.account.name
        : uri && URL.canParse(uri)
          ? new URL(uri).host
          : flow.client.name,
      appLogo: flow.client.logo,
      clientUri: flow.client.uri,
      policyUri: flow.client.policy,
      tosUri: flow.client.tos,
      user: await pageUser(request, flow.sessionUser!),
      permissions: [
        ...standard.map((title) => ({ title })),
        ...permissions.map(({ scope, api, description }) => ({ title: description ?? scope, api })),
      ],
    },
    FLOW_PAGE,
  );
}

export function consent(app: FastifyInstance, interactions: Interactions): void {
  app.post('/flow/:uid/consent', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    const { decision } = checkForm(request, flow.uid);
    if (flow.prompt !== 'consent') return reply.redirect(`/flow/${flow.uid}`, 303);
    const allowed = decision === 'allow';
    const next = await (allowed ? interactions.allow : interactions.deny)(flow, request, reply);
    await append(request.tenant, {
      type: allowed ? 'auth.consent.granted' : 'auth.consent.denied',
      status: 'success',
      user: flow.sessionUser,
      client: flow.client.id,
    });
    return reply.redirect(next, 303);
  });
}
