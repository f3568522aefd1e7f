/** To whoever types a code that is texted to them. No journey asks for one yet; what will asks for it, stores the code first. */
import Type from 'typebox';
import { isStored } from '../link/passwordless.ts';
import { defineSms } from './define-sms.ts';

export const smsCode = defineSms({
  type: 'sms_code',
  words: 'sms.code',
  data: { code: Type.String(), expires_in: Type.Integer({ description: 'Seconds' }) },
  samples: { code: { code: '482913', expires_in: 300, locale: 'en' } },
  happened: (tenant, { ref }) => isStored(tenant, ref),
});
