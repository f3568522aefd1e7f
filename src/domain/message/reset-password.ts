/** To whoever forgot their password: the link by which another one is set. */
import Type from 'typebox';
import { isIssued } from '../link/ticket.ts';
import { defineMail } from './define-mail.ts';

const link = 'https://acme.example.com/reset-verify?ticket=sample';

export const resetPassword = defineMail({
  type: 'reset_password',
  data: {
    link: Type.String(),
    /** Name of the client that it was asked for at; without it the tenant's. */
    app: Type.Optional(Type.String()),
  },
  samples: { link: { link, expires_in: 3600 }, app: { link, app: 'Orders', expires_in: 3600 } },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
