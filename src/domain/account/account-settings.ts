/** What a tenant's administrator decides about the account as a whole: the groups of settings, and what they start as. */
import Type, { type Static } from 'typebox';
import { DAY } from '../../kernel/clock.ts';
import { Fault } from '../../kernel/fault.ts';
import { OneOf } from '../../resource/define.ts';
import { nullable, WebUrl } from '../fields.ts';

const closed = { additionalProperties: false } as const;

export const NotificationSettings = Type.Object(
  {
    welcome_email_enabled: Type.Boolean({
      default: false,
      description: 'Send the built-in welcome email on user.created',
    }),
    verify_email_auto_send: Type.Boolean({
      default: false,
      description: 'Send a verification email when a user is created',
    }),
  },
  closed,
);

export const Branding = Type.Object(
  {
    primary_color: nullable(Type.String({ pattern: '^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$' })),
    show_badge: Type.Optional(Type.Boolean({ description: '"Secured by Cardea" in the footer' })),
    tos_uri: nullable(WebUrl()),
    policy_uri: nullable(WebUrl()),
  },
  closed,
);

export const Hostname = Type.String({ maxLength: 253, pattern: '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$' });

const Seconds = (description: string) => Type.Integer({ minimum: 60, maximum: 365 * DAY, description });

export const SessionSettings = Type.Object(
  {
    idle_lifetime: Seconds(
      'Seconds after its last use at which a login session ends; a use is a login, or an app that asks at /authorize. Written down at intervals of a twentieth of it',
    ),
    absolute_lifetime: Seconds('Seconds after the login at which its session ends, however busy'),
  },
  closed,
);

/** @throws Fault `validation` for a session that would be over before it could be idle for long enough. */
export function checkLifetimes({ idle_lifetime, absolute_lifetime }: Static<typeof SessionSettings>): void {
  if (idle_lifetime <= absolute_lifetime) return;
  throw new Fault('validation', 'idle_lifetime must not be longer than absolute_lifetime.', {
    details: [{ path: '/session_settings/idle_lifetime', message: `must be <= ${absolute_lifetime}` }],
  });
}

export const OAuthSettings = Type.Object(
  {
    default_audience: Type.Union([Type.String({ minLength: 1, maxLength: 500 }), Type.Null()], {
      description: 'Identifier of the Api that a request without `audience` or `resource` gets tokens for',
    }),
    dynamic_registration: OneOf(
      ['open', 'token', 'off'],
      'Who may register clients at /oidc/register (RFC 7591): everybody, holders of an initial access token, nobody',
    ),
    client_id_metadata_documents: OneOf(
      ['any', 'listed', 'off'],
      'Whether a client may name itself by the address of its metadata: at any host, at those of `client_id_metadata_hosts`, not at all',
    ),
    client_id_metadata_hosts: Type.Array(Hostname, {
      maxItems: 100,
      uniqueItems: true,
      description: 'Host names that client metadata documents may be fetched from',
    }),
    request_objects: Type.Boolean({ description: 'Take signed authorization requests (RFC 9101)' }),
    jwt_response_modes: Type.Boolean({ description: 'Answer authorization requests as JWTs where asked (JARM)' }),
    authorization_details_types: Type.Array(Type.String({ minLength: 1, maxLength: 200 }), {
      maxItems: 100,
      uniqueItems: true,
      description: 'Types of `authorization_details` that may be asked for (RFC 9396); none: the parameter is refused',
    }),
    require_pushed_authorization_requests: Type.Boolean({
      description: 'Take authorization requests only if pushed first (RFC 9126)',
    }),
    key_rotation_days: Type.Union([Type.Integer({ minimum: 1, maximum: 3650 }), Type.Null()], {
      description: 'Days after which the signing key is replaced by the queued one; null: only when asked',
    }),
  },
  closed,
);

export const defaultSettings = () => ({
  notification_settings: { welcome_email_enabled: false, verify_email_auto_send: false },
  branding: {} as Static<typeof Branding>,
  session_settings: { idle_lifetime: 3 * DAY, absolute_lifetime: 14 * DAY } as Static<typeof SessionSettings>,
  oauth_settings: {
    default_audience: null,
    dynamic_registration: 'open',
    client_id_metadata_documents: 'off',
    client_id_metadata_hosts: [],
    request_objects: false,
    jwt_response_modes: false,
    authorization_details_types: [],
    require_pushed_authorization_requests: false,
    key_rotation_days: null,
  } as Static<typeof OAuthSettings>,
});
