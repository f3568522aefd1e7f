/** The address of an account, and how to have another one. */
import type { MessageKey, Values } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';

export type EmailError = { field?: 'email'; key: MessageKey; values?: Values };

/** Posts `new_email` and `csrf`. */
type AccountEmailData = PageCommon & {
  action: string;
  csrf: string;
  /** Empty for a user without one. */
  email: string;
  verified: boolean;
  typed?: string;
  /** Where a link has just been sent; `bothAsked` where the present address has to agree afterwards. */
  sentTo?: string;
  bothAsked: boolean;
  error?: EmailError;
  backHref: string;
};

export const accountEmailPage = definePage<AccountEmailData>({
  name: 'account-email',
  words: ['account_email', 'account.back'],
  samples({ form, common, email, text, address }) {
    const usual = { ...form, email, verified: true, bothAsked: false, backHref: address('/account') };
    const values = { tenant: common.tenant.name, time: text('40 minutes') };
    const wrong = (key: MessageKey, field?: 'email') => ({
      ...usual,
      typed: text('ana'),
      error: { field, key, values },
    });
    return {
      'account-email': usual,
      'account-email-none': { ...usual, email: '', verified: false },
      'account-email-unproved': { ...usual, verified: false },
      'account-email-sent': { ...usual, sentTo: text('new@example.com', email) },
      'account-email-both': { ...usual, sentTo: text('new@example.com', email), bothAsked: true },
      'account-email-wrong': wrong('account_email.error.invalid', 'email'),
      'account-email-same': wrong('account_email.error.same', 'email'),
      'account-email-too-many': wrong('account_email.error.too_many'),
      'account-email-no-mail': wrong('account_email.error.no_transport'),
    };
  },
});
