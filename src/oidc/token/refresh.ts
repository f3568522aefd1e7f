/**
 * The successor of a refresh token is computed from it, so that a retry gets the same one: rotation is a chain that
 * cannot fork. Whoever comes back with a link that was replaced longer ago than the grace ends the chain (RFC 9700
 * §4.14.2), be it the thief or the one who was robbed.
 */
import type { Client, Provider } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import { mac } from '../../kernel/secret/seal.ts';
import { allowsOfflineAccess } from '../request/resource-server.ts';
import type { Login } from './login-claims.ts';

/** @param replaced the token that this one follows; without it a chain begins. */
export const refreshTokenId = (tenant: Tenant, replaced?: string): string =>
  // Without the installation's key nobody computes a successor, not even from the token itself.
  replaced ? mac('refresh token', `${tenant.id} ${replaced}`) : mintToken();

/** OIDC Core §11: a refresh token for whoever asked for offline access and may have it for the audience. */
export async function mayRefresh(
  tenant: Tenant,
  client: Client,
  { scopes, resource }: { scopes: ReadonlySet<string>; resource?: string | string[] },
): Promise<boolean> {
  if (!client.grantTypeAllowed('refresh_token') || !scopes.has('offline_access')) return false;
  const [audience] = [resource].flat();
  return audience ? allowsOfflineAccess(tenant, audience) : true;
}

/** The first of a chain. @returns nothing where there may be none. */
export async function mintRefreshToken(
  tenant: Tenant,
  { provider, client }: { provider: Provider; client: Client },
  source: Login & {
    accountId: string;
    grantId: string;
    gty: string;
    scopes: ReadonlySet<string>;
    resource?: string;
    /** Of the access token beside it. */
    jkt?: string;
  },
): Promise<string | undefined> {
  if (!(await mayRefresh(tenant, client, source))) return undefined;
  const { scopes, jkt, ...remembered } = source;
  const token = new provider.RefreshToken({
    ...remembered,
    client,
    scope: [...scopes].join(' '),
    rotations: 0,
    // A client without a secret proves by the key that it is the same one (RFC 9449 §5).
    ...(jkt && client.clientAuthMethod === 'none' && { jkt }),
  } as never);
  return token.save();
}
