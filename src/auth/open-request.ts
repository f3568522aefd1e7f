/** How often somebody who proves nothing may have something kept here: a login that begins, a pushed request, a device, an assertion. */
import { MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { localLimiter } from '../store/limiter.ts';
import { networkLimit } from './network-limit.ts';

/** Five a second from one address: a university in the morning, too few to fill a database with. */
const logins = networkLimit('login-begun', 1500, 5 * MINUTE, localLimiter);
/** A login a second from one address, all day: enough for an office. */
const pushed = networkLimit('pushed-request', 300, 5 * MINUTE);
/** Somebody sits before each of them. */
const devices = networkLimit('device-code', 100, 5 * MINUTE);
/** A service has many users at one address, each of whose refreshes is one. */
const assertions = networkLimit('client-assertion', 600, 5 * MINUTE);

/** A request to `/authorize`, each of which may be a row for an hour. @throws Fault `too_many_requests` */
export const countLogin = (tenant: Tenant, ip: string): Promise<void> => logins.spend(tenant, ip);

/**
 * A pushed request (RFC 9126 §2.3) of a client that anybody can be, or become: not by client, since who registers another
 * would be counted anew. @throws Fault `too_many_requests`
 */
export const countPushed = (tenant: Tenant, ip: string): Promise<void> => pushed.spend(tenant, ip);

/** A device's codes (RFC 8628 §3.1) for such a client. @throws Fault `too_many_requests` */
export const countDevice = (tenant: Tenant, ip: string): Promise<void> => devices.spend(tenant, ip);

/** An assertion (RFC 7523 §3) of such a client, whose keys are its own: each is remembered for an hour. @throws Fault `too_many_requests` */
export const countAssertion = (tenant: Tenant, ip: string): Promise<void> => assertions.spend(tenant, ip);
