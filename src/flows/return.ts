/** Where a login for a page of ours comes back to: on to that page, and to no other address. */
import type { FastifyInstance } from 'fastify';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { Browser } from '../oidc/browser.ts';

/** Pages that a login may return to. */
const DESTINATIONS = ['/flow/device-code/'];

/** The path in `state`, on this origin and among the destinations. */
function destination(tenant: Tenant, state: unknown): string {
  const url = typeof state === 'string' ? URL.parse(state, tenant.origin) : null;
  const known = url?.origin === tenant.origin && DESTINATIONS.some((prefix) => url.pathname.startsWith(prefix));
  if (!url || !known) throw new Fault('invalid_request');
  return `${url.pathname}${url.search}`;
}

export function returning(app: FastifyInstance, browser: Browser): void {
  app.get(browser.returnPath, { config: { access: 'session' }, schema: { hide: true } }, async (request, reply) => {
    const { state, error } = request.query as Record<string, unknown>;
    if (error) throw new Fault('forbidden');
    return reply.redirect(destination(request.tenant, state), 303);
  });
}
