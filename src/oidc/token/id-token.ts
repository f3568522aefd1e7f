/** ID tokens (OIDC Core §2) for a login that no authorization request of the engine led to. */
import { decodeProtectedHeader } from 'jose';
import type { Client, Provider } from 'oidc-provider';
import type { User } from '../../domain/user/user.ts';
import type { Tenant } from '../../kernel/context.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import { idTokenClaims } from './api-claims.ts';
import { userClaims } from './claims.ts';
import { groupsInToken } from './groups.ts';
import type { Login } from './login-claims.ts';

/**
 * Every other token of ours names its type, whatever it says otherwise (RFC 8725 §3.11), and proves nothing as a hint.
 * @throws Error
 */
export function requireIdToken(token: string): void {
  if (decodeProtectedHeader(token).typ !== undefined) throw new Error('not an id token of ours');
}

/** @param about `scopes` say which of the user's claims; `audience` is of the access token beside it. */
export async function mintIdToken(
  tenant: Tenant,
  { provider, client }: { provider: Provider; client: Client },
  about: Login & { user: User; scopes: readonly string[]; audience?: string },
): Promise<string> {
  const { user, acr, amr, scopes, audience } = about;
  // The engine's own kind of it: algorithm and key are the client's.
  const groups = await groupsInToken(tenant, client as ClientExtras, user.id);
  const token = new provider.IdToken({ ...groups, ...userClaims(user), acr, amr }, { client });
  Object.assign(token, { scope: scopes.join(' ') });
  const claims = audience ? await idTokenClaims(tenant, { audience, user: user.id }) : {};
  for (const [claim, value] of Object.entries(claims)) token.set(claim, value);
  return token.issue({ use: 'idtoken' });
}
