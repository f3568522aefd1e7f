/** Pushed requests (RFC 9126) of public clients: anybody may push them, and each is a row for an hour. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { countPushed } from '../../auth/open-request.ts';
import type { Tenant } from '../../kernel/context.ts';
import { asGrant } from '../grants/grant-type.ts';

/** Counts what is kept for clients without a secret (§2.3: 429). Who authenticates is known and not counted. */
export async function limitPushes(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<void> {
  const { clientId, clientAuthMethod } = ctx.oidc.client!;
  if (clientAuthMethod === 'none') await asGrant(ctx, () => countPushed(tenant, clientId, ctx.ip));
}
