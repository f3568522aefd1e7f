/** What a password has to keep, as a page tells it before it is broken; a script ticks it off by the same patterns. */
import type { PasswordRule } from '../../domain/user/password-policy.ts';
import type { Translate } from '../../look/words.ts';

/** `broken` of a password that was refused. */
export type PageRule = Pick<PasswordRule, 'name' | 'count' | 'patterns' | 'least'> & { broken?: boolean };

/** What goes without saying is said to who broke it alone. */
const isWorthSaying = ({ name, count, broken }: PageRule): boolean =>
  broken || (name !== 'max_length' && !(name === 'length' && count < 2));

export const ruleViews = (rules: readonly PageRule[], t: Translate) =>
  rules.filter(isWorthSaying).map(({ name, count, patterns, least, broken }) => ({
    words: t(`password.rule.${name}`, { count }),
    patterns: JSON.stringify(patterns),
    least,
    broken,
  }));
