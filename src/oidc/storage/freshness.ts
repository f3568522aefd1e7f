/** Where what was read seconds ago will do, and where a request has to look for sure. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { ClientExtras } from '../client/client-metadata.ts';

/** They say something about a token and change nothing. */
const LOOKING = new Set(['userinfo', 'introspection']);

/**
 * Both redeem a row that is consumed by a conditional write, and that goes with its grant, with its session and with the
 * suspension of its user: whatever has ended since is found out there.
 */
const REDEEMING = new Set<unknown>(['authorization_code', 'refresh_token']);

/** Whether this request of the engine may take a grant and a user as they were a moment ago. */
export function mayBeRecent(request: KoaContextWithOIDC | undefined): boolean {
  const { route = '', params, client } = request?.oidc ?? {};
  if (LOOKING.has(route)) return true;
  if (route !== 'token' || !REDEEMING.has(params?.grant_type)) return false;
  // A refresh token that is not replaced is not consumed either.
  return params?.grant_type !== 'refresh_token' || !(client as ClientExtras | undefined)?.sender_constrained;
}
