/** Pushed requests (RFC 9126) of clients that anybody can be: each is a row for an hour. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { countPushed } from '../../auth/open-request.ts';
import type { Tenant } from '../../kernel/context.ts';
import { isAnybodys } from '../client/client-metadata.ts';
import { asGrant } from '../grants/grant-type.ts';

/** Counts what is kept for them (§2.3: 429). A client that the tenant knows and that authenticates is not counted. */
export async function limitPushes(tenant: Tenant, ctx: KoaContextWithOIDC): Promise<void> {
  if (isAnybodys(ctx.oidc.client!)) await asGrant(ctx, () => countPushed(tenant, ctx.ip));
}
