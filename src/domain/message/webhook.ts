/** To a webhook: that something happened that its subscription is about. */
import Type from 'typebox';
import { defineMessage } from '../../outbox/message.ts';
import { isProven } from '../../resource/announcing.ts';

export const webhook = defineMessage({
  type: 'webhook',
  channel: 'webhook',
  data: {
    /** Name of the event, its own id, which all who hear of it get, and when it happened. */
    event: Type.String(),
    event_id: Type.String(),
    produced_at: Type.String(),
    payload: Type.Unknown(),
  },
  happened: (tenant, { ref }) => isProven(tenant, ref),
});
