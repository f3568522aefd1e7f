/** What an administrator sets for a user after making it: the verification mail that went out at once vouches for that too. */
import type { Tenant } from '../../kernel/context.ts';
import { isOpen, tickets } from './ticket.ts';

/** The first proof of the address by that mail lets it be (see first-proof.ts). */
export async function vouchFor(
  tenant: Tenant,
  user: string,
  kind: 'credentials' | 'identities',
  id: string,
): Promise<void> {
  await tickets.changeWhere(
    tenant,
    { user: { $eq: user }, type: { $eq: 'verify_email' }, 'details.vouched': { $eq: true }, ...isOpen() },
    { $addToSet: { [`details.asker.${kind}`]: id } },
  );
}
