/** Whose password is forgotten: asks for the address that the link is mailed to. */
import type { MessageKey, Values } from '../../look/words.ts';
import type { WithChallenge } from '../shell/challenge.ts';
import { definePage, type PageCommon } from '../shell/page.ts';

export type ResetAskError = { field?: 'email'; key: MessageKey; values?: Values };

/** Posts `email`, `csrf`, and where it came from. */
type ResetAskData = PageCommon &
  WithChallenge & {
    action: string;
    csrf: string;
    client?: string;
    flow?: string;
    email?: string;
    error?: ResetAskError;
    /** The login that was interrupted. */
    backHref?: string;
  };

export const resetAskPage = definePage<ResetAskData>({
  name: 'reset-ask',
  words: ['reset_ask', 'challenge'],
  samples({ form, common, email, text, address }) {
    const usual = { ...form, backHref: address('/flow/1') };
    const values = { tenant: common.tenant.name, time: text('3 minutes') };
    const wrong = (key: MessageKey, field?: 'email') => ({ ...usual, email, error: { field, key, values } });
    return {
      'reset-ask': usual,
      'reset-ask-again': { ...form, email },
      'reset-ask-wrong': wrong('reset_ask.error.email_invalid', 'email'),
      'reset-ask-challenge': {
        ...wrong('challenge.error.failed'),
        challenge: { provider: 'proof_of_work', challenge: text('1.1.x.y'), difficulty: 1 },
      },
      'reset-ask-turnstile': {
        ...usual,
        challenge: {
          provider: 'turnstile',
          site_key: text('1x00000000000000000000AA'),
          script_url: address(''),
        },
      },
      'reset-ask-too-many': wrong('reset_ask.error.too_many'),
      'reset-ask-no-mail': wrong('reset_ask.error.no_transport'),
    };
  },
});
