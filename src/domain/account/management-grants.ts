/**
 * Clients that were made with their account before the management API had to be granted by name get that grant; no others
 * do, whatever they are called. For them it was everything that they could do.
 */
import { MINUTE } from '../../kernel/clock.ts';
import { asTenant } from '../../kernel/context.ts';
import { apis } from '../api/api.ts';
import { managementAudience } from '../api/permission.ts';
import { clients } from '../client/client.ts';
import { accounts, everything, viewOf } from './account.ts';
import { everythingOf, MANAGEMENT_CLIENT } from './account-provisioning.ts';

type Made = { _id: string; account: string; createdAt: Date };

/** How long an account took to be made, at most. */
const MADE_WITHIN_MS = MINUTE * 1000;

async function run(): Promise<Record<string, unknown> | undefined> {
  let granted = 0;
  const named = clients.model.find({ name: MANAGEMENT_CLIENT, grants: null }).lean<Made>().cursor();
  for await (const { _id: id, account: owner, createdAt } of named as AsyncIterable<Made>) {
    const account = await accounts.find(everything, owner);
    if (!account || createdAt.getTime() - account.createdAt.getTime() > MADE_WITHIN_MS) continue;
    const tenant = asTenant(viewOf(account), '');
    const api = await apis.findOne(tenant, { identifier: { $eq: managementAudience(owner) } });
    if (api && (await clients.updateWhere(tenant, id, { grants: everythingOf(api) }, { grants: null }))) granted += 1;
  }
  return granted ? { granted_the_management_api: granted } : undefined;
}

export const managementGrants = { name: 'management-grants', run };
