/** The grant behind a user's access token, as the engine wrote it. */
import type { AdapterPayload } from 'oidc-provider';
import type { LiveToken } from '../token/access-token.ts';

export type GrantPayload = AdapterPayload & { openid?: { scope?: string; claims?: string[] } };

/** Nothing where it is not the token's. */
export function openGrant({ payload, grant: row }: LiveToken): GrantPayload | undefined {
  if (!row) return undefined;
  const grant = JSON.parse(row.payload) as GrantPayload;
  return grant.clientId === payload.clientId && grant.accountId === payload.accountId ? grant : undefined;
}
