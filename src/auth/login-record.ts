/** What logins leave behind: the user's counters, and the only rows of the audit trail about logins and their refusals. */
import { append, appendRefusal } from '../domain/trail/log.ts';
import { recordLogin, type User } from '../domain/user/user.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';

/** Where somebody asks to be let in. */
export type Door = { client: string; connection: { id: string }; from: Origin };

/**
 * @param login `signup` says whether it made the account, where it could have.
 * @throws Fault `wrong_credentials` where what proved it ended meanwhile.
 */
export async function recordSuccess(
  tenant: Tenant,
  login: Door & { user: User; method: string; signup?: boolean },
): Promise<void> {
  const { user, client, connection, from, method, signup } = login;
  if (!(await recordLogin(tenant, user, from))) {
    await recordRefusal(tenant, login, 'wrong_password', user.id);
    throw new Fault('wrong_credentials');
  }
  await append(tenant, {
    type: 'auth.login',
    status: 'success',
    user: user.id,
    client,
    connection: connection.id,
    data: { ip: from.ip, method, ...(signup !== undefined && { signup }) },
  });
}

type Reason = 'locked_out' | 'unknown_user' | 'wrong_password' | 'wrong_code' | 'suspended';

/** Names a user who is known; the identifier is not in the row, since people type passwords into the wrong field. */
export const recordRefusal = (
  tenant: Tenant,
  { client, connection, from }: Door,
  reason: Reason,
  user?: string,
): Promise<void> =>
  appendRefusal(tenant, {
    type: reason === 'suspended' ? 'auth.suspended' : 'auth.login.failed',
    user,
    client,
    connection: connection.id,
    reason,
    ip: from.ip,
  });
