/** To an address that somebody wanted to sign up with: that it has an account, and how to get into that. */
import Type from 'typebox';
import { users } from '../user/user.ts';
import { defineMail } from './define-mail.ts';

const sample = {
  link: 'https://acme.example.com/',
  reset_link: 'https://acme.example.com/flow/reset-password',
};

export const accountExists = defineMail({
  type: 'account_exists',
  data: {
    /** Where somebody logs in, and where somebody who cannot asks for another password. */
    link: Type.String(),
    reset_link: Type.String(),
    /** Name of the client that it was tried at; without it the tenant's. */
    app: Type.Optional(Type.String()),
  },
  samples: { tenant: sample, app: { ...sample, app: 'Orders' } },
  happened: (tenant, { ref }) => users.exists(tenant, { _id: { $eq: ref } }),
});
