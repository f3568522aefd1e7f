/**
 * What a tenant's administrator decides about the account, in groups: a setting is one record, its schema and what it starts
 * as. Of a group each setting changes by itself, so that two changes at once both happen.
 */
import Type, { type Static, type TObject, type TSchema } from 'typebox';
import { DAY } from '../../kernel/clock.ts';
import { Fault } from '../../kernel/fault.ts';
import { OneOf } from '../../resource/define.ts';

export const closed = { additionalProperties: false } as const;

const setting = <S extends TSchema>(schema: S, start: Static<S>) => ({ schema, start });
type Settings = Record<string, { schema: TSchema; start: unknown }>;
type GroupSchema<G extends Settings> = TObject<{ [K in keyof G]: G[K]['schema'] }>;

function group<G extends Settings>(settings: G) {
  const pick = (part: 'schema' | 'start') =>
    Object.fromEntries(Object.entries(settings).map(([name, record]) => [name, record[part]]));
  const schema = Type.Object(pick('schema') as never, closed) as unknown as GroupSchema<G>;
  return {
    stored: schema,
    write: Type.Partial(schema, closed) as TSchema,
    start: () => pick('start') as Static<GroupSchema<G>>,
    grouped: true as const,
  };
}

/* ——— the groups ——— */

const Seconds = (description: string) => Type.Integer({ minimum: 60, maximum: 365 * DAY, description });
export const Hostname = Type.String({
  maxLength: 253,
  pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$',
});
export const notifications = group({
  welcome_email_enabled: setting(
    Type.Boolean({ default: false, description: 'Mail a welcome to every new user; those of an import aside' }),
    false,
  ),
  verify_email_auto_send: setting(
    Type.Boolean({
      default: false,
      description: 'Mail a verification link to every new user whose address is not verified; those of an import aside',
    }),
    false,
  ),
});

export const sessions = group({
  idle_lifetime: setting(
    Seconds(
      'Seconds after its last use at which a login session ends; a use is a login, or an app that asks at /authorize. Written down at intervals of a twentieth of it',
    ),
    3 * DAY,
  ),
  absolute_lifetime: setting(Seconds('Seconds after the login at which its session ends, however busy'), 14 * DAY),
});

/** What a stranger can have done, by a page or by the API, that a challenge may stand before. */
export const CHALLENGE_OCCASIONS = ['sign_up', 'password_reset', 'passwordless'] as const;
export type ChallengeOccasion = (typeof CHALLENGE_OCCASIONS)[number];

export const challenge = group({
  provider: setting(
    OneOf(
      ['none', 'proof_of_work', 'turnstile'],
      "What is to be solved: nothing, work that the page's script does by itself, or Cloudflare Turnstile (or what speaks as it does)",
    ),
    'none',
  ),
  on: setting(Type.Array(OneOf(CHALLENGE_OCCASIONS), { uniqueItems: true, description: 'Before what' }), [
    ...CHALLENGE_OCCASIONS,
  ]),
  site_key: setting(
    Type.Union([Type.String({ minLength: 1, maxLength: 200 }), Type.Null()], {
      description: 'Of Turnstile; its secret is `challenge_secret`',
    }),
    null,
  ),
});

export const oauth = group({
  default_audience: setting(
    Type.Union([Type.String({ minLength: 1, maxLength: 500 }), Type.Null()], {
      description: 'Identifier of the Api that a request without `audience` or `resource` gets tokens for',
    }),
    null,
  ),
  dynamic_registration: setting(
    OneOf(
      ['open', 'token', 'off'],
      'Who may register clients at /oidc/register (RFC 7591): everybody, holders of an initial access token, nobody',
    ),
    'open',
  ),
  client_id_metadata_documents: setting(
    OneOf(
      ['any', 'listed', 'off'],
      'Whether a client may name itself by the address of its metadata: at any host, at those of `client_id_metadata_hosts`, not at all',
    ),
    'any',
  ),
  client_id_metadata_hosts: setting(
    Type.Array(Hostname, {
      maxItems: 100,
      uniqueItems: true,
      description: 'Host names that client metadata documents may be fetched from',
    }),
    [],
  ),
  request_objects: setting(Type.Boolean({ description: 'Take signed authorization requests (RFC 9101)' }), false),
  jwt_response_modes: setting(
    Type.Boolean({ description: 'Answer authorization requests as JWTs where asked (JARM)' }),
    false,
  ),
  authorization_details_types: setting(
    Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      maxItems: 100,
      uniqueItems: true,
      description: 'Types of `authorization_details` that may be asked for (RFC 9396); none: the parameter is refused',
    }),
    [],
  ),
  require_pushed_authorization_requests: setting(
    Type.Boolean({
      description: 'Take authorization requests only if pushed first (RFC 9126)',
    }),
    false,
  ),
  key_rotation_days: setting(
    Type.Union([Type.Integer({ minimum: 1, maximum: 3650 }), Type.Null()], {
      description: 'Days after which the signing key is replaced by the queued one; null: only when asked',
    }),
    null,
  ),
});

/** @throws Fault `validation` for a service that could not be asked. */
export function checkChallenge({ provider, site_key }: Static<typeof challenge.stored>, hasSecret: boolean): void {
  if (provider !== 'turnstile' || (site_key && hasSecret)) return;
  const path = site_key ? '/challenge_secret' : '/challenge_settings/site_key';
  throw new Fault('validation', 'Turnstile needs challenge_settings.site_key and challenge_secret.', {
    details: [{ path, message: 'is required with turnstile' }],
  });
}

/** @throws Fault `validation` for a session that would be over before it could be idle for long enough. */
export function checkLifetimes({ idle_lifetime, absolute_lifetime }: Static<typeof sessions.stored>): void {
  if (idle_lifetime <= absolute_lifetime) return;
  throw new Fault('validation', 'idle_lifetime must not be longer than absolute_lifetime.', {
    details: [{ path: '/session_settings/idle_lifetime', message: `must be <= ${absolute_lifetime}` }],
  });
}
