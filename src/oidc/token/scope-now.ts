/**
 * What a token that was issued a while ago is good for by now: no more than its client and its user may have today. Whether
 * it has ended altogether is access-token.ts's question.
 */
import type { AdapterPayload } from 'oidc-provider';
import type { Role } from '../../domain/access/role.ts';
import { heldRoles } from '../../domain/access/user-permissions.ts';
import { PLATFORM_AUDIENCE, platformPermissions } from '../../domain/api/permission.ts';
import { type Client, clients, isDocumentId } from '../../domain/client/client.ts';
import { isExpired } from '../../domain/client/client-registration.ts';
import type { Tenant } from '../../kernel/context.ts';
import { recent } from '../../kernel/recent.ts';
import { scopeWords } from '../../kernel/text.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { PAGES, PLAYGROUND } from '../client/client-metadata.ts';
import { apiOf, machineScopes, mayActFor, userScopes } from '../request/resource-server.ts';
import { isStandardScope } from './claims.ts';

export type Issued = {
  clientId: string;
  /** Identifier of the Api that it is for. */
  aud?: string;
  scope?: string;
  /** The user that it is of; none where the client acts for itself. */
  user?: string;
  /** The client got it for another token, with nobody who could agree. */
  exchanged?: boolean;
};

type RolesOf = (tenant: Tenant, user: string) => Promise<Role[]>;

/** @returns nothing where the client is gone, or may not ask for the audience any more. */
export async function scopesNow(
  tenant: Tenant,
  { clientId, aud, scope, user, exchanged }: Issued,
  rolesOf: RolesOf = heldRoles,
): Promise<string[] | undefined> {
  const client = await extrasOf(tenant, clientId);
  if (!client) return undefined;
  const asked = scopeWords(scope);
  if (aud === undefined) return asked;
  const api = await apiOf(tenant, aud);
  if (!api || (user !== undefined && !mayActFor(client, api))) return undefined;
  const allowed = user === undefined ? undefined : await userScopes(tenant, api, { user, asked }, rolesOf);
  const ceiling = user === undefined || (exchanged && api.system) ? machineScopes(client, api, asked) : allowed;
  if (!ceiling) return undefined;
  const may = new Set(ceiling.filter((name) => !allowed || allowed.includes(name)));
  const listed = new Set(api.permissions.map(({ value }) => value));
  // What the user granted about themself rides along, and is not the Api's.
  const isIdentity = (name: string) => user !== undefined && isStandardScope(name) && !listed.has(name);
  return asked.filter((name) => may.has(name) || isIdentity(name));
}

const extrasFrom = (row: Client): ClientExtras => ({
  first_party: row.is_first_party,
  api_grants: row.grants ?? undefined,
});

/** What is asked of a client here, on whatever host: of a row as it was seconds ago at most. */
async function extrasOf(tenant: Tenant, id: string): Promise<ClientExtras | undefined> {
  if (id === PAGES || id === PLAYGROUND) return { first_party: true };
  if (isDocumentId(id)) return {};
  const row = await clients.recent(tenant, id);
  return row && !isExpired(row) ? extrasFrom(row) : undefined;
}

const roles = recent<Role[]>(20_000);
const recentRoles: RolesOf = async (tenant, user) => roles.get(`${tenant.id} ${user}`, () => heldRoles(tenant, user));

/** For whoever asks about tokens: the payload with the scope that is left of it, or nothing. */
export async function asItStands(tenant: Tenant, payload: AdapterPayload): Promise<AdapterPayload | undefined> {
  const { clientId, accountId, scope, gty } = payload;
  const aud = typeof payload.aud === 'string' ? payload.aud : undefined;
  if (aud === PLATFORM_AUDIENCE) return payload;
  const issued = { clientId: clientId!, aud, scope, user: accountId, exchanged: gty === EXCHANGED };
  const left = await scopesNow(tenant, issued, recentRoles);
  if (!left) return undefined;
  return left.length === scopeWords(scope).length ? payload : { ...payload, scope: left.join(' ') || undefined };
}

/** Said by a token for the management API that was got for another one. */
export const EXCHANGED = 'token-exchange';

type Claims = { client_id: string; sub: string; aud: string; scope?: string; gty?: string };

/** For the management API: what the bearer of a token may do. @returns nothing for a token that is none any more. */
export const managementPermissions =
  (operatorClientId: string) =>
  async (tenant: Tenant, { client_id, sub, aud, scope, gty }: Claims): Promise<ReadonlySet<string> | undefined> => {
    if (aud === PLATFORM_AUDIENCE) {
      if (client_id !== operatorClientId) return undefined;
      const known = new Set(platformPermissions().map(({ value }) => value));
      return new Set(scopeWords(scope).filter((name) => known.has(name)));
    }
    const user = sub === client_id ? undefined : sub;
    const left = await scopesNow(tenant, { clientId: client_id, aud, scope, user, exchanged: gty === EXCHANGED });
    return left && new Set(left);
  };
