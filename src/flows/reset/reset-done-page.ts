/** The end of a reset: the password is another one, or why the link does not change it and what to do about that. */
import { definePage, type PageCommon } from '../shell/page.ts';

/** By how it ended: the status of the answer. */
export const RESET_STATUS = { changed: 200, used: 410, expired: 410, unknown: 404 } as const;
export type ResetTold = keyof typeof RESET_STATUS;

type ResetDoneData = PageCommon & {
  told: ResetTold;
  /** Where a login begins or goes on; the start of the tenant where no app is known. */
  loginHref: string;
  againHref?: string;
};

export const resetDonePage = definePage<ResetDoneData>({
  name: 'reset-done',
  status: ({ told }) => RESET_STATUS[told],
  words: ['reset_done'],
  samples: ({ common, address }) =>
    Object.fromEntries(
      (Object.keys(RESET_STATUS) as ResetTold[]).map((told) => [
        `reset-done-${told}`,
        {
          ...common,
          told,
          loginHref: address('/login'),
          ...(told !== 'changed' && { againHref: address('/again') }),
        },
      ]),
    ),
});
