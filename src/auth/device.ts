/** A person and their device: finding by the code they typed, with a limit on guessing, and saying yes or no to it. */
import {
  type DeviceCode,
  decideDevice,
  findDecided,
  findDevice,
  findPending,
  findPendingById,
  readUserCode,
} from '../domain/protocol/device-code.ts';
import { append } from '../domain/trail/log.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { isMac, mac } from '../kernel/secret/seal.ts';
import { limiter } from '../store/limiter.ts';
import { type LoginPolicy, resumeLogin } from './conclude-login.ts';
import type { Due } from './factor-due.ts';
import { networkLimit } from './network-limit.ts';

const WINDOW_SECONDS = 15 * MINUTE;
// RFC 8628 §5.1. Each look counts, right or wrong: a right one of one's own must not buy more guesses.
const perUser = limiter('user-code', 30, WINDOW_SECONDS);
const perAddress = networkLimit('user-code-address', 200, WINDOW_SECONDS);

export type Decision = 'approved' | 'denied';

/** Who is at the browser. */
export type Visitor = { user: string; session: string; amr: string[]; authTime: number; from: Origin };

/** @throws Fault `unknown_device_code` for a code that is wrong, expired or used: one answer; `too_many_requests`. */
export async function lookUpDevice(tenant: Tenant, visitor: Visitor, typed: string): Promise<DeviceCode> {
  await perUser.spend(`${tenant.id} ${visitor.user}`);
  await perAddress.spend(tenant, visitor.from.ip);
  const userCode = readUserCode(typed);
  const row = userCode && (await findPending(tenant, userCode));
  if (!row) throw new Fault('unknown_device_code');
  return row;
}

/** What the visitor decided about the device of that code, when they come by again: by a reload, or by the back button. */
export async function decisionOn(tenant: Tenant, { user }: Visitor, typed: string): Promise<Decision | undefined> {
  const userCode = readUserCode(typed);
  const row = userCode && (await findDecided(tenant, userCode, user));
  if (!row) return undefined;
  return row.state === 'denied' ? 'denied' : 'approved';
}

const provenBy = (tenant: Tenant, id: string, { session }: Visitor) => `${tenant.id} ${id} ${session}`;

/**
 * What a page holds while the person decides. Not the device code itself: whoever reads a user code off a screen could
 * otherwise poll in the device's place. Good in this session only.
 */
export const handleOf = (tenant: Tenant, { id }: DeviceCode, visitor: Visitor): string =>
  `${id}.${mac('device', provenBy(tenant, id, visitor))}`;

/**
 * @param remember keeps what the page showed and the user allows, before the device can have tokens of it.
 * @returns what the login that is to let the device in lacks for that; nothing was decided then.
 * @throws Fault `unknown_device_code` for a handle of another session, and when it was decided before or expired.
 */
export async function decide(
  tenant: Tenant,
  visitor: Visitor,
  handle: string,
  decision: 'approved' | 'denied',
  remember: (device: DeviceCode) => Promise<void>,
  policy: LoginPolicy,
): Promise<Due | undefined> {
  const [id = '', shown = ''] = handle.split('.');
  if (!isMac('device', provenBy(tenant, id, visitor), shown)) throw new Fault('unknown_device_code');
  const { user, amr, authTime, session, from } = visitor;
  if (decision === 'approved') {
    const pending = await findPendingById(tenant, id);
    if (!pending) throw new Fault('unknown_device_code');
    const outcome = await resumeLogin(tenant, { user, amr, authTime, client: pending.client }, policy);
    if ('next' in outcome) return outcome.next.due;
    await remember(pending);
  }
  const decided = await decideDevice(
    tenant,
    id,
    decision === 'approved' ? { state: decision, user, amr, auth_time: authTime, session } : { state: decision, user },
  );
  if (!decided) throw new Fault('unknown_device_code');
  await append(tenant, {
    type: decision === 'approved' ? 'auth.device.approved' : 'auth.device.denied',
    status: 'success',
    user,
    client: decided.client,
    data: { ip: from.ip, device_ip: decided.ip },
  });
  return undefined;
}

/**
 * What the person at the browser decided before, when they come by again: by a second press, or by the back button.
 * @returns undefined for a handle of another session, and for what is undecided, or was decided by somebody else.
 */
export async function decidedBefore(tenant: Tenant, visitor: Visitor, handle: string): Promise<Decision | undefined> {
  const [id = '', shown = ''] = handle.split('.');
  if (!isMac('device', provenBy(tenant, id, visitor), shown)) return undefined;
  const device = await findDevice(tenant, id);
  if (device?.state === 'denied') return 'denied';
  const isIn = device?.state === 'approved' || device?.state === 'redeemed';
  return isIn && device.user === visitor.user ? 'approved' : undefined;
}
