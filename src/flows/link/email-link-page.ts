/** The one button of a mailed login link that another browser opened than the one that asked for it. */
import { definePage, type PageCommon } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';

/** Posts `token` and `csrf`. */
type EmailLinkData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  token: string;
  email: string;
};

export const emailLinkPage = definePage<EmailLinkData>({
  name: 'email-link',
  policy: FLOW_PAGE,
  words: ['email_link'],
  samples: ({ form, email }) => ({ 'email-link': { ...form, token: 't1', email } }),
});
