/** Identifier + password → login, with lockout, and equal answers for absent and wrong. */
import { strategyOf } from '../connections/registry.ts';
import type { Connection } from '../domain/connection/connection.ts';
import { findByIdentifier, rehash } from '../domain/user/credential.ts';
import { users } from '../domain/user/user.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networkOf } from '../kernel/network.ts';
import { isPasswordHashOutdated, type PasswordAlgorithm } from '../kernel/secret/password.ts';
import { normalizeEmail } from '../kernel/text.ts';
import { limiter } from '../store/limiter.ts';
import { concludeLogin, type LoginPolicy, type Outcome } from './conclude-login.ts';
import { recordRefusal } from './login-record.ts';

/** How many guesses are free before one has to wait: for one identifier from one address, and from one address at all. */
const LOCKOUT_SECONDS = 15 * MINUTE;
const perIdentifier = limiter('login-identifier', 10, LOCKOUT_SECONDS);
const perAddress = limiter('login-address', 100, LOCKOUT_SECONDS);

export type PasswordAttempt = {
  connection: Connection;
  identifier: string;
  password: string;
  client: string;
  from: Origin;
};
export type PasswordPolicy = LoginPolicy & { passwordHash: PasswordAlgorithm };

/**
 * @throws Fault `wrong_credentials` or `unknown_user` (one answer to the public), `locked_out` with the seconds to wait,
 *   `user_suspended` only to somebody who knows the password.
 */
export async function authenticate(tenant: Tenant, attempt: PasswordAttempt, policy: PasswordPolicy): Promise<Outcome> {
  const { connection, identifier, password, client, from } = attempt;
  const { checkPassword } = strategyOf(connection.connection_type);
  if (!checkPassword) throw new Fault('invalid_request', 'This connection takes no password.');

  const network = networkOf(from.ip);
  const address = `${tenant.id} ${network}`;
  const guess = `${tenant.id} ${connection.id} ${normalizeEmail(identifier)} ${network}`;
  // Counted before the password is looked at, so that parallel guesses cannot outrun the count.
  const wait = (await perAddress.blockedFor(address)) ?? (await perIdentifier.consume(guess));
  if (wait !== null) {
    await recordRefusal(tenant, attempt, 'locked_out');
    throw new Fault('locked_out', undefined, { retryAfterSeconds: wait });
  }

  const find = () => findByIdentifier(tenant, connection.id, identifier);
  const found = await checkPassword(find, password, policy.passwordHash);
  const user = typeof found === 'object' ? await users.find(tenant, found.user) : undefined;
  if (typeof found === 'string' || !user) {
    await perAddress.consume(address);
    await recordRefusal(tenant, attempt, found === 'wrong' ? 'wrong_password' : 'unknown_user');
    throw new Fault(found === 'wrong' ? 'wrong_credentials' : 'unknown_user');
  }
  await perIdentifier.reset(guess);
  const proven = { identity: { user }, method: 'password', amr: ['pwd'], connection, client, from };
  const outcome = await concludeLogin(tenant, proven, policy);
  const { credential } = found;
  if (isPasswordHashOutdated(credential.password_hash!, policy.passwordHash))
    await rehash(tenant, credential, password, policy.passwordHash);
  return outcome;
}
