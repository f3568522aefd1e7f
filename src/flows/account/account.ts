/** The first of the account pages: who somebody is here, and where to change what. */
import type { FastifyInstance } from 'fastify';
import { APPS } from '../consent/app-words.ts';
import { href } from '../shell/address.ts';
import { pageCommon, pageUser } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { accountPage, PLACES } from './account-page.ts';
import { ACCOUNT, accountPages, DATA, DELETE, EMAIL, PASSWORD, PROFILE, SESSIONS } from './visit.ts';

const PATHS: Record<(typeof PLACES)[number], string> = {
  profile: PROFILE,
  email: EMAIL,
  password: PASSWORD,
  devices: SESSIONS,
  apps: APPS,
  data: DATA,
  delete: DELETE,
};

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  accountPages(app, browser).get(
    ACCOUNT,
    async (request, reply, { user }) =>
      renderPage(reply, accountPage, {
        ...pageCommon(request),
        user: await pageUser(request, user.id),
        places: PLACES.map((place) => ({ place, href: href(request, PATHS[place]) })),
        switchAccountHref: browser.loginHref(request.tenant, href(request, ACCOUNT), { prompt: 'login' }),
        logoutHref: '/logout',
      }),
    {},
    // To programs the address is the list of accounts.
    { constraints: { reader: 'person' } },
  );
}

export const account: Journey = { pages: [accountPage], mount };
