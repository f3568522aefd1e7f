/** Where the code from the mail is typed, or pasted. */
import { definePage, type PageBack, type PageCommon } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';
import type { MailError } from './mail-errors.ts';

/** Posts `code` and `csrf`. */
type MailCodeData = PageCommon & {
  action: string;
  appName: string;
  csrf: string;
  email: string;
  error?: MailError;
  againHref: string;
  back?: PageBack;
};

export const mailCodePage = definePage<MailCodeData>({
  name: 'mail-code',
  policy: FLOW_PAGE,
  words: ['mail_code', 'login.title', 'login.submit', 'login.error', 'reset_sent.hint', 'back'],
  samples({ form, email, text, address, common }) {
    const back = { action: address('/back'), to: text('Orders', common.appName) };
    const usual = { ...form, email, againHref: address('/again') };
    const values = { tenant: common.tenant.name, time: text('3 minutes') };
    return {
      'mail-code': { ...usual, back },
      'mail-code-wrong': { ...usual, error: { field: 'code', key: 'mail_code.error.wrong_code' } },
      'mail-code-locked': { ...usual, error: { key: 'login.error.locked_out', values } },
      'mail-code-suspended': { ...usual, error: { key: 'login.error.user_suspended', values } },
    };
  },
});
