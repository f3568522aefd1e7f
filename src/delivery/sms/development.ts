/** Text messages that do not leave: kept for a developer, who reads them at `/dev/outbox`. */
import { keepMessage } from '../../domain/mail/development.ts';
import type { SmsTransport } from './transport.ts';

export const developmentSms: SmsTransport = {
  async send(tenant, { to, text, template }) {
    await keepMessage(tenant, { channel: 'sms', to, text, template });
  },
};
