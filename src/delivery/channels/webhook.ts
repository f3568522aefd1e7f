/** The channel of webhooks: signs what happened with the secret that the subscription has now, and posts it there. */
import { createHmac } from 'node:crypto';
import { TEST_EVENT } from '../../domain/trail/events.ts';
import { webhookFor } from '../../domain/trail/notification-subscription.ts';
import { nowSeconds } from '../../kernel/clock.ts';
import { type Channel, refusal } from '../channel.ts';
import { type Post, reached } from '../post.ts';

export type WebhookParts = { post: Post };

/** What a receiver answers for whom it wants nothing more of the kind. */
const GONE = 410;

export function webhook({ post }: WebhookParts): Channel<'webhook'> {
  return {
    name: 'webhook',

    async send(tenant, { id, to, data }) {
      const { event, event_id, produced_at, payload } = data;
      const target = await webhookFor(tenant, to, event);
      if (!target) return 'skipped';
      const json = JSON.stringify({ id: event_id, type: event, produced_at, payload });
      const timestamp = String(nowSeconds());
      const signature = createHmac('sha256', target.secret).update(`${timestamp}.${json}`).digest('hex');
      const headers = {
        'X-Cardea-Event': event,
        'X-Cardea-Delivery': id,
        'X-Cardea-Timestamp': timestamp,
        'X-Cardea-Signature': `sha256=${signature}`,
      };
      const once = event === TEST_EVENT;
      const status = await reached(post(target.url, { json, headers }), { final: once });
      if (status >= 200 && status < 300) return 'sent';
      throw refusal(`answered ${status}`, { final: once || status === GONE });
    },

    audit: ({ to, data }) => ({ type: `webhook.${data.event}`, data: { subscription: to, event: data.event_id } }),
  };
}
