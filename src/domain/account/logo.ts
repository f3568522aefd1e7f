/**
 * Logos that we keep: uploaded, or fetched at once from an address; checked to be pictures, stored by what is in them, and
 * served from our own origin for ever under that name. Which of them an account shows is in its fields.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { type PictureKind, pictureIn } from '../../kernel/picture.ts';
import { defineCollection } from '../../resource/collection.ts';
import { OneOf, Timestamp } from '../../resource/define.ts';
import { limiter } from '../../store/limiter.ts';
import { isTaken } from '../fields.ts';

const MOST_BYTES = 262_144;
const SIDE = { least: 16, most: 4096 };
/** Of an account: what mails of earlier show stays for a while. */
const KEPT = 10;

const pictures = defineCollection({
  name: 'picture',
  title: 'Picture',
  permission: 'pictures',
  collection: 'pictures',
  row: Type.Object({
    file: Type.String(),
    type: Type.String(),
    kept_at: Type.Optional(Timestamp('When it was last set')),
  }),
  stored: Type.Object({ data: Type.String({ description: 'In base64' }) }),
  defaults: () => ({}),
  filter: ['file'],
  unique: [['file']],
});

/** A picture may be fetched from somebody else's host, and is a third of a megabyte in the database until the next. */
const changes = limiter('logos', 60, 10 * MINUTE);

/** @param field where it stands in the body, with dots. */
const invalid = (field: string, message: string, cause?: unknown): Fault =>
  new Fault('validation', `"${field.split('.').at(-1)}" ${message}.`, {
    details: [{ path: `/${field.replace('.', '/')}`, message }],
    cause,
  });

/** One that pages can show, not kept yet. */
type Picture = { bytes: Buffer; kind: PictureKind };

/** @throws Fault `validation` for what is no picture that pages can show. */
function judged(field: string, bytes: Buffer): Picture {
  if (bytes.length > MOST_BYTES) throw invalid(field, `is larger than ${MOST_BYTES / 1024} KB`);
  const kind = pictureIn(bytes);
  if (!kind) throw invalid(field, 'is not a PNG, JPEG, GIF or WebP picture');
  const sides = [kind.width, kind.height];
  if (sides.some((side) => side < SIDE.least || side > SIDE.most))
    throw invalid(field, `has to measure ${SIDE.least} to ${SIDE.most} pixels each way, not ${sides.join(' by ')}`);
  return { bytes, kind };
}

export const LogoBody = Type.Object(
  {
    scheme: Type.Optional(OneOf(['light', 'dark'], 'On which background it is for; default `light`')),
    data: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: Math.ceil(MOST_BYTES / 3) * 4,
        contentEncoding: 'base64',
        description: 'The picture itself, in base64',
      }),
    ),
    address: Type.Optional(
      Type.String({ minLength: 1, maxLength: 2000, description: 'Where it is fetched from, at once and once' }),
    ),
  },
  { additionalProperties: false },
);
export type LogoInput = { scheme?: 'light' | 'dark'; data?: string; address?: string };

/** Careful about where it goes, and about how much comes back. */
export type FetchPicture = (address: string, maxBytes: number) => Promise<Buffer>;

async function fetched(field: string, address: string, fetch: FetchPicture): Promise<Picture> {
  const bytes = await fetch(address, MOST_BYTES).catch((error) => {
    // Which of the reasons it was would let a tenant look around in our network.
    throw invalid(field, 'could not be fetched: it has to be a public https address of a picture', error);
  });
  return judged(field, bytes);
}

async function given({ data, address }: LogoInput, fetch: FetchPicture): Promise<Picture> {
  if ((data === undefined) === (address === undefined)) throw invalid('data', 'or "address" is needed, one of them');
  if (data === undefined) return fetched('address', address!, fetch);
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(data);
  if (!isBase64) throw invalid('data', 'is not base64');
  return judged('data', Buffer.from(data, 'base64'));
}

/** As new as any: whoever sets another one now must not find it the eldest before it shows. */
const setAgain = (tenant: Tenant, file: string): Promise<number> =>
  pictures.changeWhere(tenant, { file: { $eq: file } }, { $set: { kept_at: now() } });

async function keep(tenant: Tenant, { bytes, kind }: Picture): Promise<string> {
  const { type, extension } = kind;
  const file = `${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}.${extension}`;
  try {
    await pictures.create(tenant, { file, type, kept_at: now(), data: bytes.toString('base64') });
  } catch (error) {
    if (!isTaken(error, 'file')) throw error;
    await setAgain(tenant, file);
  }
  return `${tenant.origin}/branding/${file}`;
}

/**
 * @returns the address that it is served at, the same for the same picture.
 * @throws Fault `validation` for what is no picture, too large, or not to be had; `too_many_requests`.
 */
export async function keepLogo(tenant: Tenant, input: LogoInput, fetch: FetchPicture): Promise<string> {
  await changes.spend(tenant.id);
  return keep(tenant, await given(input, fetch));
}

/* ——— addresses in an account's fields ——— */

const DARK = 'branding.logo_dark_src';
type Place = 'logo_src' | 'icon_src' | typeof DARK;

/** What an account says of the pictures that it shows. */
export type Pictured = {
  logo_src?: string | null;
  icon_src?: string | null;
  branding?: { logo_dark_src?: string | null };
};

const addressesIn = ({ logo_src, icon_src, branding }: Pictured): [Place, string][] =>
  Object.entries({ logo_src, icon_src, [DARK]: branding?.logo_dark_src }).flatMap(([place, address]) =>
    address ? [[place as Place, address]] : [],
  );

/** Of an account that is there: what it shows stays as it is, and so does what we keep of it. */
type Dressed = { tenant: Tenant; account: Pictured };

async function stays([place, address]: [Place, string], { tenant, account }: Dressed): Promise<boolean> {
  if (addressesIn(account).some(([where, shown]) => where === place && shown === address)) return true;
  const ours = `${tenant.origin}/branding/`;
  return address.startsWith(ours) && (await setAgain(tenant, address.slice(ours.length))) > 0;
}

/**
 * Pictures that are named by where they are, fetched and looked at; `keepPictures` keeps them.
 * @throws Fault `validation`, which names the field, for what is no picture or not to be had; `too_many_requests`.
 */
export async function fetchPictures(
  wanted: Pictured,
  fetch: FetchPicture,
  dressed?: Dressed,
): Promise<[Place, Picture][]> {
  const one = async ([place, address]: [Place, string]): Promise<[Place, Picture][]> => {
    if (dressed && (await stays([place, address], dressed))) return [];
    // Of one that is only being made the keys cost more than this.
    if (dressed) await changes.spend(dressed.tenant.id);
    return [[place, await fetched(place, address, fetch)]];
  };
  return (await Promise.all(addressesIn(wanted).map(one))).flat();
}

/** @returns the same with our addresses in place of others'. */
export async function keepPictures<P extends Pictured>(
  tenant: Tenant,
  wanted: P,
  found: readonly [Place, Picture][],
): Promise<P> {
  const owned = { ...wanted };
  for (const [place, picture] of found) {
    const address = await keep(tenant, picture);
    if (place === DARK) owned.branding = { ...owned.branding, logo_dark_src: address };
    else owned[place] = address;
  }
  return owned;
}

/** The eldest go, of those that the account does not show. */
export async function forgetLogos(tenant: Tenant, account: Pictured): Promise<void> {
  const shown = addressesIn(account).map(([, address]) => address);
  // Without the pictures themselves, which are large.
  const all = await pictures.model
    .find({ account: { $eq: tenant.id } }, { file: 1 })
    .sort({ kept_at: 1, _id: 1 })
    .lean<{ _id: string; file: string }[]>();
  const idle = all.filter(({ file }) => !shown.some((address) => address.endsWith(`/branding/${file}`)));
  for (const { _id } of idle.slice(0, Math.max(0, all.length - KEPT)))
    await pictures.removeWhere(tenant, { _id: { $eq: _id } });
}

/** GET /branding/:file, at the host of the tenant whose it is. */
export function serveLogos(app: FastifyInstance): void {
  app.get<{ Params: { file: string } }>(
    '/branding/:file',
    { config: { access: 'public' }, schema: { hide: true } },
    async ({ tenant, params }, reply) => {
      const isName = /^[0-9a-f]{32}\.(?:png|jpg|gif|webp)$/.test(params.file);
      const found = isName ? await pictures.findOne(tenant, { file: { $eq: params.file } }) : undefined;
      if (!found) throw new Fault('not_found');
      return (
        reply
          .header('cache-control', 'public, max-age=31536000, immutable')
          .header('x-content-type-options', 'nosniff')
          // Mail programs show it too.
          .header('cross-origin-resource-policy', 'cross-origin')
          .header('content-security-policy', "default-src 'none'; sandbox")
          .type(found.type)
          .send(Buffer.from(found.data, 'base64'))
      );
    },
  );
}
