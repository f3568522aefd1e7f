/**
 * A client of the account as the engine's client metadata, made once: the hot path reads no database, and a change that is
 * made on another instance is seen soon.
 */
import { type ClientMetadata, errors } from 'oidc-provider';
import { clientOfDocument, type DocumentFetch } from '../../auth/client-document.ts';
import { forgetAccount } from '../../domain/account/account.ts';
import { type Client, clients, isDocumentId } from '../../domain/client/client.ts';
import { engineMembers } from '../../domain/client/client-members.ts';
import { nameFault, nameOfAddress } from '../../domain/client/client-name.ts';
import { isExpired, isVerified } from '../../domain/client/client-registration.ts';
import { previousSecret } from '../../domain/client/client-secret.ts';
import type { GroupsClaim } from '../../domain/client/groups-claim.ts';
import { isSenderConstrained } from '../../domain/client/sender-constraint.ts';
import { accountKeys, ensureSigningKeys } from '../../domain/key/account-keys.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { sameSecret } from '../../kernel/secret/random.ts';

/** Our own pages as a relying party, for those that need to know who is there; it exists in no database. */
export const PAGES = 'pages';
export const PAGES_RETURN = '/flow/return';

const pages = (tenant: Tenant): ClientMetadata => ({
  client_id: PAGES,
  client_name: tenant.account.name,
  redirect_uris: [`${tenant.origin}${PAGES_RETURN}`],
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code'],
  response_types: ['code'],
  first_party: true,
});

/** The built-in relying party of development; it exists in no database. */
export const PLAYGROUND = 'playground';

function playground(tenant: Tenant): ClientMetadata {
  return {
    client_id: PLAYGROUND,
    client_name: 'Playground',
    redirect_uris: [`${tenant.origin}/playground`],
    post_logout_redirect_uris: [`${tenant.origin}/playground`],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    first_party: true,
    web_origins: [tenant.origin],
  };
}

function metadataOf(tenant: Tenant, client: Client): ClientMetadata {
  const { account } = tenant;
  const unverified = !isVerified(tenant, client);
  const method = client.token_endpoint_auth_method;
  const isPublic = method === 'none';
  const canRedirect = client.callbacks.length > 0 && client.grant_types.includes('authorization_code');
  const optional = (field: 'client_uri' | 'logo_uri' | 'tos_uri' | 'policy_uri' | 'backchannel_logout_uri') =>
    client[field] ? { [field]: client[field] } : {};
  return {
    client_id: client.id,
    // What it called itself before names were judged.
    client_name: unverified && nameFault(client.name) ? nameOfAddress(client.callbacks[0]) : client.name,
    token_endpoint_auth_method: method,
    // A client that signs has a secret in its row, which is of no use to anybody.
    ...(method.startsWith('client_secret') && { client_secret: clients.reveal(client, 'client_secret') ?? undefined }),
    ...(method.startsWith('client_secret') && { previous_secret: previousSecret(client) }),
    ...(client.jwks && { jwks: client.jwks }),
    ...(client.jwks_uri && !client.jwks && { jwks_uri: client.jwks_uri }),
    redirect_uris: canRedirect ? client.callbacks : [],
    post_logout_redirect_uris: client.logout_urls,
    response_types: canRedirect ? ['code'] : [],
    // RFC 6749 §4.4: client_credentials is for clients that can keep a secret; a public id alone must open nothing.
    grant_types: client.grant_types.filter((type) =>
      type === 'authorization_code' ? canRedirect : type === 'client_credentials' ? !isPublic : true,
    ),
    ...(mayNameHome(client) && optional('client_uri')),
    ...optional('logo_uri'),
    ...optional('tos_uri'),
    ...optional('policy_uri'),
    ...optional('backchannel_logout_uri'),
    backchannel_logout_session_required: client.backchannel_logout_session_required,
    ...(typeof client.default_max_age === 'number' && { default_max_age: client.default_max_age }),
    id_token_signed_response_alg: client.id_token_signed_response_alg,
    authorization_signed_response_alg: client.authorization_signed_response_alg,
    // The engine's rules for native clients are about registration; ours are checked when the client is written.
    application_type: 'web',
    native: client.application_type === 'native',
    first_party: client.is_first_party,
    groups_claim: client.groups_claim ?? undefined,
    web_origins: client.web_origins,
    require_pushed_authorization_requests:
      client.require_pushed_authorization_requests || account.oauth.require_pushed_authorization_requests,
    require_signed_request_object: client.require_signed_request_object,
    signed_requests_only: client.require_signed_request_object,
    dpop_bound_access_tokens: client.dpop_bound_access_tokens,
    sender_constrained: isSenderConstrained(client),
    ...(client.userinfo_signed_response_alg && { userinfo_signed_response_alg: client.userinfo_signed_response_alg }),
    refresh_lifetime: refreshLifetime(client),
    api_grants: client.grants ?? undefined,
    // Until somebody of the tenant vouches for it.
    unverified,
    unused: client.registration?.expires_at ? true : undefined,
    ...engineMembers(tenant, client.registration_metadata),
  };
}

/** The consent page tells by it who is behind a client; of one that registered itself, only a host that logins go to counts. */
function mayNameHome({ registration, client_uri, callbacks }: Client): boolean {
  const host = (uri: string | null | undefined) => URL.parse(uri ?? '')?.host;
  return !registration || callbacks.some((uri) => host(uri) === host(client_uri));
}

/** As long as a refresh token that does not expire lives: ten years, so that its row still has an end. */
export const ENDLESS_SECONDS = 315_360_000;

const refreshLifetime = ({ refresh_token }: Client): number =>
  refresh_token.infinite_token_lifetime || refresh_token.expiration_mode === 'not-expire'
    ? ENDLESS_SECONDS
    : refresh_token.token_lifetime;

/**
 * An algorithm's first key is made when a client first asks for it, on whichever instance that was. One that has not
 * heard of it has an engine that cannot sign with it.
 * @throws Fault `unavailable`, once: the next request finds the keys.
 */
async function checkSigningKeys(tenant: Tenant, client: Client): Promise<void> {
  const { signers } = await accountKeys(tenant);
  const wanted = [
    client.id_token_signed_response_alg,
    client.authorization_signed_response_alg,
    client.userinfo_signed_response_alg,
  ];
  const missing = wanted.filter((alg) => alg && !signers[alg]);
  if (missing.length === 0) return;
  for (const alg of missing) await ensureSigningKeys(tenant, alg);
  forgetAccount(tenant.id);
  throw new Fault('unavailable');
}

/** By account: one that describes itself at an address is the same for all of them. */
const made = new WeakMap<Client, Map<string, { metadata: ClientMetadata; revision: number }>>();

/** The same object until the client or the account's settings change. */
async function metadataOnce(tenant: Tenant, client: Client): Promise<ClientMetadata> {
  const { revision } = tenant.account;
  const known = made.get(client)?.get(tenant.id);
  if (known?.revision === revision) return known.metadata;
  await checkSigningKeys(tenant, client);
  const metadata = metadataOf(tenant, client);
  const ofClient = made.get(client) ?? new Map();
  made.set(client, ofClient.set(tenant.id, { metadata, revision }));
  return metadata;
}

type BuiltIn = { playground: boolean; operatorClientId: string; operatorClientSecret: string };
/** Where clients come from besides the database: the configuration, and documents that they publish. */
export type ClientSources = BuiltIn & { fetch: DocumentFetch; production: boolean };

/** The clients that the configuration makes, not the database: the playground, and the operator on the root account. */
function builtIn(tenant: Tenant, id: string, options: BuiltIn): ClientMetadata | undefined {
  if (id === PAGES) return pages(tenant);
  if (id === PLAYGROUND && options.playground) return playground(tenant);
  if (id !== options.operatorClientId || !tenant.account.root) return undefined;
  return {
    client_id: id,
    client_secret: options.operatorClientSecret,
    client_name: 'Operator',
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  };
}

/** Of a client that is a row of the account; not of those of the configuration, nor of those that publish a document. */
export async function rowMetadata(tenant: Tenant, id: string): Promise<ClientMetadata | undefined> {
  const client = await clients.recent(tenant, id);
  return client && !isExpired(client) ? metadataOnce(tenant, client) : undefined;
}

/** @param callerAddress on whose account a document is fetched, asked only where one has to be. */
export async function clientMetadata(
  tenant: Tenant,
  id: string,
  options: ClientSources,
  callerAddress: () => string,
): Promise<ClientMetadata | undefined> {
  const configured = builtIn(tenant, id, options);
  if (configured) return configured;
  if (!isDocumentId(id)) return rowMetadata(tenant, id);
  const client = await documentOf(tenant, id, options, callerAddress());
  return client && metadataOnce(tenant, client);
}

/** @throws InvalidClient for a document that cannot be used, Fault `too_many_requests`. */
const documentOf = (
  tenant: Tenant,
  id: string,
  { fetch, production }: ClientSources,
  ip: string,
): Promise<Client | undefined> =>
  clientOfDocument(tenant, id, { fetch, production, ip }).catch((error: unknown) => {
    if (error instanceof Fault && error.code === 'too_many_requests') throw error;
    if (error instanceof Fault && error.row.status < 500) throw new errors.InvalidClient(error.message);
    throw error;
  });

/** Our own metadata that the engine carries along (`extraClientMetadata`). */
export const CLIENT_EXTRAS = [
  'native',
  'previous_secret',
  'first_party',
  'groups_claim',
  'unverified',
  'web_origins',
  'signed_requests_only',
  'sender_constrained',
  'refresh_lifetime',
  'api_grants',
  'unused',
] as const;

export type ClientExtras = {
  native?: boolean;
  /** Good beside the client's secret until then (Unix time in ms). */
  previous_secret?: { secret: string; until: number };
  first_party?: boolean;
  groups_claim?: GroupsClaim;
  /** Nobody at the tenant has seen it: it registered itself. */
  unverified?: boolean;
  web_origins?: string[];
  signed_requests_only?: boolean;
  /** In the way of FAPI 2.0: what is signed for it, and its refresh tokens, follow from that. */
  sender_constrained?: boolean;
  refresh_lifetime?: number;
  api_grants?: { api: string; scope: string[] }[];
  /** Registered itself, and nobody has logged in through it yet. */
  unused?: boolean;
};

/** Nobody at the tenant has seen it. */
export const isUnverified = (client: object): boolean => (client as ClientExtras).unverified ?? false;

/** Its website, as far as that tells who it is: whoever registers may name any, whoever publishes a document has its host. */
export const homeOf = (client: { clientId: string; clientUri?: string }): string | undefined =>
  isUnverified(client) && !isDocumentId(client.clientId) ? undefined : client.clientUri;

/** Whether its requests have to be pushed or signed: an address with parameters, as a mailed link has, is refused. */
export const plainRequestsRefused = (client: {
  requirePushedAuthorizationRequests?: boolean;
  requireSignedRequestObject?: boolean;
}): boolean => Boolean(client.requirePushedAuthorizationRequests || client.requireSignedRequestObject);

/** Whoever likes can be this client, or was a moment ago another like it: what it may do is counted by where it comes from. */
export const isAnybodys = (client: { clientId: string; clientAuthMethod?: string }): boolean =>
  client.clientAuthMethod === 'none' || isUnverified(client);

/** Whether a secret is the one that the client had before, and good still. */
export const isPreviousSecret = ({ previous_secret }: ClientExtras, shown: string): boolean =>
  previous_secret !== undefined && previous_secret.until > Date.now() && sameSecret(previous_secret.secret, shown);
