/** After a logout: ends the sessions of other apps unseen, and goes back to the app that asked. */
import type { MessageKey } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';

type SignedOutData = PageCommon & {
  /** Where to go next, e.g. the app's own address or its start-login address. Absent: "You can close this page." */
  next?: { href: string; labelKey: MessageKey };
  /** Where the browser goes by itself as soon as the frames are loaded, after three seconds at most. */
  onward?: { href: string };
  /** Opened unseen: where other apps end their own sessions. Their origins belong in `frameSrc`. */
  frames?: { href: string }[];
};

export const signedOutPage = definePage<SignedOutData>({
  name: 'signed-out',
  words: ['signed_out', 'action'],
  samples: ({ common, address }) => ({
    'signed-out': { ...common, next: { href: address('/again'), labelKey: 'action.log_in_again' } },
  }),
});
