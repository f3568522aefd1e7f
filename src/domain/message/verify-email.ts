/** To an address that somebody gave as theirs: the link that proves it. */
import Type from 'typebox';
import { subjectOf } from '../link/ticket.ts';
import { users } from '../user/user.ts';
import { defineMail } from './define-mail.ts';

export const verifyEmail = defineMail({
  type: 'verify_email',
  data: { link: Type.String() },
  samples: { link: { link: 'https://acme.example.com/verify-email?ticket=sample', expires_in: 86_400 } },
  /** The link may be made ahead of the user whom it is about. */
  async happened(tenant, { ref }) {
    const user = await subjectOf(tenant, ref);
    return user !== undefined && users.exists(tenant, { _id: { $eq: user } });
  },
});
