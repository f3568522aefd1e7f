/** That a mail says how to go on: the page that somebody wanted to sign up at does not say whether there is an account. */
import { definePage, type PageCommon } from '../shell/page.ts';

type SignUpSentData = PageCommon & { appName: string; email: string; againHref: string; loginHref: string };

export const signUpSentPage = definePage<SignUpSentData>({
  name: 'sign-up-sent',
  words: ['signup_sent'],
  samples: ({ common, email, address }) => ({
    'sign-up-sent': {
      ...common,
      appName: common.appName ?? '',
      email,
      againHref: address('/flow/1/signup'),
      loginHref: address('/flow/1/login'),
    },
  }),
});
