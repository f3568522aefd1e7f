/** A grant outlives every token under it, also one that is issued long after: an old login that is used goes on. */
import { extendGrant } from '../../domain/protocol/protocol-row.ts';
import { DAY } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';

/** Beyond the token, so that a chain of refreshes writes its grant rarely. */
const SLACK_SECONDS = 14 * DAY;

/** A grant as it was read: its id, and when it ends as a Unix time in seconds. */
export type GrantLife = { jti?: string; exp?: number };

/** @param token that is being issued under the grant of that id, with its end as a Unix time in seconds. */
export async function outlive(
  tenant: Tenant,
  grant: GrantLife | undefined,
  { grantId, exp }: { grantId?: string; exp: number },
): Promise<void> {
  if (!grantId || grant?.jti !== grantId || (grant.exp ?? 0) >= exp) return;
  await extendGrant(tenant, grantId, new Date((exp + SLACK_SECONDS) * 1000));
}
