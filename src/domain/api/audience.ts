/**
 * Audiences and the engine's resource indicators. RFC 8707 §2 wants absolute URIs, and the engine takes nothing else; an
 * Api may have a plain name (`orders`) as with Auth0. Such a name travels through the engine as a URI of ours, which no
 * Api can have, and is itself again in tokens and wherever an Api is looked up.
 */
import type { Tenant } from '../../kernel/context.ts';

const PREFIX = 'cardea:audience:';

export const resourceOf = (audience: string): string =>
  URL.canParse(audience) ? audience : PREFIX + encodeURIComponent(audience);

/** What is no name in our spelling, which a client may well send, is nobody's audience and stays as it is. */
export function audienceOf(resource: string): string {
  if (!resource.startsWith(PREFIX)) return resource;
  try {
    return decodeURIComponent(resource.slice(PREFIX.length));
  } catch {
    return resource;
  }
}

/** What a token is for that is for no Api. */
export const userinfoAudience = (tenant: Tenant): string => `${tenant.origin}/userinfo`;
