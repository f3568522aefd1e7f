/**
 * Codes and links that are mailed to log somebody in. A code is six digits, so its row holds a keyed hash and counts what
 * was tried; a link's token is stored as its hash. Who gets one, and what a login means, is auth/passwordless.ts's.
 */
import { randomInt } from 'node:crypto';
import Type from 'typebox';
import { DAY, HOUR, inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { hashToken, mintToken } from '../../kernel/secret/random.ts';
import { isMac, mac } from '../../kernel/secret/seal.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { defineCollection, type Filter } from '../../resource/collection.ts';
import { Nullable, OneOf, type Row, Timestamp } from '../../resource/define.ts';

export const CODE_SECONDS = 5 * MINUTE;
export const LINK_SECONDS = HOUR;
/** From all networks together; auth/passwordless.ts counts those of each. */
const TRIES = 20;
/** For how long a link that is over can still be told from one that never was. */
const REMEMBERED_SECONDS = 7 * DAY;

const mailed = defineCollection({
  name: 'passwordless',
  title: 'Passwordless',
  permission: 'passwordless',
  collection: 'passwordless',
  row: Type.Object({
    kind: OneOf(['code', 'link']),
    client: Type.String(),
    connection: Type.String(),
    email: Type.String(),
    params: Type.Optional(Type.String({ description: 'JSON: the authorization parameters that a link goes on with' })),
    browser: Type.Optional(Type.String({ description: 'Hash of the cookie of the browser that asked' })),
    expires_at: Timestamp('When it stops working'),
    forget_at: Timestamp('When the row is deleted'),
  }),
  stored: Type.Object({
    secret: Type.String(),
    tries: Type.Integer(),
    consumed_at: Nullable(Timestamp()),
  }),
  defaults: () => ({}),
  filter: ['email'],
  texts: { email: emailAddress },
  references: { client: { to: 'client', gone: 'remove' }, connection: { to: 'connection', gone: 'remove' } },
  indexes: [{ keys: { account: 1, secret: 1 } }],
  expires: 'forget_at',
});

export type Mailed = Row<typeof mailed.spec.row, NonNullable<typeof mailed.spec.stored>>;
type Asked = Pick<Mailed, 'client' | 'connection' | 'email' | 'params' | 'browser'>;
type Place = Pick<Mailed, 'client' | 'connection' | 'email'>;

export const mintMailedId = (): string => mailed.mintId();
export const mintCode = (): string => String(randomInt(1_000_000)).padStart(6, '0');

const CODE = 'one-time code';
const codeOf = (id: string, code: string) => `${id} ${code}`;

/** A code is for one address at one client: what is done at another leaves it alone. */
const codesAt = ({ client, connection, email }: Place): Filter => ({
  kind: 'code',
  client: { $eq: client },
  connection: { $eq: connection },
  email: { $eq: email },
});
const open = (): Filter => ({ consumed_at: null, expires_at: { $gt: now() } });

/** Replaces the address's earlier code at the client. */
export async function storeCode(tenant: Tenant, id: string, code: string, asked: Asked): Promise<void> {
  await mailed.removeWhere(tenant, codesAt(asked));
  await mailed.create(tenant, {
    ...asked,
    id,
    kind: 'code',
    secret: mac(CODE, codeOf(id, code)),
    tries: 0,
    consumed_at: null,
    expires_at: inSeconds(CODE_SECONDS),
    forget_at: inSeconds(CODE_SECONDS),
  });
}

/** The code that can be guessed at the moment. Whether the address has an account does not matter: all that ask have one. */
export const openCode = (tenant: Tenant, place: Place): Promise<Mailed | undefined> =>
  mailed.findOne(tenant, { ...codesAt(place), ...open() });

/**
 * Uses up one try, and with the right code the code itself: of N callers with the right code one gets true.
 * @param trusted for whom there is a try where strangers have used all up.
 */
export async function useCode(
  tenant: Tenant,
  { id, secret }: Mailed,
  code: string,
  trusted: boolean,
): Promise<boolean> {
  // Counted before the code is looked at, so that parallel guesses cannot outrun the count.
  const left = trusted ? {} : { tries: { $lt: TRIES } };
  const counted = await mailed.changeWhere(tenant, { _id: { $eq: id }, ...open(), ...left }, { $inc: { tries: 1 } });
  if (!isMac(CODE, codeOf(id, code), secret) || counted === 0) return false;
  return (await mailed.updateWhere(tenant, id, { consumed_at: now() }, open())) !== undefined;
}

/** @returns the token of the link, which is stored nowhere. */
export async function storeLink(tenant: Tenant, id: string, token: string, asked: Asked): Promise<void> {
  await mailed.create(tenant, {
    ...asked,
    id,
    kind: 'link',
    secret: hashToken(token),
    tries: 0,
    consumed_at: null,
    expires_at: inSeconds(LINK_SECONDS),
    forget_at: inSeconds(LINK_SECONDS + REMEMBERED_SECONDS),
  });
}

export const mintLinkToken = (): string => mintToken();

/** Whether a code or link is there; one that a later code replaced is not. */
export const isStored = (tenant: Tenant, id: string): Promise<boolean> => mailed.exists(tenant, { _id: { $eq: id } });

export type LinkState = 'open' | 'used' | 'expired';
export const stateOf = ({ consumed_at, expires_at }: Mailed): LinkState =>
  consumed_at ? 'used' : expires_at <= now() ? 'expired' : 'open';

export const findLink = (tenant: Tenant, token: string): Promise<Mailed | undefined> =>
  mailed.findOne(tenant, { kind: 'link', secret: { $eq: hashToken(token) } });

/** @returns false when somebody else used it first, or it has expired. */
export const useLink = async (tenant: Tenant, { id }: Mailed): Promise<boolean> =>
  (await mailed.updateWhere(tenant, id, { consumed_at: now() }, open())) !== undefined;
