/**
 * What each hosted page is given: the contract between the flows that decide and the templates that show.
 * Rendering and headers are render.ts's business; nothing here does anything but name things.
 */
import type { MessageKey } from './locale.ts';

export type Values = Record<string, string | number>;

export type PageTenant = {
  name: string;
  /** Shown above the title in place of the initial. Anything but https, data:image or a path of ours is dropped. */
  logo?: string;
  /** The tab's icon. Same rule as `logo`. */
  icon?: string;
  /** `#rgb` or `#rrggbb`; anything else is ignored. */
  primaryColor?: string;
  /** "Secured by Cardea" in the footer. */
  showBadge: boolean;
  termsUrl?: string;
  privacyUrl?: string;
};

export type LocaleLink = { code: string; label: string; href: string };

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

export type LoginError = {
  /** Where the message sits. Absent or null: above the form, and the password is asked for again. */
  field?: 'email' | 'password' | null;
  key: MessageKey;
  values?: Values;
};

export type LoginConnection = {
  id: string;
  label: string;
  /** `google`, `github`, `figma` have a mark of their own; every other type shows its label's initial. */
  type: string;
  href: string;
  /** The one this browser used last time. */
  lastUsed?: boolean;
};

/** Posts `email`, `password`, `csrf` and, when given, `connection`. */
export type LoginData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  email?: string;
  /** What the identifier field accepts; default `email`. */
  identifier?: 'email' | 'email_or_username';
  error?: LoginError;
  passwordEnabled: boolean;
  /** Id of the password connection, posted back as `connection`. */
  connection?: string;
  /** Every other way in, in the tenant's order. The first four show, the rest sit behind "More ways to log in". */
  connections: LoginConnection[];
  forgotHref?: string;
  signupHref?: string;
  /** Back to the app without logging in. */
  cancelHref?: string;
};

/** `name` may be empty; `email` may be empty for a user without one. */
export type PageUser = { name: string; email: string };

/** Shown as it is: translate the built-in ones with `scopePermission`. */
export type Permission = { title: string; api?: string };

/** `unverified`: nobody at the tenant has seen the app. `lookalike`: its name could be taken for the tenant's. */
export type AppNotice = 'unverified' | 'lookalike';

/** Posts `decision` = `allow` | `deny` and `csrf`; `decision` = `switch` to `switchAccountHref`. */
export type ConsentData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  /** True for an app of the tenant itself. */
  ours: boolean;
  notice?: AppNotice;
  /** The host that the browser goes to afterwards, which the app cannot choose freely. Absent: this very device. */
  destination?: string;
  appLogo?: string;
  clientUri?: string;
  policyUri?: string;
  tosUri?: string;
  user: PageUser;
  permissions: Permission[];
  /** Rich authorization requests (RFC 9396): what a client asks for beyond permissions, member by member. */
  details: RequestedDetail[];
  /** What the app may do already. */
  held?: Permission[];
  /** True when the user has allowed all of it before. */
  again: boolean;
  /** Where access is removed. */
  appsAddress: string;
  switchAccountHref: string;
};

export type RequestedDetail = { type: string; members: { label: string; values: string[] }[] };

export type ListedApp = {
  /** Absent when the app is gone. */
  appName?: string;
  appLogo?: string;
  /** True for an app of the tenant itself. */
  ours: boolean;
  hosts: string[];
  clientUri?: string;
  /** Days in words. */
  since: string;
  lastLogin?: string;
  permissions: Permission[];
  removeHref: string;
};

/** The apps that a user has let in. */
export type AppsData = PageCommon & {
  user: PageUser;
  /** True right after one was put out. */
  removed: boolean;
  apps: ListedApp[];
  nextHref?: string;
  switchAccountHref: string;
  logoutHref: string;
};

/** Posts `csrf`. */
export type AppRemoveData = PageCommon & { action: string; csrf: string; keepHref: string };

/** Without `tenant` (unknown host) the page carries Cardea's own name. */
export type ErrorData = Omit<PageCommon, 'tenant'> & {
  tenant?: PageTenant;
  status: number;
  titleKey: MessageKey;
  messageKey: MessageKey;
  values?: Values;
  action?: { href: string; labelKey: MessageKey };
};

export type LandingData = PageCommon & {
  /** Present in development only: what a developer trying Cardea wants next. */
  development?: {
    playgroundHref: string;
    docsHref: string;
    discoveryHref: string;
    /** True when demo credentials were printed and written to `.data/demo.json`. */
    demo: boolean;
  };
};

/** Development only. Runs in the browser: views/assets/playground.js. */
export type PlaygroundData = PageCommon & {
  clientId: string;
  scope: string;
  discoveryHref: string;
};

export type SignedOutData = PageCommon & {
  /** Where to go next, e.g. the app's own address or its start-login address. Absent: "You can close this page." */
  next?: { href: string; labelKey: MessageKey };
  /** Where the browser goes by itself as soon as the frames are loaded, after three seconds at most. */
  onward?: { href: string };
  /** Opened unseen: where other apps end their own sessions. Their origins belong in `frameSrc`. */
  frames?: { href: string }[];
};

/**
 * Posts the csrf value under `csrfField` (default `csrf`; oidc-provider wants `xsrf`), and `logout=yes` when the person
 * confirms. "Stay" posts without `logout`, or follows `stayHref` when given.
 */
export type LogoutData = PageCommon & {
  action: string;
  csrf: string;
  csrfField?: string;
  user?: PageUser;
  stayHref?: string;
};

/**
 * Posts `decision` = `continue` | `switch` and `csrf`. `finished` is the page after a login without anywhere to go: no
 * continue button, and `logoutHref` as the way out.
 */
export type SignedInData = PageCommon & {
  action: string;
  csrf: string;
  user: PageUser;
  finished?: boolean;
  /** A link in place of the `switch` button. */
  switchAccountHref?: string;
  logoutHref?: string;
  /** To the apps with access to the account. */
  appsHref?: string;
};

/** A GET form: sends `user_code`, and `lang` when given. */
export type DeviceActivateData = PageCommon & {
  action: string;
  lang?: string;
  code?: string;
  error?: { key: MessageKey };
};

/** Posts `device_code`, `decision` = `allow` | `deny` and `csrf`. */
export type DeviceConfirmData = PageCommon & {
  action: string;
  appName: string;
  appLogo?: string;
  csrf: string;
  /** What stands for the device while the person decides. */
  device: string;
  /** As the device shows it, to be compared. */
  code: string;
  /** What the device calls itself: anybody's words. */
  deviceName?: string;
  /** Where the device asked from. */
  address: string;
  sameNetwork: boolean;
  user: PageUser;
  permissions: Permission[];
  notice?: AppNotice;
  /** Where access is removed, when it is remembered. */
  appsAddress?: string;
  switchAccountHref: string;
};

/** Posts `token` and `csrf`: the one button of a mailed link that another browser opened. */
export type EmailLinkData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  token: string;
  email: string;
};

/** Posts `fields` to the app, by itself where scripts run. */
export type FormPostData = PageCommon & {
  action: string;
  appName: string;
  /** Exact: sent as they are, shown nowhere. */
  fields: Record<string, string>;
};

/** Hands `message`, which is JSON in ASCII, to the window that opened or framed the page, if it is of the origin `target`. */
export type WebMessageData = PageCommon & { target: string; message: string };

export type DeviceDoneData = PageCommon & { allowed: boolean };

export type PageData = {
  login: LoginData;
  apps: AppsData;
  'app-remove': AppRemoveData;
  consent: ConsentData;
  error: ErrorData;
  landing: LandingData;
  playground: PlaygroundData;
  'device-activate': DeviceActivateData;
  'device-confirm': DeviceConfirmData;
  'device-done': DeviceDoneData;
  'email-link': EmailLinkData;
  'form-post': FormPostData;
  'web-message': WebMessageData;
  'signed-out': SignedOutData;
  logout: LogoutData;
  'signed-in': SignedInData;
};

export type PageName = keyof PageData;

/** The error pages we know, by what happened: spread one into an ErrorData. `values` they need are named beside them. */
export const ERROR_PAGES = {
  unknown_host: { status: 404, titleKey: 'error.unknown_host.title', messageKey: 'error.unknown_host.message' },
  not_found: { status: 404, titleKey: 'error.not_found.title', messageKey: 'error.not_found.message' },
  internal: { status: 500, titleKey: 'error.internal.title', messageKey: 'error.internal.message' },
  unavailable: { status: 503, titleKey: 'error.unavailable.title', messageKey: 'error.unavailable.message' },
  flow_expired: { status: 410, titleKey: 'error.flow_expired.title', messageKey: 'error.flow_expired.message' },
  csrf: { status: 403, titleKey: 'error.csrf.title', messageKey: 'error.csrf.message' },
  /** values: tenant */
  user_suspended: { status: 403, titleKey: 'error.user_suspended.title', messageKey: 'error.user_suspended.message' },
  access_denied: { status: 403, titleKey: 'error.access_denied.title', messageKey: 'error.access_denied.message' },
  /** values: count (minutes) */
  locked_out: { status: 429, titleKey: 'error.locked_out.title', messageKey: 'error.locked_out.message' },
  too_many_requests: {
    status: 429,
    titleKey: 'error.too_many_requests.title',
    messageKey: 'error.too_many_requests.message',
  },
  /** The app is unknown, or asked to be answered at an address that it has not registered: nowhere to redirect to. */
  broken_link: { status: 400, titleKey: 'error.broken_link.title', messageKey: 'error.broken_link.message' },
  link_used: { status: 410, titleKey: 'error.link_used.title', messageKey: 'error.link_used.message' },
  link_expired: { status: 410, titleKey: 'error.link_expired.title', messageKey: 'error.link_expired.message' },
  link_unknown: { status: 404, titleKey: 'error.link_unknown.title', messageKey: 'error.link_unknown.message' },
  invalid_request: {
    status: 400,
    titleKey: 'error.invalid_request.title',
    messageKey: 'error.invalid_request.message',
  },
} as const satisfies Record<string, Pick<ErrorData, 'status' | 'titleKey' | 'messageKey'>>;

export type ErrorPage = keyof typeof ERROR_PAGES;
