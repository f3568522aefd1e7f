/** THE list of clock work. Every instance does all of it; each job bears being done by several at once. */
import { closeMachineLogins } from '../auth/machine-login.ts';
import { resumeAccounts } from '../domain/account/account-provisioning.ts';
import { reapUnusedClients } from '../domain/client/client-registration.ts';
import { clearEndedSecrets } from '../domain/client/client-secret.ts';
import { tendKeys } from '../domain/key/key-schedule.ts';
import { settleAbandonedClaims } from '../domain/user/claim.ts';
import { MINUTE } from '../kernel/clock.ts';
import { sweep } from '../store/sweep.ts';
import type { Job } from './clock.ts';
import { everyExpiring } from './expiring.ts';

export const JOBS: readonly Job[] = [
  { name: 'sweeping what has expired', everySeconds: MINUTE, run: () => sweep(everyExpiring()) },
  { name: 'finishing accounts that a crash left half made', everySeconds: MINUTE, run: resumeAccounts },
  { name: 'ending sign-ups that a crash left half made', everySeconds: MINUTE, run: settleAbandonedClaims },
  { name: 'telling how often machines logged in', everySeconds: MINUTE, run: () => closeMachineLogins() },
  { name: 'removing clients that nobody used', everySeconds: MINUTE, run: reapUnusedClients },
  { name: 'forgetting secrets of clients that are over', everySeconds: MINUTE, run: clearEndedSecrets },
  { name: 'making and rotating keys', everySeconds: MINUTE, run: tendKeys },
];
