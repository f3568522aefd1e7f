/**
 * On to the address of an app that nobody vouches for, by a button that names where it leads. The address goes through the
 * form sealed, so that only what was checked against the app is gone to, whatever its scheme, and only from our own page.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MINUTE, nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { seal, unseal } from '../../kernel/secret/seal.ts';
import { hostOf } from '../consent/app-words.ts';
import { checkForm, csrfToken } from '../shell/context.ts';
import type { FlowDeps, Journey } from '../shell/journey.ts';
import type { PageLeave } from '../shell/page.ts';
import { leavePage } from './leave-page.ts';

const LEAVE = '/flow/leave';
const OPEN_SECONDS = 60 * MINUTE;

/** `until` in seconds. */
type Sealed = { address: string; until: number };

const contextOf = (tenant: Tenant): string => `${tenant.id} leave`;

/** @param destination of the address, as people are told of it */
export function leaveFor({ tenant }: FastifyRequest, address: string, destination?: string): PageLeave {
  const sealed: Sealed = { address, until: nowSeconds() + OPEN_SECONDS };
  const to = seal(JSON.stringify(sealed), contextOf(tenant));
  return { action: LEAVE, host: hostOf(destination), fields: { to, csrf: csrfToken(to) } };
}

/** @throws Fault `csrf` for a form of elsewhere, `flow_expired`. */
function addressIn(request: FastifyRequest): string {
  const { to } = (request.body ?? {}) as { to?: unknown };
  checkForm(request, String(to));
  const { address, until } = JSON.parse(unseal(String(to), contextOf(request.tenant))) as Sealed;
  if (until < nowSeconds()) throw new Fault('flow_expired');
  return address;
}

function mount(app: FastifyInstance, _deps: FlowDeps): void {
  const page = { config: { access: 'session' as const }, schema: { hide: true } };
  app.post(LEAVE, page, (request, reply) =>
    reply.header('cache-control', 'no-store').redirect(addressIn(request), 303),
  );
  // A reload that lost its form.
  app.get(LEAVE, page, (_request, reply) => reply.redirect('/', 303));
}

export const leave: Journey = { pages: [leavePage], mount };
