/** The page on which a user lets an app in: what it is, where it leads and what it may do. */
import { type AppNotice, definePage, type PageCommon, type PageUser } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';
import type { Sampler } from '../shell/sample.ts';
import { hostIn, type Permission } from './app-words.ts';
import type { RequestedDetail } from './authorization-details.ts';

/** Posts `decision` = `allow` | `deny` and `csrf`; `decision` = `switch` to `switchAccountHref`. */
type ConsentData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  /** True for an app of the tenant itself. */
  ours: boolean;
  notice?: AppNotice;
  /** The host that the browser goes to afterwards, which the app cannot choose freely. Absent: this very device. */
  destination?: string;
  appLogo?: string;
  clientUri?: string;
  policyUri?: string;
  tosUri?: string;
  user: PageUser;
  permissions: Permission[];
  /** Rich authorization requests (RFC 9396): what a client asks for beyond permissions, member by member. */
  details: RequestedDetail[];
  /** What the app may do already. */
  held?: Permission[];
  /** True when the user has allowed all of it before. */
  again: boolean;
  /** Where access is removed. */
  appsAddress: string;
  switchAccountHref: string;
};

export const consentPage = definePage<ConsentData>({
  name: 'consent',
  policy: FLOW_PAGE,
  view,
  words: ['consent', 'app', 'scope', 'claim', 'detail', 'user'],
  samples,
});

/** The app's website is named by its host, which is what tells a real one from a copy; once, if it leads there anyway. */
function view({ clientUri, destination }: ConsentData) {
  const host = hostIn(clientUri);
  return { clientHost: host === destination ? undefined : host };
}

function samples({ form, user, permissions, host, text, address, badAddress }: Sampler): Record<string, ConsentData> {
  return {
    consent: {
      ...form,
      ours: false,
      notice: 'lookalike',
      destination: host,
      appLogo: badAddress,
      clientUri: address('https://orders.example'),
      policyUri: address('https://orders.example/privacy'),
      tosUri: address('https://orders.example/terms'),
      user,
      permissions,
      held: permissions,
      details: [{ type: text('payment'), members: [{ label: text('Amount'), values: [text('123.50')] }] }],
      again: false,
      appsAddress: text('https://acme.example/flow/apps'),
      switchAccountHref: address('/switch'),
    },
    'consent-again': {
      ...form,
      ours: true,
      user,
      permissions: [],
      details: [],
      again: true,
      appsAddress: 'https://acme.example/flow/apps',
      switchAccountHref: '/switch',
    },
  };
}
