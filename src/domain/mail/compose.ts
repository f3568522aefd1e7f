/** From a message to the mail that says it: in whose language, with whose look, in whose words. */
import { DAY, HOUR, MINUTE } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { withoutControls } from '../../kernel/text/shown.ts';
import { accents, SURFACES } from '../../look/theme.ts';
import { directionOf, type Locale, negotiateLocale, translator } from '../../look/words.ts';
import { renderSource, SOURCES, type Source, type Variables } from './template.ts';

export type MailText = Source & { template: string; locale: Locale };

/** What a mail is about: the data of its message, and who gets it. */
export type Occasion = {
  template: string;
  to: string;
  data: Readonly<Record<string, unknown>>;
  /** Of the user who gets it, where there is one. */
  userLocale?: string | null;
};

/** The language that was asked for, else the user's own, else the tenant's first. */
export const mailLocale = ({ account }: Tenant, { data, userLocale }: Pick<Occasion, 'data' | 'userLocale'>): Locale =>
  negotiateLocale({
    lang: text(data.locale),
    uiLocales: userLocale ?? undefined,
    enabled: account.enabled_locales,
  });

/** @param source in place of ours. @throws Fault `validation` when that cannot be rendered. */
export async function composeMail(tenant: Tenant, occasion: Occasion, source?: Source): Promise<MailText> {
  const { account } = tenant;
  const { template, to, data } = occasion;
  const locale = mailLocale(tenant, occasion);
  const { light, dark } = accents(account.branding.primary_color ?? undefined);
  const variables: Variables = {
    ...OPTIONAL,
    ...Object.fromEntries(Object.entries(data).map(([name, value]) => [name, shown(value)])),
    ...(text(data.code) && { code_spaced: spaced(text(data.code)!) }),
    tenant: shown(account.name),
    app: shown(text(data.app) ?? account.name),
    to,
    locale,
    dir: directionOf(locale),
    start: directionOf(locale) === 'rtl' ? 'right' : 'left',
    duration: typeof data.expires_in === 'number' ? durationOf(data.expires_in, locale) : null,
    logo: account.logo_src ?? null,
    logo_dark: account.branding.logo_dark_src ?? null,
    when: typeof data.at === 'string' ? timeOf(data.at, locale) : null,
    badge: account.branding.show_badge ?? true,
    cardea: 'Cardea',
    terms: account.branding.tos_uri ?? null,
    privacy: account.branding.policy_uri ?? null,
    light: { ...light, ...SURFACES.light },
    dark: { ...dark, ...SURFACES.dark },
  };
  return { ...(await renderSource(source ?? SOURCES[template]!, variables)), template, locale };
}

/** What only some mails of a template say; the others have it as nothing. */
const OPTIONAL = {
  link: null,
  code: null,
  code_spaced: null,
  new_email: null,
  step: null,
  team: null,
  how: null,
  browser: null,
  system: null,
  network: null,
  at: null,
  reset_link: null,
};

/** A name is a few words of a sentence, and must neither end it nor turn it around: a mail's text has paragraphs of our own. */
const shown = (value: unknown): unknown => (typeof value === 'string' ? withoutControls(value) : value);

const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

/** `482 913`: two groups are read and typed with fewer mistakes. */
const spaced = (code: string): string => code.replace(/^(\d{3})(\d{3})$/, '$1 $2');

const timeOf = (time: string, locale: Locale): string => {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  return `${format.format(new Date(time))} UTC`;
};

/** From how many seconds on a unit is the one to speak in: a day is 24 hours. */
const UNITS = [
  { unit: 'days', size: DAY, from: 2 * DAY },
  { unit: 'hours', size: HOUR, from: HOUR },
  { unit: 'minutes', size: MINUTE, from: 0 },
] as const;

/** `24 hours`, `7 days`; never more than there is. */
export function durationOf(seconds: number, locale: Locale): string {
  const { unit, size } = UNITS.find(({ from }) => seconds >= from)!;
  return translator(locale)(`mail.duration.${unit}`, { count: Math.max(1, Math.floor(seconds / size)) });
}
