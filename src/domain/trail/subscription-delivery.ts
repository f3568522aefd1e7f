/** Trying a subscription by hand: an event that is none, and a message that did not arrive once more. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { HOUR, MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintId } from '../../kernel/id.ts';
import { add, release, resend } from '../../outbox/outbox.ts';
import { PROVEN } from '../../resource/announcing.ts';
import { limiter } from '../../store/limiter.ts';
import { eventMail, readable } from '../message/event-mail.ts';
import { webhook } from '../message/webhook.ts';
import { mailsLeft } from './event-mails.ts';
import { TEST_EVENT, testPayload } from './events.ts';
import { notificationSubscriptions, type Subscription } from './notification-subscription.ts';

/** Of one subscription: what is tried by hand is tried a few times; and of an account, what is sent once more. */
const perSubscription = limiter('subscription-test', 10, MINUTE);
const perAccount = limiter('subscription-redelivery', 600, HOUR);

/** @returns the ids of the messages, by which the log tells how they fared. */
async function sendTest(tenant: Tenant, { id, channel, config }: Subscription): Promise<string[]> {
  const about = { event: TEST_EVENT, event_id: mintId('event'), produced_at: now().toISOString() };
  const ids =
    channel === 'webhook'
      ? [await add(tenant, webhook, { to: id, ref: PROVEN, data: { ...about, payload: testPayload(id) } })]
      : await Promise.all(
          (config.recipients ?? []).map((to) =>
            add(tenant, eventMail, {
              to,
              ref: PROVEN,
              data: { ...about, produced_at: readable(about.produced_at), subscription: id, about: id },
            }),
          ),
        );
  await release(tenant, ids);
  return ids;
}

const describe = { tags: ['notificationsubscription'], security: [{ bearerAuth: [] }] };
const params = Type.Object({ notificationsubscription_id: Type.String({ maxLength: 100 }) });
const config = { access: { permission: 'update:notificationsubscriptions' } };

export function mount(app: FastifyInstance): void {
  app.post(
    '/notificationsubscription/:notificationsubscription_id/test',
    {
      config,
      schema: {
        ...describe,
        params,
        operationId: 'notificationsubscription/test',
        summary: 'Send a test event',
        description: `An addition to the contract. Sends the event \`${TEST_EVENT}\`, to one that is not active too, and once: it is not tried again. The log has how it went, by the id in \`data.message\`. Ten a minute for each subscription.`,
        response: { 202: Type.Object({ messages: Type.Array(Type.String(), { description: 'Ids of what is sent' }) }) },
      },
    },
    async (request, reply) => {
      const { tenant } = request;
      const { notificationsubscription_id: id } = request.params as { notificationsubscription_id: string };
      const subscription = await notificationSubscriptions.get(tenant, id);
      await perSubscription.spend(`${tenant.id} ${id}`);
      const mails = subscription.config.recipients?.length ?? 0;
      if (mails > 0 && (await mailsLeft(tenant, id, mails)) < mails)
        throw new Fault('too_many_requests', undefined, { retryAfterSeconds: HOUR });
      const messages = await sendTest(tenant, subscription);
      await request.audit({ type: 'admin.notificationsubscription.tested', subject: id });
      return reply.code(202).send({ messages });
    },
  );

  app.post(
    '/notificationsubscription/:notificationsubscription_id/redeliver',
    {
      config,
      schema: {
        ...describe,
        params,
        operationId: 'notificationsubscription/redeliver',
        summary: 'Send a message to a webhook once more',
        description:
          'An addition to the contract. The message is the `data.message` of its row in the log, and the `X-Cardea-Delivery` that the webhook sees; it keeps both, and is tried as often as at first. Messages are kept for eight days.',
        body: Type.Object({ message: Type.String({ maxLength: 100 }) }, { additionalProperties: false }),
        response: { 202: Type.Object({ messages: Type.Array(Type.String()) }) },
      },
    },
    async (request, reply) => {
      const { tenant } = request;
      const { notificationsubscription_id: id } = request.params as { notificationsubscription_id: string };
      const { message } = request.body as { message: string };
      await notificationSubscriptions.get(tenant, id);
      await perAccount.spend(tenant.id);
      if (!(await resend(tenant, message, id)))
        throw new Fault('not_found', 'There is no such message of this subscription that could be sent once more.');
      await request.audit({ type: 'admin.notificationsubscription.redelivered', subject: id });
      return reply.code(202).send({ messages: [message] });
    },
  );
}
