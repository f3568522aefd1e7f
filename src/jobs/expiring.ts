/** Every collection whose rows end, with the field that says when. */
import { CHANGES_COLLECTION } from '../store/changes.ts';
import { LIMITER_COLLECTION } from '../store/limiter.ts';
import type { Expiring } from '../store/sweep.ts';

export const EXPIRING: readonly Expiring[] = [
  ['protocol', 'expires_at'],
  ['logs', 'expires_at'],
  ['device_codes', 'expires_at'],
  ['passwordless', 'forget_at'],
  ['tickets', 'forget_at'],
  ['outbox', 'expires_at'],
  ['initial_access_tokens', 'expires_at'],
  [LIMITER_COLLECTION, 'expire'],
  [CHANGES_COLLECTION, 'expires_at'],
];
