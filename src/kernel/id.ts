/** Ids of the wire: `<kind>_<24 hex>`, ordered by creation time as MongoDB's ObjectId is. */
import { createHash, randomBytes } from 'node:crypto';

const process5 = randomBytes(5).toString('hex');
let counter = randomBytes(3).readUIntBE(0, 3);

/** 4 bytes of seconds, 5 of this process, 3 of a counter: unique without coordination, newest last. */
export function mintId(kind: string): string {
  counter = (counter + 1) % 0x1000000;
  return `${kind}_${secondsNow()}${process5}${counter.toString(16).padStart(6, '0')}`;
}

/** The same for the same key: of several rows for it one is written. */
export const idOfKey = (kind: string, key: string): string =>
  `${kind}_${createHash('sha256').update(key).digest('hex').slice(0, 24)}`;

/** One that nobody can know beforehand: for where the next of the others was taken on purpose, or would deny somebody. */
export const mintRandomId = (kind: string): string => `${kind}_${secondsNow()}${randomBytes(8).toString('hex')}`;

const secondsNow = (): string =>
  Math.floor(Date.now() / 1000)
    .toString(16)
    .padStart(8, '0');

export const isId = (kind: string, value: unknown): value is string =>
  typeof value === 'string' &&
  value.length === kind.length + 25 &&
  value.startsWith(`${kind}_`) &&
  /^[0-9a-f]{24}$/.test(value.slice(-24));

/** When a row of this id was made, to the second. */
export const timeOfId = (id: string): Date => new Date(Number.parseInt(id.slice(-24, -16), 16) * 1000);

/** The smallest id that a row created at or after the given time can have. */
export const idFloor = (kind: string, time: Date): string =>
  `${kind}_${Math.min(0xffffffff, Math.max(0, Math.floor(time.getTime() / 1000)))
    .toString(16)
    .padStart(8, '0')}${'0'.repeat(16)}`;
