/**
 * The first proof that the address of an account is somebody's. Whoever could get into the account before need not be who
 * reads that mail: what they set ends, at every door that verifies. Each of them calls `proveEmail`.
 */
import type { Tenant } from '../../kernel/context.ts';
import { consents, revokeConsent } from '../access/consent.ts';
import { isOpen, tickets, voidTicket } from '../link/ticket.ts';
import { revokeUser, type Spared } from '../protocol/session-end.ts';
import { credentials } from './credential.ts';
import { identities } from './identity.ts';
import { isProved, markEmailVerified, type User, users, type VerificationMethod } from './user.ts';

/**
 * Who asked for the very mail that proves the address: a sign-up, or a session (or a grant of one). With what was set for the
 * account by then these are no other hands. An administrator who has it sent vouches for what there is.
 */
export type Asker = Spared & { credentials: string[]; identities: string[] };

export async function askerOf(tenant: Tenant, user: string, by: Spared = {}): Promise<Asker> {
  const [known, linked] = await Promise.all([
    credentials.all(tenant, { user: { $eq: user } }),
    identities.all(tenant, { user: { $eq: user } }),
  ]);
  return { credentials: known.map(({ id }) => id), identities: linked.map(({ id }) => id), ...by };
}

type Proof = { email: string; method: VerificationMethod; asker?: Asker; evenVouched?: boolean };

/**
 * Marks the address as verified, once nothing of other hands is left. A crash in between leaves an account that nobody has
 * proved and that less leads into; asking again goes on from there. An address that is verified is not proved anew.
 * @param asker whose credentials and session go on; without one all end.
 * @param evenVouched an administrator's word for the address is no proof of it: where more hangs on it than an account.
 * @returns `first` to one of those who prove it at once; undefined when the user is gone or has another address by now.
 */
export async function proveEmail(
  tenant: Tenant,
  id: string,
  { email, method, asker, evenVouched = false }: Proof,
): Promise<{ user: User; first: boolean } | undefined> {
  const user = await users.find(tenant, id);
  if (user?.email !== email) return undefined;
  if (evenVouched ? isProved(user) : user.email_verified) return { user, first: false };
  await endOthers(tenant, id, email, asker);
  const proven = await markEmailVerified(tenant, id, email, method, evenVouched);
  if (!proven) {
    const latest = await users.find(tenant, id);
    return latest?.email === email ? { user: latest, first: false } : undefined;
  }
  // Whoever was let in while it ended.
  await revokeUser(tenant, id, asker);
  return { user: proven, first: true };
}

/** Ways in first, so that nobody comes back by one; then who is in. Each step may be repeated. */
export async function endOthers(tenant: Tenant, user: string, email: string, asker?: Asker): Promise<void> {
  const own = { user: { $eq: user } };
  const others = (kept: string[] = []) => ({ ...own, _id: { $nin: kept } });
  // The owner may set a password of their own for their own address; what else it was found by is not theirs.
  await credentials.changeWhere(
    tenant,
    { ...others(asker?.credentials), email: { $eq: email } },
    { $unset: { password_hash: 1, password_changed_at: 1, username: 1 } },
  );
  await credentials.removeWhere(tenant, { ...others(asker?.credentials), email: { $ne: email } });
  await identities.removeWhere(tenant, others(asker?.identities));
  // A link to another mailbox would carry the account off.
  const leading = await tickets.all(tenant, { ...own, type: { $eq: 'change_email' }, ...isOpen() });
  for (const { id } of leading) await voidTicket(tenant, id);
  if (!asker) for (const { id } of await consents.all(tenant, own)) await revokeConsent(tenant, id);
  await revokeUser(tenant, user, asker);
}

/** What somebody set for an account, for whoever reads its mail to say whether it was them. */
export async function waysIn(tenant: Tenant, user: string): Promise<{ password: boolean; other: boolean }> {
  const own = { user: { $eq: user } };
  const [password, other] = await Promise.all([
    credentials.exists(tenant, { ...own, password_hash: { $ne: null } }),
    identities.exists(tenant, own),
  ]);
  return { password, other };
}
