/** Asks before an account is deleted, by having its name typed; and says that it is. */
import { definePage, type PageCommon, type PageUser } from '../shell/page.ts';

/** Posts `confirm` and `csrf`. */
type AccountDeleteData = PageCommon & {
  action: string;
  csrf: string;
  user: PageUser;
  /** What has to be typed. */
  confirm: string;
  typed?: string;
  wrong: boolean;
  keepHref: string;
};

export const accountDeletePage = definePage<AccountDeleteData>({
  name: 'account-delete',
  words: ['account_delete'],
  samples({ form, user, email, text, address }) {
    const usual = { ...form, user, confirm: email, wrong: false, keepHref: address('/account') };
    return { 'account-delete': usual, 'account-delete-wrong': { ...usual, typed: text('ana'), wrong: true } };
  },
});

type AccountDeletedData = PageCommon & { homeHref: string };

export const accountDeletedPage = definePage<AccountDeletedData>({
  name: 'account-deleted',
  words: ['account_deleted', 'action.home'],
  samples: ({ common, address }) => ({ 'account-deleted': { ...common, homeHref: address('/') } }),
});
