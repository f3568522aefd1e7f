/** Identifier + password → user, with lockout, equal answers for absent and wrong, and an audit row either way. */
import { strategyOf } from '../connections/registry.ts';
import type { Connection } from '../domain/connection/connection.ts';
import { append } from '../domain/trail/log.ts';
import { findByIdentifier, rehash } from '../domain/user/credential.ts';
import { recordLogin, type User, users } from '../domain/user/user.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networkOf } from '../kernel/network.ts';
import { isPasswordHashOutdated, type PasswordAlgorithm } from '../kernel/secrets.ts';
import { normalizeEmail } from '../kernel/text.ts';
import { limiter } from '../store/limiter.ts';

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
  algorithm: PasswordAlgorithm;
};

/**
 * @throws Fault `wrong_credentials` or `unknown_user` (one answer to the public), `locked_out` with the seconds to wait,
 *   `user_suspended` only to somebody who knows the password.
 */
export async function authenticate(tenant: Tenant, attempt: PasswordAttempt): Promise<User> {
  const { connection, identifier, password, from } = attempt;
  const strategy = strategyOf(connection.connection_type);
  if (!strategy || !('checkPassword' in strategy) || !strategy.checkPassword)
    throw new Fault('invalid_request', 'This connection takes no password.');

  const network = networkOf(from.ip);
  const address = `${tenant.id} ${network}`;
  const guess = `${tenant.id} ${connection.id} ${normalizeEmail(identifier)} ${network}`;
  // Counted before the password is looked at, so that parallel guesses cannot outrun the count.
  const wait = (await perAddress.blockedFor(address)) ?? (await perIdentifier.consume(guess));
  if (wait !== null) {
    await refused(tenant, attempt, 'locked_out');
    throw new Fault('locked_out', undefined, { retryAfterSeconds: wait });
  }

  const found = await strategy.checkPassword(() => findByIdentifier(tenant, connection.id, identifier), password);
  const user = typeof found === 'object' ? await users.find(tenant, found.user) : undefined;
  if (typeof found === 'string' || !user) {
    await perAddress.consume(address);
    await refused(tenant, attempt, found === 'wrong' ? 'wrong_password' : 'unknown_user');
    throw new Fault(found === 'wrong' ? 'wrong_credentials' : 'unknown_user');
  }
  await perIdentifier.reset(guess);
  if (user.suspended) {
    await refused(tenant, attempt, 'suspended', user.id);
    throw new Fault('user_suspended');
  }
  const { credential } = found;
  if (isPasswordHashOutdated(credential.password_hash!, attempt.algorithm))
    await rehash(tenant, credential, password, attempt.algorithm);
  await recordLogin(tenant, user.id, from);
  await append(tenant, {
    type: 'auth.login',
    status: 'success',
    user: user.id,
    client: attempt.client,
    connection: connection.id,
    data: { ip: from.ip, method: 'password' },
  });
  return user;
}

/** The audit row of a refusal; the identifier is not in it, since people type passwords into the wrong field. */
const refused = (tenant: Tenant, { client, connection, from }: PasswordAttempt, reason: string, user?: string) =>
  append(tenant, {
    type: reason === 'suspended' ? 'auth.suspended' : 'auth.login.failed',
    status: 'failed',
    user,
    client,
    connection: connection.id,
    data: { reason, ip: from.ip },
  });
