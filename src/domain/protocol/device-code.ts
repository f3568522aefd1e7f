/**
 * Device authorizations (RFC 8628): what a device asked for, what became of it, and how fast it polls. Neither of the two
 * codes is in a row: the device's by its hash, the short one that a person types by a keyed hash. Every change is one
 * conditional update.
 */
import { randomInt } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import Type from 'typebox';
import { HOUR, inSeconds, now } from '../../kernel/clock.ts';
import type { Origin, Tenant } from '../../kernel/context.ts';
import { hashToken, mintToken } from '../../kernel/secret/random.ts';
import { mac, macs } from '../../kernel/secret/seal.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Nullable, OneOf, type Row, Timestamp } from '../../resource/define.ts';
import { whereText } from '../../resource/partial-index.ts';
import { byKey } from '../../store/by-key.ts';
import { isTaken } from '../fields.ts';

export const DEVICE_CODE_SECONDS = 300;
export const POLL_SECONDS = 5;
/** How much longer than it is valid a row stays, so that a device hears "expired" and not "unknown". */
const MEMORY_SECONDS = HOUR;
/** What a poll that comes too early adds to the interval (RFC 8628 §3.5). */
const SLOWER_SECONDS = 5;
/** Timers of devices are not exact, and networks neither. */
const POLL_TOLERANCE_SECONDS = 0.5;
/** The scope of a refresh token among others (OIDC Core §11). */
const OFFLINE = /(^| )offline_access( |$)/;

const devices = defineCollection({
  name: 'device_code',
  title: 'DeviceCode',
  permission: 'device_codes',
  collection: 'device_codes',
  row: Type.Object({
    client: Type.String(),
    scope: Type.Optional(Type.String()),
    resource: Type.Optional(Type.String()),
    device_name: Type.Optional(Type.String()),
    ip: Nullable(Type.String({ description: 'Where the device asked from: the person who confirms is told' })),
    /** `revoked`: approved, but the user was suspended, changed the password or logged out before the device came back. */
    state: OneOf(['pending', 'approved', 'denied', 'redeemed', 'revoked']),
    user: Type.Optional(Type.String()),
    amr: Type.Optional(Type.Array(Type.String())),
    auth_time: Type.Optional(Type.Integer({ description: 'Unix time in seconds of the login that approved it' })),
    session: Type.Optional(
      Type.String({ description: 'Of that login; set where its end takes what was granted along' }),
    ),
    valid_until: Timestamp(),
    expires_at: Timestamp(),
  }),
  stored: Type.Object({
    device_code: Type.String(),
    user_code: Type.String(),
    interval: Type.Integer({ description: 'Seconds' }),
    poll_after: Timestamp(),
  }),
  defaults: () => ({ state: 'pending' as const }),
  filter: ['client', 'user'],
  unique: [['device_code'], ['user_code']],
  references: { client: { to: 'client', gone: 'remove' }, user: { to: 'user', gone: 'remove' } },
  indexes: [{ keys: { account: 1, session: 1 }, ...whereText('session') }],
  expires: 'expires_at',
});

export type DeviceCode = Row<typeof devices.spec.row, NonNullable<typeof devices.spec.stored>>;

// No vowels, so that no words appear, and none of the letters that are read as a digit.
const LETTERS = 'BCDFGHJKMNPQRSTVWXZ';
const DIGITS = '0123456789';

/** `ABCD-1234`: 30 bits, which the limits on guessing make enough (RFC 8628 §5.1). */
function mintUserCode(): string {
  const four = (from: string) => Array.from({ length: 4 }, () => from[randomInt(from.length)]).join('');
  return `${four(LETTERS)}-${four(DIGITS)}`;
}

/** A user code as it was meant: case, spaces and dashes do not matter (RFC 8628 §6.1), nor letters typed for digits. */
export function readUserCode(typed: string): string | undefined {
  const plain = typed.toUpperCase().replace(/[^A-Z0-9]/g, '');
  const digits = plain.slice(4).replace(/O/g, '0').replace(/[IL]/g, '1');
  const code = `${plain.slice(0, 4)}-${digits}`;
  return /^[A-Z]{4}-\d{4}$/.test(code) ? code : undefined;
}

const USER_CODE = 'user code';
const ofTenant = (tenant: Tenant, userCode: string) => `${tenant.id} ${userCode}`;

type Asked = { client: string; scope?: string; resource?: string; deviceName?: string; from: Origin };

export async function issueDeviceCode(
  tenant: Tenant,
  { deviceName, from, ...asked }: Asked,
): Promise<{ deviceCode: string; userCode: string }> {
  const deviceCode = mintToken();
  for (let attempt = 0; ; attempt += 1) {
    const userCode = mintUserCode();
    try {
      await devices.create(tenant, {
        ...asked,
        device_name: deviceName,
        ip: from.ip,
        device_code: hashToken(deviceCode),
        user_code: mac(USER_CODE, ofTenant(tenant, userCode)),
        interval: POLL_SECONDS,
        poll_after: now(),
        valid_until: inSeconds(DEVICE_CODE_SECONDS),
        expires_at: inSeconds(DEVICE_CODE_SECONDS + MEMORY_SECONDS),
      });
      return { deviceCode, userCode };
    } catch (error) {
      if (!isTaken(error, 'user_code') || attempt > 5) throw error;
    }
  }
}

type Stored = Omit<DeviceCode, 'id'> & { _id: string };
const rowOf = ({ _id, ...rest }: Stored): DeviceCode => ({ ...rest, id: _id });

/** How fast a device may ask; `after` in milliseconds. */
type Pace = { id: string; interval: number; after: number };
/** What devices were told here: one that does not keep to it costs no write. */
const paces = new LRUCache<string, Pace>({ max: 10_000 });

const waitOf = (interval: number): number => (interval - POLL_TOLERANCE_SECONDS) * 1000;

/**
 * By the device's own code; also after it expired. Counts the poll, in the same step: one that comes too early has to wait
 * five seconds more from then on (RFC 8628 §3.5). What is counted between two polls that come in time stays in this
 * process, and goes into the row with the next of those.
 */
export async function pollDeviceCode(
  tenant: Tenant,
  deviceCode: string,
  client: string,
): Promise<{ row: DeviceCode; early: boolean } | undefined> {
  const device_code = hashToken(deviceCode);
  const key = `${tenant.id} ${client} ${device_code}`;
  const pace = paces.get(key);
  if (pace && pace.after > Date.now()) {
    pace.interval += SLOWER_SECONDS;
    pace.after = Date.now() + waitOf(pace.interval);
    const stored = await byKey<Stored>(devices.model.collection, pace.id);
    return stored ? { row: rowOf(stored), early: true } : undefined;
  }
  const before = await countPoll({ account: tenant.id, device_code, client }, pace?.interval ?? 0);
  if (!before) return undefined;
  const early = before.poll_after > now();
  const interval = Math.max(before.interval, pace?.interval ?? 0) + (early ? SLOWER_SECONDS : 0);
  paces.set(key, { id: before._id, interval, after: Date.now() + waitOf(interval) });
  return { row: rowOf(before), early };
}

/** @returns the row as it was before. */
async function countPoll(
  device: { account: string; device_code: string; client: string },
  atLeast: number,
): Promise<Stored | null> {
  const known = { $max: ['$interval', atLeast] };
  const interval = { $cond: [{ $gt: ['$poll_after', now()] }, { $add: [known, SLOWER_SECONDS] }, known] };
  const wait = { $multiply: [{ $subtract: [interval, POLL_TOLERANCE_SECONDS] }, 1000] };
  // Past mongoose, whose casting costs more than the driver: devices ask all the time.
  const before = await devices.model.collection.findOneAndUpdate(
    device,
    [{ $set: { interval, poll_after: { $add: [now(), wait] } } }],
    { returnDocument: 'before' },
  );
  return before as Stored | null;
}

/** What a person's code stands for, as long as nobody has decided about it. */
export const findPending = (tenant: Tenant, userCode: string): Promise<DeviceCode | undefined> =>
  devices.findOne(tenant, {
    user_code: { $in: macs(USER_CODE, ofTenant(tenant, userCode)) },
    state: 'pending',
    valid_until: { $gt: now() },
  });

/** What the user decided about it, as long as that is remembered. */
export const findDecided = (tenant: Tenant, userCode: string, user: string): Promise<DeviceCode | undefined> =>
  devices.findOne(tenant, {
    user_code: { $in: macs(USER_CODE, ofTenant(tenant, userCode)) },
    state: { $in: ['approved', 'redeemed', 'denied'] },
    user: { $eq: user },
  });

export const findPendingById = (tenant: Tenant, id: string): Promise<DeviceCode | undefined> =>
  devices.findOne(tenant, { _id: { $eq: id }, state: 'pending', valid_until: { $gt: now() } });

/** What became of one, as long as it is remembered. */
export const findDevice = (tenant: Tenant, id: string): Promise<DeviceCode | undefined> => devices.find(tenant, id);

type Decision =
  | { state: 'approved'; user: string; amr: string[]; auth_time: number; session: string }
  | { state: 'denied'; user: string };

/** @returns undefined when there is no such row, or it was decided before, or it has expired meanwhile. */
export const decideDevice = (tenant: Tenant, id: string, decision: Decision): Promise<DeviceCode | undefined> =>
  devices.updateWhere(tenant, id, decision, { state: 'pending', valid_until: { $gt: now() } });

/** @returns the row to exactly one caller, once it was approved. */
export const redeemDevice = (tenant: Tenant, id: string): Promise<DeviceCode | undefined> =>
  devices.updateWhere(tenant, id, { state: 'redeemed' }, { state: 'approved', valid_until: { $gt: now() } });

/** @param client all of the user's without it. */
export async function revokeDevicesOf(tenant: Tenant, user: string, client?: string): Promise<void> {
  const approved = {
    user: { $eq: user },
    ...(client !== undefined && { client: { $eq: client } }),
    account: { $eq: tenant.id },
    state: 'approved',
  };
  await devices.model.updateMany(approved, { $set: { state: 'revoked' } });
}

/** What was approved in a session and not fetched when it ended; offline access outlives the session unless that goes too. */
export async function revokeDevicesOfSession(
  tenant: Tenant,
  session: string,
  { evenOffline = false }: { evenOffline?: boolean } = {},
): Promise<void> {
  const approved = { session: { $eq: session }, account: { $eq: tenant.id }, state: 'approved' };
  const those = evenOffline ? approved : { ...approved, scope: { $not: OFFLINE } };
  await devices.model.updateMany(those, { $set: { state: 'revoked' } });
}
