/** Whose is what was proven: the account that it belongs to, made where there is none and signing up is allowed. */
import type { Connection } from '../domain/connection/connection.ts';
import { revokeUser } from '../domain/protocol/session-end.ts';
import { createUser, markEmailVerified, type User, type VerificationMethod } from '../domain/user/user.ts';
import { userOfEmail } from '../domain/user/user-of-email.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';

/** Somebody whom the connection knows as a user, or whoever reads the mail of an address. */
export type Identity = { user: User } | { email: string; verification: VerificationMethod };

/** `signup` where the identity could have made the account: whether it did. */
export type Owner = { user: User; signup?: boolean };

/** @throws Fault `wrong_code` for a stranger where signing up is off: as absent as a code that never was. */
export async function accountOf(tenant: Tenant, identity: Identity, connection: Connection): Promise<Owner> {
  if ('user' in identity) return identity;
  const { email, verification } = identity;
  const known = await userOfEmail(tenant, email);
  if (known) return { user: await verified(tenant, known, email, verification), signup: false };
  if (connection.disable_signup) throw new Fault('wrong_code');
  return { user: await createUser(tenant, { email, email_verified: true }, verification), signup: true };
}

/** Whoever made the account without owning the address is logged out of it by whoever does. */
async function verified(tenant: Tenant, user: User, email: string, method: VerificationMethod): Promise<User> {
  if (user.email_verified || user.suspended) return user;
  await revokeUser(tenant, user.id);
  return (await markEmailVerified(tenant, user.id, email, method)) ?? user;
}
