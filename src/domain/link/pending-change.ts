/**
 * The link to another mailbox that somebody asked for while they were in: it would carry the account off, so it ends with
 * what they were in by. One that an administrator had mailed is nobody's who could be put out.
 */
import type { Tenant } from '../../kernel/context.ts';
import { isOpen, tickets, voidTicket } from './ticket.ts';

/** Session or grant that it was asked for in. */
export type AskedIn = { session?: string; grant?: string };

/** @param ended of those by which it was asked for. */
export async function voidEmailChanges(
  tenant: Tenant,
  user: string,
  ended: (by: AskedIn) => boolean = () => true,
): Promise<void> {
  const pending = { user: { $eq: user }, type: { $eq: 'change_email' }, ...isOpen() };
  for (const { id, details } of await tickets.all(tenant, pending)) {
    const { asker = {}, vouched } = (details ?? {}) as { asker?: AskedIn; vouched?: true };
    if (!vouched && ended(asker)) await voidTicket(tenant, id);
  }
}
