/** The challenge of an account on a page with a form: what the page may load for it, what is posted, what is said of it. */
import type { Challenge } from '../../auth/challenge.ts';
import type { Fault } from '../../kernel/fault.ts';
import type { MessageKey } from '../../look/words.ts';
import type { PagePolicy } from './policy.ts';

/** In the data of a page: what `partials/challenge` shows within the form. */
export type WithChallenge = { challenge?: Challenge };

/** For the options of `renderPage`. */
export const challengePolicy = ({ challenge }: WithChallenge): PagePolicy =>
  challenge?.provider === 'turnstile' ? { scriptSrc: [challenge.script_url], frameSrc: [challenge.script_url] } : {};

/** What a form posts. */
export const challengeResponse = ({ challenge_response: response }: Record<string, unknown>): string | undefined =>
  typeof response === 'string' ? response : undefined;

/** What a refused form says of it; undefined where it was refused for something else. */
export function challengeError({ code }: Fault): MessageKey | undefined {
  if (code === 'challenge_required' || code === 'challenge_failed') return 'challenge.error.failed';
  return code === 'upstream_failed' ? 'challenge.error.unavailable' : undefined;
}
