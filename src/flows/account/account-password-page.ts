/** A user's own password: another one, or the first. */
import { brokenRules, passwordRules } from '../../domain/user/password-policy.ts';
import type { MessageKey } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';
import { type PageRule, ruleViews } from '../shell/password-rules.ts';

export type PasswordError = { field?: 'password'; key: MessageKey };

/** Posts `new_password`, `which` and `csrf`. */
type AccountPasswordData = PageCommon & {
  action: string;
  csrf: string;
  /** Absent where the user cannot have a password. */
  chosen?: {
    which: string;
    /** What it logs in with. */
    login: string;
    /** False where there is none yet. */
    there: boolean;
    rules: PageRule[];
  };
  /** Those that one may change besides. */
  others: { name: string; href: string }[];
  changed: boolean;
  error?: PasswordError;
  backHref: string;
};

export const accountPasswordPage = definePage<AccountPasswordData>({
  name: 'account-password',
  words: [
    'account_password',
    'account.back',
    'password',
    'login.show',
    'login.show_label',
    'login.hide',
    'login.hide_label',
  ],
  view: ({ chosen }, t) => ({ ruleViews: ruleViews(chosen?.rules ?? [], t) }),
  samples({ form, email, text, address }) {
    const rules = passwordRules({ level: 'excellent', require_special: true });
    const broken = new Set(brokenRules({ level: 'excellent', require_special: true }, 'aaa').map(({ name }) => name));
    const chosen = { which: 'w1', login: email, there: true, rules };
    const usual = { ...form, chosen, others: [], changed: false, backHref: address('/account') };
    return {
      'account-password': usual,
      'account-password-first': { ...usual, chosen: { ...chosen, there: false } },
      'account-password-changed': { ...usual, changed: true },
      'account-password-others': { ...usual, others: [{ name: text('staff', email), href: address('/other') }] },
      'account-password-none': { ...usual, chosen: undefined },
      'account-password-weak': {
        ...usual,
        chosen: { ...chosen, rules: rules.map((rule) => ({ ...rule, broken: broken.has(rule.name) })) },
        error: { field: 'password', key: 'password.error.rules' },
      },
      'account-password-taken': { ...usual, error: { key: 'account_password.error.taken' } },
    };
  },
});
