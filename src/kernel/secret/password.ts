/** Passwords: hashed, verified, and known to be worth another hash. Each asks for a turn of the queue, one whatever is there. */
import { randomInt } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { Checked, Hashing, PasswordAlgorithm } from './hash-work.ts';
import { type Asker, queueFor } from './hashing-queue.ts';
import { inThread } from './hashing-threads.ts';

const BCRYPT_COST = 10;
let hashing: Hashing = { algorithm: 'bcrypt', bcryptCost: BCRYPT_COST };
const queue = queueFor();

/**
 * How this process hashes, as it starts.
 * @param bcryptCost less than that of ours is for tests of something else.
 */
export function useHashing(settings: { passwordHash: PasswordAlgorithm }, bcryptCost = BCRYPT_COST): void {
  hashing = { algorithm: settings.passwordHash, bcryptCost };
}

/** @throws Fault `unavailable` when too many wait to hash. */
export const hashPassword = (asker: Asker, password: string): Promise<string> =>
  queue.turn(asker, () => inThread('hash', { ...hashing, password }));

/**
 * How long whoever is sent away is kept first, at least and at most: a flood that comes again at once would be refused at
 * the cost of all others, and one that was kept equally long would come again all together.
 */
const HELD_BACK_MS = [500, 1_500] as const;

/**
 * For who would do other work first, only to be sent away.
 * @throws Fault `unavailable`, about a second later, when too many of the tenant wait.
 */
export async function checkHashingRoom(tenant: string): Promise<void> {
  try {
    queue.checkRoom(tenant);
  } catch (full) {
    await setTimeout(randomInt(...HELD_BACK_MS));
    throw full;
  }
}

const tally = { turns: 0, work: 0 };
/** Of the checks since the start, which tests compare: in how many turns, and with how much work (1024: bcrypt's cost 10). */
export const hashingTally = (): Readonly<typeof tally> => ({ ...tally });

/**
 * Looks at a password in one turn; `fresh` is a hash to store in place of the one that was right.
 * @param stored nothing where there is none to look at, which takes as long.
 * @throws Fault `unavailable` when too many wait to hash.
 */
export function checkPassword(
  asker: Asker,
  password: string,
  stored: string | undefined,
): Promise<Omit<Checked, 'work'>> {
  return queue.turn(asker, async () => {
    tally.turns += 1;
    const { work, ...checked } = await inThread('check', { ...hashing, password, stored });
    tally.work += work;
    return checked;
  });
}
