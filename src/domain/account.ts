/**
 * Accounts: the tenants themselves. Lookup by host (cached for seconds), settings, provisioning and removal. The only
 * root-scoped resource: its routes let a tenant's administrator see one account and the operator all of them.
 */
import { LRUCache } from 'lru-cache';
import Type from 'typebox';
import { inSeconds, MINUTE, now } from '../kernel/clock.ts';
import { type AccountView, asRoot, asTenant, type Root, type Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { mintToken } from '../kernel/secrets.ts';
import { slugify } from '../kernel/text.ts';
import { collections, defineCollection } from '../resource/collection.ts';
import { Metadata, Nullable, OneOf, type Row, Timestamp } from '../resource/define.ts';
import { createManagementApi } from './api.ts';
import { type Client, createClient } from './client.ts';
import { connections, createConnection } from './connection.ts';
import { accountOfDomain } from './custom-domain.ts';
import { checkMetadata, isTaken, missingReference, Name, nullable, WebUrl } from './fields.ts';
import { removeProtocol } from './grant.ts';
import { mintSigningKey, removeSigningKey, removeSigningKeys, type SigningKey, signingKeysOf } from './signing-key.ts';

const NotificationSettings = Type.Object(
  {
    welcome_email_enabled: Type.Boolean({
      default: false,
      description: 'Send the built-in welcome email on user.created',
    }),
    verify_email_auto_send: Type.Boolean({
      default: false,
      description: 'Send a verification email when a user is created',
    }),
  },
  { additionalProperties: false },
);
const Branding = Type.Object(
  {
    primary_color: nullable(Type.String({ pattern: '^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$' })),
    show_badge: Type.Optional(Type.Boolean({ description: '"Secured by Cardea" in the footer' })),
    tos_uri: nullable(WebUrl()),
    policy_uri: nullable(WebUrl()),
  },
  { additionalProperties: false },
);
const Hostname = Type.String({ maxLength: 253, pattern: '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$' });
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
    }),
    stored: Type.Object({
      root: Type.Optional(Type.Boolean()),
      revision: Type.Integer(),
      /** Which key signs and which waits; signing-key.ts holds the keys. */
      key_production: Nullable(Type.String()),
      key_next: Nullable(Type.String()),
      /** Every key of the published set; one that lost the race of a rotation never gets in. */
      keys_published: Type.Array(Type.String()),
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
      default_connection: null,
      enabled_locales: [...LOCALES],
      team: null,
      notification_settings: { welcome_email_enabled: false, verify_email_auto_send: false },
      email_change_verification_mode: 'new_only' as const,
      email_oauth_sync_policy: 'preserve_manual' as const,
      branding: {},
    }),
    filter: ['name', 'slug', 'team'],
    search: ['name', 'slug'],
    unique: [['slug']],
  },
  { scope: 'root' },
);
accounts.model.schema.index({ root: 1 }, { unique: true, partialFilterExpression: { root: true } });

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
    },
    { additionalProperties: false },
  ),
};

const everything = asRoot();

const viewOf = (account: Account): AccountView => ({
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
});

/* ——— lookup ——— */

/** How stale another instance's change may be seen here. */
const CACHE_SECONDS = 5;
type Cached = { account: Account | null; view: AccountView | null; staleAt: number };
const byHost = new LRUCache<string, Cached>({ max: 20_000 });
const byId = new LRUCache<string, Cached>({ max: 20_000 });

const served = (account: Account | undefined): Account | null =>
  account?.provisioned && !account.deleting_at ? account : null;

async function cached(
  cache: LRUCache<string, Cached>,
  key: string,
  load: () => Promise<Account | undefined>,
): Promise<Cached> {
  const known = cache.get(key);
  if (known && known.staleAt > Date.now()) return known;
  const account = served(await load());
  const entry = { account, view: account && viewOf(account), staleAt: Date.now() + CACHE_SECONDS * 1000 };
  cache.set(key, entry);
  return entry;
}

function forget(id: string): void {
  byId.delete(id);
  for (const [host, entry] of byHost.entries())
    if (entry.account === null || entry.account.id === id) byHost.delete(host);
}

/** The account served at a host name: the root at the base domain, `<slug>.<base domain>`, or a verified domain. */
export async function accountByHost(hostname: string, baseDomain: string): Promise<AccountView | null> {
  const entry = await cached(byHost, hostname, async () => {
    if (hostname === baseDomain) return accounts.findOne(everything, { root: true });
    if (hostname.endsWith(`.${baseDomain}`)) {
      const slug = hostname.slice(0, -baseDomain.length - 1);
      return /^[a-z0-9-]+$/.test(slug) ? accounts.findOne(everything, { slug: { $eq: slug } }) : undefined;
    }
    const id = await accountOfDomain(hostname);
    return id ? accounts.find(everything, id) : undefined;
  });
  return entry.view;
}

export const accountById = async (id: string): Promise<AccountView | null> =>
  (await cached(byId, id, () => accounts.find(everything, id))).view;

/** The full row, seconds old at most. @throws Fault `not_found`. */
export async function accountOf(tenant: Tenant): Promise<Account> {
  const { account } = await cached(byId, tenant.id, () => accounts.find(everything, tenant.id));
  if (!account) throw new Fault('not_found', 'Account not found.');
  return account;
}

export const rootAccount = async (): Promise<AccountView | null> => {
  const account = served(await accounts.findOne(everything, { root: true }));
  return account && viewOf(account);
};

/* ——— settings ——— */

export type AccountPatch = Partial<Omit<Account, 'id' | 'notification_settings'>> & {
  notification_settings?: Partial<Account['notification_settings']>;
};

/** Every change raises the revision, so that nothing built from the old settings is used again. */
async function writeAccount(
  id: string,
  set: Record<string, unknown>,
  where: Record<string, unknown> = {},
): Promise<boolean> {
  const { matchedCount } = await accounts.model.updateOne(
    { _id: { $eq: id }, ...where },
    { $set: { ...set, updatedAt: now() }, $inc: { revision: 1 } },
  );
  forget(id);
  return matchedCount === 1;
}

export async function updateAccount(_root: Root, id: string, patch: AccountPatch): Promise<Account> {
  const current = served(await accounts.find(everything, id));
  if (!current) throw new Fault('not_found', 'Account not found.');
  checkMetadata('/metadata', patch.metadata);
  const { notification_settings, name, ...rest } = patch;
  if (rest.default_connection) {
    const tenant = asTenant(viewOf(current), '');
    if (!(await connections.find(tenant, rest.default_connection)))
      missingReference('default_connection', rest.default_connection);
  }
  if (rest.default_connection === null)
    throw new Fault('protected', 'An account needs a default connection; name another one instead of none.');
  // Each setting by its own path: two changes at once both happen.
  const notifications = Object.entries(notification_settings ?? {}).map(([setting, value]) => [
    `notification_settings.${setting}`,
    value,
  ]);
  await writeAccount(id, { ...rest, ...Object.fromEntries(notifications) });
  // The name is searched for, so it goes through the collection, which keeps the search words.
  if (name !== undefined) await accounts.update(everything, id, { name });
  forget(id);
  return accounts.get(everything, id);
}

/* ——— provisioning and removal ——— */

const RESERVED_SLUGS = new Set([
  'www',
  'api',
  'admin',
  'app',
  'auth',
  'account',
  'accounts',
  'mail',
  'static',
  'status',
  'docs',
  'localhost',
  'cardea',
]);

export type NewAccount = {
  name: string;
  team?: string | null;
  logo_src?: string | null;
  icon_src?: string | null;
  callback_hostnames?: string[];
  default_connection?: string | null;
  metadata?: Record<string, unknown>;
  /** Only the installation's own account. */
  root?: boolean;
  slug?: string;
};

async function insertAccount(input: NewAccount): Promise<Account> {
  const base = input.slug ?? (slugify(input.name, 40) || 'account');
  for (let n = 1; ; n += 1) {
    const slug =
      n === 1
        ? base
        : n < 10
          ? `${base}-${n}`
          : `${base}-${mintToken(4)
              .toLowerCase()
              .replace(/[^a-z0-9]/g, '0')}`;
    if (!input.slug && RESERVED_SLUGS.has(slug)) continue;
    try {
      return await accounts.create(everything, {
        ...input,
        slug,
        token_signature: mintToken(48),
        revision: 1,
        key_production: null,
        key_next: null,
        keys_published: [],
        provisioned: false,
      });
    } catch (error) {
      if (!isTaken(error, 'slug') || input.slug || n > 20) throw error;
    }
  }
}

/**
 * Makes an account with what it comes with: keys, its management Api, a database connection and a first machine client.
 * It is served only when all of that is there; one that a crash left half made is removed by `resumeAccounts`.
 */
export async function createAccount(
  _root: Root,
  input: NewAccount,
): Promise<{ account: Account; managementClient: Client }> {
  checkMetadata('/metadata', input.metadata);
  // An account that is not there yet has no connection that could be named.
  if (input.default_connection) missingReference('default_connection', input.default_connection);
  const inserted = await insertAccount(input);
  const tenant = asTenant(viewOf(inserted), '');
  const [production, next] = await Promise.all([mintSigningKey(inserted.id), mintSigningKey(inserted.id)]);
  await createManagementApi(tenant);
  const connection = await createConnection(tenant, {
    connection_name: 'Username-Password-Authentication',
    connection_type: 'database',
    password_policy: { level: 'good' },
  });
  const managementClient = await createClient(tenant, {
    name: 'Management client',
    description: 'Made with the account; manages it through the management API.',
    grant_types: ['client_credentials'],
    response_types: [],
  });
  await writeAccount(inserted.id, {
    key_production: production,
    key_next: next,
    keys_published: [production, next],
    default_connection: connection.id,
    provisioned: true,
  });
  return { account: await accounts.get(everything, inserted.id), managementClient };
}

/** Stops serving the account first, then empties it, then forgets it; repeating after a crash goes on where it stopped. */
export async function removeAccount(_root: Root, id: string): Promise<Account> {
  const account = await accounts.get(everything, id);
  if (account.root) throw new Fault('protected', "The installation's own account cannot be deleted.");
  await writeAccount(id, { deleting_at: now() });
  await purge(id);
  return account;
}

async function purge(id: string): Promise<void> {
  for (const { model, spec } of collections())
    if (spec !== (accounts.spec as unknown)) await model.deleteMany({ account: { $eq: id } });
  await removeSigningKeys(id);
  await removeProtocol(id);
  await accounts.model.deleteOne({ _id: { $eq: id } });
  forget(id);
}

/** Clears a root account that a killed first start never finished. */
export async function removeHalfMadeRoot(): Promise<void> {
  for (const { id } of await accounts.all(everything, { root: true, provisioned: false })) await purge(id);
}

/** Finishes removals and clears half-made accounts that a crash left behind. */
export async function resumeAccounts(): Promise<void> {
  const abandoned = await accounts.all(everything, {
    $or: [{ deleting_at: { $ne: null } }, { provisioned: false, createdAt: { $lt: inSeconds(-10 * MINUTE) } }],
  });
  for (const { id } of abandoned) await purge(id);
}

/* ——— keys ——— */

export type AccountKeys = { production: SigningKey; next: SigningKey; published: SigningKey[] };
const keyCache = new LRUCache<string, AccountKeys>({ max: 5000 });

/** The account's keys as of its revision; opened once per revision. */
export async function accountKeys(tenant: Tenant): Promise<AccountKeys> {
  const cacheKey = `${tenant.id}:${tenant.account.revision}`;
  const known = keyCache.get(cacheKey);
  if (known) return known;
  const [account, held] = await Promise.all([accounts.get(everything, tenant.id), signingKeysOf(tenant.id)]);
  const published = held.filter(({ kid }) => account.keys_published.includes(kid));
  const byKid = (kid: string | null) => published.find((key) => key.kid === kid);
  const production = byKid(account.key_production);
  const next = byKid(account.key_next);
  if (!production || !next) throw new Fault('internal', undefined, { detail: `account ${tenant.id} has no keys` });
  const keys = { production, next, published };
  // A revision that moved on while this was read must not be remembered under its old number.
  if (account.revision === tenant.account.revision) keyCache.set(cacheKey, keys);
  return keys;
}

export const keysView = (keys: AccountKeys) => ({
  production_kid: keys.production.kid,
  next_in_queue_kid: keys.next.kid,
  kids_active: keys.published.map(({ kid }) => kid),
});

/** Promotes the queued key. Of several rotations at once exactly one happens; the others are conflicts. */
export async function rotateKeys(tenant: Tenant) {
  const account = await accounts.get(everything, tenant.id);
  const queued = await mintSigningKey(tenant.id);
  const kids = [...account.keys_published, queued];
  const promoted = await writeAccount(
    tenant.id,
    { key_production: account.key_next, key_next: queued, keys_published: kids },
    { key_next: { $eq: account.key_next } },
  );
  if (!promoted) {
    await removeSigningKey(queued);
    throw new Fault('conflict', 'The keys were rotated by somebody else a moment ago.');
  }
  return {
    rotated_at: now().toISOString(),
    previous_production_kid: account.key_production!,
    production_kid: account.key_next!,
    next_in_queue_kid: queued,
    kids_active: kids,
  };
}
