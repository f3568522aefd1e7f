/** That a login link is on its way, if its reader may log in. */
import { definePage, type PageCommon } from '../shell/page.ts';

type MailSentData = PageCommon & { appName: string; email: string; againHref: string };

export const mailSentPage = definePage<MailSentData>({
  name: 'mail-sent',
  words: ['mail_sent', 'reset_sent.title', 'reset_sent.heading', 'reset_sent.hint'],
  samples: ({ form, email, address }) => ({ 'mail-sent': { ...form, email, againHref: address('/again') } }),
});
