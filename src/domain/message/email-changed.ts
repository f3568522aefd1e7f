/** To the address that a user had until now: somebody who took the account over would have changed it too. */
import Type from 'typebox';
import { tickets } from '../link/ticket.ts';
import { users } from '../user/user.ts';
import { defineMail } from './define-mail.ts';

export const emailChanged = defineMail({
  type: 'email_changed',
  data: { new_email: Type.String() },
  samples: { changed: { new_email: 'new@example.com' } },
  /** The ticket is there from the start, and used before the change is made. */
  async happened(tenant, { to, ref }) {
    const ticket = await tickets.find(tenant, ref);
    const user = await users.find(tenant, ticket?.user ?? '');
    return user !== undefined && user.email !== to;
  },
});
