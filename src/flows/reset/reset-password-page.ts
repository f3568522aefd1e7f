/** Behind the mailed link: asks for another password, and says what it has to keep. */
import { brokenRules, passwordRules } from '../../domain/user/password-policy.ts';
import type { MessageKey } from '../../look/words.ts';
import { definePage, type PageCommon } from '../shell/page.ts';
import { type PageRule, ruleViews } from '../shell/password-rules.ts';

export type ResetPasswordError = { field?: 'password'; key: MessageKey };

/** Posts `state`, `new_password` and `csrf`. */
type ResetPasswordData = PageCommon & {
  action: string;
  csrf: string;
  state: string;
  email: string;
  rules: PageRule[];
  error?: ResetPasswordError;
};

export const resetPasswordPage = definePage<ResetPasswordData>({
  name: 'reset-password',
  words: ['reset_password', 'password', 'login.show', 'login.show_label', 'login.hide', 'login.hide_label'],
  view: ({ rules }, t) => ({ ruleViews: ruleViews(rules, t) }),
  samples({ form, email }) {
    const rules = passwordRules({ level: 'excellent', require_lowercase: true, require_special: true });
    const broken = new Set(brokenRules({ level: 'excellent', require_special: true }, 'aaa').map(({ name }) => name));
    const usual = { ...form, state: 't1', email, rules };
    return {
      'reset-password': usual,
      'reset-password-weak': {
        ...usual,
        rules: rules.map((rule) => ({ ...rule, broken: broken.has(rule.name) })),
        error: { field: 'password', key: 'password.error.rules' },
      },
      'reset-password-anything': { ...usual, rules: passwordRules({ level: 'none' }) },
      'reset-password-breached': { ...usual, error: { field: 'password', key: 'password.error.breached' } },
      'reset-password-busy': { ...usual, error: { key: 'password.error.unavailable' } },
    };
  },
});
