/**
 * Logging in by what was mailed: sends a code or a link at most once in three minutes, and turns a right one into a login.
 * Whether the address has an account shows in neither answers nor work.
 */

import { type Connection, connectionsFor } from '../domain/connection/connection.ts';
import {
  CODE_SECONDS,
  findLink,
  LINK_SECONDS,
  type Mailed,
  mintCode,
  mintLinkToken,
  mintMailedId,
  stateOf,
  storeCode,
  storeLink,
  useCode,
  useLink,
} from '../domain/link/passwordless.ts';
import { passwordlessCode } from '../domain/message/passwordless-code.ts';
import { passwordlessLink } from '../domain/message/passwordless-link.ts';
import { userOfEmail } from '../domain/user/user-of-email.ts';
import { DAY, MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networkOf } from '../kernel/network.ts';
import { emailAddress } from '../kernel/text/email.ts';
import { compared } from '../kernel/text/kind.ts';
import { add, addDecoy } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';
import { concludeLogin, type LoginPolicy, type Outcome } from './conclude-login.ts';
import { recordRefusal } from './login-record.ts';

const perEmail = limiter('passwordless-send', 1, 3 * MINUTE);
const perAddress = limiter('passwordless-address', 100, 15 * MINUTE);
/** NIST SP 800-63B §5.2.2: no more than a hundred failures in a row, however many codes are asked for. */
const perGuess = limiter('passwordless-guess', 100, DAY);

export type Start = {
  connection: Connection;
  client: { id: string; name: string };
  email: string;
  send: 'code' | 'link';
  /** Where a link goes on, as authorization parameters; and the hash of a cookie of the browser that asked. */
  params?: string;
  browser?: string;
  /** The language of the message. */
  locale: string;
  from: Origin;
};

/**
 * @returns the id of the message, or undefined where the address had one less than three minutes ago.
 * @throws Fault `too_many_requests` for a network address that asks for too many, `validation` for what is no address.
 */
export async function startPasswordless(tenant: Tenant, start: Start): Promise<string | undefined> {
  const { connection, client, send, params, browser, locale, from } = start;
  await perAddress.spend(`${tenant.id} ${networkOf(from.ip)}`);
  const email = emailAddress.typed(start.email);
  if (email === undefined) throw new Fault('validation', '"email" is not an email address.');
  if ((await perEmail.consume(`${tenant.id} ${email}`)) !== null) return undefined;

  const user = await userOfEmail(tenant, email);
  const welcome = user ? !user.suspended && !user.email_bounced_at : !connection.disable_signup;
  const id = mintMailedId();
  const code = mintCode();
  const token = mintLinkToken();
  const link = `${tenant.origin}/passwordless/verify_redirect?token=${token}`;
  const message = { to: email, ref: id };
  const about = { app: client.name, locale };
  if (!welcome) await addDecoy(tenant, send === 'code' ? passwordlessCode : passwordlessLink, email);
  else if (send === 'code')
    await add(tenant, passwordlessCode, { ...message, data: { ...about, code, expires_in: CODE_SECONDS } });
  else await add(tenant, passwordlessLink, { ...message, data: { ...about, link, expires_in: LINK_SECONDS } });
  const asked = { client: client.id, connection: connection.id, email, params, browser };
  if (send === 'code') await storeCode(tenant, id, welcome ? code : mintLinkToken(), asked);
  else await storeLink(tenant, id, welcome ? token : mintLinkToken(), asked);
  return id;
}

type CodeAttempt = { connection: Connection; client: string; email: string; code: string; from: Origin };

/** @throws Fault `wrong_code` for a code that is wrong, expired, used or of another client; `locked_out`; `user_suspended`. */
export async function redeemCode(tenant: Tenant, attempt: CodeAttempt, policy: LoginPolicy): Promise<Outcome> {
  const { connection, client, code } = attempt;
  const email = compared(emailAddress, attempt.email);
  const guess = `${tenant.id} ${email}`;
  const wait = await perGuess.consume(guess);
  const right = wait === null && (await useCode(tenant, { connection: connection.id, client, email }, code));
  if (!right) {
    await recordRefusal(tenant, attempt, wait === null ? 'wrong_code' : 'locked_out');
    throw wait === null ? new Fault('wrong_code') : new Fault('locked_out', undefined, { retryAfterSeconds: wait });
  }
  await perGuess.reset(guess);
  return login(tenant, { ...attempt, email, method: 'passwordless_code' }, policy);
}

/** @throws Fault `link_unknown`, `link_used`, `link_expired`, `user_suspended`. */
export async function redeemLink(
  tenant: Tenant,
  token: string,
  from: Origin,
  policy: LoginPolicy,
): Promise<{ outcome: Outcome; link: Mailed }> {
  const link = await openLink(tenant, token);
  const usable = await connectionsFor(tenant, link.client);
  const connection = usable.find(({ id }) => id === link.connection);
  // Turned off since it was mailed.
  if (!connection) throw new Fault('link_expired');
  if (!(await useLink(tenant, link))) throw new Fault('link_used');
  const { client, email } = link;
  const outcome = await login(tenant, { connection, client, email, from, method: 'passwordless_link' }, policy);
  return { outcome, link };
}

/** The link of a token, as long as it works. @throws as `redeemLink` */
export async function openLink(tenant: Tenant, token: string): Promise<Mailed> {
  const link = await findLink(tenant, token);
  const state = link ? stateOf(link) : 'unknown';
  if (!link || state !== 'open') throw new Fault(`link_${state as 'unknown' | 'used' | 'expired'}`);
  return link;
}

type Reader = { connection: Connection; client: string; email: string; from: Origin; method: string };

/** Whoever reads the address's mail is its user. */
function login(tenant: Tenant, { email, connection, client, from, method }: Reader, policy: LoginPolicy) {
  const identity = { email, verification: 'passwordless_otp' } as const;
  return concludeLogin(tenant, { identity, method, amr: ['otp'], connection, client, from }, policy);
}
