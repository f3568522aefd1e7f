/** Asks before an app is put out. */
import { definePage, type PageCommon } from '../shell/page.ts';

/** Posts `csrf`. */
type AppRemoveData = PageCommon & { action: string; csrf: string; keepHref: string };

export const appRemovePage = definePage<AppRemoveData>({
  name: 'app-remove',
  words: ['apps'],
  samples: ({ form, address }) => ({ 'app-remove': { ...form, keepHref: address('/flow/apps') } }),
});
