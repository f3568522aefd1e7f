/** That a link is on its way, if there is somebody to get it. */
import { definePage, type PageCommon } from '../shell/page.ts';

type ResetSentData = PageCommon & { email: string; againHref: string; backHref?: string };

export const resetSentPage = definePage<ResetSentData>({
  name: 'reset-sent',
  words: ['reset_sent', 'reset_ask.back'],
  samples: ({ common, email, address }) => ({
    'reset-sent': { ...common, email, againHref: address('/again'), backHref: address('/flow/1') },
  }),
});
