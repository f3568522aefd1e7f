/**
 * The life of a client that registered itself: made with a token of its own (kept as a hash), gone again when nobody
 * uses it, kept once somebody did. What it may say of itself is client-members.ts's business.
 */
import { DAY, inSeconds, now } from '../../kernel/clock.ts';
import { asTenant, type Tenant } from '../../kernel/context.ts';
import { hashToken, mintToken } from '../../kernel/secret/random.ts';
import { noteChange } from '../../store/changes.ts';
import { accountById } from '../account/account.ts';
import { type Client, type ClientInput, clients, createClient, isDocumentId, removeClient } from './client.ts';

/** Anybody may register; what nobody logged in through within this time is not worth keeping. */
const UNUSED_SECONDS = 30 * DAY;
const BATCH = 200;

/** @returns the client with the token that manages it, which is shown this once. */
export async function createRegistered(tenant: Tenant, input: ClientInput): Promise<{ client: Client; token: string }> {
  const token = mintToken();
  const client = await createClient(tenant, {
    ...input,
    // A stranger: users are asked, and no Api is open to it as a machine unless an administrator says so.
    is_first_party: false,
    is_verified: false,
    grants: [],
    registration: { source: 'dynamic', expires_at: inSeconds(UNUSED_SECONDS) },
    registration_token: hashToken(token),
  });
  return { client, token };
}

/** The client that its own token manages; a wrong token, an unknown client and another tenant's are alike. */
export async function findRegistered(tenant: Tenant, id: string, token: string): Promise<Client | undefined> {
  const client = await clients.find(tenant, id);
  return client?.registration_token === hashToken(token) && !isExpired(client) ? client : undefined;
}

/**
 * Whether somebody of the account vouches for it: at the client, or by naming the host that it publishes its document at.
 * Rows from before `is_verified` are judged by how they came to be.
 */
export const isVerified = ({ account }: Tenant, { id, is_first_party, is_verified, registration }: Client): boolean => {
  if (is_first_party) return true;
  if (isDocumentId(id)) return account.oauth.client_id_metadata_hosts.includes(new URL(id).hostname);
  return is_verified ?? registration === undefined;
};

/** Expiry is checked when a client is read; the reaper comes later. */
export const isExpired = ({ registration }: Client): boolean =>
  registration?.expires_at != null && registration.expires_at <= now();

/** Somebody logged in through it: it stays. One write in a client's life. */
export async function markClientUsed(tenant: Tenant, id: string): Promise<void> {
  await clients.model.updateOne(
    { _id: { $eq: id }, account: { $eq: tenant.id }, 'registration.expires_at': { $gt: now() } },
    { $set: { 'registration.expires_at': null } },
  );
  await noteChange(tenant.id);
}

/** Removes clients that registered and were never used. @returns how many. */
export async function reapUnusedClients(): Promise<number> {
  let reaped = 0;
  for (;;) {
    const due = await clients.model
      .find({ 'registration.expires_at': { $lte: now() } }, { account: 1 })
      .limit(BATCH)
      .lean<{ _id: string; account: string }[]>();
    const before = reaped;
    for (const { _id, account } of due) {
      const view = await accountById(account);
      // An account that is going takes its clients along.
      if (!view) continue;
      await removeClient(asTenant(view, ''), _id);
      reaped += 1;
    }
    if (due.length < BATCH || reaped === before) return reaped;
  }
}
