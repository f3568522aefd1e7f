/** Where a user finds everything about their own account. */
import { definePage, type PageCommon, type PageUser } from '../shell/page.ts';

type Place = 'profile' | 'devices' | 'apps';

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
      places: (['profile', 'devices', 'apps'] as const).map((place) => ({ place, href: address(`/account/${place}`) })),
      switchAccountHref: address('/switch'),
      logoutHref: address('/logout'),
    },
  }),
});
