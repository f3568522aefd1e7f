/** What a way for text messages to leave is. How it says that one did not: by a `refusal`, as every channel. */
import type { Tenant } from '../../kernel/context.ts';

export type Sms = {
  /** Of the message: the same for each attempt. */
  id: string;
  /** E.164: `+34600123456`. */
  to: string;
  text: string;
  /** Which kind of message it is. */
  template: string;
};

export type SmsTransport = {
  /** Sends once. @throws `refusal` */
  send(tenant: Tenant, sms: Sms): Promise<void>;
};
