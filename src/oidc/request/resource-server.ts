/** An Api of the account as the engine's resource server: which scopes a token for it may carry, and for how long. */
import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import { grantedBy, heldRoles } from '../../domain/access/user-permissions.ts';
import { type Api, apis, recentApi, type TokenTyp } from '../../domain/api/api.ts';
import { audienceOf, resourceOf, userinfoAudience } from '../../domain/api/audience.ts';
import { managementAudience, PLATFORM_AUDIENCE, platformPermissions } from '../../domain/api/permission.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { scopeWords } from '../../kernel/text.ts';
import { type ClientExtras, PAGES } from '../client/client-metadata.ts';
import { isStandardScope } from '../token/claims.ts';

/** Set by the bridge where `audience` and `resource` are both given and differ. */
export const MISMATCH = 'urn:cardea:audience-and-resource-differ';

/** What the operator's client may ask tokens for; a row of no database, served on the root account's hosts only. */
const platformApi = () =>
  ({
    ...apis.spec.defaults(),
    name: 'Platform',
    identifier: PLATFORM_AUDIENCE,
    permissions: [...platformPermissions()],
  }) as unknown as Api;

/** Userinfo as an audience to ask for by name: what a token is for where nothing is asked for and nothing is the default. */
const userinfoApi = (identifier: string) =>
  ({ ...apis.spec.defaults(), name: 'Userinfo', identifier, permissions: [] }) as unknown as Api;

/** The Api of an audience or resource indicator. */
export async function apiOf(tenant: Tenant, resource: string): Promise<Api | undefined> {
  if (resource === userinfoAudience(tenant)) return userinfoApi(resource);
  const identifier = audienceOf(resource);
  const api = await recentApi(tenant, identifier);
  return api || !isOwnAddress(tenant, identifier) ? api : recentApi(tenant, managementAudience(tenant.id));
}

/** RFC 9728: the management API under its address, which is how its metadata names it; some clients add a slash. */
const isOwnAddress = ({ origin }: Tenant, identifier: string): boolean =>
  identifier === origin || identifier === `${origin}/`;

/** Every scope that an audience knows, whoever asks. */
export const catalogueOf = async (tenant: Tenant, identifier: string): Promise<string[]> =>
  ((await apiOf(tenant, identifier))?.permissions ?? []).map(({ value }) => value);

/** What the request asks for; a code or a refresh token has it from the request that it came from. */
export function askedScopes(request: KoaContextWithOIDC | undefined): string[] {
  const { params, entities } = request?.oidc ?? {};
  const asked = scopeWords(params?.scope);
  return asked.length ? asked : [...((entities?.AuthorizationCode ?? entities?.RefreshToken)?.scopes ?? [])];
}

/** An Api's scopes; one that does not insist on its list takes what it is asked for. */
function offered(api: Api, asked: readonly string[]): string[] {
  const catalogue = api.permissions.map(({ value }) => value);
  return api.enforce_policies ? catalogue : [...new Set([...catalogue, ...asked])];
}

/**
 * What a client may have of an Api without anybody of ours who agrees; nothing where it may not ask for it at all. The
 * management API is nobody's who is not granted it by name.
 */
export function machineScopes({ api_grants }: ClientExtras, api: Api, asked: readonly string[]): string[] | undefined {
  const scopes = offered(api, asked);
  if (!api_grants) return api.system ? undefined : scopes;
  const grant = api_grants.find((candidate) => candidate.api === api.id);
  return grant && scopes.filter((scope) => grant.scope.includes(scope));
}

/** Users administer through the tenant's own apps alone: what a stranger's app could ask them to allow is the whole tenant. */
export const mayActFor = (client: ClientExtras, api: Api): boolean => !api.system || client.first_party === true;

/** What a user may have of an Api: of its scopes those that the user's roles grant, where roles matter. */
export async function userScopes(
  tenant: Tenant,
  api: Api,
  { user, asked }: AskedByUser,
  rolesOf = heldRoles,
): Promise<string[]> {
  const scopes = offered(api, asked);
  if (!api.rbac) return scopes;
  const granted = grantedBy(user ? await rolesOf(tenant, user) : [], api);
  return scopes.filter((scope) => granted.has(scope));
}

/** Without a user, of nobody whom we know. */
type AskedByUser = { user?: string; asked: readonly string[] };
/** @property exchanged the client asks with a token that it was handed, and there is nobody who could agree. */
type AskedThrough = AskedByUser & { client: object; exchanged?: true };

/** @property system it is the management API. */
type Served = TokenTerms & { scopes: string[]; system: boolean };

/**
 * An Api as what a user's token is for.
 * @throws Fault `invalid_target` for a resource that the account does not serve.
 */
export async function userServer(
  tenant: Tenant,
  resource: string,
  { client, exchanged, ...by }: AskedThrough,
): Promise<Served> {
  if (resource === MISMATCH) throw new Fault('invalid_target', 'audience and resource differ');
  const api = await apiOf(tenant, resource);
  if (!api || !mayActFor(client, api)) throw new Fault('invalid_target');
  const scopes = await userScopes(tenant, api, by);
  const ceiling = exchanged && api.system ? machineScopes(client, api, by.asked) : scopes;
  if (!ceiling) throw new Fault('invalid_target');
  return {
    ...tokenTerms(api),
    scopes: scopes.filter((scope) => ceiling.includes(scope)),
    system: api.system ?? false,
  };
}

/** Scopes that this request may end up with. */
function allowedScopes(tenant: Tenant, ctx: KoaContextWithOIDC, api: Api): string[] | Promise<string[]> {
  const { params, client, account, session } = ctx.oidc;
  const asked = askedScopes(ctx);
  if (params?.grant_type !== 'client_credentials') {
    if (!mayActFor(client as ClientExtras, api))
      throw new errors.InvalidTarget('the management API is for apps of the tenant alone');
    return userScopes(tenant, api, { user: account?.accountId ?? session?.accountId, asked });
  }
  const allowed = machineScopes(client as ClientExtras, api, asked);
  if (!allowed) throw new errors.InvalidTarget('the client may not ask for this audience');
  return allowed;
}

/**
 * The account's default audience, for a request that names none. Not for our own pages, which want no Api, and not where
 * the Api has gone.
 */
export async function defaultResource(tenant: Tenant, clientId: string): Promise<string | undefined> {
  const { default_audience: audience } = tenant.account.oauth;
  if (!audience || clientId === PAGES || !(await apiOf(tenant, audience))) return undefined;
  return resourceOf(audience);
}

/** What tokens for an Api are like, whoever gets them. */
export type TokenTerms = { audience: string; lifetimeSeconds: number; alg: Api['signing_alg']; typ: TokenTyp };
export const tokenTerms = (api: Api): TokenTerms => ({
  audience: api.identifier,
  lifetimeSeconds: api.token_lifetime,
  alg: api.signing_alg,
  typ: api.token_typ,
});

/** @throws InvalidTarget (RFC 8707 §2) for an audience that the account does not serve to this client. */
export async function resourceServer(
  tenant: Tenant,
  ctx: KoaContextWithOIDC,
  identifier: string,
  operatorClientId: string,
): Promise<ResourceServer> {
  if (identifier === MISMATCH) throw new errors.InvalidTarget('audience and resource differ');
  const operator =
    tenant.account.root && identifier === PLATFORM_AUDIENCE && ctx.oidc.client?.clientId === operatorClientId;
  const api = operator ? platformApi() : await apiOf(tenant, identifier);
  if (!api || (ctx.oidc.client?.clientId === operatorClientId && !operator))
    throw new errors.InvalidTarget('unknown audience');
  const allowed = await allowedScopes(tenant, ctx, api);
  // A machine client that asks for nothing in particular gets all that it may have; the engine's grant reads no more
  // than its request.
  if (ctx.oidc.params?.grant_type === 'client_credentials' && !scopeWords(ctx.oidc.params.scope).length)
    ctx.oidc.params.scope = allowed.join(' ');
  const { audience, lifetimeSeconds, alg, typ } = tokenTerms(api);
  return {
    audience,
    scope: allowed.join(' '),
    accessTokenTTL: lifetimeSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg, typ } },
  } as ResourceServer;
}

/**
 * Of some scopes those that are the Api's. One that takes whatever it is asked for also takes those of OpenID Connect,
 * which say nothing about it.
 */
export async function ownScopes(tenant: Tenant, identifier: string, scopes: readonly string[]): Promise<string[]> {
  const api = await apiOf(tenant, identifier);
  const listed = new Set(api?.permissions.map(({ value }) => value));
  return scopes.filter((scope) => listed.has(scope) || (api?.enforce_policies === false && !isStandardScope(scope)));
}

/** The scopes' and Api's names for people: what a consent page shows. */
export async function describeScopes(tenant: Tenant, identifier: string, scopes: readonly string[]) {
  const api = await apiOf(tenant, identifier);
  return scopes.map((scope) => {
    const { description, descriptions } = api?.permissions.find(({ value }) => value === scope) ?? {};
    return { scope, api: { name: api?.name ?? identifier, names: api?.names }, description, descriptions };
  });
}

export const skipsConsent = async (tenant: Tenant, identifier: string): Promise<boolean> =>
  (await apiOf(tenant, identifier))?.skip_consent ?? false;
export const isManagement = async (tenant: Tenant, identifier: string): Promise<boolean> =>
  (await apiOf(tenant, identifier))?.system ?? false;
export const allowsOfflineAccess = async (tenant: Tenant, identifier: string): Promise<boolean> =>
  (await apiOf(tenant, identifier))?.allow_offline_access ?? false;
