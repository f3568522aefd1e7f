/** Identifier + password → login, with lockout, and equal answers for absent and wrong. */
import { strategyOf } from '../connections/registry.ts';
import type { Connection } from '../domain/connection/connection.ts';
import { type Credential, findByIdentifier, isCurrent, rehash } from '../domain/user/credential.ts';
import { type User, users } from '../domain/user/user.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { checkHashingRoom } from '../kernel/secret/password.ts';
import { emailAddress } from '../kernel/text/email.ts';
import { compared } from '../kernel/text/kind.ts';
import { concludeLogin, type LoginPolicy, type Outcome } from './conclude-login.ts';
import { type Guess, guessing, lockedOut } from './guessing.ts';
import { recordRefusal } from './login-record.ts';

/** NIST SP 800-63B §5.2.2: no more than a hundred failures in a row. */
const guessPassword = guessing('login', { each: 10, network: 100, everywhere: 100 });

export type PasswordAttempt = {
  connection: Connection;
  identifier: string;
  password: string;
  client: string;
  from: Origin;
};

/**
 * @throws Fault `wrong_credentials` or `unknown_user` (one answer to the public), `locked_out` with the seconds to wait,
 *   `user_suspended` only to somebody who knows the password, `unavailable` when too many wait to have theirs looked at.
 */
export async function authenticate(tenant: Tenant, attempt: PasswordAttempt, policy: LoginPolicy): Promise<Outcome> {
  const { connection, identifier, password, client, from } = attempt;
  const { checkPassword } = strategyOf(connection.connection_type);
  if (!checkPassword) throw new Fault('invalid_request', 'This connection takes no password.');

  // A flood that is refused anyway asks the database nothing.
  await checkHashingRoom(tenant.id);
  const guess = await guessPassword(tenant, `${connection.id} ${compared(emailAddress, identifier)}`, from.ip);
  if (typeof guess === 'number') {
    await recordRefusal(tenant, attempt, 'locked_out');
    throw lockedOut(guess);
  }

  const find = () => findByIdentifier(tenant, connection.id, identifier);
  const found = await looked(guess, checkPassword(find, password, { tenant: tenant.id, whenGone: from.whenGone }));
  const user = typeof found === 'object' && 'user' in found ? await ownerOf(tenant, found) : undefined;
  if (found === 'unknown' || 'wrong' in found || !user) {
    const wrong = found !== 'unknown' && 'wrong' in found;
    await recordRefusal(tenant, attempt, wrong ? 'wrong_password' : 'unknown_user', wrong ? found.wrong : undefined);
    throw new Fault(wrong ? 'wrong_credentials' : 'unknown_user');
  }
  await guess.right();
  const proven = { identity: { user }, method: 'password', amr: ['pwd'], connection, client, from };
  const outcome = await concludeLogin(tenant, proven, policy);
  if (found.fresh) await rehash(tenant, found.credential, found.fresh);
  return outcome;
}

/**
 * Whoever has just set the password is not kept out for what others guessed at the one before: where they are they may log
 * in, and the day's guesses begin anew.
 */
export async function welcome(
  tenant: Tenant,
  { connection, email, username }: Credential,
  from: Origin,
): Promise<void> {
  const names = [email, username].filter((name) => name !== undefined && name !== null);
  await Promise.all(names.map((name) => guessPassword.welcome(tenant, `${connection} ${name}`, from.ip)));
}

/** Nobody where the password ended while it was looked at. */
async function ownerOf(tenant: Tenant, found: { user: string; credential: Credential }): Promise<User | undefined> {
  const [user, current] = await Promise.all([users.find(tenant, found.user), isCurrent(tenant, found.credential)]);
  return current ? user : undefined;
}

/** What was not looked at is no guess: whoever waited in vain must not be locked out for that. */
async function looked<T>(guess: Guess, check: Promise<T>): Promise<T> {
  try {
    return await check;
  } catch (error) {
    await guess.undone();
    throw error;
  }
}
