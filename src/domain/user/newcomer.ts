/**
 * Users as they come to be one by one: by an administrator, a sign-up, a first login, an invitation. Besides the row that
 * is what the account has mailed to whoever is new. An import brings users who were there before, and is none of these.
 */
import { isDeepStrictEqual } from 'node:util';
import { HOUR } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintRandomId } from '../../kernel/id.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { add, release, requireChannel } from '../../outbox/outbox.ts';
import { limiter } from '../../store/limiter.ts';
import { prepareVerification } from '../link/email-verification.ts';
import { verifyEmail } from '../message/verify-email.ts';
import { welcome } from '../message/welcome.ts';
import type { Asker } from './first-proof.ts';
import { createUser, type User, type UserInput, users, type VerificationMethod } from './user.ts';

/** Of those who sign up with one address: who deletes their account can do so again, and it may be somebody else's. */
const perMailbox = limiter('arrival-mails', 10, HOUR);

export type Arrival = {
  /** Of the user, where it is known before; one that nobody can have taken. */
  id?: string;
  /** How a verified address was verified. */
  method?: VerificationMethod;
  /** With what the address is proved by the verification mail: what who signs up has set. */
  asker?: Asker;
  /** An administrator makes the user, and vouches for whatever else is set by the API until then. */
  vouched?: boolean;
  /** Hash of the cookie of the browser that the newcomer is at. */
  browser?: string;
  /** The language of the page that they came by, and the app. */
  locale?: string;
  app?: { name: string; home?: string };
};

/** @throws Fault `no_transport` where a mail would be due that cannot leave, before anything is written. */
export function requireArrivalMails({ account }: Tenant): void {
  if (account.notifications.verify_email_auto_send) requireChannel(verifyEmail);
  if (account.notifications.welcome_email_enabled) requireChannel(welcome);
}

/** Creates a user; the mails are stored ahead, so that no crash makes a user whom nobody writes to. @throws as `createUser`. */
export async function admitUser(tenant: Tenant, input: UserInput, arrival: Arrival = {}): Promise<User> {
  if (arrival.id !== undefined) return admitAs(tenant, arrival.id, input, arrival);
  try {
    return await admitAs(tenant, users.mintId(), input, arrival);
  } catch (error) {
    if (!isTakenId(error)) throw error;
    // Who imports users chooses ids, and sees which ones this process gives. Mails for a user who never came are not sent.
    return admitAs(tenant, mintRandomId('user'), input, arrival);
  }
}

const isTakenId = (error: unknown): boolean =>
  error instanceof Fault && error.code === 'conflict' && isDeepStrictEqual(error.details, { fields: ['_id'] });

async function admitAs(tenant: Tenant, id: string, input: UserInput, arrival: Arrival): Promise<User> {
  const told = await prepareMails(tenant, { ...input, id }, arrival);
  const user = await createUser(tenant, { ...input, id }, arrival.method);
  await release(tenant, told);
  return user;
}

async function prepareMails(
  tenant: Tenant,
  user: UserInput & { id: string },
  { asker, vouched, browser, locale, app }: Arrival,
): Promise<string[]> {
  const { welcome_email_enabled, verify_email_auto_send } = tenant.account.notifications;
  // What is no address is told of by whoever writes the user.
  const email = user.email ? emailAddress.canonical(user.email) : undefined;
  if (!email) return [];
  const { id } = user;
  const isStranger = asker !== undefined && !vouched && (verify_email_auto_send || welcome_email_enabled);
  if (isStranger && (await perMailbox.consume(`${tenant.id} ${email}`)) !== null) return [];
  const told =
    verify_email_auto_send && !user.email_verified
      ? await prepareVerification(tenant, { id, email }, { asker, vouched, browser, locale })
      : [];
  if (!welcome_email_enabled) return told;
  const link = app?.home ?? `${tenant.origin}/`;
  const data = { link, user: id, locale, ...(app && { app: app.name }) };
  return [...told, await add(tenant, welcome, { to: email, ref: id, data })];
}
