/**
 * The scope of an authorization request, looked at again after the engine's own checks: what was dropped of it that we
 * give, and what a request that names none is taken to mean.
 */
import { decodeJwt } from 'jose';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import { catalogueOf } from './resource-server.ts';

/**
 * The scope as it was asked for. A pushed request or a request object speaks alone (RFC 9101 §6.3): what stands beside it
 * in the address was signed or pushed by nobody. The engine has verified it by now.
 */
function askedScope({ query, oidc }: KoaContextWithOIDC): string[] {
  const outside = { ...query, ...(oidc.body as Record<string, unknown> | undefined) };
  const request = oidc.entities.PushedAuthorizationRequest?.request ?? outside.request;
  return scopeWords(typeof request === 'string' ? decodeJwt(request).scope : outside.scope);
}

export async function reviewScope(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<void> {
  const params = ctx.oidc.params!;
  const asked = askedScope(ctx);
  // Nearly every client asks for offline access without `prompt=consent`, and the engine drops it then (OIDC Core §11
  // allows granting it under other conditions).
  const offline = asked.includes('offline_access') && ctx.oidc.client?.grantTypeAllowed('refresh_token');
  const scopes = asked.length ? scopeWords(params.scope) : await defaultScope(tenant, ctx);
  params.scope = [...new Set([...scopes, ...(offline ? ['offline_access'] : [])])].join(' ') || undefined;
}

/**
 * RFC 6749 §3.3: a request without a scope gets a default one or is refused as such. Ours is who the user is and all that
 * the audience offers; what of it this user may have, and whether to ask, is decided as ever.
 */
async function defaultScope(tenant: Tenant, { oidc }: KoaContextWithOIDC): Promise<string[]> {
  const audiences = Object.keys(oidc.resourceServers ?? {});
  const offered = await Promise.all(audiences.map((audience) => catalogueOf(tenant, audience)));
  return ['openid', ...offered.flat()];
}
