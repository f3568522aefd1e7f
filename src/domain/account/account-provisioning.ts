/** How an account comes and goes: everything that it comes with, and everything that goes with it. */
import { inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import { asTenant, type Root } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { missingReference } from '../../resource/references.ts';
import { collections } from '../../resource/registry.ts';
import { noteChange } from '../../store/changes.ts';
import { type Api, createManagementApi } from '../api/api.ts';
import { type Client, createClient } from '../client/client.ts';
import { createConnection } from '../connection/connection.ts';
import { isTaken } from '../fields.ts';
import { mintSigningKey, removeSigningKeys } from '../key/signing-key.ts';
import { removeProtocol } from '../protocol/protocol-row.ts';
import { type Account, type AccountPatch, accounts, everything, viewOf, writeAccount } from './account.ts';
import type { Pictured } from './logo.ts';
import { CANDIDATES, isReserved, isRetired, refuseReserved, retireSlug, slugOf, takenSlug } from './slug.ts';

export type NewAccount = {
  name: string;
  team?: string | null;
  logo_src?: string | null;
  icon_src?: string | null;
  callback_hostnames?: string[];
  default_connection?: string | null;
  branding?: AccountPatch['branding'];
  metadata?: Record<string, unknown>;
  /** Only the installation's own account. */
  root?: boolean;
  /** Made of the name where nobody chooses one. */
  slug?: string;
};

/** What the client is called that comes with an account. */
export const MANAGEMENT_CLIENT = 'Management client';

/** @throws Fault `conflict` for a chosen slug that another account has or had. */
async function insertAccount(input: NewAccount): Promise<Account> {
  for (let n = 1; ; n += 1) {
    const slug = input.slug ?? slugOf(input.name, n);
    if (!input.slug && isReserved(slug)) continue;
    try {
      const inserted = await accounts.create(everything, {
        ...input,
        slug,
        token_signature: mintToken(48),
        revision: 1,
        key_production: null,
        key_next: null,
        keys_published: [],
        provisioned: false,
      });
      // Asked when the slug is ours: an account that goes retires its own before it lets go of it.
      if (input.root || !(await isRetired(slug))) return inserted;
      await accounts.model.deleteOne({ _id: { $eq: inserted.id } });
      if (input.slug) throw takenSlug();
    } catch (error) {
      if (isTaken(error, 'slug') && input.slug) throw takenSlug();
      if (!isTaken(error, 'slug') || n > CANDIDATES) throw error;
    }
  }
}

/**
 * Makes an account with what it comes with: keys, its management Api, a database connection and a first machine client.
 * It is served only when all of that is there; one that a crash left half made is removed by `resumeAccounts`.
 * @param dress says which pictures it shows, once it has its slug.
 */
export async function createAccount(
  _root: Root,
  input: NewAccount,
  dress?: (inserted: Account) => Promise<Pictured>,
): Promise<{ account: Account; managementClient: Client }> {
  checkMetadata('/metadata', input.metadata);
  // An account that is not there yet has no connection that could be named.
  if (input.default_connection) missingReference('default_connection', input.default_connection);
  if (input.slug && !input.root) refuseReserved(input.slug);
  const inserted = await insertAccount(input);
  const tenant = asTenant(viewOf(inserted), '');
  const [production, next] = await Promise.all([mintSigningKey(inserted.id), mintSigningKey(inserted.id)]);
  const api = await createManagementApi(tenant);
  const connection = await createConnection(tenant, {
    connection_name: 'Username-Password-Authentication',
    connection_type: 'database',
    password_policy: { level: 'good' },
  });
  const managementClient = await createClient(tenant, {
    name: MANAGEMENT_CLIENT,
    description: 'Made with the account; manages it through the management API.',
    grant_types: ['client_credentials'],
    response_types: [],
    grants: everythingOf(api),
  });
  await writeAccount(inserted.id, {
    key_production: production,
    key_next: next,
    keys_published: [production, next],
    ...(await dress?.(inserted)),
    default_connection: connection.id,
    provisioned: true,
  });
  return { account: await accounts.get(everything, inserted.id), managementClient };
}

export const everythingOf = ({ id, permissions }: Api): Client['grants'] => [
  { api: id, scope: permissions.map(({ value }) => value) },
];

/** Stops serving the account first, then empties it, then forgets it; repeating after a crash goes on where it stopped. */
export async function removeAccount(_root: Root, id: string): Promise<Account> {
  const account = await accounts.get(everything, id);
  if (account.root) throw new Fault('protected', "The installation's own account cannot be deleted.");
  await writeAccount(id, { deleting_at: now() });
  await purge(id);
  return account;
}

async function purge(id: string): Promise<void> {
  const account = await accounts.find(everything, id);
  // One that was never served is known to nobody.
  if (account?.provisioned) await retireSlug(account.slug);
  for (const { model, spec } of collections())
    if (spec !== (accounts.spec as unknown)) await model.deleteMany({ account: { $eq: id } });
  await removeSigningKeys(id);
  await removeProtocol(id);
  await accounts.model.deleteOne({ _id: { $eq: id } });
  await noteChange(id);
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
