/**
 * Logging in by what was mailed: sends a code and a link at most once in three minutes, and turns a right one into a login.
 * Whether the address has an account shows in neither answers nor work.
 */

import { type Connection, connectionsFor, maySignUp } from '../domain/connection/connection.ts';
import {
  CODE_SECONDS,
  findLink,
  LINK_SECONDS,
  type Mailed,
  mintCode,
  mintLinkToken,
  mintMailedId,
  openCode,
  stateOf,
  storeCode,
  storeLink,
  useCode,
  useLink,
} from '../domain/link/passwordless.ts';
import { passwordlessCode } from '../domain/message/passwordless-code.ts';
import { passwordlessLink } from '../domain/message/passwordless-link.ts';
import { userOfEmail } from '../domain/user/user-of-email.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Origin, Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networkOf } from '../kernel/network.ts';
import { emailAddress } from '../kernel/text/email.ts';
import { compared } from '../kernel/text/kind.ts';
import { add, addDecoy, release, requireChannel } from '../outbox/outbox.ts';
import { limiter } from '../store/limiter.ts';
import { passChallenge } from './challenge.ts';
import { concludeLogin, type LoginPolicy, type Outcome } from './conclude-login.ts';
import { guessing, lockedOut } from './guessing.ts';
import { recordRefusal } from './login-record.ts';
import { networkLimit } from './network-limit.ts';

/** By client, address and kind: whoever asks at one client, or for links, takes no code from those who ask for that. */
const perMailbox = limiter('passwordless-send', 1, 3 * MINUTE);
/** All clients of an account together, for one who asks in somebody else's name. */
const perAsker = limiter('passwordless-asker', 5, 15 * MINUTE);
const perNetwork = networkLimit('passwordless-address', 100, 15 * MINUTE);
/** NIST SP 800-63B §5.2.2: no more than a hundred failures in a row, however many codes are asked for. */
const guessCode = guessing('passwordless', { each: 25, network: 100, everywhere: 100 });
const perCode = limiter('passwordless-code', 5, CODE_SECONDS);

/** What a link may go on with at /authorize. */
export const LINK_PARAMETERS: readonly string[] = [
  'scope',
  'state',
  'nonce',
  'redirect_uri',
  'response_mode',
  'code_challenge',
  'code_challenge_method',
  'audience',
  'resource',
  'ui_locales',
];

export type Start = {
  connection: Connection;
  client: { id: string; name: string };
  email: string;
  send: 'code' | 'link';
  /** Where a link goes on, as authorization parameters; and the hash of a cookie of the browser that asked. */
  params?: string;
  browser?: string;
  /** What the challenge was answered with, where the account has one. */
  challenge?: string;
  /** The language of the message. */
  locale: string;
  from: Origin;
};

/**
 * @returns the id of the message, or undefined where the address had such a one of this client less than three minutes ago, or
 *   five of whoever asks in a quarter of an hour.
 * @throws Fault `too_many_requests` for a network address that asks for too many, `validation` for what is no address,
 *   `no_transport` where no mail can leave, which counts for nothing, and as `passChallenge`.
 */
export async function startPasswordless(tenant: Tenant, start: Start): Promise<string | undefined> {
  const { connection, client, send, params, browser, locale, from } = start;
  requireChannel(send === 'code' ? passwordlessCode : passwordlessLink);
  await perNetwork.spend(tenant, from.ip);
  await passChallenge(tenant, 'passwordless', start.challenge);
  const email = emailAddress.typed(start.email);
  if (email === undefined) throw new Fault('validation', '"email" is not an email address.');
  const mailbox = `${tenant.id} ${connection.id} ${client.id} ${send} ${email}`;
  if ((await perMailbox.consume(mailbox)) !== null) return undefined;
  if ((await perAsker.consume(`${tenant.id} ${email} ${networkOf(from.ip)}`)) !== null) {
    // Nothing is sent: the owner may ask.
    await perMailbox.giveBack(mailbox);
    return undefined;
  }

  const user = await userOfEmail(tenant, email);
  const welcome = user ? !user.suspended && !user.email_bounced_at : maySignUp(tenant, connection);
  const id = mintMailedId();
  const code = mintCode();
  const token = mintLinkToken();
  const link = `${tenant.origin}/passwordless/verify_redirect?token=${token}`;
  const message = { to: email, ref: id };
  const about = { app: client.name, locale };
  const added = !welcome
    ? await addDecoy(tenant, send === 'code' ? passwordlessCode : passwordlessLink, email)
    : send === 'code'
      ? await add(tenant, passwordlessCode, { ...message, data: { ...about, code, expires_in: CODE_SECONDS } })
      : await add(tenant, passwordlessLink, { ...message, data: { ...about, link, expires_in: LINK_SECONDS } });
  const asked = { client: client.id, connection: connection.id, email, params, browser };
  if (send === 'code') await storeCode(tenant, id, welcome ? code : mintLinkToken(), asked);
  else await storeLink(tenant, id, welcome ? token : mintLinkToken(), asked);
  await release(tenant, [added]);
  return id;
}

type CodeAttempt = { connection: Connection; client: string; email: string; code: string; from: Origin };

/**
 * Nothing is counted where there is no code to guess: blind guesses would only keep the owner out.
 * @throws Fault `wrong_code` for a code that is wrong, expired, used or of another client; `locked_out`; `user_suspended`.
 */
export async function redeemCode(tenant: Tenant, attempt: CodeAttempt, policy: LoginPolicy): Promise<Outcome> {
  const { connection, client, code, from } = attempt;
  const email = compared(emailAddress, attempt.email);
  const refuse = async (fault: Fault): Promise<never> => {
    await recordRefusal(tenant, attempt, fault.code as 'wrong_code' | 'locked_out');
    throw fault;
  };
  const open = await openCode(tenant, { client, connection: connection.id, email });
  if (!open) return refuse(new Fault('wrong_code'));
  const guess = await guessCode(tenant, `${connection.id} ${client} ${email}`, from.ip);
  if (typeof guess === 'number') return refuse(lockedOut(guess));
  const tried = await perCode.consume(`${open.id} ${networkOf(from.ip)}`);
  if (tried !== null || !(await useCode(tenant, open, code, await guess.known())))
    return refuse(new Fault('wrong_code'));
  await guess.right();
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
