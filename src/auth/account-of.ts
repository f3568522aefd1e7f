/** Whose is what was proven: the account that it belongs to, made where there is none and signing up is allowed. */
import { type Connection, maySignUp } from '../domain/connection/connection.ts';
import { proveEmail } from '../domain/user/first-proof.ts';
import { admitUser } from '../domain/user/newcomer.ts';
import type { User, VerificationMethod } from '../domain/user/user.ts';
import { userOfEmail } from '../domain/user/user-of-email.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';

/** Somebody whom the connection knows as a user, or whoever reads the mail of an address. */
export type Identity = Owner | { email: string; verification: VerificationMethod };

/** `signup` where the identity could have made the account: whether it did. */
export type Owner = { user: User; signup?: boolean };

/** @throws Fault `wrong_code` for a stranger where signing up is off: as absent as a code that never was. */
export async function accountOf(tenant: Tenant, identity: Identity, connection: Connection): Promise<Owner> {
  if ('user' in identity) return identity;
  const { email, verification } = identity;
  const known = await userOfEmail(tenant, email);
  if (known?.suspended) return { user: known, signup: false };
  const proven = known && (await proveEmail(tenant, known.id, { email: known.email!, method: verification }));
  if (known) return { user: proven?.user ?? known, signup: false };
  if (!maySignUp(tenant, connection)) throw new Fault('wrong_code');
  return { user: await admitUser(tenant, { email, email_verified: true }, { method: verification }), signup: true };
}
