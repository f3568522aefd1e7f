/** The apps that a user has let in, each with what it may do and the way to put it out. */
import { hostIn, type Permission } from '../consent/app-words.ts';
import { definePage, type PageCommon, type PageUser } from '../shell/page.ts';
import type { Sampler } from '../shell/sample.ts';

export type ListedApp = {
  /** Absent when the app is gone. */
  appName?: string;
  appLogo?: string;
  /** True for an app of the tenant itself. */
  ours: boolean;
  hosts: string[];
  clientUri?: string;
  /** Days in words. */
  since: string;
  lastLogin?: string;
  permissions: Permission[];
  removeHref: string;
};

type AppsData = PageCommon & {
  user: PageUser;
  /** True right after one was put out. */
  removed: boolean;
  apps: ListedApp[];
  nextHref?: string;
  backHref: string;
  switchAccountHref: string;
  logoutHref: string;
};

export const appsPage = definePage<AppsData>({
  name: 'apps',
  view: () => ({ hostIn }),
  words: ['apps', 'account.back', 'app.ours', 'consent', 'user.switch', 'signed_in.logout'],
  samples,
});

function samples({ common, user, permissions, host, text, address, badAddress }: Sampler): Record<string, AppsData> {
  const listing = {
    ...common,
    user,
    backHref: address('/account'),
    switchAccountHref: address('/switch'),
    logoutHref: address('/logout'),
  };
  return {
    'apps-none': { ...listing, removed: true, apps: [] },
    apps: {
      ...listing,
      removed: false,
      nextHref: address('/flow/apps?next=x'),
      apps: [
        {
          appName: common.appName,
          appLogo: badAddress,
          ours: false,
          hosts: [host],
          clientUri: address('https://orders.example'),
          since: text('3 March 2026'),
          lastLogin: text('4 March 2026'),
          permissions,
          removeHref: address('/flow/apps/grant_1'),
        },
        {
          ours: true,
          hosts: [],
          since: '3 March 2026',
          permissions: [],
          removeHref: address('/flow/apps/grant_2'),
        },
      ],
    },
  };
}
