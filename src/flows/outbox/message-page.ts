/** One message of the development outbox: as a mail program shows it, and as text. */
import { definePage, type PageCommon } from '../shell/page.ts';

type MessageData = PageCommon & {
  subject?: string;
  to: string;
  about: string;
  /** The mail as a document of its own; absent for what has no HTML. */
  frameHref?: string;
  /** The text, taken apart so that addresses can be followed; its lines by themselves, since texts shown have none. */
  pieces: { words: string; href?: string; breaks?: boolean }[];
  backHref: string;
};

export const messagePage = definePage<MessageData>({
  name: 'message',
  words: ['outbox'],
  samples: ({ common, text, address, email }) => ({
    message: {
      ...common,
      subject: text('Your Orders login code: 482 913', 'Bestellungsverwaltungsberechtigungsbeschreibung '.repeat(3)),
      to: email,
      about: text('passwordless · 3 March 2026, 10:12'),
      pieces: [
        { words: text('Type this code where you are logging in:') },
        { words: '', breaks: true },
        { words: text('482 913') },
        { words: '', breaks: true },
        { words: text('https://acme.example.com/x'), href: address('https://acme.example.com/x') },
      ],
      backHref: '/dev/outbox',
    },
  }),
});
