/** To whoever's account is gone: somebody who had found their device would have deleted it, too. */
import { users } from '../user/user.ts';
import { defineMail } from './define-mail.ts';

export const accountDeleted = defineMail({
  type: 'account_deleted',
  data: {},
  samples: { deleted: {} },
  /** `ref` is the user. */
  happened: async (tenant, { ref }) => !(await users.exists(tenant, { _id: { $eq: ref } })),
});
