/** To a recipient of a subscription: that something happened. It names what it is about and leaves the rest to the API. */
import Type from 'typebox';
import { isProven } from '../../resource/announcing.ts';
import { isRecipient } from '../trail/notification-subscription.ts';
import { defineMail } from './define-mail.ts';

export const readable = (time: string): string => `${time.slice(0, 16).replace('T', ' ')} UTC`;

export const eventMail = defineMail({
  type: 'event',
  data: {
    event: Type.String(),
    event_id: Type.String(),
    /** For people: `2026-03-01 09:30 UTC`. */
    produced_at: Type.String(),
    subscription: Type.String(),
    /** An email, a name or an id. */
    about: Type.String(),
  },
  samples: {
    event: {
      event: 'user.created',
      event_id: 'event_6a2b1e5f0c9d8e7f6a5b4c3a',
      produced_at: '2026-03-01 09:30 UTC',
      subscription: 'notificationsubscription_6a2b1e5f0c9d8e7f6a5b4c3b',
      about: 'ada@example.com',
    },
    limited: {
      event: 'notificationsubscription.limited',
      event_id: 'event_6a2b1e5f0c9d8e7f6a5b4c3d',
      produced_at: '2026-03-01 09:30 UTC',
      subscription: 'notificationsubscription_6a2b1e5f0c9d8e7f6a5b4c3b',
      about: 'notificationsubscription_6a2b1e5f0c9d8e7f6a5b4c3b',
    },
  },
  happened: (tenant, { ref }) => isProven(tenant, ref),
  wanted: (tenant, to, { event, subscription }) => isRecipient(tenant, subscription, event, to),
});
