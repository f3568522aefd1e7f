/**
 * What somebody may guess who has proven nothing, at a secret of somebody else: counted before it is looked at, so that
 * guesses at once cannot outrun the count. Counted by where it comes from, so that nobody locks out anybody but those
 * beside them; and slowly over all networks together, where whoever has come in from here before is let through.
 */
import { DAY, MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { networkOf } from '../kernel/network.ts';
import { limiter, marks } from '../store/limiter.ts';
import { longestOf, networkLimit } from './network-limit.ts';

const WINDOW_SECONDS = 15 * MINUTE;
/** For how long a network from which somebody came in is still theirs. */
const KNOWN_SECONDS = 30 * DAY;

type Limits = {
  /** At one secret, from one network. */
  each: number;
  /** At whatever secrets, from one network. */
  network: number;
  /** At one secret in a day, from all networks. */
  everywhere: number;
};

/** A guess that was counted; one of the two is called, or neither for one that was wrong. */
export type Guess = {
  right(): Promise<void>;
  /** Whether somebody came in from here before by the same secret, or its like. */
  known(): Promise<boolean>;
  /** It was not looked at. */
  undone(): Promise<void>;
};

/**
 * @returns what counts a guess at a subject (whatever names the secret, within the tenant), or the seconds to wait.
 *   A guess that is refused takes nothing from the others: being locked out in one network uses up nothing elsewhere.
 */
export function guessing(name: string, { each, network, everywhere }: Limits) {
  const inNetwork = networkLimit(`${name}-address`, network, WINDOW_SECONDS);
  const atSubject = limiter(`${name}-identifier`, each, WINDOW_SECONDS);
  const atSubjectEverywhere = limiter(`${name}-everywhere`, everywhere, DAY);
  const known = marks(`${name}-known`, KNOWN_SECONDS);

  const keysOf = (tenant: Tenant, subject: string, ip: string | null) => {
    const whole = `${tenant.id} ${subject}`;
    return { whole, here: `${whole} ${networkOf(ip)}` };
  };

  const guess = async (tenant: Tenant, subject: string, ip: string | null): Promise<Guess | number> => {
    const { whole, here } = keysOf(tenant, subject, ip);
    const waits = await inNetwork.consumeEach(tenant, ip);
    const crowded = longestOf(waits);
    // What others do in the networks around keeps nobody out where they came in before.
    if (crowded !== null && (waits[0] !== null || !(await known.has(here)))) return crowded;
    const wait = await atSubject.consume(here);
    if (wait !== null) {
      await inNetwork.giveBack(tenant, ip);
      return wait;
    }
    const undo = [() => inNetwork.giveBack(tenant, ip), () => atSubject.giveBack(here)];
    const slow = await atSubjectEverywhere.consume(whole);
    if (slow !== null && !(await known.has(here))) {
      await Promise.all(undo.map((step) => step()));
      return slow;
    }
    return {
      known: () => known.has(here),
      async right() {
        await Promise.all([
          inNetwork.giveBack(tenant, ip),
          atSubject.reset(here),
          atSubjectEverywhere.reset(whole),
          known.set(here),
        ]);
      },
      async undone() {
        await Promise.all([...undo, () => atSubjectEverywhere.giveBack(whole)].map((step) => step()));
      },
    };
  };

  /** Somebody has shown otherwise that the secret is theirs: what others guessed keeps them out here no longer. */
  const welcome = async (tenant: Tenant, subject: string, ip: string | null): Promise<void> => {
    const { whole, here } = keysOf(tenant, subject, ip);
    await Promise.all([atSubject.reset(here), atSubjectEverywhere.reset(whole), known.set(here)]);
  };
  return Object.assign(guess, { welcome });
}

export const lockedOut = (retryAfterSeconds: number): Fault =>
  new Fault('locked_out', undefined, { retryAfterSeconds });
