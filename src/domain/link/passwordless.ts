/**
 * Codes and links that are mailed to log somebody in. A code is six digits, so its row holds a keyed hash and counts what
 * was tried; a link's token is stored as its hash. Who gets one, and what a login means, is auth/passwordless.ts's.
 */
import { randomInt } from 'node:crypto';
import Type from 'typebox';
import { DAY, HOUR, inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { hashToken, mintToken, sameSecret } from '../../kernel/secret/random.ts';
import { mac } from '../../kernel/secret/seal.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { defineCollection } from '../../resource/collection.ts';
import { Nullable, OneOf, type Row, Timestamp } from '../../resource/define.ts';

export const CODE_SECONDS = 5 * MINUTE;
export const LINK_SECONDS = HOUR;
const TRIES = 5;
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

export const mintMailedId = (): string => mailed.mintId();
export const mintCode = (): string => String(randomInt(1_000_000)).padStart(6, '0');

const codeHash = (id: string, code: string) => mac('one-time code', `${id} ${code}`);

/** Replaces the address's earlier code. */
export async function storeCode(tenant: Tenant, id: string, code: string, asked: Asked): Promise<void> {
  const { connection, email } = asked;
  await mailed.removeWhere(tenant, { kind: 'code', connection: { $eq: connection }, email: { $eq: email } });
  await mailed.create(tenant, {
    ...asked,
    id,
    kind: 'code',
    secret: codeHash(id, code),
    tries: 0,
    consumed_at: null,
    expires_at: inSeconds(CODE_SECONDS),
    forget_at: inSeconds(CODE_SECONDS),
  });
}

/**
 * Uses up one try, and with the right code the code itself: of N callers with the right code one gets true.
 * Takes as long when there is no code.
 */
export async function useCode(
  tenant: Tenant,
  { client, connection, email }: Pick<Mailed, 'client' | 'connection' | 'email'>,
  code: string,
): Promise<boolean> {
  const open = { consumed_at: null, expires_at: { $gt: now() } };
  const row = await mailed.findOne(tenant, {
    kind: 'code',
    connection: { $eq: connection },
    email: { $eq: email },
    ...open,
  });
  const id = row?.id ?? mailed.mintId();
  // Counted before the code is looked at, so that parallel guesses cannot outrun the count.
  const { modifiedCount } = await mailed.model.updateOne(
    { _id: { $eq: id }, account: { $eq: tenant.id }, ...open, tries: { $lt: TRIES } },
    { $inc: { tries: 1 } },
  );
  const right = sameSecret(row?.secret ?? '', codeHash(id, code));
  if (modifiedCount === 0 || !right || row?.client !== client) return false;
  return (await mailed.updateWhere(tenant, id, { consumed_at: now() }, open)) !== undefined;
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
  (await mailed.updateWhere(tenant, id, { consumed_at: now() }, { consumed_at: null, expires_at: { $gt: now() } })) !==
  undefined;
