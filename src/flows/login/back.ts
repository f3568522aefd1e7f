/** The way back to the app for who does not want to log in: on every page of a login before its end. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Flow } from '../../oidc/browser/interactions.ts';
import { hostOf } from '../consent/app-words.ts';
import { href } from '../shell/address.ts';
import { checkForm } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import type { PageBack } from '../shell/page.ts';

/** Nowhere from a login that a page of ours asked for. */
export const backOf = (request: FastifyRequest, { uid, client }: Flow): PageBack | undefined =>
  client.ours ? undefined : { action: href(request, `/flow/${uid}/back`), to: namedFor(client) };

/** What somebody calls an app who has not been there: its address, where nobody vouches for its name. */
const namedFor = ({ guest, destination, name }: Flow['client']) => (guest ? hostOf(destination) : name);

function mount(app: FastifyInstance, { interactions }: FlowDeps): void {
  app.post('/flow/:uid/back', { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const flow = await interactions.open(request, reply);
    checkForm(request, flow.uid);
    return reply.redirect(await interactions.goBack(flow), 303);
  });
}

export const back: Journey = { pages: [], mount };
