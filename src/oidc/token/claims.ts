/** What a user's tokens and userinfo say about the user: OIDC Core §5.1 claims by scope (§5.4). */
import type { User } from '../../domain/user/user.ts';

/** Claims that each scope releases. */
export const CLAIMS = {
  // The last two in ID tokens: how the user logged in.
  openid: ['sub', 'acr', 'amr'],
  profile: [
    'name',
    'given_name',
    'family_name',
    'middle_name',
    'nickname',
    'preferred_username',
    'profile',
    'picture',
    'website',
    'gender',
    'birthdate',
    'zoneinfo',
    'locale',
    'updated_at',
  ],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  address: ['address'],
};

/** The scopes of OpenID Connect, as against those of an Api. */
export const isStandardScope = (scope: string): boolean => scope === 'offline_access' || Object.hasOwn(CLAIMS, scope);

/** With the whole of it in lines, made of the parts where nobody wrote it down (OIDC Core §5.1.1). */
function addressOf({ address }: User): Record<string, string> {
  const parts = Object.fromEntries(Object.entries(address ?? {}).filter(([, value]) => value)) as Record<
    string,
    string
  >;
  const { street_address, locality, region, postal_code, country } = parts;
  const place = [locality, region, postal_code].filter(Boolean).join(', ');
  const formatted = [street_address, place, country].filter(Boolean).join('\n');
  return formatted ? { formatted, ...parts } : parts;
}

/** Empty values are left out: a claim that says nothing is worse than none (OIDC Core §5.3.2). */
export function userClaims(user: User): { sub: string; [claim: string]: unknown } {
  const address = addressOf(user);
  const claims = {
    sub: user.id,
    name: user.name || [user.given_name, user.family_name].filter(Boolean).join(' ') || undefined,
    given_name: user.given_name,
    family_name: user.family_name,
    middle_name: user.middle_name,
    nickname: user.nickname || user.username || user.given_name,
    preferred_username: user.username || user.email,
    profile: user.profile,
    picture: user.picture,
    website: user.website,
    gender: user.gender,
    birthdate: user.birth_date,
    zoneinfo: user.zoneinfo,
    locale: user.locale,
    updated_at: Math.floor(user.updatedAt.getTime() / 1000),
    email: user.email,
    email_verified: user.email ? user.email_verified : undefined,
    phone_number: user.phone,
    phone_number_verified: user.phone ? user.phone_verified : undefined,
    address: Object.keys(address).length ? address : undefined,
  };
  return Object.fromEntries(
    Object.entries(claims).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  ) as {
    sub: string;
  };
}

/** One who is gone or suspended is no account: nothing is told of them. */
export const isActive = (user: User | undefined): user is User => user !== undefined && !user.suspended;
