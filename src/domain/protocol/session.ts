/**
 * The login sessions of a user as the user sees them: which browser, about where, since when and for which apps; and the
 * access that goes on without one. Making them is the engine's, ending them session-end.ts's.
 */
import { nowSeconds } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { findProtocolByUid, latestOfUser, type ProtocolRow } from './protocol-row.ts';

/** Where a session was last used from. */
export type Seen = { ip: string | null; agent: string | null };

/** Of a stored session; times are Unix times in seconds. */
type Stored = {
  uid: string;
  loginTs?: number;
  iat?: number;
  /** When the row was last written for a use. */
  used?: number;
  /** Absent in rows from before it was kept. */
  seen?: Seen;
  amr?: string[];
  authorizations?: Record<string, { grantId?: string }>;
};

/** By the settings of now, not those of when it was written. */
export function isSessionOver(
  { account }: Tenant,
  { used, iat = 0, loginTs = 0 }: Pick<Stored, 'used' | 'iat' | 'loginTs'>,
): boolean {
  const { idle_lifetime: idle, absolute_lifetime: absolute } = account.sessions;
  const now = nowSeconds();
  return now >= (used ?? iat) + idle || now >= loginTs + absolute;
}

export type UserSession = {
  uid: string;
  since: Date;
  lastUsed: Date;
  seen?: Seen;
  /** How the login was proven (RFC 8176). */
  amr: string[];
  /** Ids of the clients that it was used for. */
  clients: string[];
};

/** What a client may go on with while nobody is there, and that is of no session that lives. */
export type UserGrant = { grant: string; client: string; since: Date };

/** Of each: more than people look through. */
const MOST = 200;

const date = (seconds: number): Date => new Date(seconds * 1000);

/**
 * Both with the latest first; of more than are told, those that last the longest.
 * @param here a session that is told in any case.
 */
export async function sessionsOf(
  tenant: Tenant,
  user: string,
  here?: string,
): Promise<{ sessions: UserSession[]; grants: UserGrant[] }> {
  const [rows, tokens] = await Promise.all([
    latestOfUser(tenant, user, 'Session', MOST),
    latestOfUser(tenant, user, 'RefreshToken', MOST),
  ]);
  if (here !== undefined && rows.length === MOST && !rows.some(({ uid }) => uid === here)) {
    const own = await findProtocolByUid(tenant, 'Session', here);
    if (own?.user === user) rows.push(own);
  }
  const stored = rows
    .map((row) => JSON.parse(row.payload) as Stored)
    .filter((session) => !isSessionOver(tenant, session));
  const within = new Set(
    stored.flatMap(({ authorizations = {} }) => Object.values(authorizations).map(({ grantId }) => grantId)),
  );
  return {
    sessions: stored.map(sessionFrom).sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime()),
    grants: [...new Map(tokens.flatMap((row) => grantFrom(row, within))).values()],
  };
}

function sessionFrom({ uid, loginTs = 0, iat = 0, used, seen, amr = [], authorizations = {} }: Stored): UserSession {
  const clients = Object.entries(authorizations).flatMap(([client, { grantId }]) => (grantId ? client : []));
  return { uid, since: date(loginTs), lastUsed: date(used ?? iat), seen, amr, clients };
}

function grantFrom({ grant, client, payload }: ProtocolRow, within: Set<string | undefined>): [string, UserGrant][] {
  if (!grant || !client || within.has(grant)) return [];
  const { iat = 0, authTime, iiat } = JSON.parse(payload) as { iat?: number; authTime?: number; iiat?: number };
  return [[grant, { grant, client, since: date(authTime ?? iiat ?? iat) }]];
}
