/**
 * Subscriptions: which events of the account go to which addresses or webhook. Who is told of what is announcer.ts's,
 * trying a webhook subscription-delivery.ts's, sending delivery/'s.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { isServed } from '../../outbox/outbox.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Metadata, OneOf, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { mountResource } from '../../resource/routes.ts';
import { MASK } from '../../resource/sealing.ts';
import { watched } from '../../store/changes.ts';
import { changedBy } from '../access/ceiling.ts';
import { Email, nullable, WebUrl } from '../fields.ts';
import { EVENT_NAMES, EVENTS, isEvent, LIMIT_EVENT, TEST_EVENT } from './events.ts';

const CHANNELS = ['email', 'webhook'] as const;
type Channel = (typeof CHANNELS)[number];
const SEE_SECRET = 'read:notificationsubscription_keys';
/** Each is one more message of every event. */
const MOST = 50;

const Events = Type.Array(Type.String({ maxLength: 100, description: 'e.g. `user.created`' }), {
  maxItems: 200,
  uniqueItems: true,
  description: `Events to subscribe to: ${EVENT_NAMES.map((name) => `\`${name}\``).join(', ')}`,
});
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
  watched: true,
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
  freeForm: ['metadata'],
  wire: (row, may): Record<string, unknown> => {
    if (row.channel !== 'webhook') return {};
    const secret = may(SEE_SECRET) ? secretOf(row) : MASK;
    return { config: { ...row.config, secret } };
  },
});

/** In use, by account: nearly every write asks. */
const held = watched<Subscription[]>(20_000, ({ key }) => key);

/** Whom the account tells of what happens. Seconds old at most; from memory, but once a minute. */
export const subscriptionsOf = (tenant: Tenant): Subscription[] | Promise<Subscription[]> =>
  held.get(tenant.id, () => notificationSubscriptions.all(tenant, { active: { $eq: true } }));

/** A webhook as it is now, where it still is one and listens. */
export async function webhookFor(
  tenant: Tenant,
  id: string,
  event: string,
): Promise<{ url: string; secret: string } | undefined> {
  const row = await notificationSubscriptions.find(tenant, id);
  const listens = event === TEST_EVENT || (row?.active && row.events.includes(event));
  if (row?.channel !== 'webhook' || !listens || !row.config.url) return undefined;
  return { url: row.config.url, secret: secretOf(row) };
}

export async function isRecipient(tenant: Tenant, id: string, event: string, email: string): Promise<boolean> {
  const row = await notificationSubscriptions.find(tenant, id);
  const told = event === TEST_EVENT || (row?.active && (event === LIMIT_EVENT || row.events.includes(event)));
  return told === true && row?.channel === 'email' && row.config.recipients?.includes(email) === true;
}

type Settings = { recipients?: string[]; url?: string; secret?: string };
export type Subscription = Row<typeof notificationSubscriptions.spec.row> & { secret?: string | null };
type SubscriptionInput = Partial<Pick<Subscription, 'events' | 'channel' | 'active' | 'metadata'>> & {
  config?: Settings;
};

const secretOf = (row: { id: string }): string =>
  notificationSubscriptions.reveal(row as never, 'secret' as never) ?? '';

/** @throws Fault `validation` for a name that is no event's. */
function checkEvents(events: readonly string[] | undefined): void {
  const at = events?.findIndex((name) => !isEvent(name)) ?? -1;
  if (at >= 0) {
    const message = `"${events![at]}" is no event; there are ${EVENT_NAMES.join(', ')}`;
    throw new Fault('validation', `/events/${at} ${message}.`, { details: [{ path: `/events/${at}`, message }] });
  }
  if (events?.length !== 0) return;
  throw new Fault('validation', '/events must name an event.', {
    details: [{ path: '/events', message: 'must name an event' }],
  });
}

/** Whoever is told of what happens to users reads users. */
const givesEvents = (events: readonly string[] = []): string[] => [
  ...new Set(events.flatMap((name) => (isEvent(name) ? [EVENTS[name].permission] : []))),
];

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

async function createSubscription(tenant: Tenant, input: SubscriptionInput): Promise<Subscription> {
  checkMetadata('/metadata', input.metadata);
  checkEvents(input.events);
  checkConfig(tenant, input.channel!, input.config!);
  checkServed(input.channel!);
  if ((await notificationSubscriptions.model.countDocuments({ account: { $eq: tenant.id } })) >= MOST)
    throw new Fault('conflict', `An account has ${MOST} subscriptions at most.`);
  return notificationSubscriptions.create(tenant, { ...input, ...split(input.config!) });
}

/** @throws Fault `no_transport` for mails where none can leave. */
function checkServed(channel: Channel): void {
  if (channel === 'email' && !isServed('mail')) throw new Fault('no_transport');
}

/** A config is merged into the channel's own; another channel needs all of its config. */
async function updateSubscription(
  tenant: Tenant,
  id: string,
  { config, ...patch }: SubscriptionInput,
): Promise<Subscription> {
  checkMetadata('/metadata', patch.metadata);
  checkEvents(patch.events);
  if (patch.channel) checkServed(patch.channel);
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
      gives: (_tenant, { events }: SubscriptionInput) => givesEvents(events),
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
      gives: (_tenant, { metadata: _, ...patch }: SubscriptionInput, current) =>
        changedBy(patch, current).length ? givesEvents(patch.events ?? current.events) : [],
    },
    remove: true,
  });
}
