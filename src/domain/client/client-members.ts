/**
 * A client in the words of RFC 7591 §2 and OpenID Connect Registration §2: which members are understood, how they map to
 * a client's fields, and how a client is told back. Who may register is not decided here.
 */
import Type, { type Static } from 'typebox';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { isLoopbackHost } from '../../kernel/loopback.ts';
import { OneOf } from '../../resource/define.ts';
import { validatorOf } from '../../resource/validation.ts';
import { apis } from '../api/api.ts';
import { Name, WebUrl } from '../fields.ts';
import { SIGNING_ALGS } from '../key/signing-key.ts';
import { AUTH_METHODS, type Client, type ClientInput, checkClient, checkRedirect, clients } from './client.ts';
import { JwkSet } from './client-keys.ts';

/** Whoever registers by itself acts for users who were asked, never for itself, and handles nobody's password. */
const REGISTRABLE_GRANTS = [
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:device_code',
] as const;

const Uris = Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), { maxItems: 100 });
const Nothing = Type.Array(Type.Unknown(), { maxItems: 0 });

/** Members with a field of the client; those under another name are in RENAMED. */
const fields = {
  redirect_uris: Uris,
  post_logout_redirect_uris: Uris,
  client_name: Name(),
  client_uri: WebUrl(),
  logo_uri: WebUrl(),
  tos_uri: WebUrl(),
  policy_uri: WebUrl(),
  contacts: Type.Array(Type.String({ maxLength: 254 }), { maxItems: 20 }),
  grant_types: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 20 }),
  response_types: Type.Array(OneOf(['code']), { maxItems: 20 }),
  token_endpoint_auth_method: OneOf(AUTH_METHODS),
  application_type: OneOf(['web', 'native']),
  software_id: Type.String({ maxLength: 200 }),
  software_version: Type.String({ maxLength: 100 }),
  frontchannel_logout_uri: WebUrl(),
  frontchannel_logout_session_required: Type.Boolean(),
  backchannel_logout_uri: WebUrl(),
  backchannel_logout_session_required: Type.Boolean(),
  jwks: JwkSet,
  jwks_uri: WebUrl(),
  require_pushed_authorization_requests: Type.Boolean(),
  dpop_bound_access_tokens: Type.Boolean(),
  require_signed_request_object: Type.Boolean(),
  id_token_signed_response_alg: OneOf(SIGNING_ALGS),
  authorization_signed_response_alg: OneOf(SIGNING_ALGS),
  userinfo_signed_response_alg: OneOf(SIGNING_ALGS),
  default_max_age: Type.Integer({ minimum: 0, maximum: 315_360_000 }),
};
const RENAMED: Partial<Record<keyof typeof fields, keyof ClientInput>> = {
  redirect_uris: 'callbacks',
  post_logout_redirect_uris: 'logout_urls',
  client_name: 'name',
};

/** Members that are remembered as they are and told back. */
const kept = {
  scope: Type.String({
    maxLength: 4000,
    pattern: '^[\\x21\\x23-\\x5B\\x5D-\\x7E]+( [\\x21\\x23-\\x5B\\x5D-\\x7E]+)*$',
  }),
  token_endpoint_auth_signing_alg: OneOf(SIGNING_ALGS),
  require_auth_time: Type.Boolean(),
  initiate_login_uri: WebUrl(),
};
/** Members that have one value here, or none: saying it changes nothing. */
const fixed = {
  subject_type: OneOf(['public']),
  tls_client_certificate_bound_access_tokens: Type.Literal(false),
  default_acr_values: Nothing,
  request_uris: Nothing,
};
/** RFC 7591 §3.2.2: what is understood and cannot be done is refused, so that nobody relies on it. */
const UNSUPPORTED = [
  'sector_identifier_uri',
  'id_token_encrypted_response_alg',
  'id_token_encrypted_response_enc',
  'userinfo_encrypted_response_alg',
  'userinfo_encrypted_response_enc',
  'authorization_encrypted_response_alg',
  'authorization_encrypted_response_enc',
  'introspection_signed_response_alg',
  'introspection_encrypted_response_alg',
  'introspection_encrypted_response_enc',
  'request_object_signing_alg',
  'request_object_encryption_alg',
  'request_object_encryption_enc',
  'authorization_details_types',
];

export const ClientMembers = Type.Partial(Type.Object({ ...fields, ...kept, ...fixed }), {
  additionalProperties: true,
});
type Members = Static<typeof ClientMembers>;
const areMembers = validatorOf(ClientMembers);

const refuse = (message: string, redirect = false): never => {
  throw new Fault(redirect ? 'invalid_redirect_uri' : 'invalid_client_metadata', message);
};

/** Null and empty text say nothing (RFC 7592 §2.2). What a key has besides RFC 7518's public members is not ours to keep. */
function given(wire: Record<string, unknown>): Record<string, unknown> {
  const said = Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== null && value !== ''));
  const { keys } = (said.jwks ?? {}) as { keys?: unknown };
  if (Array.isArray(keys)) said.jwks = { keys: keys.map(publicMembers) };
  return said;
}
const KEY_MEMBERS = new Set(['kty', 'kid', 'use', 'alg', 'key_ops', 'n', 'e', 'crv', 'x', 'y']);
const PRIVATE_MEMBERS = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']);

function publicMembers(key: unknown): unknown {
  if (typeof key !== 'object' || key === null) return key;
  return Object.fromEntries(
    // Private ones stay, to be refused: their owner must hear of it.
    Object.entries(key).filter(([name]) => KEY_MEMBERS.has(name) || PRIVATE_MEMBERS.has(name)),
  );
}

function checkShape(said: Record<string, unknown>): Members {
  const unsupported = UNSUPPORTED.find((name) => said[name] !== undefined);
  if (unsupported) refuse(`${unsupported} is not supported`);
  if (areMembers(said)) return said;
  const [fault] = areMembers.errors ?? [];
  const at = fault?.instancePath.slice(1) || 'the metadata';
  const { allowedValues } = (fault?.params ?? {}) as { allowedValues?: string[] };
  return refuse(
    `${at} ${fault?.message ?? 'is malformed'}${allowedValues ? `: ${allowedValues.join(', ')}` : ''}`,
    at.startsWith('redirect_uris'),
  );
}

/** Schemes that are no app's own: something on every machine takes them. */
const NOBODYS = new Set(
  ['ftp', 'ws', 'wss', 'mailto', 'tel', 'sms', 'intent', 'content', 'view-source', 'filesystem', 'chrome', 'urn'].map(
    (scheme) => `${scheme}:`,
  ),
);

/**
 * RFC 8252 §7: https, http on the app's own machine, or an app's own scheme. The scheme need not be a reversed domain
 * name, which editors and agents in the field do not have.
 */
function checkTarget(field: string, value: string): void {
  try {
    checkRedirect(field, value);
  } catch (error) {
    if (error instanceof Fault) refuse(error.message, field === 'redirect_uris');
    throw error;
  }
  const { protocol, hostname } = new URL(value);
  if (protocol === 'http:' && !isLoopbackHost(hostname))
    refuse(
      `"${field}" must use https, except on the loopback interface: ${JSON.stringify(value)}`,
      field === 'redirect_uris',
    );
  if (NOBODYS.has(protocol)) refuse(`"${field}" may not use the scheme ${protocol}`, field === 'redirect_uris');
}

export type ReadOptions = {
  /** The client as it is, where it is to be replaced: what an administrator added to it, it may keep. */
  current?: Client;
  /** For a document that many servers read: of a list, what is not for us is passed over. */
  lenient?: boolean;
};

/**
 * The client's fields for what it says of itself: all that it can say, with defaults for what it does not.
 * @throws Fault `invalid_client_metadata`, `invalid_redirect_uri`, `validation` for what the domain refuses of any client.
 */
export async function readMembers(
  tenant: Tenant,
  wire: Record<string, unknown>,
  { current, lenient }: ReadOptions = {},
): Promise<ClientInput> {
  const said = checkShape(lenient ? onlyOurs(given(wire)) : given(wire));
  const grant_types = grantTypes(said, current);
  const callbacks = [...new Set(said.redirect_uris)];
  const redirects = grant_types.includes('authorization_code');
  if (redirects && callbacks.length === 0) refuse('redirect_uris is required for authorization_code', true);
  for (const uri of callbacks) checkTarget('redirect_uris', uri);
  for (const uri of said.post_logout_redirect_uris ?? []) checkTarget('post_logout_redirect_uris', uri);
  if (said.token_endpoint_auth_signing_alg && said.token_endpoint_auth_method !== 'private_key_jwt')
    refuse('token_endpoint_auth_signing_alg goes with private_key_jwt');
  if (said.scope && !lenient) await checkScope(tenant, said.scope);

  const defaults = clients.spec.defaults() as Record<string, unknown>;
  const mapped: Record<string, unknown> = {};
  for (const member of Object.keys(fields) as (keyof typeof fields)[]) {
    const field = RENAMED[member] ?? member;
    mapped[field] = said[member] ?? defaults[field] ?? null;
  }
  const input: ClientInput = {
    ...mapped,
    name: said.client_name ?? nameOf(said),
    callbacks,
    logout_urls: [...new Set(said.post_logout_redirect_uris)],
    grant_types,
    response_types: redirects ? ['code'] : [],
    registration_metadata: Object.fromEntries(
      Object.keys(kept).flatMap((member) => {
        const value = said[member as keyof typeof kept];
        return value === undefined ? [] : [[member, value]];
      }),
    ),
  };
  await checkClient(tenant, input, {});
  return input;
}

function onlyOurs(said: Record<string, unknown>): Record<string, unknown> {
  const keep = (member: string, ours: readonly string[]) =>
    Array.isArray(said[member]) && { [member]: said[member].filter((value) => ours.includes(value)) };
  return { ...said, ...keep('grant_types', REGISTRABLE_GRANTS), ...keep('response_types', ['code']) };
}

/** OIDC Registration §2: `code` and `authorization_code` imply each other; some clients name one of them only. */
function grantTypes(said: Members, current?: Client): string[] {
  const types = new Set<string>(said.grant_types ?? ['authorization_code']);
  if (said.response_types?.length) types.add('authorization_code');
  const allowed: readonly string[] = [...REGISTRABLE_GRANTS, ...(current?.grant_types ?? [])];
  const beyond = [...types].find((type) => !allowed.includes(type));
  if (beyond) refuse(`grant_types may hold ${allowed.join(', ')}`);
  if (types.size === 0) refuse('grant_types is empty');
  return [...types];
}

const OIDC_SCOPES = ['openid', 'offline_access', 'profile', 'email', 'phone', 'address'];

async function checkScope(tenant: Tenant, scope: string): Promise<void> {
  const wanted = scope.split(' ').filter((token) => !OIDC_SCOPES.includes(token));
  if (wanted.length === 0 || (await apis.exists(tenant, { enforce_policies: { $eq: false } }))) return;
  const serving = await apis.all(tenant, { 'permissions.value': { $in: wanted } });
  const known = new Set(serving.flatMap(({ permissions }) => permissions.map(({ value }) => value)));
  const unknown = wanted.find((token) => !known.has(token));
  if (unknown) refuse(`no API here has the scope ${unknown.slice(0, 200)}`);
}

/** What a client without a name is called where people read it: the host, or the scheme, that it lives at. */
function nameOf({ client_uri, redirect_uris }: Members): string {
  const url = URL.parse(client_uri ?? redirect_uris?.[0] ?? '');
  if (!url) return 'Client';
  return /^https?:$/.test(url.protocol) ? url.host : url.protocol.slice(0, -1);
}

/** A registered client in the words of RFC 7591 §3.2.1: everything that holds for it, whether it said so or not. */
export function tellMembers(client: Client): Record<string, unknown> {
  const source = client as unknown as Record<string, unknown>;
  const told = Object.keys(fields).flatMap((member) => {
    const value = source[RENAMED[member as keyof typeof fields] ?? member];
    return value === null || value === undefined ? [] : [[member, value]];
  });
  return { ...Object.fromEntries(told), ...client.registration_metadata };
}

/** What of the remembered members the engine acts on. */
export function engineMembers(metadata: Record<string, unknown> | undefined): Record<string, unknown> {
  const { token_endpoint_auth_signing_alg, require_auth_time } = metadata ?? {};
  return {
    ...(token_endpoint_auth_signing_alg !== undefined && { token_endpoint_auth_signing_alg }),
    ...(require_auth_time !== undefined && { require_auth_time }),
  };
}
