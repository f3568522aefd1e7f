/** Asks before a logout that nobody has vouched for. */
import { definePage, type PageCommon, type PageUser } from '../shell/page.ts';

/**
 * Posts the csrf value under `csrfField` (default `csrf`; oidc-provider wants `xsrf`), and `logout=yes` when the person
 * confirms. "Stay" posts without `logout`, or follows `stayHref` when given.
 */
type LogoutData = PageCommon & {
  action: string;
  csrf: string;
  csrfField?: string;
  user?: PageUser;
  stayHref?: string;
  /** True where the app asked for an address that we do not go to. */
  stays?: boolean;
};

export const logoutPage = definePage<LogoutData>({
  name: 'logout',
  words: ['logout'],
  samples: ({ form, user, badAddress, address }) => ({
    logout: { ...form, csrfField: 'xsrf', user, stayHref: badAddress },
    'logout-stays': { ...form, user, stayHref: address('/'), stays: true },
  }),
});
