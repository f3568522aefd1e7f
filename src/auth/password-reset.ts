/**
 * A forgotten password: a link is mailed to whoever asks, and whoever follows it sets another one. Whether the address has
 * an account shows in neither answers nor work.
 */
import type { Connection } from '../domain/connection/connection.ts';
import { connections, connectionsFor, maySignUp } from '../domain/connection/connection.ts';
import { issueTicket, lookUpTicket, redeemTicket, type Ticket } from '../domain/link/ticket.ts';
import { passwordChanged } from '../domain/message/password-changed.ts';
import { resetPassword as resetMail } from '../domain/message/reset-password.ts';
import { revokeUser } from '../domain/protocol/session-end.ts';
import { append } from '../domain/trail/log.ts';
import {
  type Credential,
  createCredential,
  credentials,
  passwordChangeOf,
  passwordFields,
  replacePassword,
} from '../domain/user/credential.ts';
import { proveEmail } from '../domain/user/first-proof.ts';
import { type User, users } from '../domain/user/user.ts';
import { usersOfEmail } from '../domain/user/user-of-email.ts';
import { HOUR, MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { emailAddress } from '../kernel/text/email.ts';
import { add, addDecoy, release, requireChannel } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';
import { welcome } from './authenticate.ts';
import { passChallenge } from './challenge.ts';
import { networkLimit } from './network-limit.ts';

export const RESET_SECONDS = HOUR;

/** Whoever asks in somebody else's name only has one more link mailed, and all of them work. */
const perMailbox = limiter('reset-send', 1, 3 * MINUTE);
const perNetwork = networkLimit('reset-address', 100, 15 * MINUTE);

/** Which of an address's passwords is meant, and where whoever asks came from. */
export type ResetAsked = {
  email: string;
  /** Id or name of a connection; without it the one that the address logs in with. */
  connection?: string;
  client?: { id: string; name: string };
  /** Id of the login that was interrupted, and the hash of a cookie of the browser that it is in. */
  flow?: string;
  browser?: string;
  /** What the challenge was answered with, where the account has one. */
  challenge?: string;
  locale: string;
  from: Origin;
};

/** Without a credential it is for a first password, at the connection. */
type Details = { credential?: string; connection?: string; changed: string; client?: string; flow?: string };
/** The app that the link was asked for at, and the login there. */
export type ResetOrigin = { client?: string; flow?: string; browser?: string };

/**
 * An address has one link in three minutes; earlier ones stay good until one of them is followed.
 * @throws Fault `no_transport`, `too_many_requests`, `validation`, and as `passChallenge`.
 */
export async function startPasswordReset(tenant: Tenant, asked: ResetAsked): Promise<void> {
  const { client, flow, browser, locale, from } = asked;
  requireChannel(resetMail);
  await perNetwork.spend(tenant, from.ip);
  await passChallenge(tenant, 'password_reset', asked.challenge);
  const email = emailAddress.typed(asked.email);
  if (email === undefined) throw new Fault('validation', '"email" is not an email address.');
  if ((await perMailbox.consume(`${tenant.id} ${email}`)) !== null) return;

  const found = await resettable(tenant, email, asked);
  const about = { ...(client && { app: client.name }), locale, expires_in: RESET_SECONDS };
  await issueTicket(tenant, {
    type: 'reset_password',
    email,
    user: found?.user,
    browser,
    ...(found && {
      details: {
        credential: found.credential?.id,
        connection: found.connection,
        changed: found.credential ? passwordChangeOf(found.credential) : 'none',
        client: client?.id,
        flow,
      } satisfies Details,
    }),
    ttlSeconds: RESET_SECONDS,
    mail: (link, ref) =>
      found
        ? add(tenant, resetMail, { to: email, ref, data: { ...about, link, user: found.user } })
        : addDecoy(tenant, resetMail, email),
  });
  await append(tenant, {
    type: 'credential.reset_requested',
    status: found ? 'success' : 'skipped',
    user: found?.user,
    client: client?.id,
    connection: found?.connection,
    data: { ip: from.ip },
  });
}

/**
 * The credential that an address logs in with, of a user who has that address: what carries it first, then in the order of
 * the connections. One without a password counts: the first proof of an address may have ended the one that it had. So does
 * none, where whoever has the address could sign up: who came by an invitation or a code chooses a first password.
 */
async function resettable(
  tenant: Tenant,
  email: string,
  { connection, client }: Pick<ResetAsked, 'connection' | 'client'>,
): Promise<{ user: string; connection: string; credential?: Credential } | undefined> {
  const usable = await connectionsFor(tenant, client?.id, 'checkPassword');
  const wanted = usable.filter(
    ({ id, connection_name }) => !connection || id === connection || connection_name === connection,
  );
  const owners = (await usersOfEmail(tenant, email)).filter(({ suspended }) => !suspended);
  const known = await credentials.all(tenant, {
    user: { $in: owners.map(({ id }) => id) },
    connection: { $in: wanted.map(({ id }) => id) },
  });
  const order = (of: readonly { id: string }[], id: string) => of.findIndex((one) => one.id === id);
  const rank = (one: Credential) => [
    one.email === email ? 0 : 1,
    order(owners, one.user),
    order(wanted, one.connection),
  ];
  const [credential] = known.sort((a, b) => compare(rank(a), rank(b)));
  if (credential) return { user: credential.user, connection: credential.connection, credential };
  const [owner, open] = [owners[0], wanted.find((connection) => maySignUp(tenant, connection))];
  return owner && open && { user: owner.id, connection: open.id };
}

const compare = (a: number[], b: number[]): number =>
  a.map((one, at) => one - b[at]!).find((difference) => difference !== 0) ?? 0;

type Open = { ticket: Ticket; credential?: Credential; connection: Connection };
export type ResetLink = ({ status: 'open' } & Open) | { status: 'used' | 'expired' | 'unknown'; ticket?: Ticket };

/** What a mailed link is about, as long as it works; does nothing. */
export async function lookUpReset(tenant: Tenant, token: string): Promise<ResetLink> {
  const found = await lookUpTicket(tenant, 'reset_password', token);
  if (found.status === 'invalid') return { status: 'unknown' };
  const { ticket, status } = found;
  if (status !== 'open') return { status, ticket };
  const about = await subjectOf(tenant, ticket);
  return about === 'changed' ? { status: 'used', ticket } : about ? { status, ...about } : { status: 'unknown' };
}

/** `changed`: by another link, or by somebody who is in. */
async function subjectOf(tenant: Tenant, ticket: Ticket): Promise<Open | 'changed' | undefined> {
  const { credential: id, connection: at, changed } = (ticket.details ?? {}) as Partial<Details>;
  const held = { user: { $eq: ticket.user }, connection: { $eq: at } };
  const [credential, user] = await Promise.all([
    id ? credentials.find(tenant, id) : credentials.findOne(tenant, held),
    users.reread(tenant, ticket.user ?? ''),
  ]);
  if ((id && !credential) || !user || user.suspended || user.email !== ticket.email) return undefined;
  if (credential && passwordChangeOf(credential) !== changed) return 'changed';
  const connection = await connections.find(tenant, credential?.connection ?? at ?? '');
  const isOpen = connection?.enabled && (credential || maySignUp(tenant, connection));
  return isOpen ? { ticket, credential, connection } : undefined;
}

/** @returns where whoever followed the link came from. */
export const resetOriginOf = ({ details, browser }: Ticket): ResetOrigin => {
  const { client, flow } = (details ?? {}) as Partial<Details>;
  return { client, flow, browser };
};

/**
 * Sets the password, and ends the user's sessions and tokens. Having the link proves the address: where that is for the
 * first time, whatever else leads into the account ends as well. Of N racers one sets it.
 * @throws Fault `link_unknown`, `link_used`, `link_expired`; `password_policy`,
 *   `password_breached`, after which the link works on.
 */
export async function resetPassword(tenant: Tenant, token: string, password: string, from: Origin): Promise<Ticket> {
  const found = await lookUpReset(tenant, token);
  if (found.status !== 'open') throw new Fault(`link_${found.status}`);
  // Before the link is used up: it takes a while, and may be refused.
  const fields = await passwordFields(tenant, found.connection, password);
  const redeemed = await redeemTicket(tenant, 'reset_password', token, (ticket) =>
    set(tenant, { ...found, ticket }, fields, from),
  );
  if (redeemed.status === 'done') return redeemed.ticket;
  throw new Fault(redeemed.status === 'invalid' ? 'link_unknown' : `link_${redeemed.status}`);
}

/** The password first: what is proved afterwards has no password of somebody else any more. */
async function set(
  tenant: Tenant,
  { ticket, connection, ...found }: Open,
  fields: Awaited<ReturnType<typeof passwordFields>>,
  from: Origin,
): Promise<void> {
  const user = await users.reread(tenant, ticket.user ?? '');
  if (!user || user.suspended || user.email !== ticket.email) throw new Fault('not_found');
  const credential = found.credential ?? (await first(tenant, user, connection));
  const told = await add(tenant, passwordChanged, {
    to: ticket.email,
    ref: `${credential.id} ${fields.password_changed_at.toISOString()}`,
    data: { user: user.id },
  });
  // Before as well: killed in between, nobody stays who was in by the old one.
  await revokeUser(tenant, user.id);
  const unchanged = { password_changed_at: { $eq: credential.password_changed_at ?? null } };
  const by = { initiated_by: 'user' as const, ticket: ticket.id, ip: from.ip };
  if (!(await replacePassword(tenant, credential, fields, by, unchanged))) throw new Fault('link_used');
  await welcome(tenant, credential, from);
  await release(tenant, [told]);
  const asker = { credentials: [credential.id], identities: [] };
  const proven = await proveEmail(tenant, user.id, { email: ticket.email, method: 'password_reset', asker });
  if (proven?.first)
    await append(tenant, {
      type: 'user.email_verified',
      status: 'success',
      user: user.id,
      ticket: ticket.id,
      data: { ip: from.ip },
    });
}

/** What a first password is set at. @throws Fault `not_found` where the address is what somebody else logs in with. */
async function first(tenant: Tenant, { id, email }: User, { id: connection }: Connection): Promise<Credential> {
  try {
    return await createCredential(tenant, { user: id, connection, email: email! });
  } catch (error) {
    throw error instanceof Fault && error.code === 'conflict' ? new Fault('not_found') : error;
  }
}
