/** To whoever logs in with an address: the code to type. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { isStored } from '../link/passwordless.ts';

export const passwordlessCode = defineMessage({
  type: 'passwordless_code',
  channel: 'mail',
  data: {
    code: Type.String(),
    expires_in: Type.Integer({ description: 'Seconds' }),
    /** Name of the client, and the language that its login is in. */
    app: Type.String(),
    locale: Type.String(),
  },
  happened: (tenant, { ref }) => isStored(tenant, ref),
});
