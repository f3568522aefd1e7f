/**
 * Signing up: a stranger makes an account with a password of their own, at a connection that lets them. One who is in by
 * that is let in by conclude-login, as everybody; whether an address has an account is the door's to tell, or to mail.
 */
import { type Connection, maySignUp } from '../domain/connection/connection.ts';
import { accountExists } from '../domain/message/account-exists.ts';
import { append, appendRefusal } from '../domain/trail/log.ts';
import { admitWithLogin } from '../domain/user/claim.ts';
import { credentials, passwordFields } from '../domain/user/credential.ts';
import { requireArrivalMails } from '../domain/user/newcomer.ts';
import { checkRules } from '../domain/user/password-policy.ts';
import { type User, type UserInput, users } from '../domain/user/user.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networkOf } from '../kernel/network.ts';
import { emailAddress } from '../kernel/text/email.ts';
import type { TextKind } from '../kernel/text/kind.ts';
import { username as usernames } from '../kernel/text/username.ts';
import { add, release, requireChannel } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';
import { passChallenge } from './challenge.ts';
import { networkLimit } from './network-limit.ts';

const perNetwork = networkLimit('sign-up-address', 100, 15 * MINUTE);
/** With one address from one network: nobody keeps its owner from signing up elsewhere. */
const perAddress = limiter('sign-up', 10, 15 * MINUTE);
/** Whoever tries somebody else's address only has one more mail sent to its owner. */
const perMailbox = limiter('sign-up-told', 1, 3 * MINUTE);

export type SignUp = {
  connection: Connection;
  /** `home` is where the app begins; nobody vouches for the name and home of a client that has neither. */
  client: { id: string; name?: string; home?: string };
  email: string;
  username?: string;
  password: string;
  profile?: Pick<UserInput, 'name' | 'given_name' | 'family_name' | 'user_metadata'>;
  /** Hash of a cookie of the browser that it is in, and the language of its page. */
  browser?: string;
  /** What the challenge was answered with, where the account has one. */
  challenge?: string;
  locale: string;
  from: Origin;
};

/**
 * Of several with one address at once one has the account, and the others leave nothing.
 * @throws Fault `signup_disabled`; `validation`, `password_policy`, `password_breached`; `email_taken`, `username_taken`; `too_many_requests`;
 *   `no_transport` where the account mails new users and cannot; `unavailable`; and as `passChallenge`.
 */
export async function signUp(tenant: Tenant, asked: SignUp): Promise<User> {
  const { connection, client, from } = asked;
  try {
    const user = await make(tenant, asked);
    const data = { ip: from.ip };
    await append(tenant, {
      type: 'auth.signup',
      status: 'success',
      user: user.id,
      client: client.id,
      connection: connection.id,
      data,
    });
    return user;
  } catch (error) {
    if (error instanceof Fault && REFUSALS.has(error.code))
      await appendRefusal(tenant, {
        type: 'auth.signup.failed',
        client: client.id,
        connection: connection.id,
        reason: error.code,
        ip: from.ip,
      });
    throw error;
  }
}

/** Those that an administrator wants to know of. */
const REFUSALS: ReadonlySet<string> = new Set([
  'signup_disabled',
  'email_taken',
  'username_taken',
  'too_many_requests',
]);

async function make(tenant: Tenant, asked: SignUp): Promise<User> {
  const { connection, client, password, profile, browser, locale, from } = asked;
  if (!maySignUp(tenant, connection)) throw new Fault('signup_disabled');
  requireArrivalMails(tenant);
  const { email, username } = identifiersOf(asked);
  checkRules(connection.password_policy, password);
  // Counted before anything is looked at, or costs the time that a password takes.
  await perNetwork.spend(tenant, from.ip);
  await perAddress.spend(`${tenant.id} ${connection.id} ${email} ${networkOf(from.ip)}`);
  await passChallenge(tenant, 'sign_up', asked.challenge);
  // First of all: with a username that is taken nobody finds out about an address, and leaves no account by that.
  if (username !== undefined && (await isUsernameTaken(tenant, connection, username)))
    throw new Fault('username_taken');
  const fields = await passwordFields(tenant, connection, password);
  if (await users.exists(tenant, { email: { $eq: email } })) throw new Fault('email_taken');

  const named = username === undefined ? { email } : { email, username };
  return admitWithLogin(
    tenant,
    { ...profile, ...named },
    { connection: connection.id, ...named, ...fields },
    { browser, locale, app: client.name === undefined ? undefined : { name: client.name, home: client.home } },
  );
}

const isUsernameTaken = (tenant: Tenant, { id }: Connection, username: string): Promise<boolean> =>
  credentials.exists(tenant, { connection: { $eq: id }, username: { $eq: username } });

function identifiersOf({ connection, ...asked }: SignUp): { email: string; username?: string } {
  const email = judged(emailAddress, asked.email, '/email');
  if (asked.username) return { email, username: judged(usernames, asked.username, '/username') };
  if (connection.requires_username) refuse('/username', 'is required');
  return { email };
}

/** As people type it. */
const judged = (kind: TextKind, text: string, path: string): string =>
  kind.typed(text) ?? refuse(path, `is not ${kind.what}`);

function refuse(path: string, message: string): never {
  throw new Fault('validation', `"${path.slice(1)}" ${message}.`, { details: [{ path, message }] });
}

/**
 * Mails whoever has an account with an address that it has one: for doors that do not tell. An address has one such mail
 * in three minutes.
 * @param links where somebody logs in, and where somebody who cannot asks for another password.
 */
export async function tellOwner(
  tenant: Tenant,
  { connection, client, locale, ...asked }: SignUp,
  links: { link: string; reset_link: string },
): Promise<void> {
  requireChannel(accountExists);
  const email = judged(emailAddress, asked.email, '/email');
  if ((await perMailbox.consume(`${tenant.id} ${email}`)) !== null) return;
  const owner =
    (await users.findOne(tenant, { email: { $eq: email } }))?.id ??
    (await credentials.findOne(tenant, { connection: { $eq: connection.id }, email: { $eq: email } }))?.user;
  if (!owner) return;
  const data = { ...links, user: owner, locale, ...(client.name !== undefined && { app: client.name }) };
  await release(tenant, [await add(tenant, accountExists, { to: email, ref: owner, data })]);
}
