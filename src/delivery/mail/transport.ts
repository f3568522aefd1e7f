/** What a way for mails to leave is, and how it says that one did not. */
import type { Tenant } from '../../kernel/context.ts';
import { refusal } from '../channel.ts';

export type Mail = {
  /** Of the message: the same for each attempt, so that a receiver can tell a repetition. */
  id: string;
  from: { name: string; address: string };
  to: string;
  subject: string;
  html: string;
  text: string;
  /** Which template it was made from. */
  template: string;
};

export type MailTransport = {
  /** Sends once. @throws `refusal`, or `bounce` where the address is what is wrong. */
  send(tenant: Tenant, mail: Mail): Promise<void>;
  /** Ends what is held open between mails. */
  close?(): Promise<void>;
};

const BOUNCE = Symbol('bounce');

/** No mail to this address will ever arrive: there is no such mailbox, or its owner complained of us. */
export const bounce = (reason: string, cause?: unknown): Error =>
  Object.assign(refusal(reason, { cause, final: true }), { [BOUNCE]: true });

export const isBounce = (error: unknown): boolean => (error as { [BOUNCE]?: true } | null)?.[BOUNCE] ?? false;
