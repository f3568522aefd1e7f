/** An authorization response as a message to the window that asked. Nobody is to see it, so it has no layout. */
import { definePage, type PageCommon } from '../shell/page.ts';

/** Hands `message`, which is JSON in ASCII, to the window that opened or framed the page, if it is of the origin `target`. */
type WebMessageData = PageCommon & { target: string; message: string };

export const webMessagePage = definePage<WebMessageData>({
  name: 'web-message',
  words: ['signed_out.message'],
  samples: () => ({}),
});
