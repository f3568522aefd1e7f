/** What the samples of the pages are made of: usual names, long ones, or hostile ones in every field. */
import { directionOf } from '../../look/words.ts';
import { localeLinks, scopePermission } from './locale.ts';
import type { PageCommon, PageUser } from './page.ts';

export type Twist = {
  long?: boolean;
  /** In place of every text that a stranger could choose. */
  text?: string;
  /** In place of every address. */
  address?: string;
};

export type Sampler = ReturnType<typeof sampler>;

export function sampler(locale: string, twist: Twist = {}) {
  const text = (usual: string, long = usual): string => twist.text ?? (twist.long ? long : usual);
  const address = (usual: string): string => twist.address ?? usual;
  const appName = text('Orders', 'Rechtsschutzversicherungsgesellschaftenverwaltung');
  const csrf = text('csrf-1');
  const common: PageCommon = {
    locale,
    dir: directionOf(locale),
    tenant: {
      name: text('Acme', 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'),
      logo: twist.address,
      logoDark: twist.address,
      icon: twist.address,
      primaryColor: text('#1f5c4d'),
      showBadge: true,
      termsUrl: address('https://acme.example/terms'),
      privacyUrl: address('https://acme.example/privacy'),
    },
    appName,
    csrf,
    requestId: text('req_1'),
    locales: localeLinks('/sample'),
  };
  const email = text('ana@example.com', `${'maximiliane.von.hohenlohe'.repeat(4)}@${'a'.repeat(15)}.com`);
  const user: PageUser = {
    name: text('Ana Soto', 'Ana María Guadalupe de los Ángeles Hernández-Echeverría y Villaseñor'),
    email,
  };
  const permissions = ['profile', 'email', 'offline_access'].map((scope) => ({
    title: text(scopePermission(scope, locale)!, 'Bestellungsverwaltungsberechtigungsbeschreibung '.repeat(3)),
    api: text('Orders API', 'https://api.bestellungsverwaltungssystem.example/v1/orders'),
  }));
  return {
    text,
    address,
    /** For what is usually absent: an address only where hostile ones are looked at. */
    badAddress: twist.address,
    common,
    /** Of a page with a form. */
    form: { ...common, appName, csrf, action: address('') },
    email,
    user,
    permissions,
    host: text('orders.example', `${'orders.'.repeat(8)}example`),
  };
}
