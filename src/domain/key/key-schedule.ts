/**
 * What happens to signing keys by the clock: rotation where the account asks for it, and the end of keys that signed
 * once. Run every minute by every instance; each step is one conditional update, so that one of them does it.
 */
import { DAY, HOUR, inSeconds, MINUTE } from '../../kernel/clock.ts';
import { asTenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { type Account, accounts, everything, viewOf } from '../account/account.ts';
import { LONGEST_TOKEN_SECONDS } from '../api/api.ts';
import { append } from '../trail/log.ts';
import { isKeyInUse, rotateKeys, unpublishKey } from './account-keys.ts';
import { destroyPrivateParts, removeSigningKey, retiredBy, unretireSigningKey } from './signing-key.ts';

/** After that long no instance still has the key for the one that signs, nor is a rotation half done. */
const SETTLED_SECONDS = MINUTE;

export async function tendKeys(): Promise<void> {
  const failures = [...(await rotateDue()), ...(await clearRetired())];
  if (failures.length) throw new AggregateError(failures, 'some accounts’ keys were not tended');
}

/** Runs a step for each, so that one account's failure is its own. @returns what failed. */
async function forEach<T>(items: readonly T[], step: (item: T) => Promise<void>): Promise<unknown[]> {
  const failures: unknown[] = [];
  for (const item of items) await step(item).catch((error: unknown) => failures.push(error));
  return failures;
}

const isDue = ({ oauth_settings, keys_rotated_at, createdAt }: Account): boolean => {
  const days = oauth_settings.key_rotation_days;
  return days !== null && (keys_rotated_at ?? createdAt) <= inSeconds(-days * DAY);
};

async function rotateDue(): Promise<unknown[]> {
  const scheduled = await accounts.all(everything, {
    provisioned: true,
    deleting_at: null,
    'oauth_settings.key_rotation_days': { $gt: 0 },
  });
  return forEach(scheduled.filter(isDue), async (account) => {
    const tenant = asTenant(viewOf(account), '');
    try {
      const { previous_production_kid, production_kid } = await rotateKeys(tenant);
      const data = { actor_kind: 'system', subject: account.id, previous_production_kid, production_kid };
      await append(tenant, { type: 'admin.account.keys_rotated', status: 'success', data });
    } catch (error) {
      // Another instance was first, or somebody by hand: it is tried again in a minute.
      if (!(error instanceof Fault && (error.code === 'conflict' || error.code === 'rotated_recently'))) throw error;
    }
  });
}

/**
 * For how long a key stays published after it signed its last: until the longest-lived access token that it may have
 * signed is dead, and until no login session is left whose id token it signed, since that is good as a logout hint
 * though expired (RP-Initiated Logout §2). An hour for clocks that differ.
 */
const keepSeconds = (account: Account): number =>
  Math.max(LONGEST_TOKEN_SECONDS, viewOf(account).sessions.absolute_lifetime) + HOUR;

/** A private key is of use to nobody but a thief once it signs no more: it goes at once, the public key when it is due. */
async function clearRetired(): Promise<unknown[]> {
  const retired = await retiredBy(inSeconds(-SETTLED_SECONDS));
  const silent: string[] = [];
  const failures = await forEach(retired, async ({ kid, account: id, retiredAt }) => {
    const account = await accounts.find(everything, id);
    // The note of a rotation that did not happen.
    if (account && isKeyInUse(account, kid)) return unretireSigningKey(kid);
    if (account && retiredAt > inSeconds(-keepSeconds(account))) return void silent.push(kid);
    if (!account || (await unpublishKey(account, kid))) await removeSigningKey(kid);
  });
  if (silent.length) await destroyPrivateParts(silent);
  return failures;
}
