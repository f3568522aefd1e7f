/**
 * The words of pages and mails: locale files, and which language somebody gets.
 * A new language is one file in views/locales, one import and one entry of `files`.
 */
import i18next from 'i18next';
import en from '../../views/locales/en.json' with { type: 'json' };
import es from '../../views/locales/es.json' with { type: 'json' };

const files = { en, es };

type PluralStem<K> = K extends `${infer Stem}_${'one' | 'other'}` ? Stem : K;

/** A key of the locale files; a counted message without its plural suffix (`values.count` picks the form). */
export type MessageKey = PluralStem<keyof typeof en>;

type Prefix<K extends string> = K extends `${infer Head}.${infer Rest}` ? Head | `${Head}.${Prefix<Rest>}` : K;

/** A key, or what several begin with. */
export type WordPrefix = Prefix<MessageKey>;

export type Values = Record<string, string | number>;

export type Locale = keyof typeof files;

/** The languages that we have words for; the first one is the last resort. */
export const available = Object.keys(files) as Locale[];

/** All the words of a language. */
export type Words = Record<keyof typeof en, string>;

export type Translate = (key: MessageKey, values?: Values) => string;

const i18n = i18next.createInstance();
void i18n.init({
  initAsync: false,
  resources: Object.fromEntries(Object.entries(files).map(([locale, words]) => [locale, { translation: words }])),
  fallbackLng: 'en',
  keySeparator: false,
  nsSeparator: false,
  // The templates escape; doing it here too would show "&amp;" to people.
  interpolation: { escapeValue: false },
});

/**
 * The translator of one locale; unknown locales read English. Values are plain text: markup is escaped by the
 * template, and a value is never searched for `{{…}}` or `$t(…)`.
 */
export function translator(locale: string): Translate {
  return translators[locale] ?? translators.en!;
}

function makeTranslator(locale: Locale): Translate {
  const t = i18n.getFixedT(locale);
  const isolate = directionOf(locale) === 'rtl' ? alwaysIsolate : isolateRightToLeft;
  // Most of a page is words that say the same to everybody.
  const plain = new Map<MessageKey, string>();
  return (key, values) => {
    if (values) return t(key, { ...mapValues(values, isolate) });
    const known = plain.get(key) ?? t(key, {});
    plain.set(key, known);
    return known;
  };
}

const translators: Record<string, Translate> = Object.assign(
  Object.create(null),
  Object.fromEntries(available.map((locale) => [locale, makeTranslator(locale)])),
);

/** One more language for as long as the process runs: the tests have one that nobody speaks, in which words of elsewhere show. */
export function learn(code: string, words: Words): void {
  const locale = code as Locale;
  i18n.addResourceBundle(locale, 'translation', words);
  files[locale] = words;
  available.push(locale);
  translators[locale] = makeTranslator(locale);
}

/** How long to wait, as people say it: never less than it is. @param seconds 1 or more. */
export function duration(locale: string, seconds: number): string {
  const [unit, size] = seconds < 60 ? ['second', 1] : seconds < 7200 ? ['minute', 60] : ['hour', 3600];
  const format = new Intl.NumberFormat(locale, { style: 'unit', unit: unit as string, unitDisplay: 'long' });
  return format.format(Math.ceil(seconds / (size as number)));
}

/** How long ago, as people say it: the largest unit of which there is a whole one. */
export function ago(locale: string, time: Date): string {
  const seconds = Math.max(0, (Date.now() - time.getTime()) / 1000);
  const [unit, size] = AGO.find(([, length]) => seconds >= length) ?? (['minute', 60] as const);
  return new Intl.RelativeTimeFormat(locale, { numeric: 'auto' }).format(-Math.floor(seconds / size), unit);
}

const AGO = [
  ['day', 86_400],
  ['hour', 3600],
] as const;

export type LocaleWish = {
  /** Explicit choices, strongest first: `?lang=`, then `ui_locales` (OIDC Core §3.1.2.1, space separated). */
  lang?: string;
  uiLocales?: string;
  acceptLanguage?: string;
  /** The tenant's languages, its default first. Absent, empty or all unknown: every language that we have. */
  enabled?: readonly string[];
};

/** The best language for a visitor: explicit choice, then the browser's list, then the tenant's default. Never throws. */
export function negotiateLocale(wish: LocaleWish): Locale {
  const enabled = enabledLocales(wish.enabled);
  const asked = [...words(wish.lang), ...words(wish.uiLocales), ...acceptedLanguages(wish.acceptLanguage)];
  for (const tag of asked) {
    const found = match(tag, enabled);
    if (found) return found;
  }
  return enabled[0]!;
}

/** `tenant's languages ∩ ours`, in the tenant's order; never empty. */
export function enabledLocales(enabled: readonly string[] | undefined): Locale[] {
  const known = (enabled ?? []).flatMap((tag) => match(tag, available) ?? []);
  return known.length > 0 ? [...new Set(known)] : available;
}

export function directionOf(locale: string): 'ltr' | 'rtl' {
  return i18n.dir(locale);
}

/** RFC 4647 §3.4 lookup, then any of ours that shares the language: `es-MX` finds `es`, `pt` would find `pt-BR`. */
function match<L extends string>(tag: string, among: readonly L[]): L | undefined {
  const parts = tag.toLowerCase().split('-');
  for (let length = parts.length; length > 0; length--) {
    const range = parts.slice(0, length).join('-');
    const found = among.find((locale) => locale.toLowerCase() === range);
    if (found) return found;
  }
  return among.find((locale) => locale.toLowerCase().split('-')[0] === parts[0]);
}

/** What was given for a language, or for one that it is a kind of (`es` for `es-MX`); else for none. */
export function inLanguage<T extends string | undefined>(
  locale: string,
  given: Readonly<Record<string, string>> | undefined,
  otherwise: T,
): string | T {
  const found = match(locale, Object.keys(given ?? {}));
  return found === undefined ? otherwise : given![found]!;
}

function words(list: string | undefined): string[] {
  return (list ?? '').slice(0, 200).split(/\s+/).filter(Boolean);
}

/** RFC 9110 §12.5.4, best first; `*` and q=0 are skipped. */
function acceptedLanguages(header: string | undefined): string[] {
  return (header ?? '')
    .slice(0, 500)
    .split(',')
    .map((entry) => {
      const [tag = '', ...parameters] = entry.trim().split(/\s*;\s*/);
      const quality = parameters.find((parameter) => /^q=/i.test(parameter));
      return { tag, q: quality ? Number(quality.slice(2)) : 1 };
    })
    .filter(({ tag, q }) => tag !== '' && tag !== '*' && q > 0)
    .sort((a, b) => b.q - a.q)
    .map(({ tag }) => tag);
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

function alwaysIsolate(value: string | number): string | number {
  return typeof value === 'string' ? `\u2068${value}\u2069` : value;
}

/** A Hebrew or Arabic name inside an English sentence must not drag the full stop along (Unicode UAX 9, isolates). */
function isolateRightToLeft(value: string | number): string | number {
  return typeof value === 'string' && RIGHT_TO_LEFT.test(value) ? alwaysIsolate(value) : value;
}

function mapValues(values: Values, change: (value: string | number) => string | number): Values {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}

/** What a language calls itself. */
export const nameOf = (locale: Locale): string => files[locale].language;

/** Whether there are words for a key that was made of parts. */
export const isKey = (key: string): key is MessageKey => Object.hasOwn(en, key);
