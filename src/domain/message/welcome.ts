/** To a user who has just come to be, where the account says so: that there is an account, and for which address. */
import Type from 'typebox';
import { users } from '../user/user.ts';
import { defineMail } from './define-mail.ts';

export const welcome = defineMail({
  type: 'welcome',
  data: {
    /** Where the app begins, else the account. */
    link: Type.String(),
    /** Name of the client that the user came by; without it the tenant's. */
    app: Type.Optional(Type.String()),
  },
  samples: {
    tenant: { link: 'https://acme.example.com/' },
    app: { link: 'https://orders.example.com/', app: 'Orders' },
  },
  happened: (tenant, { ref }) => users.exists(tenant, { _id: { $eq: ref } }),
});
