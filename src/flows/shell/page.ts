/**
 * What a page is: a template, the data that it is given, and all that belongs to it alone (what its view computes, its
 * policy, its words, its samples). A page step is one such record, and a word in the journey that shows it.
 */
import type { Translate, WordPrefix } from '../../look/words.ts';
import type { LocaleLink } from './locale.ts';
import type { PagePolicy } from './policy.ts';
import type { Sampler } from './sample.ts';

export type PageTenant = {
  name: string;
  /** Shown above the title in place of the initial. Anything but https, data:image or a path of ours is dropped. */
  logo?: string;
  /** In place of `logo` where the page is dark. */
  logoDark?: string;
  /** Of the page around the card, as `primaryColor`. */
  pageColor?: string;
  /** The tab's icon. Same rule as `logo`. */
  icon?: string;
  /** `#rgb` or `#rrggbb`; anything else is ignored. */
  primaryColor?: string;
  /** "Secured by Cardea" in the footer. */
  showBadge: boolean;
  termsUrl?: string;
  privacyUrl?: string;
};

export type PageCommon = {
  /** One of `available` in locale.ts; see `negotiateLocale`. */
  locale: string;
  dir: 'ltr' | 'rtl';
  tenant: PageTenant;
  /** The relying party's name: what the title and the tab speak of. Absent: the tenant's. */
  appName?: string;
  csrf?: string;
  requestId: string;
  /** The language menu, the current language included; see `localeLinks`. One entry or none: no menu. */
  locales: LocaleLink[];
};

/** To the app without having logged in; `to` names where that is, absent for a program on this device. */
export type PageBack = { action: string; to?: string };

/** What is said of an app before a person has logged in through it; no destination for a program on this device. */
export type PageGuest = { notice: AppNotice; destination?: string };

/** `unverified`: nobody at the tenant has seen the app. `lookalike`: its name could be taken for the tenant's. */
export type AppNotice = 'unverified' | 'lookalike';

/** A form that leaves for an app; `host` names where, absent for a program on this device. Its fields go out to the letter. */
export type PageLeave = { action: string; host?: string; fields: Record<string, string> };

/** `name` may be empty; `email` may be empty for a user without one. */
export type PageUser = { name: string; email: string };

/** What every page is given. Without `tenant` (unknown host) it carries Cardea's own name. */
export type PageData = Omit<PageCommon, 'tenant'> & { tenant?: PageTenant };

export type Page<Data extends PageData> = {
  /** Of the template in views/pages. */
  name: string;
  /** Where it differs from that of all pages; what is known only when the page is shown is given to `renderPage`. */
  policy?: PagePolicy;
  /** Of the answer; default 200. */
  status?(data: Data): number;
  /** What the template gets besides the data, which is harmless by then. */
  view?(data: Data, t: Translate): object;
  /** Which words of the locale files are this page's: a key, or what several begin with. */
  words: readonly WordPrefix[];
  /** One of each of its states, by a name of its own: the pictures that the test of the pages looks at. */
  samples(sample: Sampler): Record<string, Data>;
};

export const definePage = <Data extends PageData>(page: Page<Data>): Page<Data> => page;
