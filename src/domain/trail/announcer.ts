/** From a write to what its listeners are sent: one intent for each webhook, and for each recipient of mails. */

import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { mintId } from '../../kernel/id.ts';
import {
  addAll,
  confirm,
  confirmAll,
  isServed,
  type Prepared,
  prepared,
  release,
  withdraw,
} from '../../outbox/outbox.ts';
import { type Announcer, type News, type Outcome, PROVEN } from '../../resource/announcing.ts';
import type { Wire } from '../../resource/wire.ts';
import { eventMail, readable } from '../message/event-mail.ts';
import { webhook } from '../message/webhook.ts';
import { giveBackMails, mailable } from './event-mails.ts';
import { LIMIT_EVENT } from './events.ts';
import { type Subscription, subscriptionsOf } from './notification-subscription.ts';

type Intent = { row: Prepared; position: number; subscription: string; reworded(payload: Wire): string };

export const announcer: Announcer = {
  wants(tenant, events) {
    const wanted = (all: Subscription[]) => all.some((one) => events.some((event) => one.events.includes(event)));
    const held = subscriptionsOf(tenant);
    return held instanceof Promise ? held.then(wanted) : wanted(held);
  },

  async prepare(tenant, news) {
    const subscriptions = await subscriptionsOf(tenant);
    const { hasRoom, warnings } = await roomForMails(tenant, subscriptions, news);
    const intents = news.flatMap((one, position) => {
      const about = { event: one.event, event_id: mintId('event'), produced_at: now().toISOString() };
      return subscriptions
        .filter(({ events }) => events.includes(one.event))
        .filter(hasRoom)
        .flatMap((subscription) =>
          intentsOf(tenant, subscription, about, one).map(
            (intent): Intent => ({ ...intent, position, subscription: subscription.id }),
          ),
        );
    });
    await addAll(tenant, [...intents.map(({ row }) => row), ...warnings]);
    return async (outcome) => {
      const ids = (want: boolean) =>
        intents.flatMap(({ row, position }) => (outcome(position) === want ? [row.id] : []));
      const [made, vain] = [ids(true), ids(false)];
      if (made.length) await confirmAll(tenant, made, PROVEN);
      if (vain.length) await withdraw(tenant, vain);
      await forgetVain(tenant, subscriptions, { news, intents, outcome });
      const others = intents.flatMap(({ row, position, reworded }) => {
        const payload = outcome(position);
        return typeof payload === 'object' ? [{ id: row.id, data: reworded(payload) }] : [];
      });
      await Promise.all(others.map(({ id, data }) => confirm(tenant, id, { ref: PROVEN, data })));
      await release(tenant, [...made, ...[...others, ...warnings].map(({ id }) => id)]);
    };
  },
};

/** Of how many of these events each subscription may mail, and what its readers get where those are not all. */
async function roomForMails(tenant: Tenant, subscriptions: readonly Subscription[], news: readonly News[]) {
  const left = new Map<string, number>();
  const warnings: Prepared[] = [];
  for (const subscription of isServed('mail') ? subscriptions.filter(({ channel }) => channel === 'email') : []) {
    const wanted = news.filter(({ event }) => subscription.events.includes(event)).length;
    const { free, tell } = await mailable(tenant, subscription, wanted);
    left.set(subscription.id, free);
    if (!tell) continue;
    const about = { event: LIMIT_EVENT, event_id: mintId('event'), produced_at: now().toISOString() };
    const told = { event: LIMIT_EVENT, payload: { id: subscription.id }, proof: PROVEN };
    warnings.push(...intentsOf(tenant, subscription, about, told).map(({ row }) => row));
  }
  /** Takes one. */
  const hasRoom = ({ id, channel }: Subscription): boolean => {
    const free = left.get(id) ?? 0;
    left.set(id, free - 1);
    return channel === 'webhook' || free > 0;
  };
  return { hasRoom, warnings };
}

/** Events that did not happen count for nothing. */
async function forgetVain(
  tenant: Tenant,
  subscriptions: readonly Subscription[],
  { news, intents, outcome }: { news: readonly News[]; intents: readonly Intent[]; outcome: Outcome },
): Promise<void> {
  const vain = news.filter((_one, position) => outcome(position) === false);
  if (vain.length === 0 || !isServed('mail')) return;
  for (const { id, events } of subscriptions.filter(({ channel }) => channel === 'email')) {
    const mails = intents.filter((one) => one.subscription === id && outcome(one.position) === false).length;
    await giveBackMails(tenant, id, vain.filter(({ event }) => events.includes(event)).length, mails);
  }
}

type About = { event: string; event_id: string; produced_at: string };

function intentsOf(
  tenant: Tenant,
  subscription: Subscription,
  about: About,
  { payload, proof }: News,
): Omit<Intent, 'position' | 'subscription'>[] {
  if (subscription.channel === 'webhook') {
    const saying = (payload: Wire) => ({ ...about, payload });
    return [
      {
        row: prepared(tenant, webhook, { to: subscription.id, ref: proof, data: saying(payload) }),
        reworded: (payload) => webhook.write(saying(payload)),
      },
    ];
  }
  if (!isServed('mail')) return [];
  const produced_at = readable(about.produced_at);
  const saying = (payload: Wire) => ({
    ...about,
    produced_at,
    subscription: subscription.id,
    about: subjectOf(payload),
  });
  return (subscription.config.recipients ?? []).map((to) => ({
    row: prepared(tenant, eventMail, { to, ref: proof, data: saying(payload) }),
    reworded: (payload) => eventMail.write(saying(payload)),
  }));
}

/** What an administrator knows the thing by. */
function subjectOf(payload: Wire): string {
  const { email, username, name, user, id } = payload;
  return String([email, username, name, user, id].find((one) => typeof one === 'string' && one !== ''));
}
