/** THE list of message kinds: what the outbox holds, and what the channels have to be able to send. */
import type { Message } from '../../outbox/message.ts';
import { accountDeleted } from './account-deleted.ts';
import { accountExists } from './account-exists.ts';
import { backchannelLogout } from './backchannel-logout.ts';
import { changeEmail } from './change-email.ts';
import type { MailKind } from './define-mail.ts';
import { emailChanged } from './email-changed.ts';
import { eventMail } from './event-mail.ts';
import { newDevice } from './new-device.ts';
import { passwordChanged } from './password-changed.ts';
import { passwordlessCode } from './passwordless-code.ts';
import { passwordlessLink } from './passwordless-link.ts';
import { resetPassword } from './reset-password.ts';
import { smsCode } from './sms-code.ts';
import { teamInvite } from './team-invite.ts';
import { teamMemberAdded } from './team-member-added.ts';
import { verifyEmail } from './verify-email.ts';
import { webhook } from './webhook.ts';
import { welcome } from './welcome.ts';

export const MESSAGES = [
  welcome,
  accountExists,
  verifyEmail,
  changeEmail,
  emailChanged,
  teamMemberAdded,
  teamInvite,
  passwordlessCode,
  passwordlessLink,
  eventMail,
  resetPassword,
  passwordChanged,
  newDevice,
  accountDeleted,
  smsCode,
  backchannelLogout,
  webhook,
] as const;

type Kind = (typeof MESSAGES)[number];

/** Those that leave as mails. */
export const MAILS = MESSAGES.filter((kind) => kind.channel === 'mail');

/** Those that leave as text messages. */
export const SMS = MESSAGES.filter((kind) => kind.channel === 'sms');

export type ChannelName = Kind['channel'];

/** Every message that leaves by a channel; its `type` tells them apart. */
export type MessageBy<C extends ChannelName> = Message<Extract<Kind, { channel: C }>>;

export type { MailKind };
