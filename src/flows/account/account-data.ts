/** The page where a user takes a copy of their data along. */
import type { FastifyInstance } from 'fastify';
import { ownData } from '../../auth/own-data.ts';
import { href } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { accountDataPage } from './account-data-page.ts';
import { ACCOUNT, accountPages, DATA } from './visit.ts';

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const pages = accountPages(app, browser);
  const recent = { recent: true };
  pages.get(
    DATA,
    async (request, reply, { csrf }) =>
      renderPage(reply, accountDataPage, {
        ...pageCommon(request),
        action: href(request, DATA),
        csrf,
        backHref: href(request, ACCOUNT),
      }),
    recent,
  );
  pages.post(
    DATA,
    [],
    async (request, reply, { visitor, user }) =>
      reply
        .headers({
          'content-type': 'application/json; charset=utf-8',
          'content-disposition': 'attachment; filename="account.json"',
          'cache-control': 'no-store',
        })
        .send(JSON.stringify(await ownData(request.tenant, visitor, user), null, 2)),
    recent,
  );
}

export const accountData: Journey = { pages: [accountDataPage], mount };
