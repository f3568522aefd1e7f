/** Which user an email address belongs to, for whoever has proved that it is theirs. */
import type { Tenant } from '../../kernel/context.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { compared } from '../../kernel/text/kind.ts';
import { type User, users } from './user.ts';

/** Emails are not unique among users: whoever proved the address comes first, then whoever was there first. */
export async function usersOfEmail(tenant: Tenant, email: string): Promise<User[]> {
  const found = await users.all(tenant, { email: { $eq: compared(emailAddress, email) } });
  const rank = (user: User) => (user.email_verified ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

export const userOfEmail = async (tenant: Tenant, email: string): Promise<User | undefined> =>
  (await usersOfEmail(tenant, email))[0];
