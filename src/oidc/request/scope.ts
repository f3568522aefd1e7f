/**
 * The scope of an authorization request, looked at again after the engine's own checks: what was dropped of it that we
 * give, and what a request that names none is taken to mean.
 */
import { decodeJwt } from 'jose';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { isStandardScope } from '../token/claims.ts';
import { allowsOfflineAccess, catalogueOf, ownScopes } from './resource-server.ts';

/**
 * The scope as it was asked for. A pushed request or a request object speaks alone (RFC 9101 §6.3): what stands beside it
 * in the address was signed or pushed by nobody. The engine has verified it by now.
 */
function askedScope({ query, oidc }: KoaContextWithOIDC): string[] {
  const outside = { ...query, ...(oidc.body as Record<string, unknown> | undefined) };
  const request = oidc.entities.PushedAuthorizationRequest?.request ?? outside.request;
  return scopeWords(typeof request === 'string' ? decodeJwt(request).scope : outside.scope);
}

/** @throws InvalidScope for a scope in which nothing is known here: before anybody logs in for it. */
export async function reviewScope(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<void> {
  const params = ctx.oidc.params!;
  const asked = askedScope(ctx);
  await refuseUnknown(tenant, ctx, asked);
  // Nearly every client asks for offline access without `prompt=consent`, and the engine drops it then (OIDC Core §11
  // allows granting it under other conditions).
  const offline =
    ctx.oidc.client?.grantTypeAllowed('refresh_token') &&
    (asked.includes('offline_access') || (await staysWithout(tenant, ctx, asked)));
  const scopes = asked.length
    ? scopeWords(params.scope)
    : await defaultScope(tenant, Object.keys(ctx.oidc.resourceServers ?? {}));
  params.scope = [...new Set([...scopes, ...(offline ? ['offline_access'] : [])])].join(' ') || undefined;
}

/**
 * Whether offline access is part of a request that does not name it. In pure OAuth (RFC 6749 §1.5) a refresh token is the
 * server's to give, and agents ask for the scopes of an Api and nothing else; the rule of OIDC Core §11 is for who says
 * `openid`. What nobody can be asked for now is not asked for.
 */
async function staysWithout(tenant: Tenant, { oidc }: KoaContextWithOIDC, asked: readonly string[]): Promise<boolean> {
  const [audience] = Object.keys(oidc.resourceServers ?? {});
  if (asked.includes('openid') || !audience) return false;
  if (oidc.prompts.has('none') && !(oidc.client as ClientExtras | undefined)?.first_party) return false;
  return allowsOfflineAccess(tenant, audience);
}

/**
 * RFC 6749 §3.3: a request without a scope gets a default one or is refused as such. Ours is who the user is and all that
 * the audience offers; what of it this user may have, and whether to ask, is decided as ever.
 */
export async function defaultScope(tenant: Tenant, audiences: readonly string[]): Promise<string[]> {
  const offered = await Promise.all(audiences.map((audience) => catalogueOf(tenant, audience)));
  return ['openid', ...offered.flat()];
}

const SHOWN = 200;

async function refuseUnknown(tenant: Tenant, { oidc }: KoaContextWithOIDC, asked: readonly string[]): Promise<void> {
  if (!(await isUnknown(tenant, asked, Object.keys(oidc.resourceServers ?? {})))) return;
  const told = asked.join(' ').slice(0, SHOWN);
  throw new errors.InvalidScope(`nothing is known here by the scope ${told}`, told);
}

/**
 * Whether nothing of a scope is anything here. RFC 6749 §3.3: a part may be ignored, and the token answer says so; all of
 * it is a mistake of the client's. What this user may have is decided later.
 */
export async function isUnknown(
  tenant: Tenant,
  asked: readonly string[],
  resources: readonly string[],
): Promise<boolean> {
  if (asked.length === 0 || asked.some(isStandardScope)) return false;
  for (const resource of resources) if ((await ownScopes(tenant, resource, asked)).length) return false;
  return true;
}
