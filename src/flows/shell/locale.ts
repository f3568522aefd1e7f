/** What pages do with languages: the menu of them, and the sentences for what an app may be allowed. */
import { enabledLocales, isKey, type MessageKey, nameOf, translator } from '../../look/words.ts';

export type LocaleLink = { code: string; label: string; href: string };

/** The language menu for a page at `url` (path and query); each entry is the same page with `lang` set. */
export function localeLinks(url: string, enabled?: readonly string[]): LocaleLink[] {
  const here = new URL(url, 'http://page.invalid');
  return enabledLocales(enabled).map((code) => {
    here.searchParams.set('lang', code);
    return { code, label: nameOf(code), href: `${here.pathname}${here.search}` };
  });
}

/** What a standard scope allows, in a sentence for the consent page; undefined for scopes that are not ours. */
export function scopePermission(scope: string, locale: string): string | undefined {
  const key = `scope.${scope}`;
  return isKey(key) ? translator(locale)(key) : undefined;
}

/** Which sentence names a claim that is asked for by itself (OIDC Core §5.5). */
const CLAIM_MESSAGES: Record<string, MessageKey> = {
  name: 'scope.profile',
  given_name: 'scope.profile',
  family_name: 'scope.profile',
  middle_name: 'scope.profile',
  picture: 'scope.profile',
  updated_at: 'scope.profile',
  nickname: 'claim.username',
  preferred_username: 'claim.username',
  profile: 'claim.website',
  website: 'claim.website',
  gender: 'claim.gender',
  birthdate: 'claim.birthdate',
  zoneinfo: 'claim.locale',
  locale: 'claim.locale',
  email: 'scope.email',
  email_verified: 'scope.email',
  phone_number: 'scope.phone',
  phone_number_verified: 'scope.phone',
  address: 'scope.address',
};

/** What releasing a claim allows, in a sentence for the consent page. */
export function claimPermission(claim: string, locale: string): string | undefined {
  const key = Object.hasOwn(CLAIM_MESSAGES, claim) ? CLAIM_MESSAGES[claim] : undefined;
  return key && translator(locale)(key);
}
