/** To the address that a user had until now: somebody who took the account over would have changed it too. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { tickets } from '../link/ticket.ts';
import { users } from '../user/user.ts';

export const emailChanged = defineMessage({
  type: 'email_changed',
  channel: 'mail',
  data: { new_email: Type.String() },
  /** The ticket is there from the start, and used before the change is made. */
  async happened(tenant, { to, ref }) {
    const ticket = await tickets.find(tenant, ref);
    const user = await users.find(tenant, ticket?.user ?? '');
    return user !== undefined && user.email !== to;
  },
});
