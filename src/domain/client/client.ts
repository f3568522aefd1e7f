/** OAuth clients: the applications of an account. How the provider sees one is oidc/client/client-metadata.ts's business. */
import type { FastifyInstance } from 'fastify';
import Type, { type Static } from 'typebox';
import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import { defineCollection, type Filter } from '../../resource/collection.ts';
import { Metadata, Nullable, OneOf, type Row, Timestamp } from '../../resource/define.ts';
import { wherePresent } from '../../resource/partial-index.ts';
import { createRow, updateRow } from '../../resource/references.ts';
import { removeRow } from '../../resource/removal.ts';
import { mountResource } from '../../resource/routes.ts';
import { byGrants } from '../access/ceiling.ts';
import { type Api, requirePermissions } from '../api/api.ts';
import { Name, nullable, Text, WebUrl } from '../fields.ts';
import { ensureSigningKeys } from '../key/account-keys.ts';
import { SIGNING_ALGS } from '../key/signing-key.ts';
import { revokeClient } from '../protocol/protocol-row.ts';
import { lifecycle } from '../trail/events.ts';
import { givesChange, givesNew } from './client-ceiling.ts';
import { checkClient } from './client-checks.ts';
import { JwkSet, knownKeys, WrittenJwkSet } from './client-keys.ts';
import { defaultGrantTypes, grantTypeNames } from './grant-type.ts';
import { GroupsClaim } from './groups-claim.ts';
import { algsOf, usualAlg } from './sender-constraint.ts';

export const AUTH_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'] as const;

const Url = (description?: string) =>
  Type.String({ minLength: 1, maxLength: 2048, ...(description && { description }) });
const Urls = (description: string) => Type.Array(Url(), { maxItems: 100, uniqueItems: true, description });

const RefreshToken = Type.Object(
  {
    expiration_mode: OneOf(['expire', 'not-expire']),
    infinite_token_lifetime: Type.Boolean(),
    token_lifetime: Type.Integer({ minimum: 60, maximum: 315_360_000, description: 'Seconds' }),
  },
  { additionalProperties: false },
);
const ClientGrant = Type.Object(
  {
    api: Type.String({ maxLength: 100, description: 'Id of the Api' }),
    scope: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 1000 }),
  },
  { additionalProperties: false },
);

type Grant = Static<typeof ClientGrant>;

const writable = {
  name: Name('Human-readable client name shown in consent screens.'),
  description: Text('Free-form description for internal admin use.'),
  callbacks: Urls('Whitelist of allowed OAuth `redirect_uri` values.'),
  logout_urls: Urls('Whitelist of allowed `post_logout_redirect_uri` values.'),
  web_origins: Urls('Origins that may call the token endpoint from a browser; empty means any'),
  refresh_token: RefreshToken,
  client_uri: nullable(WebUrl()),
  logo_uri: nullable(WebUrl()),
  tos_uri: nullable(WebUrl()),
  policy_uri: nullable(WebUrl()),
  contacts: Type.Array(Type.String({ maxLength: 254 }), { maxItems: 20 }),
  // The list itself: it is filled when the grant types are loaded.
  grant_types: Type.Array(Type.Unsafe<string>({ type: 'string', enum: grantTypeNames }), { uniqueItems: true }),
  response_types: Type.Array(OneOf(['code']), { uniqueItems: true }),
  token_endpoint_auth_method: OneOf(AUTH_METHODS),
  application_type: OneOf(['web', 'native']),
  software_id: nullable(Text(undefined, 200)),
  software_version: nullable(Text(undefined, 100)),
  frontchannel_logout_uri: nullable(
    WebUrl('Shown in a hidden frame at the end of a login session; has the origin of one of the callbacks'),
  ),
  frontchannel_logout_session_required: Type.Boolean(),
  backchannel_logout_uri: nullable(WebUrl('Told of the end of a login session by a logout token')),
  backchannel_logout_session_required: Type.Boolean(),
  jwks: nullable(JwkSet),
  jwks_uri: nullable(WebUrl('Where the public keys of the client are, instead of `jwks`')),
  require_pushed_authorization_requests: Type.Boolean({
    description: 'Take authorization requests only if pushed first (RFC 9126)',
  }),
  dpop_bound_access_tokens: Type.Boolean({ description: 'Take token requests only with a DPoP proof (RFC 9449)' }),
  require_signed_request_object: Type.Boolean({
    description: 'Take authorization requests only if signed (RFC 9101)',
  }),
  id_token_signed_response_alg: OneOf(SIGNING_ALGS),
  authorization_signed_response_alg: OneOf(SIGNING_ALGS, 'How answers as JWTs are signed (JARM)'),
  userinfo_signed_response_alg: nullable(
    OneOf(SIGNING_ALGS, 'Answer /userinfo as a JWT signed with this algorithm; null: as JSON'),
  ),
  default_max_age: nullable(Type.Integer({ minimum: 0, maximum: 315_360_000, description: 'Seconds' })),
  groups_claim: nullable(GroupsClaim),
  is_first_party: Type.Boolean({ description: 'False: users are asked for consent' }),
  is_verified: Type.Boolean({
    description:
      'Whether an administrator vouches for it. False on a client that registered itself, and until it is set its users are warned, its redirects are asked about before they have logged in, and no mail goes out for it. First-party clients are verified',
  }),
  grants: nullable(
    Type.Array(ClientGrant, {
      maxItems: 100,
      description:
        'What client_credentials may ask of each Api; null: everything of each but the management API, which has to be named',
    }),
  ),
};

const SecretState = Type.Object({
  state: OneOf(['current', 'previous']),
  expires_at: Nullable(Timestamp('When it stops working; null: it does not')),
});

const Registration = Type.Object(
  {
    source: OneOf(['dynamic']),
    expires_at: Nullable(Timestamp('When a client that is never used is removed; null once it was used')),
  },
  { description: 'Present on a client that registered itself (RFC 7591)' },
);

export const clients = defineCollection({
  name: 'client',
  watched: true,
  title: 'Client',
  tag: { title: 'Clients', description: 'The applications that users log in to, and machines.' },
  permission: 'clients',
  permissions: { of: 'clients', more: { 'read:client_keys': "See clients' secrets" } },
  collection: 'clients',
  row: Type.Object({
    client_id: Type.String(),
    client_secret: Type.Optional(
      Type.String({ description: 'Masked without the permission read:client_keys; a public client has none' }),
    ),
    ...writable,
    secrets: Type.Optional(
      Type.Array(SecretState, { readOnly: true, description: 'Which secrets work, without their values' }),
    ),
    registration: Type.Optional(Registration),
  }),
  stored: Type.Object({
    /** The one before, for as long as it is good beside the new one (client-secret.ts). */
    previous_secret: Type.Optional(Type.String()),
    previous_secret_expires_at: Type.Optional(Timestamp()),
    /** Hash of the token that lets a client that registered itself manage its own row (RFC 7592). */
    registration_token: Type.Optional(Type.String()),
    /** What it registered that has no field of its own, as it came. */
    registration_metadata: Type.Optional(Metadata),
  }),
  sealed: { client_secret: 'read:client_keys', previous_secret: 'read:client_keys' },
  wire: ({ client_secret, previous_secret_expires_at: until }) => ({
    secrets: [
      ...(client_secret ? [{ state: 'current', expires_at: null }] : []),
      ...(until && until > now() ? [{ state: 'previous', expires_at: until }] : []),
    ],
  }),
  events: lifecycle({ created: 'client.created', updated: 'client.updated', deleted: 'client.deleted' }),
  secretsGive: (tenant, { grants }) => byGrants(tenant, grants),
  defaults: () => ({
    description: '',
    callbacks: [],
    logout_urls: [],
    web_origins: [],
    refresh_token: { expiration_mode: 'expire' as const, infinite_token_lifetime: false, token_lifetime: 2_592_000 },
    contacts: [],
    grant_types: defaultGrantTypes(),
    response_types: ['code' as const],
    token_endpoint_auth_method: 'client_secret_basic' as const,
    application_type: 'web' as const,
    frontchannel_logout_session_required: false,
    backchannel_logout_session_required: false,
    require_pushed_authorization_requests: false,
    dpop_bound_access_tokens: false,
    require_signed_request_object: false,
    id_token_signed_response_alg: 'RS256' as const,
    authorization_signed_response_alg: 'RS256' as const,
    is_first_party: true,
    is_verified: true,
    grants: null,
  }),
  filter: ['name', 'client_id', 'application_type', 'is_first_party', 'is_verified', 'token_endpoint_auth_method'],
  freeForm: ['metadata'],
  search: ['name', 'description', 'client_id'],
  // A list of grants that empties stays a list, which grants nothing.
  references: {
    'grants.api': {
      to: 'api',
      gone: 'forget',
      accept: (api, grant) => requirePermissions(api as unknown as Api, (grant as Grant).scope, 'grants'),
    },
  },
  indexes: ['registration.expires_at', 'previous_secret_expires_at'].map((field) => ({
    keys: { [field]: 1 as const },
    ...wherePresent(field),
  })),
  traced: true,
  end: (tenant, { id }) => revokeClient(tenant, id),
});

export type Client = Row<typeof clients.spec.row, NonNullable<typeof clients.spec.stored>>;
export type ClientInput = Partial<Omit<Client, 'account'>>;

/** Named by the address of a document about it (auth/client-document.ts), and no row of the account. */
export const isDocumentId = (id: string): boolean => /^https?:/.test(id);

const partial = <T extends Record<string, ReturnType<typeof Type.Any>>>(schemas: T) =>
  Object.fromEntries(Object.entries(schemas).map(([field, schema]) => [field, Type.Optional(schema)]));

const ClientWrite = (required: 'name' | null) =>
  Type.Object(
    {
      ...partial({ ...writable, jwks: nullable(WrittenJwkSet) } as never),
      ...(required && { name: writable.name }),
      metadata: Type.Optional(Metadata),
    },
    { additionalProperties: false },
  );

/** The keys are published before anything is signed with them. */
async function ensureKeys(tenant: Tenant, input: ClientInput, current: Partial<Client>): Promise<void> {
  await ensureSigningKeys(tenant, usualAlg({ ...current, ...input }));
  await ensureSigningKeys(tenant, input.id_token_signed_response_alg);
  await ensureSigningKeys(tenant, input.authorization_signed_response_alg);
  await ensureSigningKeys(tenant, input.userinfo_signed_response_alg);
}

const CLIENT_CREDENTIALS = 'client_credentials';

export const mintSecret = () => mintToken(36);

/**
 * A public client has no secret (RFC 6749 §2.1), and one that stops being public gets one.
 * @param held what it has by now.
 */
function secretOf({ token_endpoint_auth_method }: ClientInput, held?: string): Pick<ClientInput, 'client_secret'> {
  if (token_endpoint_auth_method === 'none') return WITHOUT_SECRET;
  return held === undefined ? { client_secret: mintSecret() } : {};
}

/** To write: the old secret of a client ends with it. */
export const WITHOUT_PREVIOUS = {
  previous_secret: null as unknown as undefined,
  previous_secret_expires_at: null as unknown as undefined,
};
const WITHOUT_SECRET = { client_secret: null as unknown as undefined, ...WITHOUT_PREVIOUS };

/**
 * RFC 6749 §4.4: only a client that keeps a secret may act for itself. A client that becomes public loses the grant; one
 * that asks for both is refused.
 */
function grantTypesOf(input: ClientInput, current: Pick<Client, 'grant_types' | 'token_endpoint_auth_method'>) {
  const method = input.token_endpoint_auth_method ?? current.token_endpoint_auth_method;
  const types = input.grant_types ?? current.grant_types;
  if (method !== 'none' || !types.includes(CLIENT_CREDENTIALS)) return input.grant_types;
  if (input.grant_types)
    throw new Fault('validation', '"grant_types" may not hold client_credentials for a client without a secret.', {
      details: [
        { path: '/grant_types', message: 'may not hold client_credentials when token_endpoint_auth_method is none' },
      ],
    });
  return types.filter((type) => type !== CLIENT_CREDENTIALS);
}

const withKnownKeys = (input: ClientInput): ClientInput =>
  input.jwks ? { ...input, jwks: knownKeys(input.jwks) } : input;

/** Grants of one Api are one, and a permission that is granted twice is too. */
function once(input: ClientInput): ClientInput {
  if (!input.grants) return input;
  const scopes = new Map<string, Set<string>>();
  for (const { api, scope } of input.grants) scopes.set(api, new Set([...(scopes.get(api) ?? []), ...scope]));
  return { ...input, grants: [...scopes].map(([api, scope]) => ({ api, scope: [...scope] })) };
}

export async function createClient(tenant: Tenant, written: ClientInput): Promise<Client> {
  const defaults = clients.spec.defaults() as Client;
  const input = { ...once(withKnownKeys(written)), ...algsOf(written, defaults) };
  checkClient(tenant, input, defaults);
  const id = input.id ?? clients.mintId();
  // Who sends people here acts for them, and for itself only where that is said.
  if (input.callbacks?.length)
    defaults.grant_types = defaults.grant_types.filter((type) => type !== CLIENT_CREDENTIALS);
  const grant_types = grantTypesOf(input, defaults) ?? defaults.grant_types;
  await ensureKeys(tenant, input, defaults);
  return createRow(clients, tenant, {
    ...input,
    grant_types,
    id,
    client_id: id,
    ...secretOf({ ...defaults, ...input }, input.client_secret),
  });
}

/** @param where what has to be so still when it is written. @throws as `updateRow`; Fault `validation`. */
export async function updateClient(
  tenant: Tenant,
  id: string,
  written: ClientInput,
  where: Filter = {},
): Promise<Client> {
  const current = await clients.get(tenant, id);
  const patch = { ...once(withKnownKeys(written)), ...algsOf(written, current) };
  checkClient(tenant, patch, current);
  const grant_types = grantTypesOf(patch, current);
  await ensureKeys(tenant, patch, current);
  const change = {
    ...patch,
    ...(grant_types && { grant_types }),
    ...(patch.token_endpoint_auth_method && secretOf(patch, current.client_secret)),
    // Whoever registered it has no more say from now on.
    ...((patch.is_first_party || patch.is_verified) && { is_verified: true, ...WITHOUT_TOKEN }),
  };
  return updateRow(clients, tenant, id, change, where);
}

export const WITHOUT_TOKEN = { registration_token: null as unknown as undefined };

/** With its consents, tokens and grants. @throws Fault `not_found` */
export const removeClient = (tenant: Tenant, id: string): Promise<Client> => removeRow(clients, tenant, id);

export function mount(app: FastifyInstance): void {
  mountResource(app, clients, {
    create: { body: ClientWrite('name'), run: createClient, gives: givesNew, reveals: 'client_secret' },
    update: {
      body: ClientWrite(null),
      run: updateClient,
      gives: givesChange,
      weighs: ['grants', 'callbacks', 'is_first_party'],
    },
    remove: true,
  });
}
