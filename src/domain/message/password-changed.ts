/** To whoever's password was reset: somebody who took the mailbox over would have done it too. */
import { credentials, passwordChangeOf } from '../user/credential.ts';
import { defineMail } from './define-mail.ts';

export const passwordChanged = defineMail({
  type: 'password_changed',
  data: {},
  samples: { changed: {} },
  /** `ref` is the credential, and which password it has to have by now. */
  async happened(tenant, { ref }) {
    const [id = '', change] = ref.split(' ');
    const credential = await credentials.find(tenant, id);
    return credential !== undefined && passwordChangeOf(credential) === change;
  },
});
