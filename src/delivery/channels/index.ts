/** THE list of channels. What a channel needs of rooms above this one is handed in by app.ts. */
import type { AnyChannel } from '../channel.ts';
import type { SmsTransport } from '../sms/transport.ts';
import { type BackchannelLogoutParts, backchannelLogout } from './backchannel-logout.ts';
import { type MailParts, mail } from './mail.ts';
import { sms } from './sms.ts';
import { webhook } from './webhook.ts';

type Parts = BackchannelLogoutParts & {
  /** None where mails cannot leave. */
  mail?: MailParts;
  /** None where text messages cannot leave. */
  sms?: SmsTransport;
};

export const channels = (parts: Parts): readonly AnyChannel[] => [
  backchannelLogout(parts),
  webhook(parts),
  ...(parts.mail ? [mail(parts.mail)] : []),
  ...(parts.sms ? [sms(parts.sms)] : []),
];
