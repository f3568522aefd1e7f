/**
 * Users: profile, verification, suspension and login counters. Passwords are credential.ts's, upstream links identity.ts's.
 */
import Type from 'typebox';
import { now } from '../../kernel/clock.ts';
import type { Origin, Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { displayName } from '../../kernel/text/display-name.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { phoneNumber } from '../../kernel/text/phone.ts';
import { username } from '../../kernel/text/username.ts';
import { defineCollection, type Filter } from '../../resource/collection.ts';
import { Metadata, OneOf, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { removeRow } from '../../resource/removal.ts';
import { toWire } from '../../resource/wire.ts';
import { Email, nullable, Text, WebUrl } from '../fields.ts';
import { revokeUser } from '../protocol/session-end.ts';
import { lifecycle } from '../trail/events.ts';

const METHODS = [
  'manual',
  'verification_flow',
  'passwordless_otp',
  'password_reset',
  'team_invite',
  'email_change',
  'federated',
] as const;
export type VerificationMethod = (typeof METHODS)[number];
const Method = nullable(OneOf(METHODS));
const Time = nullable(Type.String({ format: 'date-time' }));

const profile = {
  name: Text('User name', 300),
  given_name: Text('Given name', 150),
  family_name: Text('Family name', 150),
  middle_name: Text('Middle name (OIDC Core §5.1)', 150),
  nickname: Text('Casual name (OIDC Core §5.1)', 150),
  country_iso: Text('Country as ISO 3166 code', 3),
  birth_date: Text('Date of birth', 30),
  gender: Text('Gender, free-form (OIDC Core §5.1)', 100),
  zoneinfo: Text('IANA time zone (OIDC Core §5.1)', 100),
  locale: Text('Main language (BCP 47)', 35),
  region: Text('Customer region', 100),
  website: Text("URL of the user's page (OIDC Core §5.1)", 2048),
  profile: Text("URL of the user's profile page (OIDC Core §5.1)", 2048),
  picture: Text('URL of a picture', 2048),
  phone: Text('Contact phone number', 40),
};

const Address = Type.Object(
  {
    formatted: nullable(Text(undefined, 1000)),
    street_address: nullable(Text(undefined, 300)),
    locality: nullable(Text(undefined, 150)),
    region: nullable(Text(undefined, 150)),
    postal_code: nullable(Text(undefined, 40)),
    country: nullable(Text(undefined, 100)),
  },
  { additionalProperties: false },
);

const nullableProfile = Object.fromEntries(
  Object.entries(profile).map(([field, schema]) => [field, nullable(schema)]),
) as { [F in keyof typeof profile]: ReturnType<typeof nullable<(typeof profile)[F]>> };

const UserRow = Type.Object({
  ...nullableProfile,
  username: nullable(Text('Username, in lower case', 150)),
  email: nullable(Text('User email: in lower case, the domain in A-labels (`xn--…`)', 254)),
  email_verified: Type.Boolean({ description: 'True if the email is verified' }),
  email_verified_method: Method,
  email_verified_at: Time,
  email_change_locked_at: Time,
  email_bounced_at: Time,
  phone_verified: Type.Boolean({ description: 'True if the phone is verified' }),
  phone_verified_method: Method,
  phone_verified_at: Time,
  address: nullable(Address),
  logins_count: Type.Integer({ description: 'Total number of logins this user has performed' }),
  last_ip: nullable(Type.String({ description: 'IP address of the last login' })),
  last_login: nullable(Type.String({ description: 'Time of the last login (ISO 8601)' })),
  suspended: Type.Boolean({ description: 'A suspended user cannot log in or use tokens' }),
  suspended_at: Time,
  suspended_reason: nullable(Text('Why, for administrators', 500)),
  user_metadata: Metadata,
  app_metadata: Metadata,
});

export const users = defineCollection({
  name: 'user',
  title: 'User',
  tag: { title: 'Users', description: 'People: profile, verification, suspension.' },
  permission: 'users',
  permissions: { of: 'users', more: { 'read:password_hashes': "Export users' password hashes" } },
  collection: 'users',
  row: UserRow,
  defaults: () => ({
    email_verified: false,
    phone_verified: false,
    logins_count: 0,
    suspended: false,
    user_metadata: {},
    app_metadata: {},
  }),
  filter: [
    'email',
    'username',
    'phone',
    'name',
    'email_verified',
    'phone_verified',
    'suspended',
    'locale',
    'last_login',
    'logins_count',
  ],
  times: ['last_login'],
  freeForm: ['user_metadata', 'app_metadata'],
  search: ['name', 'given_name', 'family_name', 'email', 'username', 'phone'],
  texts: {
    email: emailAddress,
    username,
    phone: phoneNumber,
    name: displayName,
    given_name: displayName,
    family_name: displayName,
    middle_name: displayName,
    nickname: displayName,
  },
  traced: true,
  events: lifecycle<User>({
    created: 'user.created',
    updated: 'user.updated',
    deleted: 'user.deleted',
    changed: {
      'user.email_changed': (before, after) => (before.email ?? null) !== (after.email ?? null),
      'user.email_verified': (before, after) => !before.email_verified && after.email_verified,
      'user.suspended': (before, after) => !before.suspended && after.suspended,
      'user.reinstated': (before, after) => before.suspended && !after.suspended,
    },
  }),
  end: (tenant, { id }) => revokeUser(tenant, id),
});

export type User = Row<typeof UserRow>;

const optional = <T extends Record<string, ReturnType<typeof Text>>>(schemas: T) =>
  Object.fromEntries(
    Object.entries(schemas).map(([field, schema]) => [field, nullable(schema)]),
  ) as typeof nullableProfile;

const Merging = Type.Unsafe<Record<string, unknown>>({
  ...Metadata,
  description: `${(Metadata as { description?: string }).description}. A change is laid over what is there, key by key of the first level, and null removes one`,
});

const writable = {
  ...optional(profile),
  email: nullable(Email("The user's email")),
  email_verified: Type.Optional(Type.Boolean()),
  phone_verified: Type.Optional(Type.Boolean()),
  username: nullable(Text('Without white space and "@"; kept in lower case', 150)),
  address: nullable(Address),
  suspended: Type.Optional(Type.Boolean()),
  suspended_reason: nullable(Text('Why, for administrators', 500)),
  profile: nullable(WebUrl("URL of the user's profile page (OIDC Core §5.1)")),
  picture: nullable(WebUrl("A URI pointing to the user's picture")),
  user_metadata: Type.Optional(Merging),
  app_metadata: Type.Optional(Merging),
};
export const UserWrite = Type.Object(writable, { additionalProperties: false });
export type UserInput = Partial<Pick<User, keyof typeof writable>>;

/** What a change of these fields implies for the fields that administrators do not write. */
export function deriveUser(input: UserInput, current?: User): Partial<User> {
  const patch: Partial<User> = { ...input };
  if (typeof input.email === 'string') patch.email = demand(emailAddress, input.email, '/email');
  if (typeof input.phone === 'string') patch.phone = demand(phoneNumber, input.phone, '/phone');
  const time = now().toISOString();
  for (const [address, verified] of [
    ['email', 'email_verified'],
    ['phone', 'phone_verified'],
  ] as const) {
    const changed = input[address] !== undefined && patch[address] !== (current?.[address] ?? null);
    const flag = input[verified] ?? (changed && current ? false : undefined);
    if (flag === undefined) continue;
    patch[verified] = flag;
    patch[`${verified}_method`] = flag ? 'manual' : null;
    patch[`${verified}_at`] = flag ? time : null;
    if (changed && address === 'email') patch.email_bounced_at = null;
  }
  if (input.suspended !== undefined && input.suspended !== (current?.suspended ?? false)) {
    patch.suspended_at = input.suspended ? time : null;
    if (!input.suspended) patch.suspended_reason = null;
  }
  return patch;
}

/** @param method how a verified address was verified. */
export async function createUser(
  tenant: Tenant,
  input: UserInput & { id?: string },
  method: VerificationMethod = 'manual',
): Promise<User> {
  checkMetadata('/user_metadata', input.user_metadata);
  checkMetadata('/app_metadata', input.app_metadata);
  const user = deriveUser(input);
  return users.create(tenant, { ...user, ...(user.email_verified && { email_verified_method: method }) });
}

/** Somebody showed that the address is theirs; an administrator's word is no such proof. */
export const isProved = ({ email_verified, email_verified_method }: User): boolean =>
  email_verified && (email_verified_method ?? 'manual') !== 'manual';

/**
 * @param evenVouched also where an administrator has vouched for the address.
 * @returns undefined when the user is gone, has another address by now, or has it verified already.
 */
export const markEmailVerified = (
  tenant: Tenant,
  id: string,
  email: string,
  method: VerificationMethod,
  evenVouched = false,
): Promise<User | undefined> =>
  users.updateWhere(
    tenant,
    id,
    { email_verified: true, email_verified_method: method, email_verified_at: now().toISOString() },
    {
      email: { $eq: email },
      ...(evenVouched
        ? { $or: [{ email_verified: { $ne: true } }, { email_verified_method: { $in: ['manual', null] } }] }
        : { email_verified: { $ne: true } }),
    },
  );

/** Nothing is written any more to an address that bounced, until its user has another. @returns how many users have it. */
export const markEmailBounced = (tenant: Tenant, email: string): Promise<number> =>
  users.changeWhere(tenant, { email: { $eq: email } }, { $set: { email_bounced_at: now().toISOString() } });

/**
 * Suspending ends the user's sessions, grants and refresh tokens at once.
 * Metadata is laid over what is there, as Auth0 does: the first level, where null removes. Of changes at once all happen.
 * @param still what has to be so when it is written. @throws Fault `not_found`, `changed_meanwhile` where it is not.
 */
export async function updateUser(tenant: Tenant, id: string, input: UserInput, still: Filter = {}): Promise<User> {
  for (const field of MERGED) checkMetadata(`/${field}`, input[field]);
  for (;;) {
    const current = await users.get(tenant, id);
    const merged = Object.fromEntries(
      MERGED.flatMap((field) => (input[field] ? [[field, laidOver(current[field], input[field])]] : [])),
    );
    for (const field of MERGED) checkMetadata(`/${field}`, merged[field]);
    const unchanged = Object.fromEntries(Object.keys(merged).map((field) => [field, asRead(current[field as Merged])]));
    const change = deriveUser({ ...input, ...merged }, current);
    const updated = await users.updateWhere(tenant, id, change, { ...unchanged, ...still });
    if (!updated) {
      if (await users.exists(tenant, { _id: { $eq: id }, ...still })) continue;
      await users.get(tenant, id);
      throw new Fault('changed_meanwhile');
    }
    if (updated.suspended) await revokeUser(tenant, id);
    return updated;
  }
}

const MERGED = ['user_metadata', 'app_metadata'] as const;
type Merged = (typeof MERGED)[number];
type Json = Record<string, unknown>;

const laidOver = (held: Json, patch: Json): Json =>
  Object.fromEntries(Object.entries({ ...held, ...patch }).filter(([, value]) => value !== null));
/** Rows from before the field have none. */
const asRead = (held: Json) => (Object.keys(held).length ? { $eq: held } : { $in: [{}, null] });

/**
 * Counts a completed login: one atomic write.
 * @returns false where the user, as read, had an address that nobody had proved, and somebody has meanwhile: what ended
 *   by that (see first-proof.ts) logs nobody in any more.
 */
export async function recordLogin(tenant: Tenant, { id, email_verified }: User, from: Origin): Promise<boolean> {
  const { matchedCount } = await users.model.updateOne(
    { _id: { $eq: id }, account: { $eq: tenant.id }, ...(!email_verified && { email_verified: { $ne: true } }) },
    { $inc: { logins_count: 1 }, $set: { last_login: now().toISOString(), last_ip: from.ip } },
  );
  return matchedCount === 1;
}

/** With everything that hangs on the user. @returns false where there is no such user any more. */
export async function removeUser(tenant: Tenant, id: string): Promise<boolean> {
  try {
    await removeRow(users, tenant, id);
    return true;
  } catch (error) {
    if (error instanceof Fault && error.code === 'not_found') return false;
    throw error;
  }
}

/** A user as the user's own apps see it, and its schema. */
export const UserView = Type.Ref(users.spec.title);
export const viewOfUser = (user: User): Record<string, unknown> => toWire(users, user, () => false);
