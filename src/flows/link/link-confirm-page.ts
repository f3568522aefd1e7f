/** The one button of a mailed link that verifies, changes or invites: what opens links unseen does not press it. */
import type { Question } from '../../domain/link/mailed-link.ts';
import { definePage, type PageCommon } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';

/** Posts `ticket`, `csrf`, and `decision=no` where the reader has not asked for it. */
type LinkConfirmData = PageCommon & Question & { action: string; csrf: string; ticket: string };

export const linkConfirmPage = definePage<LinkConfirmData>({
  name: 'link-confirm',
  policy: FLOW_PAGE,
  words: ['link_confirm'],
  samples: ({ form, email, text }) => {
    const shared = { ...form, ticket: 't1', email };
    return {
      'link-verify': { ...shared, asks: 'verify' },
      'link-verify-password': { ...shared, asks: 'verify', password: true },
      'link-verify-ways': { ...shared, asks: 'verify', password: true, other: true },
      'link-change': { ...shared, asks: 'change' },
      'link-leave': { ...shared, asks: 'leave' },
      'link-join': { ...shared, asks: 'join', team: text('Crew', 'Bestellungsverwaltung '.repeat(5)) },
    };
  },
});
