/** To whoever logs in with an address: the link to follow. */
import Type from 'typebox';
import { isStored } from '../link/passwordless.ts';
import { defineMail } from './define-mail.ts';

export const passwordlessLink = defineMail({
  type: 'passwordless_link',
  template: 'passwordless',
  data: {
    link: Type.String(),
    expires_in: Type.Integer({ description: 'Seconds' }),
    /** Name of the client, and the language that its login is in. */
    app: Type.String(),
    locale: Type.String(),
  },
  samples: {
    link: {
      link: 'https://acme.example.com/passwordless/verify_redirect?token=sample',
      expires_in: 3600,
      app: 'Orders',
      locale: 'en',
    },
  },
  happened: (tenant, { ref }) => isStored(tenant, ref),
});
