/** Offers a copy of what is kept of a user. */
import { definePage, type PageCommon } from '../shell/page.ts';

/** Posts `csrf`; the answer is a file. */
type AccountDataData = PageCommon & { action: string; csrf: string; backHref: string };

export const accountDataPage = definePage<AccountDataData>({
  name: 'account-data',
  words: ['account_data', 'account.back'],
  samples: ({ form, address }) => ({ 'account-data': { ...form, backHref: address('/account') } }),
});
