/** The end of a mailed link: what it has done, or why it has not and what to do about it. */
import { definePage, type PageCommon } from '../shell/page.ts';

/** By the status that the link ended with: the words that tell of it. */
export const OUTCOMES = {
  'verify-email': {
    verified: 'verified',
    already_verified: 'already_verified',
    declined: 'declined',
    disowned: 'disowned',
    expired: 'expired',
    invalid_link: 'unknown',
  },
  'email-change': {
    applied: 'changed',
    pending_old: 'pending',
    email_already_exists: 'taken',
    declined: 'declined',
    expired: 'expired',
    invalid_link: 'unknown',
  },
  'team-invite': {
    accepted: 'joined',
    declined: 'declined',
    expired: 'invite_expired',
    invalid_link: 'invite_unknown',
  },
} as const;

type Outcomes = typeof OUTCOMES;
export type Told = { [K in keyof Outcomes]: Outcomes[K][keyof Outcomes[K]] }[keyof Outcomes];

type LinkDoneData = PageCommon & { told: Told; homeHref: string };

export const linkDonePage = definePage<LinkDoneData>({
  name: 'link-done',
  words: ['link_done', 'action.home'],
  samples: ({ common, address }) =>
    Object.fromEntries(
      [...new Set(Object.values(OUTCOMES).flatMap((told): Told[] => Object.values(told)))].map((told) => [
        `link-${told.replace('_', '-')}`,
        { ...common, told, homeHref: address('/') },
      ]),
    ),
});
