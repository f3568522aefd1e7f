/** Logging in without a password: asks for the address that a code or a link is mailed to. */
import type { MessageKey } from '../../look/words.ts';
import type { WithChallenge } from '../shell/challenge.ts';
import { definePage, type PageBack, type PageCommon } from '../shell/page.ts';
import { FLOW_PAGE } from '../shell/policy.ts';
import type { MailError } from './mail-errors.ts';

/** Posts `email`, `csrf`, and `send` = `code` | `link`. */
type MailAskData = PageCommon &
  WithChallenge & {
    action: string;
    appName: string;
    csrf: string;
    email?: string;
    error?: MailError;
    /** Whether a link is offered beside a code. */
    link: boolean;
    /** To the page that takes a password. */
    passwordHref?: string;
    back?: PageBack;
  };

export const mailAskPage = definePage<MailAskData>({
  name: 'mail-ask',
  policy: FLOW_PAGE,
  words: [
    'mail_ask',
    'challenge',
    'login.title',
    'login.heading',
    'login.email',
    'login.or',
    'login.error',
    'reset_ask.error',
    'back',
  ],
  samples({ form, email, text, address, common }) {
    const back = { action: address('/back'), to: text('Orders', common.appName) };
    const usual = { ...form, link: true, passwordHref: address('/flow/1') };
    const wrong = (key: MessageKey, field?: 'email') => ({
      ...usual,
      email,
      error: { key, field, values: { tenant: common.tenant.name, time: text('3 minutes') } },
    });
    return {
      'mail-ask': { ...usual, back },
      'mail-ask-code': { ...usual, link: false, passwordHref: undefined, back },
      'mail-ask-wrong': wrong('reset_ask.error.email_invalid', 'email'),
      'mail-ask-challenge': {
        ...wrong('challenge.error.failed'),
        challenge: { provider: 'proof_of_work', challenge: text('1.1.x.y'), difficulty: 1 },
      },
      'mail-ask-too-many': wrong('reset_ask.error.too_many'),
    };
  },
});
