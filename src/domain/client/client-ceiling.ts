/** What a client gives to whoever makes or changes it, by the measure of access/ceiling.ts. */
import type { Tenant } from '../../kernel/context.ts';
import { byEverybody, byGrants, changedBy } from '../access/ceiling.ts';

type Power = { is_first_party?: boolean; callbacks?: readonly string[]; grants?: Parameters<typeof byGrants>[1] };

/** Fields that are about how a client looks, and how long what it got lasts: whoever writes them has nothing in hand. */
const LOOKS = new Set([
  'name',
  'description',
  'client_uri',
  'logo_uri',
  'tos_uri',
  'policy_uri',
  'contacts',
  'software_id',
  'software_version',
  'logout_urls',
  'refresh_token',
  'default_max_age',
  'metadata',
]);

/** An app of the tenant's own has what its users have, administrators among them, without their being asked. */
const actsForUsers = ({ is_first_party, callbacks }: Power): boolean => Boolean(is_first_party && callbacks?.length);

export const givesNew = async (tenant: Tenant, input: Power): Promise<Set<string>> =>
  (await byGrants(tenant, input.grants)).union(
    actsForUsers({ is_first_party: true, ...input }) ? await byEverybody(tenant) : new Set(),
  );

/**
 * A grant gives what it adds; every other field but looks puts the client, with all that it is granted, in the hands of who
 * writes it. Promotion counts even without callbacks: they may come at the same moment.
 */
export async function givesChange(tenant: Tenant, patch: Power, current: Power): Promise<Set<string>> {
  const changed = changedBy(patch, current).filter((field) => !LOOKS.has(field));
  const next = { ...current, ...patch };
  const promoted = changed.includes('is_first_party') && next.is_first_party === true;
  const granted = await byGrants(tenant, next.grants);
  const had = changed.every((field) => field === 'grants') ? await byGrants(tenant, current.grants) : new Set<string>();
  const ofUsers = promoted || (changed.includes('callbacks') && actsForUsers(next));
  return granted.difference(had).union(ofUsers ? await byEverybody(tenant) : new Set());
}
