/** An Api of the account as the engine's resource server: which scopes a token for it may carry, and for how long. */
import { LRUCache } from 'lru-cache';
import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import { type Api, apiByIdentifier, apis, onApiChange } from '../domain/api.ts';
import { managementAudience, PLATFORM_AUDIENCE, PLATFORM_PERMISSIONS } from '../domain/permission.ts';
import { type Role, roles } from '../domain/role.ts';
import { rolesOf } from '../domain/role-member.ts';
import type { Tenant } from '../kernel/context.ts';
import { signedAudience } from './authorization-request.ts';
import { isStandardScope } from './claims.ts';
import type { ClientExtras } from './client-metadata.ts';

const CACHE_SECONDS = 5;
const cache = new LRUCache<string, { api: Api | undefined; staleAt: number }>({ max: 20_000 });
onApiChange((account) => {
  for (const key of cache.keys()) if (key.startsWith(`${account}:`)) cache.delete(key);
});

/** Set by the bridge where `audience` and `resource` are both given and differ. */
export const MISMATCH = 'urn:cardea:audience-and-resource-differ';

/** What the operator's client may ask tokens for; a row of no database, served on the root account's hosts only. */
const platformApi = {
  ...apis.spec.defaults(),
  name: 'Platform',
  identifier: PLATFORM_AUDIENCE,
  permissions: [...PLATFORM_PERMISSIONS],
} as unknown as Api;

async function apiOf(tenant: Tenant, identifier: string): Promise<Api | undefined> {
  const key = `${tenant.id}:${identifier}`;
  const known = cache.get(key);
  if (known && known.staleAt > Date.now()) return known.api;
  const api =
    (await apiByIdentifier(tenant, identifier)) ??
    (isOwnAddress(tenant, identifier) ? await apiByIdentifier(tenant, managementAudience(tenant.id)) : undefined);
  cache.set(key, { api, staleAt: Date.now() + CACHE_SECONDS * 1000 });
  return api;
}

/** RFC 9728: the management API under its address, which is how its metadata names it; some clients add a slash. */
const isOwnAddress = ({ origin }: Tenant, identifier: string): boolean =>
  identifier === origin || identifier === `${origin}/`;

const split = (scope: unknown): string[] => (typeof scope === 'string' ? scope.split(' ').filter(Boolean) : []);

async function heldRoles(tenant: Tenant, user: string): Promise<Role[]> {
  return [...(await roles.many(tenant, await rolesOf(tenant, user))).values()];
}

/** Permissions of an Api that a user's roles grant. */
async function grantedByRoles(tenant: Tenant, user: string, api: Api): Promise<Set<string>> {
  return new Set(
    (await heldRoles(tenant, user)).flatMap((role) =>
      role.permissions.filter((p) => p.api === api.id).map((p) => p.value),
    ),
  );
}

/** Every scope that an audience knows, whoever asks. */
export const catalogueOf = async (tenant: Tenant, identifier: string): Promise<string[]> =>
  ((await apiOf(tenant, identifier))?.permissions ?? []).map(({ value }) => value);

/** Scopes that this request may end up with: the Api's, what the client may have of them, what the user's roles grant. */
async function allowedScopes(tenant: Tenant, ctx: KoaContextWithOIDC, api: Api): Promise<string[]> {
  const requested = split(ctx.oidc.params?.scope);
  const catalogue = api.permissions.map(({ value }) => value);
  let allowed = api.enforce_policies ? catalogue : [...new Set([...catalogue, ...requested])];
  const machine = ctx.oidc.params?.grant_type === 'client_credentials';
  if (machine) {
    const { api_grants } = ctx.oidc.client as unknown as ClientExtras;
    if (api_grants) {
      const grant = api_grants.find((candidate) => candidate.api === api.id);
      if (!grant) throw new errors.InvalidTarget('the client may not ask for this audience');
      allowed = allowed.filter((scope) => grant.scope.includes(scope));
    }
  } else if (api.rbac) {
    const user = ctx.oidc.account?.accountId ?? ctx.oidc.session?.accountId;
    const granted = user ? await grantedByRoles(tenant, user, api) : new Set<string>();
    allowed = allowed.filter((scope) => granted.has(scope));
  }
  return allowed;
}

/** @throws InvalidTarget (RFC 8707 §2) for an audience that the account does not serve to this client. */
export async function resourceServer(
  tenant: Tenant,
  ctx: KoaContextWithOIDC,
  identifier: string,
  operatorClientId: string,
): Promise<ResourceServer> {
  const named = signedAudience(ctx);
  if (identifier === MISMATCH || (named !== undefined && named !== identifier))
    throw new errors.InvalidTarget('audience and resource differ');
  const operator =
    tenant.account.root && identifier === PLATFORM_AUDIENCE && ctx.oidc.client?.clientId === operatorClientId;
  const api = operator ? platformApi : await apiOf(tenant, identifier);
  if (!api || (ctx.oidc.client?.clientId === operatorClientId && !operator))
    throw new errors.InvalidTarget('unknown audience');
  const allowed = await allowedScopes(tenant, ctx, api);
  // A machine client that asks for nothing in particular gets all that it may have.
  if (ctx.oidc.params?.grant_type === 'client_credentials' && !split(ctx.oidc.params.scope).length)
    ctx.oidc.params.scope = allowed.join(' ');
  return {
    audience: api.identifier,
    scope: allowed.join(' '),
    accessTokenTTL: api.token_lifetime,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: api.signing_alg } },
  } as ResourceServer;
}

/** Claims that an Api's settings add to its access tokens. */
export async function apiClaims(
  tenant: Tenant,
  token: { audience: string; accountId?: string; scope?: string },
): Promise<{ permissions?: string[]; roles?: string[] }> {
  const api = await apiOf(tenant, token.audience);
  if (!api) return {};
  return {
    ...(api.token_dialect === 'access_token_authz' && { permissions: split(token.scope) }),
    ...(api.include_roles_in_access_token && token.accountId && { roles: await roleNames(tenant, token.accountId) }),
  };
}

const roleNames = async (tenant: Tenant, user: string): Promise<string[]> =>
  (await heldRoles(tenant, user)).map(({ name }) => name);

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
  return scopes.map((scope) => ({
    scope,
    api: api?.name ?? identifier,
    description: api?.permissions.find(({ value }) => value === scope)?.description,
  }));
}

export const skipsConsent = async (tenant: Tenant, identifier: string): Promise<boolean> =>
  (await apiOf(tenant, identifier))?.skip_consent ?? false;
export const allowsOfflineAccess = async (tenant: Tenant, identifier: string): Promise<boolean> =>
  (await apiOf(tenant, identifier))?.allow_offline_access ?? false;
