/** To whoever logs in with an address: the code to type. */
import Type from 'typebox';
import { isStored } from '../link/passwordless.ts';
import { defineMail } from './define-mail.ts';

export const passwordlessCode = defineMail({
  type: 'passwordless_code',
  template: 'passwordless',
  data: {
    code: Type.String(),
    expires_in: Type.Integer({ description: 'Seconds' }),
    /** Name of the client, and the language that its login is in. */
    app: Type.String(),
    locale: Type.String(),
  },
  samples: { code: { code: '482913', expires_in: 300, app: 'Orders', locale: 'en' } },
  happened: (tenant, { ref }) => isStored(tenant, ref),
});
