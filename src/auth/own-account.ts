/** What a user does to their own account, logged in in a browser: how often, and what ends by it. */
import { accountDeleted } from '../domain/message/account-deleted.ts';
import { endGrantOf, endSessionOf, revokeUser } from '../domain/protocol/session-end.ts';
import { append } from '../domain/trail/log.ts';
import { removeUser, type User } from '../domain/user/user.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { add, release, withdraw } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';
import type { Visitor } from './device.ts';
import { isToldOfOwn } from './own-notice.ts';

const changes = limiter('own-account', 60, 10 * MINUTE);

/** Counts a change that somebody makes to their own account. @throws Fault `too_many_requests` */
export const countChange = (tenant: Tenant, { user }: Visitor): Promise<void> => changes.spend(`${tenant.id} ${user}`);

/** What is to end: a session, access without one, or all but the session that this is asked in. */
export type Ending = { session: string } | { grant: string } | 'others';

/** Does nothing where it has ended already. The session that this is asked in ends by logging out alone. */
export async function endAccess(tenant: Tenant, visitor: Visitor, what: Ending): Promise<void> {
  if (!(await end(tenant, visitor, what))) return;
  await append(tenant, {
    type: 'user.sessions_ended',
    status: 'success',
    user: visitor.user,
    data: { what: what === 'others' ? what : Object.keys(what)[0], ip: visitor.from.ip },
  });
}

async function end(tenant: Tenant, { user, session }: Visitor, what: Ending): Promise<boolean> {
  if (what === 'others') {
    await revokeUser(tenant, user, { session });
    return true;
  }
  if ('grant' in what) return endGrantOf(tenant, user, what.grant);
  return what.session !== session && endSessionOf(tenant, user, what.session);
}

/**
 * Deletes the account with all that hangs on it. Asking twice is as good as once. Its owner is told by mail, where mail can
 * leave.
 * @param locale of the mail where the user chose none: there is nobody any more to ask for theirs.
 */
export async function deleteOwnAccount(tenant: Tenant, visitor: Visitor, user: User, locale: string): Promise<void> {
  const isTold = await isToldOfOwn(tenant, user);
  const data = { locale: user.locale ?? locale };
  const told = isTold ? [await add(tenant, accountDeleted, { to: user.email!, ref: user.id, data })] : [];
  if (!(await removeUser(tenant, user.id))) {
    // Whoever was here at the same moment tells of it.
    await withdraw(tenant, told);
    return;
  }
  await append(tenant, {
    type: 'user.deleted_by_user',
    status: 'success',
    user: user.id,
    data: { ip: visitor.from.ip },
  });
  await release(tenant, told);
}
