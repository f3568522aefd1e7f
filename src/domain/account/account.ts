/**
 * Accounts: the tenants themselves; their settings, and lookup by host (cached for seconds). Coming and going is
 * account-provisioning.ts's business, keys are account-keys.ts's. The only root-scoped resource.
 */
import Type from 'typebox';
import { now } from '../../kernel/clock.ts';
import { type AccountView, asRoot, asTenant, type Root, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection } from '../../resource/collection.ts';
import { MapOf, Metadata, Nullable, OneOf, type Row, Timestamp } from '../../resource/define.ts';
import { forgetHeld, noteChange, watched } from '../../store/changes.ts';
import { apiByIdentifier } from '../api/api.ts';
import { connections } from '../connection/connection.ts';
import { checkMetadata, missingReference, Name, nullable, WebUrl } from '../fields.ts';
import {
  Branding,
  checkLifetimes,
  defaultSettings,
  Hostname,
  NotificationSettings,
  OAuthSettings,
  SessionSettings,
} from './account-settings.ts';
import { accountOfDomain } from './custom-domain.ts';

export const LOCALES = ['en', 'es'] as const;

const settings = {
  logo_src: nullable(WebUrl()),
  icon_src: nullable(WebUrl()),
  callback_hostnames: Type.Optional(Type.Array(Hostname, { maxItems: 100 })),
  default_connection: nullable(Type.String({ maxLength: 100 })),
  metadata: Type.Optional(Metadata),
};
const EmailChangeMode = OneOf(['new_only', 'old_and_new']);
const SyncPolicy = OneOf(['preserve_manual', 'always_sync']);

export const accounts = defineCollection(
  {
    name: 'account',
    title: 'AuthAccount',
    permission: 'accounts',
    collection: 'accounts',
    row: Type.Object({
      name: Name(),
      slug: Type.String(),
      logo_src: Nullable(Type.String()),
      icon_src: Nullable(Type.String()),
      callback_hostnames: Type.Array(Type.String()),
      token_signature: Type.String({ description: 'Masked without the permission read:account_keys' }),
      token_signing_alg: OneOf(['RS256']),
      default_connection: Nullable(Type.String()),
      enabled_locales: Type.Array(Type.String()),
      team: Nullable(Type.String()),
      notification_settings: NotificationSettings,
      email_change_verification_mode: EmailChangeMode,
      email_oauth_sync_policy: SyncPolicy,
      branding: Branding,
      session_settings: SessionSettings,
      oauth_settings: OAuthSettings,
    }),
    stored: Type.Object({
      root: Type.Optional(Type.Boolean()),
      revision: Type.Integer(),
      /** Which RS256 key signs and which waits; signing-key.ts holds the keys. */
      key_production: Nullable(Type.String()),
      key_next: Nullable(Type.String()),
      /** The same of each other algorithm that somebody has asked for. */
      keys_more: MapOf<{ production: string; next: string }>(true),
      /** Every key of the published set; one that lost the race of a rotation never gets in. */
      keys_published: Type.Array(Type.String()),
      keys_rotated_at: Type.Optional(Nullable(Timestamp())),
      /** False until everything that an account comes with is there; only then is it served. */
      provisioned: Type.Boolean(),
      deleting_at: Type.Optional(Nullable(Timestamp())),
    }),
    sealed: { token_signature: 'read:account_keys' },
    defaults: () => ({
      logo_src: null,
      icon_src: null,
      callback_hostnames: [],
      token_signing_alg: 'RS256' as const,
      keys_more: {},
      default_connection: null,
      enabled_locales: [...LOCALES],
      team: null,
      email_change_verification_mode: 'new_only' as const,
      email_oauth_sync_policy: 'preserve_manual' as const,
      ...defaultSettings(),
    }),
    filter: ['name', 'slug', 'team'],
    search: ['name', 'slug'],
    unique: [['slug']],
  },
  { scope: 'root' },
);
accounts.model.schema.index({ root: 1 }, { unique: true, partialFilterExpression: { root: true } });
// Few have one, and the clock asks for them every minute (key-schedule.ts).
accounts.model.schema.index(
  { 'oauth_settings.key_rotation_days': 1 },
  { partialFilterExpression: { 'oauth_settings.key_rotation_days': { $gt: 0 } } },
);

export type Account = Row<typeof accounts.spec.row, NonNullable<typeof accounts.spec.stored>>;

export const accountBodies = {
  create: Type.Object(
    { name: Name(), team: Type.String({ minLength: 1, maxLength: 200 }), ...settings },
    { additionalProperties: false },
  ),
  update: Type.Object(
    {
      name: Type.Optional(Name()),
      ...settings,
      enabled_locales: Type.Optional(Type.Array(OneOf(LOCALES), { minItems: 1, uniqueItems: true })),
      notification_settings: Type.Optional(Type.Partial(NotificationSettings, { additionalProperties: false })),
      email_change_verification_mode: Type.Optional(EmailChangeMode),
      email_oauth_sync_policy: Type.Optional(SyncPolicy),
      branding: Type.Optional(Branding),
      session_settings: Type.Optional(Type.Partial(SessionSettings, { additionalProperties: false })),
      oauth_settings: Type.Optional(Type.Partial(OAuthSettings, { additionalProperties: false })),
    },
    { additionalProperties: false },
  ),
};

/** The right to all of them, for the account's own files. */
export const everything = asRoot();

export const viewOf = (account: Account): AccountView => ({
  id: account.id,
  name: account.name,
  slug: account.slug,
  revision: account.revision,
  root: account.root ?? false,
  logo_src: account.logo_src,
  icon_src: account.icon_src,
  enabled_locales: account.enabled_locales,
  default_connection: account.default_connection,
  branding: account.branding,
  sessions: { ...defaultSettings().session_settings, ...account.session_settings },
  oauth: { ...defaultSettings().oauth_settings, ...account.oauth_settings },
});

/* ——— lookup ——— */

type Served = { account: Account; view: AccountView } | null;
const byHost = watched<Served>(20_000, ({ value }) => value?.account.id);
const byId = watched<Served>(20_000, ({ key }) => key);

const serve = (account: Account | undefined): Served =>
  account?.provisioned && !account.deleting_at ? { account, view: viewOf(account) } : null;

/** What this instance holds of the account turned out to be old. */
export const forgetAccount = (id: string): void => forgetHeld(id);

/** The account served at a host name: the root at the base domain, `<slug>.<base domain>`, or a verified domain. */
export async function accountByHost(hostname: string, baseDomain: string): Promise<AccountView | null> {
  const load = async () => serve(await findByHost(hostname, baseDomain));
  return (await byHost.get(hostname, load))?.view ?? null;
}

async function findByHost(hostname: string, baseDomain: string): Promise<Account | undefined> {
  if (hostname === baseDomain) return accounts.findOne(everything, { root: true });
  if (hostname.endsWith(`.${baseDomain}`)) {
    const slug = hostname.slice(0, -baseDomain.length - 1);
    return /^[a-z0-9-]+$/.test(slug) ? accounts.findOne(everything, { slug: { $eq: slug } }) : undefined;
  }
  const id = await accountOfDomain(hostname);
  return id ? accounts.find(everything, id) : undefined;
}

const servedById = (id: string) => byId.get(id, async () => serve(await accounts.find(everything, id)));

export const accountById = async (id: string): Promise<AccountView | null> => (await servedById(id))?.view ?? null;

/** The full row, seconds old at most. @throws Fault `not_found`. */
export async function accountOf(tenant: Tenant): Promise<Account> {
  const held = await servedById(tenant.id);
  if (!held) throw new Fault('not_found', 'Account not found.');
  return held.account;
}

export const rootAccount = async (): Promise<AccountView | null> =>
  serve(await accounts.findOne(everything, { root: true }))?.view ?? null;

/* ——— settings ——— */

/** Groups whose settings change one by one: two changes at once both happen. */
const GROUPS = ['notification_settings', 'session_settings', 'oauth_settings'] as const;
type Group = (typeof GROUPS)[number];

export type AccountPatch = Partial<Omit<Account, 'id' | Group>> & { [G in Group]?: Partial<Account[G]> };

/** Every change raises the revision, so that nothing built from the old settings is used again. */
export async function writeAccount(
  id: string,
  set: Record<string, unknown>,
  where: Record<string, unknown> = {},
): Promise<boolean> {
  const { matchedCount } = await accounts.model.updateOne(
    { _id: { $eq: id }, ...where },
    { $set: { ...set, updatedAt: now() }, $inc: { revision: 1 } },
  );
  await noteChange(id);
  return matchedCount === 1;
}

/** The management Api is never the default: an app's tokens would open the account to whoever got hold of one. */
async function checkDefaultAudience(tenant: Tenant, identifier: string): Promise<void> {
  const api = await apiByIdentifier(tenant, identifier);
  if (!api) missingReference('oauth_settings/default_audience', identifier);
  if (api.system)
    throw new Fault('validation', '"default_audience" may not be the management API.', {
      details: [{ path: '/oauth_settings/default_audience', message: 'may not be the management API' }],
    });
}

export async function updateAccount(_root: Root, id: string, patch: AccountPatch): Promise<Account> {
  const current = serve(await accounts.find(everything, id))?.account;
  if (!current) throw new Fault('not_found', 'Account not found.');
  checkMetadata('/metadata', patch.metadata);
  if (patch.session_settings) checkLifetimes({ ...viewOf(current).sessions, ...patch.session_settings });
  const { name, ...rest } = patch;
  if (rest.default_connection) {
    const tenant = asTenant(viewOf(current), '');
    if (!(await connections.find(tenant, rest.default_connection)))
      missingReference('default_connection', rest.default_connection);
  }
  if (rest.default_connection === null)
    throw new Fault('protected', 'An account needs a default connection; name another one instead of none.');
  const audience = rest.oauth_settings?.default_audience;
  if (audience) await checkDefaultAudience(asTenant(viewOf(current), ''), audience);
  const set: Record<string, unknown> = { ...rest };
  for (const group of GROUPS) {
    delete set[group];
    for (const [setting, value] of Object.entries(rest[group] ?? {})) set[`${group}.${setting}`] = value;
  }
  await writeAccount(id, set);
  // The name is searched for, so it goes through the collection, which keeps the search words.
  if (name !== undefined) {
    await accounts.update(everything, id, { name });
    await noteChange(id);
  }
  return accounts.get(everything, id);
}
