/** What would have been sent, newest first, in development only: mails and text messages, each with the way to read it. */
import { definePage, type PageCommon } from '../shell/page.ts';

export type ListedMessage = { href: string; to: string; subject: string; about: string };

type OutboxData = PageCommon & {
  messages: ListedMessage[];
  /** Whose messages alone are shown. */
  to?: string;
  allHref: string;
  homeHref: string;
};

export const outboxPage = definePage<OutboxData>({
  name: 'outbox',
  words: ['outbox', 'action.home'],
  samples: ({ common, text, email }) => ({
    'outbox-none': { ...common, messages: [], allHref: '/dev/outbox', homeHref: '/' },
    outbox: {
      ...common,
      to: email,
      allHref: '/dev/outbox',
      homeHref: '/',
      messages: [
        {
          href: '/dev/outbox/keptmessage_1',
          to: email,
          subject: text(
            'Your Orders login code: 482 913',
            'Bestellungsverwaltungsberechtigungsbeschreibung '.repeat(3),
          ),
          about: text('passwordless · 3 March 2026, 10:12'),
        },
      ],
    },
  }),
});
