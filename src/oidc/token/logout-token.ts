/** Logout tokens (Back-Channel Logout 1.0 §2.4), signed as the client's id tokens are. Sending them is delivery's. */
import type { Tenant } from '../../kernel/context.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import type { ProviderFor } from '../engine/providers.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/**
 * Good for two minutes, so made for each attempt anew.
 * @param about `sid` names one session to the client; without it all of the user's are meant.
 * @returns undefined when there is no such client any more.
 */
export async function mintLogoutToken(
  providerFor: ProviderFor,
  tenant: Tenant,
  clientId: string,
  about: { sub: string; sid?: string },
): Promise<string | undefined> {
  const provider = await providerFor(tenant);
  const client = await provider.Client.find(clientId);
  if (!client) return undefined;
  // The engine's own kind of it: algorithm and key follow the client's id tokens.
  const token = new provider.IdToken({ sub: about.sub }, { client });
  Object.assign(token, { mask: { sub: null } });
  token.set('events', { [EVENT]: {} });
  token.set('jti', mintToken(16));
  if (about.sid) token.set('sid', about.sid);
  return token.issue({ use: 'logout' });
}
