/**
 * What a user may change of their own profile by themself. The rest is the tenant's word about them: addresses are changed
 * by proving them, metadata by administrators.
 */
import type { Origin, Tenant } from '../../kernel/context.ts';
import { displayName } from '../../kernel/text/display-name.ts';
import { WEB_URL } from '../../kernel/text.ts';
import { append } from '../trail/log.ts';
import { type User, updateUser } from './user.ts';

const NAMES = { name: 300, given_name: 150, family_name: 150, nickname: 150 } as const;
type NameField = keyof typeof NAMES;

/** How long each may be. */
export const OWN_FIELDS = { ...NAMES, picture: 2048, locale: 35 } as const;
export type OwnField = keyof typeof OWN_FIELDS;
export type OwnProfile = Record<OwnField, string>;

/** Each as text, empty where there is nothing. */
export const ownProfileOf = (user: User): OwnProfile =>
  Object.fromEntries(Object.keys(OWN_FIELDS).map((field) => [field, user[field as OwnField] ?? ''])) as OwnProfile;

const isName = (field: OwnField): field is NameField => Object.hasOwn(NAMES, field);

function isAcceptable(field: OwnField, value: string): boolean {
  if (value === '') return true;
  if (value.length > OWN_FIELDS[field]) return false;
  if (isName(field)) return displayName.canonical(value) !== undefined;
  return field === 'picture' ? new RegExp(WEB_URL).test(value) : /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(value);
}

/** Fields that cannot be kept as they are. */
export const unacceptableIn = (profile: OwnProfile): OwnField[] =>
  (Object.keys(OWN_FIELDS) as OwnField[]).filter((field) => !isAcceptable(field, profile[field]));

/** Writes what differs, and nothing where nothing does. What is empty goes. @param wanted acceptable, as above. */
export async function changeOwnProfile(tenant: Tenant, user: User, wanted: OwnProfile, from: Origin): Promise<void> {
  const held = ownProfileOf(user);
  const fields = (Object.keys(OWN_FIELDS) as OwnField[]).filter((field) => wanted[field] !== held[field]);
  if (fields.length === 0) return;
  await updateUser(tenant, user.id, Object.fromEntries(fields.map((field) => [field, wanted[field] || null])));
  await append(tenant, {
    type: 'user.profile_changed',
    status: 'success',
    user: user.id,
    data: { fields, ip: from.ip },
  });
}
