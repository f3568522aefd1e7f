/**
 * What a script of another origin may see of answers. Which origins a client is asked from is client-rules.ts's; here is what
 * goes for all: headers that a script waits for or goes by, and requests that a library sends with credentials.
 */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { PATHS } from './configure.ts';

export const EXPOSED = ['DPoP-Nonce', 'WWW-Authenticate', 'Retry-After'];

/**
 * Where a fetch with `credentials: 'include'` is answered, as keycloak-js sends it: these go by what the request holds and
 * read no cookie, so that its credentials open nothing. An answer to one has to name its origin.
 */
export const takesCredentials = (path: string): boolean =>
  path === PATHS.token || path === PATHS.revocation || path === PATHS.userinfo;

/** The origin of a sandboxed frame is nobody's in particular. */
export const isNamed = (origin: string | undefined): origin is string =>
  Boolean(origin) && origin !== 'null' && origin !== '*';

/** The engine has said by now whether the origin may see it. */
export function shareAnswer(ctx: KoaContextWithOIDC): void {
  const { response, path } = ctx;
  const told = response.get('access-control-expose-headers');
  if (told) ctx.set('access-control-expose-headers', [...new Set([...told.split(/, */), 'Retry-After'])].join(','));
  if (takesCredentials(path) && isNamed(response.get('access-control-allow-origin')))
    ctx.set('access-control-allow-credentials', 'true');
}
