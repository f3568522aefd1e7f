/** The tenant host's front page, and the playground that development has. */
import type { FastifyInstance } from 'fastify';
import { pageCommon } from '../shell/context.ts';
import { renderPage } from '../shell/render.ts';

export type LandingOptions = { development: boolean; demo: () => boolean; playgroundClient: string };

export function landing(app: FastifyInstance, { development, demo, playgroundClient }: LandingOptions): void {
  const discoveryHref = '/.well-known/openid-configuration';
  app.get('/', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) =>
    renderPage(reply, 'landing', {
      ...pageCommon(request),
      ...(development && {
        development: {
          playgroundHref: '/playground',
          docsHref: '/docs',
          discoveryHref,
          demo: demo() && request.tenant.account.root,
        },
      }),
    }),
  );
  if (!development) return;
  app.get('/playground', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) =>
    renderPage(reply, 'playground', {
      ...pageCommon(request),
      clientId: playgroundClient,
      scope: 'openid profile email offline_access',
      discoveryHref,
    }),
  );
}
