/** The tenant host's front page, and the playground that development has. */
import type { FastifyInstance } from 'fastify';
import { ACCOUNT } from '../account/visit.ts';
import { href } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { landingPage } from './landing-page.ts';
import { playgroundPage } from './playground-page.ts';

function mount(app: FastifyInstance, { development, demo, playgroundClient }: FlowDeps): void {
  const discoveryHref = '/.well-known/openid-configuration';
  app.get('/', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) =>
    renderPage(reply, landingPage, {
      ...pageCommon(request),
      accountHref: href(request, ACCOUNT),
      ...(development && {
        development: {
          playgroundHref: '/playground',
          outboxHref: '/dev/outbox',
          docsHref: '/docs',
          discoveryHref,
          demo: demo() && request.tenant.account.root,
        },
      }),
    }),
  );
  if (!development) return;
  app.get('/playground', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) =>
    renderPage(reply, playgroundPage, {
      ...pageCommon(request),
      clientId: playgroundClient,
      scope: 'openid profile email offline_access',
      discoveryHref,
    }),
  );
}

export const landing: Journey = { pages: [landingPage, playgroundPage], mount };
