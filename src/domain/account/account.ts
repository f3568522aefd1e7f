/**
 * Accounts: the tenants themselves; their settings, and lookup by host (cached for seconds). Coming and going is
 * account-provisioning.ts's business, keys are account-keys.ts's. The only root-scoped resource.
 */
import Type from 'typebox';
import { now } from '../../kernel/clock.ts';
import { type AccountView, asRoot, asTenant, type Root, type Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { isId } from '../../kernel/id.ts';
import { seal } from '../../kernel/secret/seal.ts';
import { defineCollection } from '../../resource/collection.ts';
import { MapOf, Nullable, type Reference, type Referred, type Row, Timestamp } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { checkReferences } from '../../resource/references.ts';
import { collectionNamed } from '../../resource/registry.ts';
import { MASK, sealedFields } from '../../resource/sealing.ts';
import { forgetHeld, noteChange, watched } from '../../store/changes.ts';
import { managementAudience, managementAudiences } from '../api/permission.ts';
import { SYNC_NOT_YET } from '../not-yet.ts';
import { AccountRow, GROUPS, type Group, startSettings, viewSettings } from './account-fields.ts';
import { checkChallenge, checkLifetimes } from './account-settings.ts';
import { accountOfDomain } from './custom-domain.ts';

export const accounts = defineCollection({
  name: 'account',
  title: 'AuthAccount',
  tag: { title: 'Accounts', description: 'The tenant itself: its name, its looks, its policies, its keys.' },
  permission: 'accounts',
  permissions: {
    of: 'account settings',
    verbs: ['read', 'update'],
    more: {
      'read:account_keys': "See the account's shared token secret",
      'read:keys': 'Read signing keys',
      'update:keys': 'Update signing keys',
    },
  },
  collection: 'accounts',
  scope: 'root',
  row: AccountRow,
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
    /** When a key last came that waits behind one that others know already. */
    keys_queued_at: Type.Optional(Nullable(Timestamp())),
    /** False until everything that an account comes with is there; only then is it served. */
    provisioned: Type.Boolean(),
    deleting_at: Type.Optional(Nullable(Timestamp())),
  }),
  sealed: { token_signature: 'read:account_keys', challenge_secret: 'read:account_keys' },
  defaults: () => ({ ...startSettings(), keys_more: {} }),
  filter: ['name', 'slug', 'team'],
  search: ['name', 'slug'],
  unique: [['slug']],
  notYet: [
    {
      what: '`email_oauth_sync_policy` of the account',
      says: SYNC_NOT_YET,
      field: 'email_oauth_sync_policy',
      in: ({ email_oauth_sync_policy }) => email_oauth_sync_policy === 'always_sync',
    },
    {
      what: '`token_signature` of the account',
      says: 'token_signature is kept; nothing is signed with it.',
      field: 'token_signature',
      in: () => false,
    },
  ],
  references: {
    default_connection: {
      to: 'connection',
      gone: 'refuse',
      expand: true,
      why: "This is the account's default connection. Make another one the default first.",
      lost: loseConnection,
    },
    'oauth_settings.default_audience': {
      to: 'api',
      gone: 'refuse',
      match: ({ identifier }) => identifier,
      find: (audience, { id }) => ({
        identifier: { $eq: managementAudiences(id).includes(audience) ? managementAudience(id) : audience },
      }),
      accept: refuseSystem,
      why: "This is the account's default audience. Make another Api that, or none, first.",
      lost: loseAudience,
    },
  },
  indexes: [
    { keys: { root: 1 }, unique: true, partialFilterExpression: { root: true } },
    // Few have one, and the clock asks for them every minute (key-schedule.ts).
    {
      keys: { 'oauth_settings.key_rotation_days': 1 },
      partialFilterExpression: { 'oauth_settings.key_rotation_days': { $gt: 0 } },
    },
  ],
});

/** The management Api is never the default: an app's tokens would open the account to whoever got hold of one. */
function refuseSystem({ system }: Referred): void {
  if (system)
    throw new Fault('validation', '"default_audience" may not be the management API.', {
      details: [{ path: '/oauth_settings/default_audience', message: 'may not be the management API' }],
    });
}

/** Another one that people can log in by takes its place: there always is one (connection.ts). */
async function loseConnection({ id }: Tenant, { id: gone }: Referred): Promise<void> {
  const lost = { default_connection: { $eq: gone } };
  if (!(await accounts.exists(everything, { _id: { $eq: id }, ...lost }))) return;
  const other = await collectionNamed('connection').findOne(asTenant({ id } as never, ''), { enabled: { $eq: true } });
  await writeAccount(id, { default_connection: other?.id ?? null }, lost);
}

async function loseAudience({ id }: Tenant, { identifier }: Referred): Promise<void> {
  const field = 'oauth_settings.default_audience';
  const lost = { [field]: { $eq: identifier } };
  if (await accounts.exists(everything, { _id: { $eq: id }, ...lost })) await writeAccount(id, { [field]: null }, lost);
}

export type Account = Row<typeof accounts.spec.row, NonNullable<typeof accounts.spec.stored>>;

/** The right to all of them, for the account's own files. */
export const everything = asRoot();

export const viewOf = (account: Account): AccountView => ({
  id: account.id,
  revision: account.revision,
  root: account.root ?? false,
  ...viewSettings(account),
});

/* ——— lookup ——— */

type Served = { account: Account; view: AccountView } | null;
const byHost = watched<Served>(20_000, ({ value }) => value?.account.id);
const byId = watched<Served>(20_000, ({ key }) => key);

const serve = (account: Account | undefined): Served =>
  account?.provisioned && !account.deleting_at ? { account, view: viewOf(account) } : null;

/** What this instance holds of the account turned out to be old. */
export const forgetAccount = (id: string): void => forgetHeld(id);

/**
 * The account served at a host name: the root at the base domain and nowhere else under it, since it is one issuer; others
 * at `<slug>.<base domain>`; or a verified domain.
 */
export async function accountByHost(hostname: string, baseDomain: string): Promise<AccountView | null> {
  const load = async () => serve(await findByHost(hostname, baseDomain));
  const served = await byHost.get(hostname, load);
  // What is not there may be at the next request, made on whichever instance.
  if (!served) byHost.forget(hostname);
  return served?.view ?? null;
}

async function findByHost(hostname: string, baseDomain: string): Promise<Account | undefined> {
  if (hostname === baseDomain) return accounts.findOne(everything, { root: true });
  if (hostname.endsWith(`.${baseDomain}`)) {
    const slug = hostname.slice(0, -baseDomain.length - 1);
    const bySlug = { slug: { $eq: slug }, root: { $ne: true } };
    return /^[a-z0-9-]+$/.test(slug) ? accounts.findOne(everything, bySlug) : undefined;
  }
  const id = await accountOfDomain(hostname);
  return id ? accounts.find(everything, id) : undefined;
}

/** What is no id may be as long as anybody likes: it is not held. */
const servedById = (id: string): Served | Promise<Served> =>
  isId('account', id) ? byId.get(id, async () => serve(await accounts.find(everything, id))) : null;

export const accountById = async (id: string): Promise<AccountView | null> => (await servedById(id))?.view ?? null;

/** The full row, seconds old at most. @throws Fault `not_found`. */
export async function accountOf(tenant: Tenant): Promise<Account> {
  const held = await servedById(tenant.id);
  if (!held) throw new Fault('not_found', 'Account not found.');
  return held.account;
}

/** What the service that tells people from programs knows this account by. */
export const challengeSecretOf = async (tenant: Tenant): Promise<string | null> =>
  accounts.reveal(await accountOf(tenant), 'challenge_secret');

export const rootAccount = async (): Promise<AccountView | null> =>
  serve(await accounts.findOne(everything, { root: true }))?.view ?? null;

/* ——— settings ——— */

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

/** What went while it was made the default is lost as if it went a moment later: a removal looks once more as well. */
async function loseGone(tenant: Tenant, patch: AccountPatch): Promise<void> {
  const { default_connection: connection, oauth_settings } = patch;
  const audience = oauth_settings?.default_audience;
  if (connection && !(await collectionNamed('connection').find(tenant, connection)))
    await loseConnection(tenant, { id: connection });
  if (audience) {
    const { find } = accounts.spec.references!['oauth_settings.default_audience'] as Required<Reference>;
    if (!(await collectionNamed('api').findOne(tenant, find(audience, tenant))))
      await loseAudience(tenant, { id: '', identifier: audience });
  }
}

/** A mask that comes back is the secret that it stands for. */
function sealedPatch<P extends AccountPatch>(id: string, { challenge_secret: secret, ...patch }: P): Omit<P, 'name'> {
  if (secret === undefined || secret === MASK) return patch as unknown as P;
  const place = sealedFields(accounts.spec).find(({ field }) => field === 'challenge_secret')!;
  return { ...patch, challenge_secret: secret && seal(secret, place.contextOf(id)) } as unknown as P;
}

export async function updateAccount(root: Root, id: string, patch: AccountPatch): Promise<Account> {
  const current = serve(await accounts.find(everything, id))?.account;
  if (!current) throw new Fault('not_found', 'Account not found.');
  checkMetadata('/metadata', patch.metadata);
  if (patch.session_settings) checkLifetimes({ ...viewOf(current).sessions, ...patch.session_settings });
  const { name, ...given } = patch;
  const rest = sealedPatch(id, given);
  const secret = rest.challenge_secret === undefined ? current.challenge_secret : rest.challenge_secret;
  checkChallenge({ ...viewOf(current).challenge, ...rest.challenge_settings }, Boolean(secret));
  await checkReferences(accounts, asTenant(viewOf(current), ''), patch);
  if (rest.default_connection === null)
    throw new Fault('protected', 'An account needs a default connection; name another one instead of none.');
  const set: Record<string, unknown> = { ...rest };
  for (const group of GROUPS) {
    delete set[group];
    for (const [setting, value] of Object.entries(rest[group] ?? {})) set[`${group}.${setting}`] = value;
  }
  // What was checked together is written together: of two changes at once the later one is judged again.
  if (!(await writeAccount(id, set, { revision: { $eq: current.revision } }))) return updateAccount(root, id, patch);
  await loseGone(asTenant(viewOf(current), ''), patch);
  // The name is searched for, so it goes through the collection, which keeps the search words.
  if (name !== undefined) {
    await accounts.update(everything, id, { name });
    await noteChange(id);
  }
  return accounts.get(everything, id);
}
