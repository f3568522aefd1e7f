/** To whoever's password is another one: somebody who took the mailbox over, or a device, would have done it too. */
import Type from 'typebox';
import { OneOf } from '../../resource/define.ts';
import { credentials, passwordChangeOf } from '../user/credential.ts';
import { defineMail } from './define-mail.ts';

export const passwordChanged = defineMail({
  type: 'password_changed',
  data: {
    /** By a mailed link, as it is without it, or by somebody who was logged in. */
    how: Type.Optional(OneOf(['link', 'account'])),
  },
  samples: { changed: {}, account: { how: 'account' } },
  /** `ref` is the credential, and which password it has to have by now. */
  async happened(tenant, { ref }) {
    const [id = '', change] = ref.split(' ');
    const credential = await credentials.find(tenant, id);
    return credential !== undefined && passwordChangeOf(credential) === change;
  },
});
