/** The front page of a tenant's host: where to log in, and in development what to look at next. */
import { definePage, type PageCommon } from '../shell/page.ts';

type LandingData = PageCommon & {
  accountHref?: string;
  /** Present in development only: what a developer trying Cardea wants next. */
  development?: {
    playgroundHref: string;
    outboxHref: string;
    docsHref: string;
    discoveryHref: string;
    /** True when demo credentials were printed and written to `.data/demo.json`. */
    demo: boolean;
  };
};

export const landingPage = definePage<LandingData>({
  name: 'landing',
  words: ['landing', 'account.manage'],
  samples: ({ common, address }) => ({
    landing: { ...common, accountHref: address('/account') },
    'landing-development': {
      ...common,
      accountHref: address('/account'),
      development: {
        playgroundHref: '/playground',
        outboxHref: '/dev/outbox',
        docsHref: '/docs',
        discoveryHref: '/.well-known/openid-configuration',
        demo: true,
      },
    },
  }),
});
