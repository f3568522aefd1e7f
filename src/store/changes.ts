/**
 * How an instance hears that another one changed an account's set-up: every change leaves a mark, and every instance asks
 * for new marks every second. What it holds is then good for a minute instead of seconds, and a thousand tenants that
 * take turns are not read again and again. An instance that could not ask goes by the age of what it holds, as without.
 */
import mongoose from 'mongoose';
import { DAY, inSeconds, MINUTE } from '../kernel/clock.ts';
import { type Currency, type Held, isYoung, RECENT_SECONDS, type Recent, recent } from '../kernel/recent.ts';
import { isUnavailable } from './connect.ts';

type Mark = { _id: string; at: Date; count: number; expires_at: Date };

export const CHANGES_COLLECTION = 'changes';
/** As often as the driver asks the server whether it is there. */
const ASK_SECONDS = 1;
const HELD_SECONDS = MINUTE;
/** For how long a set-up is gone by while the database cannot be asked. */
const STANDING_IN_SECONDS = 10 * MINUTE;
/** By then every instance has asked, or holds nothing that is older. */
const MARK_SECONDS = DAY;
/** A mark may become visible later than one that was made after it. */
const OVERLAP_SECONDS = MINUTE;
const MOST_CHANGED = 10_000;

/** Counts changes; what began to be loaded before an account's last one may be from before it. */
let order = 0;
let lastOfAny = 0;
const lastOf = new Map<string, number>();

function forgetAll(): void {
  order += 1;
  lastOfAny = order;
  lastOf.clear();
}

/** For this instance alone: what was held turned out to be old. */
export function forgetHeld(account: string): void {
  if (lastOf.size >= MOST_CHANGED) forgetAll();
  order += 1;
  lastOf.set(account, order);
}

const marks = () => mongoose.connection.db!.collection<Mark>(CHANGES_COLLECTION);

/** After a change of an account's set-up is written: this instance forgets what it holds, the others soon do. */
export async function noteChange(account: string): Promise<void> {
  forgetHeld(account);
  // The time is the server's: instances compare them.
  const mark = {
    $currentDate: { at: true },
    $inc: { count: 1 },
    $set: { expires_at: inSeconds(MARK_SECONDS) },
  } as const;
  await marks().updateOne({ _id: account }, mark, { upsert: true });
}

/* ——— asking ——— */

/** When an answer was last asked for that came, in milliseconds: every change before it is known here. */
let knownUntil = Number.NEGATIVE_INFINITY;
let newest: Date | undefined;
/** Marks within the overlap that were seen. */
let seen = new Map<string, string>();

const stampOf = ({ at, count }: Mark): string => `${at.getTime()} ${count}`;

async function ask(): Promise<void> {
  const askedAt = Date.now();
  if (!newest) {
    const [last] = await marks().find({}).sort({ at: -1 }).limit(1).toArray();
    newest = last?.at ?? new Date(0);
    forgetAll();
  }
  const from = new Date(newest.getTime() - OVERLAP_SECONDS * 1000);
  const found = await marks()
    .find({ at: { $gte: from } })
    .toArray();
  for (const mark of found) {
    if (seen.get(mark._id) !== stampOf(mark)) forgetHeld(mark._id);
    if (mark.at > newest) newest = mark.at;
  }
  seen = new Map(found.map((mark) => [mark._id, stampOf(mark)]));
  knownUntil = askedAt;
}

/** Asks until stopped. @param onError is told when it cannot, once until it can again. */
export function watchChanges(onError: (error: unknown) => void): () => Promise<void> {
  let failing = false;
  let asking = Promise.resolve();
  const turn = () =>
    ask().then(
      () => {
        failing = false;
      },
      (error: unknown) => {
        if (!failing) onError(error);
        failing = true;
      },
    );
  // One at a time: a slow answer must not overtake.
  let waiting = false;
  const timer = setInterval(() => {
    if (waiting) return;
    waiting = true;
    asking = turn().finally(() => {
      waiting = false;
    });
  }, ASK_SECONDS * 1000);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await asking;
    newest = undefined;
    knownUntil = Number.NEGATIVE_INFINITY;
  };
}

/* ——— what is held ——— */

/**
 * Rows of accounts' set-ups, held while they are known to be current.
 * @param accountOf whose set-up something held belongs to; where that is nobody's, any change may be about it.
 */
export function watched<V>(max: number, accountOf: (held: Held<V>) => string | undefined): Recent<V> {
  const isKnownOld = (held: Held<V>): boolean =>
    held.order < Math.max(lastOfAny, lastOf.get(accountOf(held) ?? '') ?? 0);
  const currency: Currency<V> = {
    order: () => order,
    standsIn: (held, error) => isUnavailable(error) && !isKnownOld(held) && isYoung(held, STANDING_IN_SECONDS),
    isCurrent(held) {
      const account = accountOf(held);
      if (account === undefined) return held.order === order && isYoung(held);
      if (isKnownOld(held)) return false;
      return isYoung(held, isYoung({ since: knownUntil }) ? HELD_SECONDS : RECENT_SECONDS);
    },
  };
  return recent(max, currency);
}

/** Of keys that begin with the account and a space. */
export const accountOfKey = ({ key }: { key: string }): string => key.slice(0, key.indexOf(' '));
