/** The sign-up page: what somebody is going to log in with, and what their password has to keep. */
import { brokenRules, passwordRules } from '../../domain/user/password-policy.ts';
import type { MessageKey, Translate, Values } from '../../look/words.ts';
import type { WithChallenge } from '../shell/challenge.ts';
import { definePage, type PageBack, type PageCommon, type PageGuest } from '../shell/page.ts';
import { type PageRule, ruleViews } from '../shell/password-rules.ts';
import { FLOW_PAGE } from '../shell/policy.ts';

export const FIELDS = ['email', 'username', 'password'] as const;
/** `form` where a message is about none of the fields, and sits above them. */
export type SignUpErrors = Partial<Record<(typeof FIELDS)[number] | 'form', { key: MessageKey; values?: Values }>>;

/** Posts `email`, `username` where it is asked for, `password` and `csrf`. */
type SignUpData = PageCommon &
  WithChallenge & {
    action: string;
    appName: string;
    csrf: string;
    email?: string;
    username?: string;
    asksUsername: boolean;
    rules: PageRule[];
    errors: SignUpErrors;
    loginHref: string;
    back?: PageBack;
    guest?: PageGuest;
  };

export const signUpPage = definePage<SignUpData>({
  name: 'sign-up',
  policy: FLOW_PAGE,
  words: [
    'signup',
    'password',
    'challenge',
    'login.email',
    'login.password',
    'login.show',
    'login.show_label',
    'login.hide',
    'login.hide_label',
    'footer.terms',
    'footer.privacy',
    'consent.new_window',
    'back',
    'consent.notice',
    'consent.destination',
    'consent.destination_here',
  ],
  view: ({ rules, errors, email, asksUsername, username }, t) => ({
    ruleViews: ruleViews(rules, t),
    errors: told(errors, t),
    focus:
      FIELDS.find((field) => errors[field]) ?? (!email ? 'email' : asksUsername && !username ? 'username' : 'password'),
  }),
  samples({ form, common, email, host, text, address }) {
    const rules = passwordRules({ level: 'good' });
    const broken = new Set(brokenRules({ level: 'good' }, 'aaa').map(({ name }) => name));
    const usual: SignUpData = {
      ...form,
      asksUsername: false,
      rules,
      errors: {},
      loginHref: address('/flow/1/login'),
      back: { action: address('/back'), to: text('Orders', common.appName) },
    };
    const values = { tenant: common.tenant.name, time: text('3 minutes') };
    const above = (key: MessageKey): SignUpData => ({ ...usual, email, errors: { form: { key, values } } });
    const weak = { rules: rules.map((rule) => ({ ...rule, broken: broken.has(rule.name) })) };
    return {
      'sign-up': usual,
      'sign-up-username': { ...usual, asksUsername: true, email },
      'sign-up-guest': { ...usual, guest: { notice: 'unverified', destination: host } },
      'sign-up-empty': {
        ...usual,
        asksUsername: true,
        errors: {
          email: { key: 'signup.error.email_missing' },
          username: { key: 'signup.error.username_missing' },
          password: { key: 'password.error.missing' },
        },
      },
      'sign-up-wrong': {
        ...usual,
        ...weak,
        asksUsername: true,
        email: text('ana@example', email),
        username: text('ana soto', email),
        errors: {
          email: { key: 'signup.error.email_invalid' },
          username: { key: 'signup.error.username_invalid' },
          password: { key: 'password.error.rules' },
        },
      },
      'sign-up-breached': { ...usual, email, errors: { password: { key: 'password.error.breached' } } },
      'sign-up-name-taken': {
        ...usual,
        asksUsername: true,
        email,
        username: text('ana'),
        errors: { username: { key: 'signup.error.username_taken' } },
      },
      'sign-up-challenge': {
        ...above('challenge.error.failed'),
        challenge: { provider: 'proof_of_work', challenge: text('1.1.x.y'), difficulty: 1 },
      },
      'sign-up-too-many': above('signup.error.too_many'),
      'sign-up-no-mail': above('signup.error.no_transport'),
      'sign-up-busy': above('password.error.unavailable'),
      'sign-up-old': above('signup.error.csrf'),
    };
  },
});

const told = (errors: SignUpErrors, t: Translate): Record<string, string> =>
  Object.fromEntries(Object.entries(errors).map(([field, { key, values }]) => [field, t(key, values)]));
