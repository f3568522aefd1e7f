/** Where the links of verification, change of address and invitation end when whoever asked for them named no address. */
import type { FastifyInstance } from 'fastify';
import { href, queryOf } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { linkDonePage, OUTCOMES, type Told } from './link-done-page.ts';

function mount(app: FastifyInstance): void {
  for (const [link, outcomes] of Object.entries(OUTCOMES)) {
    const told = new Map<unknown, Told>(Object.entries(outcomes));
    app.get(`/flow/${link}-done`, { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) =>
      renderPage(reply, linkDonePage, {
        ...pageCommon(request),
        told: told.get(queryOf(request).status) ?? outcomes.invalid_link,
        homeHref: href(request, '/'),
      }),
    );
  }
}

export const linkDone: Journey = { pages: [linkDonePage], mount };
