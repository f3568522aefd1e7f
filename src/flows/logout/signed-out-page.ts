/** After a logout: ends the sessions of other apps unseen, and goes back to the app that asked. */
import type { MessageKey } from '../../look/words.ts';
import { definePage, type PageCommon, type PageLeave } from '../shell/page.ts';

type SignedOutData = PageCommon & {
  /** True where the app asked for an address that we do not go to. */
  stays?: boolean;
  /** Where to go next, e.g. the app's own address or its start-login address. Absent: "You can close this page." */
  next?: { href: string; labelKey: MessageKey };
  /** Where the browser goes by itself as soon as the frames are loaded, after three seconds at most. */
  onward?: { href: string };
  /** Where an app that nobody vouches for wants the browser sent: for the person to decide. */
  leave?: PageLeave;
  /** Opened unseen: where other apps end their own sessions. Their origins belong in `frameSrc`. */
  frames?: { href: string }[];
};

export const signedOutPage = definePage<SignedOutData>({
  name: 'signed-out',
  words: ['signed_out', 'logout.stays', 'action', 'leave'],
  samples: ({ common, host, address }) => ({
    'signed-out-guest': { ...common, leave: { action: address('/flow/leave'), host, fields: {} } },
    'signed-out': { ...common, next: { href: address('/again'), labelKey: 'action.log_in_again' } },
  }),
});
