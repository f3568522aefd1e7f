/** What logins leave behind: the user's counters, and the only rows of the audit trail about logins and their refusals. */
import { append, appendRefusal } from '../domain/trail/log.ts';
import { recordLogin } from '../domain/user/user.ts';
import type { Origin, Tenant } from '../kernel/context.ts';

/** Where somebody asks to be let in. */
export type Door = { client: string; connection: { id: string }; from: Origin };

/** @param login `signup` says whether it made the account, where it could have. */
export async function recordSuccess(
  tenant: Tenant,
  login: Door & { user: { id: string }; method: string; signup?: boolean },
): Promise<void> {
  const { user, client, connection, from, method, signup } = login;
  await recordLogin(tenant, user.id, from);
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
