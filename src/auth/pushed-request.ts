/** How often a request may be left here (RFC 9126) in the name of a client that proves nothing about itself. */
import { MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { limiter } from '../store/limiter.ts';

/** A login a second from one address, all day: enough for an office, too few to fill a database with. */
const perAddress = limiter('pushed-request', 300, 5 * MINUTE);

/** @throws Fault `too_many_requests` */
export async function countPushed(tenant: Tenant, client: string, ip: string): Promise<void> {
  const retryAfterSeconds = await perAddress.consume(`${tenant.id} ${client} ${ip}`);
  if (retryAfterSeconds !== null) throw new Fault('too_many_requests', undefined, { retryAfterSeconds });
}
