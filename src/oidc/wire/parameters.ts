/**
 * What the parameters of a request come down to, however they were written. Everything that reads them, here and in the
 * engine, reads what is left by this.
 */
import { audienceAsStored } from '../../domain/api/api.ts';
import { audienceOf, resourceOf } from '../../domain/api/audience.ts';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import { defaultResource, MISMATCH } from '../request/resource-server.ts';
import { isUnknown } from '../request/scope.ts';
import { opaqueForm } from '../token/access-token.ts';

/** Says everything in one way. A parameter without a value is one that was left out (RFC 6749 §3.1, §3.2). */
export function normalise(params: URLSearchParams): void {
  const empty = [...params].filter(([, value]) => value === '');
  for (const [name] of empty) params.delete(name, '');
  foldScope(params);
  dropVoidClaims(params);
}

/** RFC 6749 §3.3: names with one space between them. Several scopes are the engine's to refuse. */
function foldScope(params: URLSearchParams): void {
  const [scope, ...others] = params.getAll('scope');
  if (scope === undefined || others.length) return;
  const folded = scopeWords(scope).join(' ');
  if (folded === '') params.delete('scope');
  else if (folded !== scope) params.set('scope', folded);
}

/** OIDC Core §5.5: both members are optional, and what is not known is ignored, so such a request is one for nothing. */
function dropVoidClaims(params: URLSearchParams): void {
  const [claims, ...others] = params.getAll('claims');
  if (claims === undefined || others.length || !claims.trimStart().startsWith('{')) return;
  try {
    const { userinfo, id_token } = JSON.parse(claims);
    if (userinfo === undefined && id_token === undefined) params.delete('claims');
  } catch {
    // The engine's to refuse.
  }
}

/* ——— what the engine calls otherwise ——— */

/** One Api under a few names, at most; each is looked up before anybody has said who they are. */
const MOST_AUDIENCES = 10;

/**
 * `audience` is an alias of `resource` (RFC 8707); several that differ are the engine's `invalid_target`. Each is spelled as
 * its Api is, so that one Api is one name from the request to the token.
 */
export async function aliasAudience(params: URLSearchParams, tenant: Tenant): Promise<void> {
  const [audiences, resources] = [params.getAll('audience'), params.getAll('resource')];
  if (audiences.length + resources.length === 0) return;
  if (new Set([...audiences, ...resources]).size > MOST_AUDIENCES) {
    params.delete('audience');
    params.set('resource', MISMATCH);
    return;
  }
  const stored = async (audience: string) => resourceOf(await audienceAsStored(tenant, audience));
  const named = await Promise.all(audiences.map(stored));
  // RFC 8707 §2: an absolute URI; what is none is the engine's to refuse.
  const meant = resources.map((resource) => (URL.canParse(resource) ? stored(audienceOf(resource)) : resource));
  const asked = new Set([...named, ...(await Promise.all(meant))]);
  if (named.length) params.set('audience', audienceOf(named[0]!));
  params.delete('resource');
  for (const resource of named.length && asked.size > 1 ? [MISMATCH] : asked) params.append('resource', resource);
}

/** What the engine takes along with `openid` alone. */
const WITH_OPENID = ['acr_values', 'claims', 'claims_locales', 'id_token_hint', 'max_age', 'nonce'];

/**
 * An authorization request, however it comes. One whose scope is a mistake (`openid,email`) hears of that, and not of the
 * parameters that would have gone with `openid`.
 */
export async function authorizationRequest(params: URLSearchParams, tenant: Tenant): Promise<void> {
  await aliasAudience(params, tenant);
  const resources = params.getAll('resource');
  const asked = scopeWords(params.get('scope'));
  if (asked.includes('openid') || !WITH_OPENID.some((name) => params.has(name))) return;
  const fallback = resources.length ? undefined : await defaultResource(tenant, params.get('client_id') ?? '');
  if (!(await isUnknown(tenant, asked, fallback ? [fallback] : resources))) return;
  for (const name of WITH_OPENID) params.delete(name);
}

/** Revocation and introspection of our JWTs, which the engine takes for somebody else's. */
export function hideJwt(form: URLSearchParams): void {
  const [token, ...others] = form.getAll('token');
  // Several are the engine's to refuse.
  if (token && others.length === 0) form.set('token', opaqueForm(token));
}
