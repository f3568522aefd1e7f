/** To an address that somebody gave as theirs: the link that proves it. */
import Type from 'typebox';
import { isIssued } from '../link/ticket.ts';
import { defineMail } from './define-mail.ts';

export const verifyEmail = defineMail({
  type: 'verify_email',
  data: { link: Type.String() },
  samples: { link: { link: 'https://acme.example.com/verify-email?ticket=sample', expires_in: 86_400 } },
  happened: (tenant, { ref }) => isIssued(tenant, ref),
});
