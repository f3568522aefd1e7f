/** Mails that do not leave: kept for a developer, who reads them at `/dev/outbox`. */
import { keepMessage } from '../../domain/mail/development.ts';
import type { MailTransport } from './transport.ts';

export const developmentOutbox: MailTransport = {
  async send(tenant, { to, subject, html, text, template }) {
    await keepMessage(tenant, { channel: 'mail', to, subject, html, text, template });
  },
};
