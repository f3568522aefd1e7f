/** Where a user finds everything about their own account. */
import { definePage, type PageCommon, type PageUser } from '../shell/page.ts';

export const PLACES = ['profile', 'email', 'password', 'devices', 'apps', 'data', 'delete'] as const;
type Place = (typeof PLACES)[number];

type AccountData = PageCommon & {
  user: PageUser;
  places: { place: Place; href: string }[];
  switchAccountHref: string;
  logoutHref: string;
};

export const accountPage = definePage<AccountData>({
  name: 'account',
  words: ['account', 'user.switch', 'signed_in.logout'],
  samples: ({ common, user, address }) => ({
    account: {
      ...common,
      user,
      places: PLACES.map((place) => ({ place, href: address(`/account/${place}`) })),
      switchAccountHref: address('/switch'),
      logoutHref: address('/logout'),
    },
  }),
});
