/** Where a login for a page of ours comes back to: on to that page, and to no other origin. */
import type { FastifyInstance } from 'fastify';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { queryOf } from '../shell/address.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';

/** The path in `state` as an address of this origin; whole, because a path alone may spell another host (`//host`). */
function destination(tenant: Tenant, state: unknown): string {
  const url = typeof state === 'string' && state ? URL.parse(state, tenant.origin) : null;
  if (url?.origin !== tenant.origin) throw new Fault('invalid_request');
  return `${tenant.origin}${url.pathname}${url.search}${url.hash}`;
}

function mount(app: FastifyInstance, { browser }: FlowDeps): void {
  app.get(browser.returnPath, { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const { state, error } = queryOf(request);
    if (error) throw new Fault('forbidden');
    return reply.redirect(destination(request.tenant, state), 303);
  });
}

export const returning: Journey = { pages: [], mount };
