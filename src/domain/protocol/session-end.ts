/**
 * The end of a login session: what was granted within it ends with it, and the relying parties that took part are told
 * by a logout token (OpenID Connect Back-Channel Logout 1.0). Making and sending the tokens is the outbox's business;
 * telling them through the browser is the logout page's.
 */

import type { Tenant } from '../../kernel/context.ts';
import { add, release } from '../../outbox/outbox.ts';
import { type Client, clients, isDocumentId } from '../client/client.ts';
import { voidEmailChanges } from '../link/pending-change.ts';
import { backchannelLogout } from '../message/backchannel-logout.ts';
import { revokeDevicesOf, revokeDevicesOfSession } from './device-code.ts';
import {
  findProtocol,
  findProtocolByUid,
  isKept,
  type Kept,
  type ProtocolRow,
  protocolOfUser,
  removeBoundGrants,
  removeProtocolOfUser,
  removeProtocolRow,
  revokeGrant,
} from './protocol-row.ts';

/** What a session holds for one client: `sid` names the session to it and to nobody else. */
type Authorization = { sid?: string; grantId?: string; persistsLogout?: boolean };

export type EndingSession = {
  uid: string;
  user?: string;
  /** By client id. */
  authorizations: Record<string, Authorization>;
  /** The issuer that the clients know; default the tenant's. */
  origin?: string;
};

/**
 * Ends a session. What was granted within it ends too, offline access excepted (OIDC Core §11): for the clients it was
 * used at, and for the devices that were let in from it.
 * @param destroy removes the session itself.
 */
export async function endSession(tenant: Tenant, session: EndingSession, destroy: () => Promise<void>): Promise<void> {
  const told = await announce(tenant, [session]);
  for (const { grantId, persistsLogout } of Object.values(session.authorizations))
    if (grantId && !persistsLogout) await revokeGrant(tenant, grantId);
  await revokeDevicesOfSession(tenant, session.uid);
  await removeBoundGrants(tenant, session.uid);
  await destroy();
  await release(tenant, told);
}

/**
 * Ends one session of a user because they want that device out: offline access that was given in it ends as well.
 * @returns whether this call ended it.
 */
export async function endSessionOf(tenant: Tenant, user: string, uid: string): Promise<boolean> {
  const row = await findProtocolByUid(tenant, 'Session', uid);
  if (row?.user !== user) return false;
  const session = sessionOf(row);
  const told = await announce(tenant, [session]);
  for (const { grantId } of Object.values(session.authorizations)) if (grantId) await revokeGrant(tenant, grantId);
  await revokeDevicesOfSession(tenant, uid, { evenOffline: true });
  await removeBoundGrants(tenant, uid);
  const ended = await removeProtocolRow(tenant, row._id);
  const grants = Object.values(session.authorizations).map(({ grantId }) => grantId);
  await voidEmailChanges(tenant, user, (by) => by.session === uid || (by.grant && grants.includes(by.grant)) || false);
  await release(tenant, told);
  return ended;
}

/**
 * Ends access that outlived its session, or never had one: a device's, a program's.
 * @returns whether this call ended it.
 */
export async function endGrantOf(tenant: Tenant, user: string, grant: string): Promise<boolean> {
  const row = await findProtocol(tenant, { kind: 'Grant', token: grant });
  if (row?.user !== user) return false;
  const told = await announce(tenant, [], [row]);
  const ended = await revokeGrant(tenant, grant);
  await voidEmailChanges(tenant, user, (by) => by.grant === grant);
  await release(tenant, told);
  return ended;
}

/** What of a user's goes on while all else ends: a session, or the one that a grant was given in; with what was granted there. */
export type Spared = { session?: string; grant?: string };

/** Ends a user's sessions, logins under way, grants, codes and refresh tokens in the account, and a change of address asked for by those. */
export async function revokeUser(tenant: Tenant, user: string, spared: Spared = {}): Promise<void> {
  const all = await protocolOfUser(tenant, user, ['Session', 'Grant']);
  const kept = keptWith(all, spared);
  const rows = all.filter((row) => !isKept(tenant, row, kept));
  const sessions = rows.filter(({ kind }) => kind === 'Session').map(sessionOf);
  const told = await announce(tenant, sessions, rows);
  await removeProtocolOfUser(tenant, user, kept);
  await revokeDevicesOf(tenant, user);
  const goesOn = ({ session, grant }: Spared) =>
    (session && session === kept.session) || (grant && kept.grants.includes(grant));
  await voidEmailChanges(tenant, user, (by) => !goesOn(by));
  await release(tenant, told);
}

function keptWith(rows: readonly ProtocolRow[], { session: uid, grant }: Spared): Kept {
  if (uid === undefined && grant === undefined) return { grants: [] };
  const sessions = rows.filter(({ kind }) => kind === 'Session').map(sessionOf);
  const grantsOf = ({ authorizations }: EndingSession) =>
    Object.values(authorizations).flatMap(({ grantId }) => grantId ?? []);
  const session = sessions.find((one) => one.uid === uid || (grant !== undefined && grantsOf(one).includes(grant)));
  return { session: session?.uid, grants: session ? grantsOf(session) : [grant ?? []].flat() };
}

/** A stored session: the engine's own field names. */
function sessionOf(row: ProtocolRow): EndingSession {
  const { authorizations = {} } = JSON.parse(row.payload) as Partial<EndingSession>;
  return { uid: row.uid ?? '', user: row.user, authorizations, origin: row.origin };
}

/**
 * Stores, before anything ends, who will have to be told.
 * @param grants of the user: a client that holds one, but took part in none of the sessions, is told about the user as a
 *   whole (§2.4: `sub` without `sid`), unless it asked for `sid`.
 * @returns the intents, to be released when it has ended.
 */
async function announce(
  tenant: Tenant,
  sessions: readonly EndingSession[],
  grants: readonly ProtocolRow[] = [],
): Promise<string[]> {
  const within = sessions.flatMap(({ uid, user, origin, authorizations }) =>
    Object.entries(authorizations)
      // Without one the client never got past the start of a login.
      .filter(([, { sid }]) => sid)
      .map(([client, { sid }]) => ({ client, origin, sub: user, sid, ref: uid })),
  );
  const seen = new Set(within.map(({ client }) => client));
  const besides = grants.flatMap(({ _id, kind, client, user, origin }) => {
    if (kind !== 'Grant' || !client || seen.has(client)) return [];
    seen.add(client);
    return [{ client, origin, sub: user, sid: undefined, ref: _id }];
  });
  const known = await clients.many(tenant, [...seen]);
  const told: string[] = [];
  for (const { client: to, origin, sub, sid, ref } of [...within, ...besides]) {
    if (!sub || !(isDocumentId(to) || wantsToKnow(known.get(to), { sid }))) continue;
    told.push(await add(tenant, backchannelLogout, { to, ref, data: { sub, sid }, ...(origin && { origin }) }));
  }
  return told;
}

/** Whether a client has an address for logout tokens, and takes one like this. */
export const wantsToKnow = (client: Client | undefined, { sid }: { sid?: string }): client is Client =>
  Boolean(client?.backchannel_logout_uri && (sid || !client.backchannel_logout_session_required));
