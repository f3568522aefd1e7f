/** A user's own profile, as far as it is theirs to change. */
import { OWN_FIELDS, type OwnField, type OwnProfile } from '../../domain/user/own-profile.ts';
import type { Translate } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';

/** Posts the fields of `OWN_FIELDS` and `csrf`. */
type ProfileData = PageCommon & {
  action: string;
  csrf: string;
  profile: OwnProfile;
  /** Fields that were not taken as they are. */
  refused: OwnField[];
  languages: { code: string; label: string }[];
  saved: boolean;
  backHref: string;
};

const TEXTS = ['name', 'given_name', 'family_name', 'nickname'] as const;
const AUTOCOMPLETE = { name: 'name', given_name: 'given-name', family_name: 'family-name', nickname: 'nickname' };

export const profilePage = definePage<ProfileData>({
  name: 'profile',
  words: ['profile', 'account.back'],
  view,
  samples({ form, address, text }) {
    const profile = {
      name: text('Ana Soto', 'Ana María Guadalupe de los Ángeles Hernández-Echeverría y Villaseñor'),
      given_name: text('Ana'),
      family_name: text('Soto'),
      nickname: '',
      picture: address('https://pictures.example/ana.png'),
      locale: 'es',
    };
    const languages = [
      { code: 'en', label: 'English' },
      { code: 'es', label: 'Español' },
    ];
    const usual = { ...form, profile, refused: [], languages, saved: false, backHref: address('/account') };
    return {
      profile: usual,
      'profile-saved': { ...usual, saved: true },
      'profile-refused': { ...usual, refused: ['name', 'picture'], profile: { ...profile, picture: 'ana.png' } },
      'profile-empty': { ...usual, profile: { ...profile, name: '', given_name: '', locale: text('pt-BR') } },
    };
  },
});

function view({ profile, refused, languages }: ProfileData, t: Translate) {
  const isKnown = languages.some(({ code }) => code === profile.locale) || profile.locale === '';
  return {
    fields: TEXTS.map((field) => ({
      field,
      label: t(`profile.${field}`),
      value: profile[field],
      length: OWN_FIELDS[field],
      autocomplete: AUTOCOMPLETE[field],
      error: refused.includes(field) ? t('profile.error.name') : undefined,
    })),
    pictureError: refused.includes('picture') ? t('profile.error.picture') : undefined,
    pictureLength: OWN_FIELDS.picture,
    focus: refused[0],
    options: [
      { code: '', label: t('profile.locale_none') },
      ...languages,
      ...(isKnown ? [] : [{ code: profile.locale, label: profile.locale }]),
    ],
  };
}
