/**
 * The one place in which a proven identity becomes a login. How it was proven is the business of who calls; what is done
 * with the answer (a redirect, an error, a session, tokens) is the door's.
 */
import type { Connection } from '../domain/connection/connection.ts';
import { type User, users } from '../domain/user/user.ts';
import { nowSeconds } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { accountOf, type Identity, type Owner } from './account-of.ts';
import { type Due, type FactorDue, mfaRequired } from './factor-due.ts';
import { recordRefusal, recordSuccess } from './login-record.ts';

/** What every door is told of the installation. */
export type LoginPolicy = { factorDue: FactorDue };

/** How somebody proved who they are: for the audit trail, and for tokens (RFC 8176). */
type How = { method: string; amr: string[] };

export type Proven = How & { identity: Identity; connection: Connection; client: string; from: Origin };

/** `authTime`: Unix time in seconds. */
export type Login = { user: User; amr: string[]; authTime: number };

/** Half logged in: what is due, and what was proven so far, in the form in which a flow may keep it. No login. */
export type HalfLogin = How & { due: Due; user: string; signup?: boolean; connection: string; authTime: number };

export type Outcome<Next extends { due: Due } = HalfLogin> = { done: Login } | { next: Next };

type Pending = Proven & Owner & { authTime: number };
/** Lets the login go on, names what is due first, or throws a Fault where it ends. */
type Step = (tenant: Tenant, login: Pending, policy: LoginPolicy) => Promise<Due | undefined>;

const STEPS: readonly Step[] = [refuseSuspended, demandFactor, record];

/**
 * Nothing is counted or written down of a login that lacks something; it is concluded again when that is there.
 * @throws Fault `user_suspended`; `wrong_code` for a stranger where signing up is off.
 */
export async function concludeLogin(tenant: Tenant, proven: Proven, policy: LoginPolicy): Promise<Outcome> {
  const owner = await accountOf(tenant, proven.identity, proven.connection);
  const login: Pending = { ...proven, ...owner, authTime: nowSeconds() };
  const { user, signup, connection, method, amr, authTime } = login;
  for (const step of STEPS) {
    const due = await step(tenant, login, policy);
    if (due) return { next: { due, user: user.id, signup, connection: connection.id, method, amr, authTime } };
  }
  return { done: { user, amr, authTime } };
}

async function refuseSuspended(tenant: Tenant, login: Pending): Promise<undefined> {
  if (!login.user.suspended) return;
  await recordRefusal(tenant, login, 'suspended', login.user.id);
  throw new Fault('user_suspended');
}

function demandFactor(tenant: Tenant, login: Pending, { factorDue }: LoginPolicy): Promise<Due | undefined> {
  return factorDue(tenant, login);
}

async function record(tenant: Tenant, login: Pending): Promise<undefined> {
  await recordSuccess(tenant, login);
}

/**
 * A login of earlier that is used once more: to let a device in, for another token. It is not counted again.
 * @throws Fault `user_suspended`, `login_over` when the user is gone.
 */
export async function resumeLogin(
  tenant: Tenant,
  { user: id, client, ...how }: { user: string; client: string; amr: string[]; authTime: number },
  { factorDue }: LoginPolicy,
): Promise<Outcome<{ due: Due }>> {
  const user = await users.reread(tenant, id);
  if (!user) throw new Fault('login_over');
  if (user.suspended) throw new Fault('user_suspended');
  const due = await factorDue(tenant, { user, client, amr: how.amr });
  return due ? { next: { due } } : { done: { user, ...how } };
}

/** For doors that cannot ask for more. @throws Fault `mfa_required` */
export function requireDone(outcome: Outcome<{ due: Due }>): Login {
  if ('next' in outcome) throw mfaRequired(outcome.next.due);
  return outcome.done;
}
