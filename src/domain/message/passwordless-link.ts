/** To whoever logs in with an address: the link to follow. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { isStored } from '../link/passwordless.ts';

export const passwordlessLink = defineMessage({
  type: 'passwordless_link',
  channel: 'mail',
  data: {
    link: Type.String(),
    expires_in: Type.Integer({ description: 'Seconds' }),
    /** Name of the client, and the language that its login is in. */
    app: Type.String(),
    locale: Type.String(),
  },
  happened: (tenant, { ref }) => isStored(tenant, ref),
});
