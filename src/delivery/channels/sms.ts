/** The channel of text messages: words each in the language of its reader, and hands it to the transport. */
import { type SmsKind, smsText } from '../../domain/message/define-sms.ts';
import { SMS } from '../../domain/message/index.ts';
import { users } from '../../domain/user/user.ts';
import { dialledNumber } from '../../kernel/text/phone.ts';
import type { Channel } from '../channel.ts';
import type { SmsTransport } from '../sms/transport.ts';

const kindOf = new Map<string, SmsKind>(SMS.map((kind) => [kind.type, kind as SmsKind]));

export function sms(transport: SmsTransport): Channel<'sms'> {
  return {
    name: 'sms',

    async send(tenant, { id, type, to, data }) {
      const user = data.user === undefined ? undefined : await users.find(tenant, data.user);
      // Gone, suspended, or with another number since.
      if (data.user !== undefined && (!user || user.suspended || !isTheirs(user.phone, to))) return 'skipped';
      const text = smsText(tenant, kindOf.get(type)!, data, user?.locale);
      await transport.send(tenant, { id, to, text, template: type });
      return 'sent';
    },

    audit: ({ type, data }) => ({ type: `sms.${type}`, ...(data.user && { user: data.user }) }),
  };
}

const isTheirs = (phone: string | null | undefined, to: string): boolean =>
  Boolean(phone) && dialledNumber.canonical(phone!) === to;
