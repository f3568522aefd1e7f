/** A grant outlives every token under it, also one that is issued long after: an old login that is used goes on. */
import { Provider } from 'oidc-provider';
import { extendGrant } from '../../domain/protocol/protocol-row.ts';
import { DAY } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';

/** Beyond the token, so that a chain of refreshes writes its grant rarely. */
const SLACK_SECONDS = 14 * DAY;

/** @param exp of the token that is being issued, as a Unix time in seconds. */
export async function outlive(tenant: Tenant, grantId: string | undefined, exp: number): Promise<void> {
  const grant = Provider.ctx?.oidc.entities.Grant;
  if (!grantId || grant?.jti !== grantId || (grant.exp ?? 0) >= exp) return;
  await extendGrant(tenant, grantId, new Date((exp + SLACK_SECONDS) * 1000));
}
