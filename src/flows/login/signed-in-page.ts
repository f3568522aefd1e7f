/** Who the browser is logged in as: go on as they are, or as somebody else. */
import { definePage, type PageBack, type PageCommon, type PageGuest, type PageUser } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';

/**
 * Posts `decision` = `continue` | `switch` and `csrf`. `finished` is the page after a login without anywhere to go: no
 * continue button, and `logoutHref` as the way out.
 */
type SignedInData = PageCommon & {
  action: string;
  csrf: string;
  user: PageUser;
  finished?: boolean;
  /** A link in place of the `switch` button. */
  switchAccountHref?: string;
  logoutHref?: string;
  back?: PageBack;
  guest?: PageGuest;
  accountHref?: string;
};

export const signedInPage = definePage<SignedInData>({
  name: 'signed-in',
  policy: FLOW_PAGE,
  words: [
    'signed_in',
    'user.switch',
    'account.manage',
    'back',
    'consent.notice',
    'consent.destination',
    'consent.destination_here',
  ],
  samples: ({ form, user, host, text, address, badAddress }) => ({
    'signed-in': { ...form, user, back: { action: address('/back'), to: text('Orders', form.appName) } },
    'signed-in-guest': { ...form, user, guest: { notice: 'unverified', destination: host } },
    'signed-in-finished': {
      ...form,
      user,
      finished: true,
      logoutHref: address('/logout'),
      switchAccountHref: badAddress,
    },
  }),
});
