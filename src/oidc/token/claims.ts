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

/** Empty values are left out: a claim that says nothing is worse than none (OIDC Core §5.3.2). */
export function userClaims(user: User): { sub: string; [claim: string]: unknown } {
  const address = Object.fromEntries(Object.entries(user.address ?? {}).filter(([, value]) => value));
  const claims = {
    sub: user.id,
    name: user.name || [user.given_name, user.family_name].filter(Boolean).join(' ') || undefined,
    given_name: user.given_name,
    family_name: user.family_name,
    middle_name: user.middle_name,
    nickname: user.nickname || user.username || user.given_name,
    preferred_username: user.username || user.email,
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
