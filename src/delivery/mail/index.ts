/** The ways for mails to leave, and which one the settings ask for. */
import { developmentOutbox } from './development.ts';
import { type Postmark, postmark } from './postmark.ts';
import { smtp } from './smtp.ts';
import type { MailTransport } from './transport.ts';

type Settings = { by: 'smtp'; url: string } | ({ by: 'postmark' } & Postmark) | { by: 'development' };

export function mailTransport(settings: Settings): MailTransport {
  if (settings.by === 'smtp') return smtp(settings.url);
  if (settings.by === 'postmark') return postmark(settings);
  return developmentOutbox;
}
