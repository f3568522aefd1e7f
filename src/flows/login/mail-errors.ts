/** What the pages of a login by mail say of a form that was refused, and at which field. */
import type { Fault } from '../../kernel/fault.ts';
import { duration, type MessageKey, type Values } from '../../look/words.ts';
import { challengeError } from '../shell/challenge.ts';

export type MailError = { field?: 'email' | 'code'; key: MessageKey; values?: Values };

/** @throws the fault where no page has words for it. */
export function tellMailError(fault: Fault, { tenant, locale }: { tenant: string; locale: string }): MailError {
  const unsolved = challengeError(fault);
  if (unsolved) return { key: unsolved };
  const values = { tenant, time: duration(locale, fault.retryAfterSeconds ?? 60) };
  switch (fault.code) {
    case 'validation':
      return { field: 'email', key: 'reset_ask.error.email_invalid' };
    case 'wrong_code':
      return { field: 'code', key: 'mail_code.error.wrong_code' };
    case 'too_many_requests':
      return { key: 'reset_ask.error.too_many', values };
    case 'locked_out':
      return { key: 'login.error.locked_out', values };
    case 'no_transport':
      return { key: 'reset_ask.error.no_transport', values };
    case 'user_suspended':
      return { key: 'login.error.user_suspended', values };
    case 'csrf':
      return { key: 'reset_ask.error.csrf' };
    default:
      throw fault;
  }
}
