/** Custom domains of an account: which host names are its own. Verification comes later; here is the lookup. */
import Type from 'typebox';
import { defineCollection } from '../resource/collection.ts';
import { OneOf, Timestamp } from '../resource/define.ts';

export const customDomains = defineCollection({
  name: 'customdomain',
  title: 'Customdomain',
  permission: 'customdomains',
  collection: 'customdomains',
  row: Type.Object({
    domain: Type.String(),
    token: Type.String(),
    status: OneOf(['PENDING', 'VERIFYING', 'ACTIVE', 'FAILED', 'DEGRADED']),
    attempts: Type.Number(),
    nextCheck: Type.Optional(Timestamp()),
    lastCheck: Type.Optional(Timestamp()),
    errorLog: Type.Optional(Type.String()),
    verifiedAt: Type.Optional(Timestamp()),
  }),
  defaults: () => ({ status: 'PENDING' as const, attempts: 0 }),
  filter: ['domain', 'status'],
  search: ['domain'],
  unique: [['domain']],
});
// Two accounts may claim a domain, but only one can serve it.
customDomains.model.schema.index({ domain: 1 }, { unique: true, partialFilterExpression: { status: 'ACTIVE' } });

/** The account that serves a verified domain. The one lookup that no tenant scopes: it is what finds the tenant. */
export async function accountOfDomain(hostname: string): Promise<string | undefined> {
  const row = await customDomains.model
    .findOne({ domain: { $eq: hostname }, status: { $in: ['ACTIVE', 'DEGRADED'] } })
    .lean<{ account: string }>();
  return row?.account;
}
