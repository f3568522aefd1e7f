/** The pages where a user sees where they are logged in, and ends that. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Ending, endAccess } from '../../auth/own-account.ts';
import { clients, isDocumentId } from '../../domain/client/client.ts';
import { sessionsOf, type UserGrant, type UserSession } from '../../domain/protocol/session.ts';
import type { Tenant } from '../../kernel/context.ts';
import { roughly } from '../../kernel/network.ts';
import { agentWords } from '../../kernel/user-agent.ts';
import { ago } from '../../look/words.ts';
import { hostIn } from '../consent/app-words.ts';
import { href } from '../shell/address.ts';
import { pageCommon } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import { renderPage } from '../shell/render.ts';
import { deviceEndPage } from './device-end-page.ts';
import { type Device, devicesPage } from './devices-page.ts';
import { ACCOUNT, accountPages, done, doneOf, SESSIONS, type Visit } from './visit.ts';

const SHOWN = 20;
const OTHERS = `${SESSIONS}/others`;
const PROGRAMS = `${ACCOUNT}/access`;

const day = (date: Date, locale: string) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeZone: 'UTC' }).format(date);

/** By id, as far as people know them: our own pages are no app. */
async function appNames(tenant: Tenant, ids: readonly string[]): Promise<(id: string) => string | undefined> {
  const known = await clients.many(tenant, ids);
  return (id) => known.get(id)?.name ?? (isDocumentId(id) ? hostIn(id) : undefined);
}

async function list(request: FastifyRequest, reply: FastifyReply, { visitor }: Visit) {
  const { tenant } = request;
  const common = pageCommon(request);
  const { sessions, grants } = await sessionsOf(tenant, visitor.user, visitor.session);
  const isHere = ({ uid }: UserSession) => uid === visitor.session;
  const shown = [...sessions.filter(isHere), ...sessions.filter((one) => !isHere(one))].slice(0, SHOWN);
  const nameOf = await appNames(tenant, [
    ...shown.flatMap((one) => one.clients),
    ...grants.map(({ client }) => client),
  ]);
  const device = (session: UserSession): Device => ({
    agent: agentWords(session.seen?.agent),
    here: isHere(session),
    network: roughly(session.seen?.ip),
    lastUsed: ago(common.locale, isHere(session) ? new Date() : session.lastUsed),
    since: day(session.since, common.locale),
    apps: session.clients.flatMap((id) => nameOf(id) ?? []),
    endHref: isHere(session) ? undefined : href(request, `${SESSIONS}/${session.uid}`),
  });
  const program = ({ grant, client, since }: UserGrant) => ({
    name: nameOf(client) ?? client,
    since: day(since, common.locale),
    endHref: href(request, `${PROGRAMS}/${grant}`),
  });
  return renderPage(reply, devicesPage, {
    ...common,
    devices: shown.map(device),
    more: sessions.length - shown.length,
    programs: grants.slice(0, SHOWN).map(program),
    ended: doneOf(request, ['ended']) !== undefined,
    othersHref: sessions.length + grants.length > 1 ? href(request, OTHERS) : undefined,
    backHref: href(request, ACCOUNT),
  });
}

const idOf = (request: FastifyRequest) => (request.params as { id: string }).id;

/** What a page asks about, of what ends at its address; nothing where that is over, or was never this user's. */
type Asks = (request: FastifyRequest, visit: Visit) => Promise<object | undefined>;
const ENDINGS: readonly { path: string; ending: (id: string) => Ending; asks: Asks }[] = [
  { path: OTHERS, ending: () => 'others', asks: async () => ({ what: 'others' }) },
  {
    path: `${SESSIONS}/:id`,
    ending: (session) => ({ session }),
    async asks(request, { visitor }) {
      const { sessions } = await sessionsOf(request.tenant, visitor.user);
      const found = sessions.find(({ uid }) => uid === idOf(request) && uid !== visitor.session);
      return found && { what: 'device', agent: agentWords(found.seen?.agent) };
    },
  },
  {
    path: `${PROGRAMS}/:id`,
    ending: (grant) => ({ grant }),
    async asks(request, { visitor }) {
      const { grants } = await sessionsOf(request.tenant, visitor.user);
      const found = grants.find(({ grant }) => grant === idOf(request));
      if (!found) return undefined;
      const nameOf = await appNames(request.tenant, [found.client]);
      return { what: 'program', programName: nameOf(found.client) ?? found.client };
    },
  },
];

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  const pages = accountPages(app, browser);
  pages.get(SESSIONS, list);
  for (const { path, ending, asks } of ENDINGS) {
    pages.get(
      path,
      async (request, reply, visit) => {
        const asked = await asks(request, visit);
        if (!asked) return reply.redirect(href(request, SESSIONS), 303);
        return renderPage(reply, deviceEndPage, {
          ...pageCommon(request),
          ...(asked as { what: 'device' }),
          action: href(request, new URL(request.url, request.tenant.origin).pathname),
          csrf: visit.csrf,
          keepHref: href(request, SESSIONS),
        });
      },
      { recent: true },
    );
    pages.post(
      path,
      [],
      async (request, reply, { visitor }) => {
        await endAccess(request.tenant, visitor, ending(idOf(request)));
        return done(request, reply, SESSIONS, 'ended');
      },
      { recent: true },
    );
  }
}

export const devices: Journey = { pages: [devicesPage, deviceEndPage], mount };
