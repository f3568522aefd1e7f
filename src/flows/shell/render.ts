/**
 * From a page's name and data to HTML and its headers: templates, words, accent and the content security policy.
 * What the data says is decided elsewhere; what a stranger could have put into it is made harmless here, in one place.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { FastifyReply } from 'fastify';
import { assetUrl } from './assets.ts';
import { type Translate, translator } from './locale.ts';
import type { ConsentData, LoginData, PageData, PageName, PageTenant } from './pages.ts';
import { accents, SURFACES, themeCss } from './theme.ts';

export type PageOptions = {
  /** Default 200; for `error` the data's own status. */
  status?: number;
  /**
   * `'*'` where a form of the page ends at an app, default nowhere but at this origin. Chromium holds `form-action` against
   * every redirect that follows a post, and where an app goes on to nobody here can know, so then the policy does not say.
   */
  formAction?: '*';
  /** What the page may open in frames: addresses, of which the origins count. */
  frameSrc?: readonly string[];
  /** Origins that may have the page in a frame; default nobody. */
  frameAncestors?: readonly string[];
};

export type RenderedPage = { status: number; headers: Record<string, string>; body: string };

const CONNECTIONS_SHOWN = 4;

const views = new Eta({
  views: fileURLToPath(new URL('../../../views', import.meta.url)),
  cache: true,
  rmWhitespace: true,
});

/** A page as plain values, for raw responses and tests. Pure but for the nonce. */
export function page<N extends PageName>(name: N, data: PageData[N], options: PageOptions = {}): RenderedPage {
  const nonce = randomBytes(16).toString('base64');
  return {
    status: options.status ?? ('status' in data ? data.status : 200),
    headers: headersOf(name, data.locale, nonce, options),
    body: views.render(`pages/${name}`, viewOf(name, data, nonce)),
  };
}

/** Sends a page. HEAD, compression and `X-Request-Id` are the server's. */
export function renderPage<N extends PageName>(
  reply: FastifyReply,
  name: N,
  data: PageData[N],
  options: PageOptions = {},
): FastifyReply {
  const { status, headers, body } = page(name, data, options);
  return reply.code(status).headers(headers).send(body);
}

function headersOf(
  name: PageName,
  locale: string,
  nonce: string,
  { formAction, frameSrc = [], frameAncestors = [] }: PageOptions,
): Record<string, string> {
  const ancestors = frameAncestors.flatMap(frameSource);
  const policy = [
    "default-src 'none'",
    `style-src 'self' 'nonce-${nonce}'`,
    "script-src 'self'",
    "img-src 'self' https: data:",
    ...(name === 'playground' ? ["connect-src 'self'"] : []),
    ...(frameSrc.length ? [['frame-src', ...new Set(frameSrc.flatMap(source))].join(' ')] : []),
    ...(formAction === '*' ? [] : ["form-action 'self'"]),
    "base-uri 'none'",
    ancestors.length ? `frame-ancestors ${ancestors.join(' ')}` : "frame-ancestors 'none'",
  ];
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-language': locale,
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // It cannot name an origin, and browsers that know frame-ancestors ignore it.
    ...(ancestors.length === 0 && { 'x-frame-options': 'DENY' }),
    // Not no-referrer: browsers would then post with `Origin: null`, which the CSRF check has to refuse.
    'referrer-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  };
}

/**
 * The CSP source for an address: its origin, or its scheme for those without and for IPv6 hosts, which the grammar of
 * sources cannot spell (CSP 3 §2.3.1). Nothing for what does not parse, so no stray `;` reaches the header.
 */
function source(address: string): string[] {
  const url = URL.parse(address);
  if (!url) return [];
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  return [isWeb && !url.hostname.startsWith('[') ? url.origin : url.protocol];
}

/** An origin as CSP spells it; those of IPv6 hosts it cannot, and a whole scheme would be anybody. */
function frameSource(origin: string): string[] {
  const url = URL.parse(origin);
  return url && /^https?:$/.test(url.protocol) && !url.hostname.startsWith('[') ? [url.origin] : [];
}

/** What the templates see: the data made harmless, the words, and the few things that are computed. */
function viewOf<N extends PageName>(name: N, data: PageData[N], nonce: string): object {
  const t = translator(data.locale);
  const safe = harmless(data) as PageData[N];
  const tenant = safe.tenant;
  return {
    ...safe,
    ...(name === 'login' ? loginView(safe as LoginData, t) : {}),
    ...(name === 'consent' ? consentView(safe as ConsentData) : {}),
    name,
    t,
    nonce,
    asset: assetUrl,
    owner: safe.appName || tenant?.name || 'Cardea',
    initial: firstLetter,
    hostIn,
    iconHref: iconOf(tenant),
    themeCss: themeCss(tenant?.primaryColor),
    surfaces: SURFACES,
  };
}

/** Where the focus goes and which messages belong to which field: the first thing wrong, else the first thing empty. */
function loginView(data: LoginData, t: Translate) {
  const { error } = data;
  const connections = data.connections.filter((connection) => connection.href);
  const message = error && t(error.key, error.values);
  const rest = connections.slice(CONNECTIONS_SHOWN);
  return {
    errors: {
      form: error?.field ? undefined : message,
      email: error?.field === 'email' ? message : undefined,
      password: error?.field === 'password' ? message : undefined,
    },
    focus: error?.field ?? (data.email ? 'password' : 'email'),
    identifier: data.identifier ?? 'email',
    shown: connections.slice(0, CONNECTIONS_SHOWN),
    rest,
    restOpen: rest.some((connection) => connection.lastUsed),
  };
}

/** Websites in lists are named by their host too. */
const hostIn = (address: string | undefined): string | undefined => URL.parse(address ?? '')?.host;

/** The app's website is named by its host, which is what tells a real one from a copy; once, if it leads there anyway. */
function consentView(data: ConsentData) {
  const host = hostIn(data.clientUri);
  return { clientHost: host === data.destination ? undefined : host };
}

function iconOf(tenant: PageTenant | undefined): string {
  if (!tenant) return assetUrl('cardea.svg');
  if (tenant.icon) return tenant.icon;
  const { accent, onAccent } = accents(tenant.primaryColor).light;
  const letter = firstLetter(tenant.name).replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${accent}"/>` +
    `<text x="16" y="22.5" font-family="system-ui,sans-serif" font-size="19" font-weight="600" text-anchor="middle" fill="${onAccent}">${letter}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

const graphemes = new Intl.Segmenter();

/** The first letter as a person sees it, so that neither an emoji nor an accent is cut in half. */
function firstLetter(name: string): string {
  const [first] = graphemes.segment(name.trim());
  return first ? first.segment.toLocaleUpperCase() : '·';
}

/** Goes back to the app that sent it, to the letter; nobody reads it. */
const EXACT = 'fields';
const IMAGE = /^(?:logo|icon|appLogo)$/;
const ADDRESS = /(?:^action|href|url|uri)$/i;

/**
 * A copy of the data in which every address is one that a browser may follow and no text can turn the page around.
 * By field name and in one place, so that a template cannot forget it.
 */
function harmless(value: unknown, field = ''): unknown {
  if (field === EXACT) return value;
  if (typeof value === 'string') {
    if (IMAGE.test(field)) return isImage(value) ? value : undefined;
    if (ADDRESS.test(field)) return isAddress(value) ? value : undefined;
    return field === 'appName' ? shortened(withoutControls(value)) : withoutControls(value);
  }
  if (Array.isArray(value)) return value.map((item) => harmless(item, field));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, harmless(inner, name)]));
}

/** The browser's own parser decides, so that `java\nscript:` and friends are read as the browser would read them. */
function isAddress(value: string): boolean {
  const url = URL.parse(value, 'https://page.invalid');
  return url !== null && ['https:', 'http:', 'mailto:'].includes(url.protocol);
}

function isImage(value: string): boolean {
  const url = URL.parse(value, 'https://page.invalid');
  return url?.protocol === 'https:' || /^data:image\/(?:png|jpeg|gif|webp|avif|svg\+xml)[;,]/i.test(value);
}

/**
 * Drops control characters, the marks that reverse text and those that cannot be seen, and piles of accents: a name must
 * not be able to rewrite its sentence, to look like another, or to draw over its neighbours.
 */
function withoutControls(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, ' ')
      .replace(/[\u00ad\u061c\u200b\u200e\u200f\u2060-\u2064\ufeff]/g, '')
      .replace(/(\p{M}{4})\p{M}+/gu, '$1')
  );
}

const NAME_LENGTH = 60;

/** An app's name as far as it names: the rest of a long one would push away what the page is there to say. */
function shortened(name: string): string {
  const letters = Array.from(graphemes.segment(name), ({ segment }) => segment);
  if (letters.length <= NAME_LENGTH) return name;
  return `${letters.slice(0, NAME_LENGTH).join('').trimEnd()}…`;
}
