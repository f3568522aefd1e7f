/** Every collection whose rows end by the clock: resources say so in their specs, the few others here. */
import { PROTOCOL_COLLECTION } from '../domain/protocol/protocol-row.ts';
import { expiring } from '../resource/registry.ts';
import { CHANGES_COLLECTION } from '../store/changes.ts';
import { LIMITER_COLLECTION } from '../store/limiter.ts';
import type { Expiring } from '../store/sweep.ts';

/** Asked when everything is defined. */
export const everyExpiring = (): readonly Expiring[] => [
  ...expiring(),
  [PROTOCOL_COLLECTION, 'expires_at'],
  [LIMITER_COLLECTION, 'expire'],
  [CHANGES_COLLECTION, 'expires_at'],
];
