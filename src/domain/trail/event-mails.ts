/**
 * How many mails about events leave: a subscription is no cannon. What is too much in an hour is left out, which the readers
 * are told once, and the log; webhooks hear of everything.
 */
import { HOUR } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { limiter } from '../../store/limiter.ts';
import { append } from './log.ts';
import type { Subscription } from './notification-subscription.ts';

/** Events that one subscription mails of, and mails about events that an account has sent, in an hour. */
const EVENTS = 60;
const MAILS = 3000;

const perSubscription = limiter('event-mails', EVENTS, HOUR);
const perAccount = limiter('event-mails-account', MAILS, HOUR);

/** @returns of how many of these events the subscription may mail, and whether its readers are to be told of the rest. */
export async function mailable(
  tenant: Tenant,
  { id, config }: Pick<Subscription, 'id' | 'config'>,
  events: number,
): Promise<{ free: number; tell: boolean }> {
  const recipients = config.recipients?.length ?? 0;
  if (recipients === 0 || events === 0) return { free: 0, tell: false };
  const ofIts = await perSubscription.take(`${tenant.id} ${id}`, events);
  if (ofIts.isFirstOver) await left(tenant, { subscription: id, limit: EVENTS, of: 'events of the subscription' });
  if (ofIts.free === 0) return { free: 0, tell: ofIts.isFirstOver };
  const mails = await mailsLeft(tenant, id, ofIts.free * recipients);
  return { free: Math.floor(mails / recipients), tell: ofIts.isFirstOver };
}

/** What was counted for events that did not happen after all: who asks in vain silences nobody. */
export async function giveBackMails(
  tenant: Tenant,
  subscription: string,
  events: number,
  mails: number,
): Promise<void> {
  if (events) await perSubscription.giveBack(`${tenant.id} ${subscription}`, events);
  if (mails) await perAccount.giveBack(tenant.id, mails);
}

/** @returns how many of these mails the account may have sent. */
export async function mailsLeft(tenant: Tenant, subscription: string, mails: number): Promise<number> {
  const { free, isFirstOver } = await perAccount.take(tenant.id, mails);
  if (isFirstOver) await left(tenant, { subscription, limit: MAILS, of: 'mails of the account' });
  return free;
}

const left = (tenant: Tenant, data: Record<string, unknown>): Promise<void> =>
  append(tenant, {
    type: 'email.event_limit',
    status: 'skipped',
    message: 'Too many events in an hour: the rest of them is not mailed. The log has them all.',
    data,
  });
