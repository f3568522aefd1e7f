/**
 * What Postmark says later of a mail: that there is no such mailbox, or that its owner complained. The address is marked
 * at the users of the account that wrote to it, and of no other.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { asTenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { sameSecret } from '../../kernel/secret/random.ts';
import { outbox } from '../../outbox/outbox.ts';
import { accountById } from '../account/account.ts';
import { append } from '../trail/log.ts';
import { markEmailBounced } from '../user/user.ts';

/** By Postmark's `RecordType`: those that say that an address is not to be written to, and of a bounce which types. */
const ENDING: Record<string, (event: Event) => boolean> = {
  Bounce: ({ Type: type }) => type === 'HardBounce' || type === 'BadEmailAddress' || type === 'SpamComplaint',
  SpamComplaint: () => true,
  SubscriptionChange: ({ SuppressSending }) => SuppressSending === true,
};

type Event = {
  RecordType?: string;
  Type?: string;
  SuppressSending?: boolean;
  Metadata?: { delivery?: unknown };
};

/** Which account a mail was of, and to whom: by the id that went along with it. */
async function deliveryOf(id: unknown) {
  if (typeof id !== 'string') return undefined;
  const row = await outbox.model.findOne({ _id: { $eq: id } }).lean<{ account: string; to: string; origin?: string }>();
  const account = row && (await accountById(row.account));
  return account ? { tenant: asTenant(account, row.origin ?? ''), to: row.to } : undefined;
}

async function record(event: Event): Promise<void> {
  if (!ENDING[event.RecordType ?? '']?.(event)) return;
  const delivery = await deliveryOf(event.Metadata?.delivery);
  if (!delivery) return;
  const { tenant, to } = delivery;
  if ((await markEmailBounced(tenant, to)) === 0) return;
  const data = { message: event.Metadata!.delivery, reason: event.Type ?? event.RecordType };
  await append(tenant, { type: 'email.bounced', status: 'failed', data });
}

/** `Basic user:password`, as Postmark sends what stands in the address of a webhook. */
function passwordOf(header: string | undefined): string | undefined {
  const [scheme = '', credentials = ''] = (header ?? '').split(' ');
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const decoded = Buffer.from(credentials, 'base64').toString();
  const colon = decoded.indexOf(':');
  return colon < 0 ? undefined : decoded.slice(colon + 1);
}

export function mount(
  app: FastifyInstance,
  { postmarkWebhookSecret: secret }: { postmarkWebhookSecret: string | undefined },
): void {
  app.post(
    '/webhooks/postmark',
    {
      config: { access: 'public' },
      schema: {
        operationId: 'webhooks/postmark',
        tags: ['system'],
        summary: 'Receive bounces and complaints from Postmark',
        description:
          'For Postmark alone, with the password of `POSTMARK_WEBHOOK_SECRET` by HTTP Basic. Hard bounces and spam complaints mark the address (`email_bounced_at` of its user), and nothing is written to it any more until the user has another. Anything else is taken and has no effect.',
        body: Type.Object({}, { additionalProperties: true }),
        response: { 200: Type.Object({ status: Type.Literal('ok') }) },
      },
    },
    async (request, reply) => {
      if (!secret) throw new Fault('not_found');
      const password = passwordOf(request.headers.authorization);
      if (password === undefined || !sameSecret(password, secret)) {
        reply.header('www-authenticate', 'Basic realm="Postmark"');
        throw new Fault('unauthorized', 'The password of this webhook is wrong or missing.');
      }
      await record(request.body as Event);
      return { status: 'ok' as const };
    },
  );
}
