/** The grant behind a user's access token, as it was seconds ago at most. */
import type { AdapterPayload } from 'oidc-provider';
import { type ProtocolRow, recentProtocol } from '../../domain/protocol/protocol-row.ts';
import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';

export type GrantPayload = AdapterPayload & { openid?: { scope?: string; claims?: string[] } };

const opened = new WeakMap<ProtocolRow, GrantPayload>();
function payloadOf(row: ProtocolRow): GrantPayload {
  const known = opened.get(row);
  if (known) return known;
  const payload = JSON.parse(row.payload) as GrantPayload;
  opened.set(row, payload);
  return payload;
}

/** Nothing where it has ended, or is not the token's. */
export async function openGrant(tenant: Tenant, token: AdapterPayload): Promise<GrantPayload | undefined> {
  const row = token.grantId ? await recentProtocol(tenant, { kind: 'Grant', token: token.grantId }) : null;
  if (!row || row.expires_at <= now()) return undefined;
  const grant = payloadOf(row);
  return grant.clientId === token.clientId && grant.accountId === token.accountId ? grant : undefined;
}
