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
import { Name, WebUrl } from '../fields.ts';
import { SIGNING_ALGS } from '../key/signing-key.ts';
import { AUTH_METHODS, type Client, type ClientInput, clients } from './client.ts';
import { checkClient, checkRedirect } from './client-checks.ts';
import { CLIENT_ALGS, JwkSet, knownKeys } from './client-keys.ts';
import { nameFault, nameOfAddress } from './client-name.ts';
import { applicable, knownScope, offered, REGISTRABLE_GRANTS } from './client-offer.ts';
import { algsOf } from './sender-constraint.ts';

const Uris = Type.Array(Type.String({ minLength: 1, maxLength: 2048 }), { maxItems: 100 });

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
  token_endpoint_auth_signing_alg: OneOf(CLIENT_ALGS),
  request_object_signing_alg: OneOf(CLIENT_ALGS),
  require_auth_time: Type.Boolean(),
  default_acr_values: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 20 }),
  authorization_details_types: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 100 }),
  initiate_login_uri: WebUrl(),
};
/** Members that have one value here, or none: saying it changes nothing. */
const fixed = {
  subject_type: OneOf(['public']),
  tls_client_certificate_bound_access_tokens: Type.Literal(false),
};
/** Protection that cannot be had is refused (RFC 7591 §3.2.2), so that nobody relies on it. */
const UNSUPPORTED = [
  'id_token_encrypted_response_alg',
  'id_token_encrypted_response_enc',
  'userinfo_encrypted_response_alg',
  'userinfo_encrypted_response_enc',
  'authorization_encrypted_response_alg',
  'authorization_encrypted_response_enc',
  'introspection_signed_response_alg',
  'introspection_encrypted_response_alg',
  'introspection_encrypted_response_enc',
];

export const ClientMembers = Type.Partial(Type.Object({ ...fields, ...kept, ...fixed }), {
  additionalProperties: true,
});
type Members = Static<typeof ClientMembers>;
const areMembers = validatorOf(ClientMembers);

const refuse = (message: string, redirect = false): never => {
  throw new Fault(redirect ? 'invalid_redirect_uri' : 'invalid_client_metadata', message);
};

/** Null and empty text say nothing (RFC 7592 §2.2). */
const given = (wire: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(wire).filter(([, value]) => value !== null && value !== ''));

/** As they will be kept: what is asked of the keys by other members is asked of these. */
const withKnownKeys = ({ jwks, ...said }: Record<string, unknown>): Record<string, unknown> =>
  jwks === undefined ? said : { ...said, jwks: knownKeys(jwks) };

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
  /** Of a document that all accounts read alike: what the account has to do with it is looked at in each use. */
  forAnyAccount?: boolean;
};

/**
 * The client's fields for what it says of itself: all that it can say, with defaults for what it does not.
 * @throws Fault `invalid_client_metadata`, `invalid_redirect_uri`, `validation` for what the domain refuses of any client.
 */
export async function readMembers(
  tenant: Tenant,
  wire: Record<string, unknown>,
  { current, forAnyAccount }: ReadOptions = {},
): Promise<ClientInput> {
  const applied = applicable(withKnownKeys(given(wire)), current?.grant_types);
  const said = checkShape(forAnyAccount ? applied : offered(tenant, applied));
  if (said.scope && !forAnyAccount) said.scope = await knownScope(tenant, said.scope);
  const grant_types = grantTypes(said, current);
  const callbacks = [...new Set(said.redirect_uris)];
  const redirects = grant_types.includes('authorization_code');
  if (redirects && callbacks.length === 0) refuse('redirect_uris is required for authorization_code', true);
  for (const uri of callbacks) checkTarget('redirect_uris', uri);
  for (const uri of said.post_logout_redirect_uris ?? []) checkTarget('post_logout_redirect_uris', uri);
  if (said.initiate_login_uri && !said.initiate_login_uri.startsWith('https:'))
    refuse('initiate_login_uri must be an https address');

  const defaults: Record<string, unknown> = { ...clients.spec.defaults(), ...algsOf(said, {}) };
  const mapped: Record<string, unknown> = {};
  for (const member of Object.keys(fields) as (keyof typeof fields)[]) {
    const field = RENAMED[member] ?? member;
    mapped[field] = said[member] ?? defaults[field] ?? null;
  }
  const input: ClientInput = {
    ...mapped,
    name: nameOf(said, forAnyAccount),
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
  checkClient(tenant, input, {});
  return input;
}

/** OIDC Registration §2: `code` and `authorization_code` imply each other; some clients name one of them only. */
function grantTypes(said: Members, current?: Client): string[] {
  const types = new Set<string>(said.grant_types ?? ['authorization_code']);
  if (said.response_types?.length) types.add('authorization_code');
  const allowed = new Set<string>([...REGISTRABLE_GRANTS, ...(current?.grant_types ?? [])]);
  if (types.size === 0 || [...types].some((type) => !allowed.has(type)))
    refuse(`grant_types holds none of ${[...allowed].join(', ')}`);
  return [...types];
}

/** One that is left to us is the address that logins go to; where a document has none that is one, that of the document. */
function nameOf({ client_name: name, redirect_uris, client_uri }: Members, forAnyAccount = false): string | undefined {
  const fault = name && nameFault(name);
  if (fault && !forAnyAccount) refuse(`client_name ${fault}`);
  if (name && !fault) return name;
  return forAnyAccount ? undefined : nameOfAddress(redirect_uris?.[0] ?? client_uri);
}

/** A registered client in the words of RFC 7591 §3.2.1: everything that holds for it, whether it said so or not. */
export function tellMembers(tenant: Tenant, client: Client): Record<string, unknown> {
  const source = client as unknown as Record<string, unknown>;
  const told = Object.keys(fields).flatMap((member) => {
    const value = source[RENAMED[member as keyof typeof fields] ?? member];
    return value === null || value === undefined ? [] : [[member, value]];
  });
  return { ...Object.fromEntries(told), ...offered(tenant, client.registration_metadata ?? {}) };
}

const ENGINES: readonly string[] = [
  'token_endpoint_auth_signing_alg',
  'request_object_signing_alg',
  'require_auth_time',
  'default_acr_values',
  'authorization_details_types',
  'initiate_login_uri',
] satisfies (keyof typeof kept)[];

/** What of the remembered members the engine acts on. */
export function engineMembers(tenant: Tenant, metadata: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(offered(tenant, metadata)).filter(([member]) => ENGINES.includes(member)));
}
