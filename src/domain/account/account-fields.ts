/**
 * The fields of an account, one record each: what is stored and shown, what may be written and when, what it starts as, and
 * what the view calls it that every request sees. Row, defaults, bodies and the AccountView are made from the records.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { Metadata, Nullable, OneOf } from '../../resource/define.ts';
import { Name, nullable, WebUrl } from '../fields.ts';
import { challenge, closed, Hostname, notifications, oauth, sessions } from './account-settings.ts';
import { Slug } from './slug.ts';

const KEPT = 'A PNG, JPEG, GIF or WebP picture, fetched at once and kept: the answer has the address of our copy';

const Branding = Type.Object(
  {
    primary_color: nullable(Type.String({ pattern: '^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$' })),
    page_color: nullable(
      Type.String({
        pattern: '^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$',
        description: 'Of the page around the card; in the dark a dark shade of it',
      }),
    ),
    logo_dark_src: nullable(WebUrl(`The logo on dark backgrounds; without it \`logo_src\` shows there too. ${KEPT}`)),
    show_badge: Type.Optional(Type.Boolean({ description: '"Secured by Cardea" in the footer' })),
    tos_uri: nullable(WebUrl()),
    policy_uri: nullable(WebUrl()),
  },
  closed,
);

export const LOCALES = ['en', 'es'] as const;
const EmailChangeMode = OneOf(['new_only', 'old_and_new']);
const SyncPolicy = OneOf(['preserve_manual', 'always_sync']);
const nothing = () => null;

type Field = {
  /** As it is stored and shown. */
  stored: TSchema;
  /** What an administrator may write; without it only the system does. */
  write?: TSchema;
  /** When it may be written; default later only. `required`: has to be said when the account is made. */
  at?: 'any time' | 'required' | 'creation';
  /** What it is until somebody says otherwise. */
  start?: () => unknown;
  /** What the view calls it. */
  view?: string;
  /**
   * What everybody may know of it, who asks for the account of a host: what a login page shows, as it is; of what the wire has
   * to have besides, what it starts as, which says nothing.
   */
  open?: 'as it is' | 'as it starts';
  /** Of its settings each is written by itself. */
  grouped?: true;
};

/** In the order in which the wire has them. */
export const FIELDS = {
  name: { stored: Name(), write: Name(), at: 'required', view: 'name', open: 'as it is' },
  slug: { stored: Type.String(), write: Slug, at: 'creation', view: 'slug', open: 'as it is' },
  logo_src: {
    stored: Nullable(Type.String()),
    write: Nullable(WebUrl(KEPT)),
    at: 'any time',
    start: nothing,
    view: 'logo_src',
    open: 'as it is',
  },
  icon_src: {
    stored: Nullable(Type.String()),
    write: Nullable(WebUrl(KEPT)),
    at: 'any time',
    start: nothing,
    view: 'icon_src',
    open: 'as it is',
  },
  callback_hostnames: {
    stored: Type.Array(Type.String()),
    write: Type.Array(Hostname, { maxItems: 100 }),
    at: 'any time',
    start: (): string[] => [],
    open: 'as it starts',
  },
  token_signature: {
    stored: Type.String({ description: 'Masked without the permission read:account_keys' }),
    open: 'as it is',
  },
  token_signing_alg: { stored: OneOf(['RS256']), start: () => 'RS256', open: 'as it is' },
  default_connection: {
    stored: Nullable(Type.String()),
    write: Nullable(Type.String({ maxLength: 100 })),
    at: 'any time',
    start: nothing,
    view: 'default_connection',
  },
  enabled_locales: {
    stored: Type.Array(Type.String()),
    write: Type.Array(OneOf(LOCALES), { minItems: 1, uniqueItems: true }),
    start: (): string[] => [...LOCALES],
    view: 'enabled_locales',
    open: 'as it is',
  },
  team: {
    stored: Nullable(Type.String()),
    write: Type.String({ minLength: 1, maxLength: 200 }),
    at: 'creation',
    start: nothing,
  },
  disable_signup: {
    stored: Type.Boolean({ description: 'True: nobody signs up at any connection' }),
    write: Type.Boolean(),
    start: () => false,
    view: 'disable_signup',
  },
  notification_settings: { ...notifications, view: 'notifications', open: 'as it starts' },
  email_change_verification_mode: { stored: EmailChangeMode, write: EmailChangeMode, start: () => 'new_only' },
  email_oauth_sync_policy: { stored: SyncPolicy, write: SyncPolicy, start: () => 'preserve_manual' },
  branding: {
    stored: Branding,
    write: Branding,
    at: 'any time',
    start: (): Static<typeof Branding> => ({}),
    view: 'branding',
    open: 'as it is',
  },
  session_settings: { ...sessions, view: 'sessions' },
  challenge_settings: { ...challenge, view: 'challenge' },
  challenge_secret: {
    stored: Nullable(Type.String({ description: 'Masked without the permission read:account_keys' })),
    write: Nullable(Type.String({ minLength: 1, maxLength: 500, description: 'Secret key of Turnstile; kept sealed' })),
    start: nothing,
  },
  oauth_settings: { ...oauth, view: 'oauth' },
} as const satisfies Record<string, Field>;

type Fields = typeof FIELDS;
export type Stored = { [F in keyof Fields]: Fields[F]['stored'] };

const entries = Object.entries<Field>(FIELDS);
const from = <T>(wanted: readonly [string, Field][], make: (field: Field) => T): Record<string, T> =>
  Object.fromEntries(wanted.map(([name, field]) => [name, make(field)]));

export const AccountRow = Type.Object(from(entries, ({ stored }) => stored) as Stored);

export const startSettings = (): Partial<Static<typeof AccountRow>> =>
  from(
    entries.filter(([, { start }]) => start),
    ({ start }) => start!(),
  );

/* ——— bodies ——— */

const writable = (wanted: (field: Field) => boolean) =>
  from(
    entries.filter(([, field]) => field.write && wanted(field)),
    ({ write }) => Type.Optional(write!),
  );
const metadata = Type.Optional(Metadata);
const anyTime = writable(({ at }) => at === 'any time');

export const accountBodies = {
  create: Type.Object(
    {
      ...writable(({ at }) => at === 'creation'),
      name: FIELDS.name.write,
      team: FIELDS.team.write,
      ...anyTime,
      metadata,
    },
    closed,
  ),
  update: Type.Object(
    {
      ...writable(({ at }) => at === 'required'),
      ...anyTime,
      metadata,
      ...writable(({ at }) => at === undefined),
    },
    closed,
  ),
};

/** Fields whose settings change one by one. */
export const GROUPS = entries.flatMap(([name, { grouped }]) => (grouped ? [name] : [])) as Group[];
export type Group = { [F in keyof Fields]: Fields[F] extends { grouped: true } ? F : never }[keyof Fields];

/* ——— what everybody may know ——— */

const open = entries.filter(([, field]) => field.open);
export const openSchema = from(open, ({ stored }) => stored);

/** @param wire the account as somebody without permissions sees it. */
export const openFields = (wire: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(open.map(([name, { open, start }]) => [name, open === 'as it is' ? wire[name] : start!()]));

/* ——— the view ——— */

type Viewed = { [F in keyof Fields]: Fields[F] extends { view: string } ? F : never }[keyof Fields];
type NamedBy<F extends keyof Fields> = Fields[F] extends { view: infer N extends string } ? N : never;
export type SettingsView = { readonly [F in Viewed as NamedBy<F>]: Readonly<Static<Fields[F]['stored']>> };

/** An account that is older than its newest setting has what that starts as. */
export const viewSettings = (account: Record<string, unknown>): SettingsView =>
  Object.fromEntries(
    entries.flatMap(([name, { view, grouped, start }]) =>
      view ? [[view, grouped ? { ...(start!() as object), ...(account[name] as object) } : account[name]]] : [],
    ),
  ) as SettingsView;

declare module '../../kernel/context.ts' {
  interface AccountView extends SettingsView {}
}
