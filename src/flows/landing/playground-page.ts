/** A small app to log in with and look at the tokens, in development only. Runs in the browser: views/assets/playground.js. */
import { definePage, type PageCommon } from '../shell/page.ts';

type PlaygroundData = PageCommon & {
  clientId: string;
  scope: string;
  discoveryHref: string;
};

export const playgroundPage = definePage<PlaygroundData>({
  name: 'playground',
  policy: { connects: true },
  words: ['playground'],
  samples: ({ common }) => ({
    playground: {
      ...common,
      clientId: 'playground',
      scope: 'openid profile email offline_access',
      discoveryHref: '/.well-known/openid-configuration',
    },
  }),
});
