/** A user's own password, chosen by themself while they are logged in: where they have one, or may have one. */
import { type Connection, connectionsFor } from '../domain/connection/connection.ts';
import { passwordChanged } from '../domain/message/password-changed.ts';
import { revokeUser } from '../domain/protocol/session-end.ts';
import { append } from '../domain/trail/log.ts';
import {
  type Credential,
  createCredential,
  credentials,
  passwordFields,
  replacePassword,
} from '../domain/user/credential.ts';
import type { User } from '../domain/user/user.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { add, release } from '../outbox/outbox.ts';
import type { Visitor } from './device.ts';
import { isToldOfOwn } from './own-notice.ts';

/** Without a credential there is none yet, and the user's proven address will log in with it. */
export type OwnPassword = { connection: Connection; credential?: Credential };

/** In the order of the connections: where the user has one, else the first where they may have one. */
export async function ownPasswords(tenant: Tenant, user: User): Promise<OwnPassword[]> {
  const usable = await connectionsFor(tenant, undefined, 'checkPassword');
  const known = await credentials.all(tenant, {
    user: { $eq: user.id },
    connection: { $in: usable.map(({ id }) => id) },
  });
  if (known.length > 0)
    return usable.flatMap((connection) =>
      known.filter((one) => one.connection === connection.id).map((credential) => ({ connection, credential })),
    );
  const [first] = usable;
  return first && user.email && user.email_verified ? [{ connection: first }] : [];
}

/** By what it logs in. */
export const loginOf = ({ credential }: OwnPassword, user: User): string =>
  credential?.email ?? credential?.username ?? user.email ?? '';

/**
 * Sets it, and ends every login but the one that this is asked in. Of racers one sets it. The user is told by mail, where
 * mail can leave.
 * @throws Fault `password_policy`, `password_breached`, `unavailable`; `changed_meanwhile` where it is another one by now,
 *   `conflict` where the address logs in somebody else.
 */
export async function setOwnPassword(
  tenant: Tenant,
  visitor: Visitor,
  user: User,
  { connection, credential }: OwnPassword,
  password: string,
): Promise<void> {
  const by = { initiated_by: 'user' as const, ip: visitor.from.ip };
  const spared = { session: visitor.session };
  const fields = await passwordFields(tenant, connection, password);
  const id = credential?.id ?? credentials.mintId();
  const told = await tell(tenant, user, `${id} ${fields.password_changed_at.toISOString()}`);
  if (credential) {
    // Before as well: killed in between, nobody stays who was in by the old one.
    await revokeUser(tenant, user.id, spared);
    const unchanged = { password_changed_at: { $eq: credential.password_changed_at ?? null } };
    if (!(await replacePassword(tenant, credential, fields, { ...by, spared }, unchanged)))
      throw new Fault('changed_meanwhile');
  } else {
    await createCredential(tenant, { id, user: user.id, connection: connection.id, email: user.email!, ...fields });
    await append(tenant, {
      type: 'credential.password_changed',
      status: 'success',
      user: user.id,
      connection: connection.id,
      data: { credential: id, ...by },
    });
  }
  await release(tenant, told);
}

async function tell(tenant: Tenant, user: User, ref: string): Promise<string[]> {
  if (!(await isToldOfOwn(tenant, user))) return [];
  return [await add(tenant, passwordChanged, { to: user.email!, ref, data: { user: user.id, how: 'account' } })];
}
