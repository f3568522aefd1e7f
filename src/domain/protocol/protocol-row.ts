/**
 * Protocol rows: sessions, grants, codes, refresh tokens, interactions and the like, as the OIDC engine stores them.
 * A row's key is a hash of the token it stands for; the token itself is nowhere. Single-use rows are consumed by one
 * conditional update. Nothing here knows the engine.
 */
import mongoose, { type mongo } from 'mongoose';
import { DAY, inSeconds, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { recent } from '../../kernel/recent.ts';
import { hashToken } from '../../kernel/secret/random.ts';
import { whereText } from '../../resource/partial-index.ts';
import { byKey, byKeyTogether } from '../../store/by-key.ts';
import { revokeDevicesOf } from './device-code.ts';

export const PROTOCOL_COLLECTION = 'protocol';

export type ProtocolRow = {
  _id: string;
  account: string;
  kind: string;
  /** The engine's payload as JSON without its token id. Kept as text: it is opaque here, and cheaper to store and load. */
  payload: string;
  grant?: string;
  uid?: string;
  user?: string;
  client?: string;
  /** Of a session or a grant: the issuer that its clients know, whatever host a later call comes by. */
  origin?: string;
  consumed_at?: Date;
  expires_at: Date;
};

const schema = new mongoose.Schema<ProtocolRow>(
  {
    _id: { type: String, required: true },
    account: { type: String, required: true },
    kind: { type: String, required: true },
    payload: { type: String, required: true },
    grant: String,
    uid: String,
    user: String,
    client: String,
    origin: String,
    consumed_at: Date,
    expires_at: { type: Date, required: true },
  },
  { collection: PROTOCOL_COLLECTION, strict: 'throw', versionKey: false, autoIndex: false },
);
for (const field of ['grant', 'uid', 'user']) schema.index({ account: 1, [field]: 1 }, whereText(field));
// Of every row, so that the end of an account finds them all.
schema.index({ account: 1, client: 1 });
schema.index({ expires_at: 1 });
export const protocolModel = mongoose.model<ProtocolRow>('Protocol', schema);

export type Keyed = { kind: string; token: string };
const keyOf = (tenant: Tenant, { kind, token }: Keyed): string => hashToken(`${tenant.id}\0${kind}\0${token}`);
const scope = (tenant: Tenant) => ({ account: { $eq: tenant.id } });
export type ProtocolFields = Omit<ProtocolRow, '_id' | 'account' | 'kind' | 'consumed_at'>;

/** Grants that tokens are asked for under again and again. */
const held = recent<ProtocolRow | null>(20_000);

/**
 * To put is to insert or replace, and a consumed row stays consumed; without fields the row goes. One that is `new` will
 * hardly be there, which makes it cheaper to put; one that was `seen` and has gone since was ended, and stays gone.
 */
export type ProtocolWrite = Keyed & { fields?: ProtocolFields; as?: 'new' | 'seen' };

/**
 * Past mongoose, whose casting costs more than the driver: what is written here is typed, and read as it was written. By
 * the key alone, which holds the tenant already: the server then asks no planner.
 */
const rows = () => protocolModel.collection as unknown as mongo.Collection<ProtocolRow>;

const DUPLICATE = 11000;

/** @returns those that were there already: honest retries of one refresh token make the same successor. */
async function insertAll(documents: ProtocolRow[]): Promise<Set<string>> {
  if (documents.length === 0) return new Set();
  try {
    await rows().insertMany(documents, { ordered: false });
    return new Set();
  } catch (error) {
    const { writeErrors = [] } = error as { writeErrors?: { code: number; index: number }[] };
    if (writeErrors.length === 0 || writeErrors.some(({ code }) => code !== DUPLICATE)) throw error;
    return new Set(writeErrors.map(({ index }) => documents[index]!._id));
  }
}

async function replace({ _id, account, kind, ...fields }: ProtocolRow, upsert: boolean): Promise<void> {
  const change = { $set: fields, ...(upsert && { $setOnInsert: { account, kind } }) };
  const put = () => rows().updateOne({ _id }, change, { upsert });
  // Two that insert the same row at once: the later one finds it there.
  await put().catch((error: { code?: unknown }) => {
    if (error.code !== DUPLICATE) throw error;
    return put();
  });
}

/** All at once; of several writes of one row the last one counts. Repeating it changes nothing. */
export async function writeProtocol(tenant: Tenant, writes: readonly ProtocolWrite[]): Promise<void> {
  const last = new Map(writes.map((write) => [keyOf(tenant, write), write]));
  const [fresh, seen, others]: [ProtocolRow[], ProtocolRow[], ProtocolRow[]] = [[], [], []];
  const gone: string[] = [];
  for (const [_id, { kind, fields, as }] of last) {
    if (!fields) {
      gone.push(_id);
      continue;
    }
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    const row = { _id, account: tenant.id, kind, ...(present as ProtocolFields) };
    (as === 'new' ? fresh : as === 'seen' ? seen : others).push(row);
  }
  const inserting = insertAll(fresh);
  // Whoever makes a grant asks for it next.
  for (const row of fresh) {
    if (row.kind !== 'Grant') continue;
    held.forget(row._id);
    Promise.resolve(held.get(row._id, () => inserting.then(() => row))).catch(() => {});
  }
  const replacing = inserting.then(async (there) => {
    const met = fresh.filter(({ _id }) => there.has(_id));
    await Promise.all(met.map((row) => replace(row, false)));
    return met;
  });
  const [met] = await Promise.all([
    replacing,
    ...seen.map((row) => replace(row, false)),
    ...others.map((row) => replace(row, true)),
    gone.length && rows().deleteMany({ _id: { $in: gone } }),
  ]);
  for (const { _id } of [...met, ...seen, ...others]) held.forget(_id);
  for (const id of gone) held.forget(id);
}

export const putProtocol = (tenant: Tenant, key: Keyed, fields: ProtocolFields): Promise<void> =>
  writeProtocol(tenant, [{ ...key, fields }]);

/** A row that has expired is as absent as one that never was, whether or not the sweeper came by. */
export const findProtocol = (tenant: Tenant, key: Keyed): Promise<ProtocolRow | null> =>
  findById(tenant, keyOf(tenant, key));

async function findById(tenant: Tenant, id: string): Promise<ProtocolRow | null> {
  const row = await byKey<ProtocolRow>(protocolModel.collection, id);
  return row && isAlive(tenant, row) ? row : null;
}

const isAlive = (tenant: Tenant, { account, expires_at }: ProtocolRow): boolean =>
  account === tenant.id && expires_at > now();

/** Seconds old at most: to look at, not to change. What ends here is gone at once. */
export function recentProtocol(tenant: Tenant, key: Keyed): ProtocolRow | null | Promise<ProtocolRow | null> {
  const id = keyOf(tenant, key);
  return held.get(id, () => findById(tenant, id));
}

export const findProtocolByUid = (tenant: Tenant, kind: string, uid: string): Promise<ProtocolRow | null> =>
  protocolModel
    .findOne({ uid: { $eq: uid }, kind: { $eq: kind }, ...scope(tenant), expires_at: { $gt: now() } })
    .lean<ProtocolRow>()
    .exec();

/**
 * How long a consumed row stays at most, to tell that it was: a refresh token that never expires would else leave one
 * behind at every use, for ever.
 */
const CONSUMED_SECONDS = 90 * DAY;

/** When it was consumed before, a consumed row keeps that time. @returns false when somebody else consumed it first. */
export async function consumeProtocol(tenant: Tenant, key: Keyed): Promise<boolean> {
  const { modifiedCount } = await rows().updateOne({ _id: keyOf(tenant, key) }, [
    {
      $set: {
        consumed_at: { $ifNull: ['$consumed_at', now()] },
        // Nothing changes the second time, whatever that instance's clock says.
        expires_at: {
          $cond: [
            { $gt: ['$consumed_at', null] },
            '$expires_at',
            { $min: ['$expires_at', inSeconds(CONSUMED_SECONDS)] },
          ],
        },
      },
    },
  ]);
  return modifiedCount === 1;
}

/** @returns whether it was there. */
export async function destroyProtocol(tenant: Tenant, key: Keyed): Promise<boolean> {
  return removeProtocolRow(tenant, keyOf(tenant, key));
}

/**
 * Claims a value for one use until it expires: of N callers with the same key exactly one gets true, on whatever
 * instance. Afterwards the key is free again.
 */
export async function claimOnce(tenant: Tenant, key: Keyed, expires_at: Date): Promise<boolean> {
  try {
    await protocolModel.updateOne(
      { _id: { $eq: keyOf(tenant, key) }, ...scope(tenant), expires_at: { $lte: now() } },
      { $set: { expires_at, payload: '{}' }, $setOnInsert: { kind: key.kind } },
      { upsert: true },
    );
    return true;
  } catch (error) {
    // A row that is still good does not match, and inserting beside it fails: it was claimed.
    if ((error as { code?: number }).code === 11000) return false;
    throw error;
  }
}

const DENIED = 'DeniedAccessToken';

/** Remembers by its `jti` that an access token was revoked (RFC 7009); the tokens themselves are nowhere. */
export const denyToken = (tenant: Tenant, jti: string, expires_at: Date): Promise<void> =>
  putProtocol(tenant, { kind: DENIED, token: jti }, { payload: '{}', expires_at });

const asked = byKeyTogether<ProtocolRow>(protocolModel.collection);

/**
 * Whether an access token that verifies is good still, on whatever instance it was revoked: neither denied itself nor its
 * grant gone. Asked of the database each time; it has no answer from before.
 * @returns the grant, where there is one to have; nothing for a token that has ended.
 */
export async function standingOf(
  tenant: Tenant,
  { jti, grant_id }: { jti: string; grant_id?: string },
): Promise<{ grant?: ProtocolRow } | undefined> {
  const [denied, grant] = await Promise.all([
    asked(keyOf(tenant, { kind: DENIED, token: jti })),
    grant_id === undefined ? undefined : asked(keyOf(tenant, { kind: 'Grant', token: grant_id })),
  ]);
  if (denied || (grant_id !== undefined && !(grant && isAlive(tenant, grant)))) return undefined;
  return grant ? { grant } : {};
}

/**
 * A grant and everything issued under it: the family that RFC 9700 §4.14.2 speaks of. The grant first, without which the
 * rest is worth nothing, whatever is being issued under it meanwhile.
 * @returns false when somebody else had ended it before.
 */
export async function revokeGrant(tenant: Tenant, grant: string): Promise<boolean> {
  const ended = await destroyProtocol(tenant, { kind: 'Grant', token: grant });
  await protocolModel.deleteMany({ grant: { $eq: grant }, ...scope(tenant) });
  held.forgetWhere((row) => row?.grant === grant);
  return ended;
}

/**
 * Has a grant end with the one that it was made from, and with whatever that one was made from.
 * @returns false where that has ended: the grant is gone as well.
 */
export async function hangGrant(tenant: Tenant, grant: string, above: string): Promise<boolean> {
  const keyOfGrant = (token: string) => keyOf(tenant, { kind: 'Grant', token });
  const root = (await findProtocol(tenant, { kind: 'Grant', token: above }))?.grant ?? above;
  const hung = { _id: { $eq: keyOfGrant(grant) }, ...scope(tenant) };
  await protocolModel.updateOne(hung, { $set: { grant: root } });
  held.forget(keyOfGrant(grant));
  // Who ended them before that did not find it.
  const stand = await Promise.all([above, root].map((token) => protocolRowExists(tenant, keyOfGrant(token))));
  if (stand.every(Boolean)) return true;
  await revokeGrant(tenant, grant);
  return false;
}

/** Never brings back a grant that has ended meanwhile, and never shortens one. */
export async function extendGrant(tenant: Tenant, grant: string, expires_at: Date): Promise<void> {
  const _id = keyOf(tenant, { kind: 'Grant', token: grant });
  await protocolModel.updateOne({ _id: { $eq: _id }, ...scope(tenant) }, { $max: { expires_at } });
  held.forget(_id);
}

/** A row by its key, as a row has it. @returns whether it was there. */
export async function removeProtocolRow(tenant: Tenant, id: string): Promise<boolean> {
  const { deletedCount } = await protocolModel.deleteOne({ _id: { $eq: id }, ...scope(tenant) });
  held.forget(id);
  return deletedCount === 1;
}

/** Sessions of a user, or refresh tokens that are good for another use: those that last the longest, first. */
export const latestOfUser = (
  tenant: Tenant,
  user: string,
  kind: 'Session' | 'RefreshToken',
  most: number,
): Promise<ProtocolRow[]> =>
  protocolModel
    .find({
      user: { $eq: user },
      kind: { $eq: kind },
      consumed_at: null,
      ...scope(tenant),
      expires_at: { $gt: now() },
    })
    .sort({ expires_at: -1 })
    .limit(most)
    .lean<ProtocolRow[]>()
    .exec();

/** Live rows of a user of these kinds. */
export const protocolOfUser = (tenant: Tenant, user: string, kinds: readonly string[]): Promise<ProtocolRow[]> =>
  protocolModel
    .find({ user: { $eq: user }, kind: { $in: [...kinds] }, ...scope(tenant), expires_at: { $gt: now() } })
    .lean<ProtocolRow[]>()
    .exec();

export const protocolRowExists = async (tenant: Tenant, id: string): Promise<boolean> =>
  (await protocolModel.exists({ _id: { $eq: id }, ...scope(tenant), expires_at: { $gt: now() } })) !== null;

/** A session that goes on, and grants: of those only what is named stays. */
export type Kept = { session?: string; grants: readonly string[] };

const grantKeys = (tenant: Tenant, grants: readonly string[]): string[] =>
  grants.map((token) => keyOf(tenant, { kind: 'Grant', token }));

/** Whether a session or a grant is among what is kept. */
export const isKept = (tenant: Tenant, { _id, uid }: ProtocolRow, { session, grants }: Kept): boolean =>
  (session !== undefined && uid === session) || grantKeys(tenant, grants).includes(_id);

/** Everything that lets a user in; what else that means is session-end.ts's `revokeUser`. */
export async function removeProtocolOfUser(
  tenant: Tenant,
  user: string,
  { session, grants }: Kept = { grants: [] },
): Promise<void> {
  const kept = [
    { _id: { $in: grantKeys(tenant, grants) } },
    { grant: { $in: [...grants] } },
    ...(session === undefined ? [] : [{ uid: { $eq: session } }]),
  ];
  await protocolModel.deleteMany({ user: { $eq: user }, ...scope(tenant), $nor: kept });
  held.forgetWhere((row) => row?.user === user);
}

/** Has a grant that was made outside of a session end with it. */
export async function bindGrant(tenant: Tenant, grant: string, session: string): Promise<void> {
  const _id = keyOf(tenant, { kind: 'Grant', token: grant });
  await protocolModel.updateOne({ _id: { $eq: _id }, ...scope(tenant) }, { $set: { uid: session } });
  held.forget(_id);
}

/** Grants without offline access: nothing but access tokens hangs on them. */
export async function removeBoundGrants(tenant: Tenant, session: string): Promise<void> {
  await protocolModel.deleteMany({ uid: { $eq: session }, kind: 'Grant', ...scope(tenant) });
  held.forgetWhere((row) => row?.uid === session);
}

/** Ends what one client has of one user; the user stays logged in. */
export async function revokeClientOf(
  tenant: Tenant,
  { user, client }: { user: string; client: string },
): Promise<void> {
  await protocolModel.deleteMany({ user: { $eq: user }, client: { $eq: client }, ...scope(tenant) });
  held.forgetWhere((row) => row?.user === user && row.client === client);
  await revokeDevicesOf(tenant, user, client);
}

export async function revokeClient(tenant: Tenant, client: string): Promise<void> {
  await protocolModel.deleteMany({ client: { $eq: client }, ...scope(tenant) });
  held.forgetWhere((row) => row?.client === client);
}

export async function removeProtocol(account: string): Promise<void> {
  await protocolModel.deleteMany({ account: { $eq: account } });
  held.forgetWhere((row) => row?.account === account);
}
