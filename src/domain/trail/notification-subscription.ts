/** Subscriptions: which events of the account go to which addresses or webhook. Sending them is delivery/'s. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, OneOf, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { mountResource } from '../../resource/routes.ts';
import { MASK } from '../../resource/sealing.ts';
import { Email, nullable, WebUrl } from '../fields.ts';

const CHANNELS = ['email', 'webhook'] as const;
type Channel = (typeof CHANNELS)[number];
const SEE_SECRET = 'read:notificationsubscription_keys';

const Events = Type.Array(
  Type.String({ maxLength: 100, pattern: '^[a-z0-9_-]+(\\.[a-z0-9_-]+)+$', description: 'e.g. `user.created`' }),
  { maxItems: 200, uniqueItems: true, description: 'Events to subscribe to' },
);
const settings = {
  recipients: Type.Array(Email(), { maxItems: 100, description: 'Addresses that are mailed (`email`)' }),
  url: WebUrl('Where events are posted to (`webhook`)'),
  secret: Type.String({ minLength: 1, maxLength: 1000, description: 'Signs what is posted (`webhook`)' }),
};
/** What the config of each channel consists of. */
const REQUIRED: Record<Channel, readonly (keyof typeof settings)[]> = {
  email: ['recipients'],
  webhook: ['url', 'secret'],
};
const Config = Type.Object(
  {
    recipients: Type.Optional(settings.recipients),
    url: Type.Optional(settings.url),
    secret: Type.Optional(settings.secret),
  },
  { additionalProperties: false, description: '`recipients` of an email, `url` and `secret` of a webhook' },
);

export const notificationSubscriptions = defineCollection({
  name: 'notificationsubscription',
  title: 'NotificationSubscription',
  tag: { title: 'Notifications', description: 'Mails and webhooks that follow what happens in the account.' },
  permission: 'notificationsubscriptions',
  permissions: { of: 'notification subscriptions', more: { [SEE_SECRET]: "See webhooks' signing secrets" } },
  collection: 'notificationsubscriptions',
  row: Type.Object({
    events: Events,
    channel: OneOf(CHANNELS),
    active: Type.Boolean({ description: 'Whether the subscription is active' }),
    config: Config,
  }),
  stored: Type.Object({ secret: nullable(Type.String()) }),
  sealed: { secret: SEE_SECRET },
  defaults: () => ({ active: true }),
  filter: ['channel', 'active', 'events'],
  wire: (row, may): Record<string, unknown> => {
    if (row.channel !== 'webhook') return {};
    const secret = may(SEE_SECRET) ? notificationSubscriptions.reveal(row as never, 'secret' as never) : MASK;
    return { config: { ...row.config, secret } };
  },
});

type Settings = { recipients?: string[]; url?: string; secret?: string };
type NotificationSubscription = Row<typeof notificationSubscriptions.spec.row> & { secret?: string | null };
type SubscriptionInput = Partial<Pick<NotificationSubscription, 'events' | 'channel' | 'active' | 'metadata'>> & {
  config?: Settings;
};

/** @throws Fault `validation` unless the config is its channel's. */
function checkConfig(tenant: Tenant, channel: Channel, config: Settings, secretKept = false): void {
  const refuse = (field: string, message: string): never => {
    const path = `/config/${field}`;
    throw new Fault('validation', `${path} ${message}.`, { details: [{ path, message }] });
  };
  for (const field of REQUIRED[channel])
    if (config[field] === undefined && !(field === 'secret' && secretKept)) refuse(field, 'is required');
  if (config.secret === MASK && !secretKept) refuse('secret', 'is the mask that stands for a secret');
  for (const field of Object.keys(config))
    if (!REQUIRED[channel].includes(field as never)) refuse(field, `is not known for the channel ${channel}`);
  if (config.url === undefined) return;
  const url = URL.parse(config.url) ?? refuse('url', 'must be an address');
  const local = url.hostname === 'localhost' || url.hostname === '127.0.0.1' || url.hostname === '[::1]';
  // A tenant is served over plain http in development only (config.ts).
  const development = tenant.origin.startsWith('http:');
  if (url.protocol !== 'https:' && !(local && development)) refuse('url', 'must use https');
}

/** The secret is kept apart, where it is sealed; an address is kept in its one spelling. */
const split = ({ secret, recipients, ...config }: Settings) => ({
  config: { ...config, ...(recipients && { recipients: [...new Set(recipients.map(addressOf))] }) },
  ...(secret !== undefined && { secret }),
});
const addressOf = (text: string): string => demand(emailAddress, text, '/config/recipients');

async function createSubscription(tenant: Tenant, input: SubscriptionInput): Promise<NotificationSubscription> {
  checkMetadata('/metadata', input.metadata);
  checkConfig(tenant, input.channel!, input.config!);
  return notificationSubscriptions.create(tenant, { ...input, ...split(input.config!) });
}

/** A config is merged into the channel's own; another channel needs all of its config. */
async function updateSubscription(
  tenant: Tenant,
  id: string,
  { config, ...patch }: SubscriptionInput,
): Promise<NotificationSubscription> {
  checkMetadata('/metadata', patch.metadata);
  const current = await notificationSubscriptions.get(tenant, id);
  const channel = patch.channel ?? current.channel;
  const changed = channel !== current.channel;
  if (config === undefined && !changed) return notificationSubscriptions.update(tenant, id, patch);

  const whole = changed ? { ...config } : { ...current.config, ...config };
  checkConfig(tenant, channel, whole, !changed);
  const set = { ...patch, ...split(whole), ...(channel === 'email' && { secret: null }) };
  const updated = await notificationSubscriptions.updateWhere(tenant, id, set, { channel: { $eq: current.channel } });
  if (!updated) throw new Fault('conflict', 'The subscription was changed by somebody else a moment ago.');
  return updated;
}

export function mount(app: FastifyInstance): void {
  const channel = OneOf(CHANNELS, 'Which of the two kinds of `config` it has');
  const active = Type.Optional(Type.Boolean({ description: 'Whether the subscription is active; true by default' }));
  const metadata = Type.Optional(Metadata);
  mountResource(app, notificationSubscriptions, {
    create: {
      body: Type.Object({ events: Events, channel, active, config: Config, metadata }, { additionalProperties: false }),
      run: createSubscription,
    },
    update: {
      body: Type.Object(
        {
          events: Type.Optional(Events),
          channel: Type.Optional(channel),
          active,
          config: Type.Optional(Config),
          metadata,
        },
        { additionalProperties: false },
      ),
      run: updateSubscription,
    },
    remove: true,
  });
}
