/** Custom domains of an account: which host names it claims, and which of them are its own. Asking the DNS comes later. */
import Type from 'typebox';
import { inSeconds, MINUTE, now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { mintToken } from '../../kernel/secret/random.ts';
import { hostName } from '../../kernel/text/host.ts';
import { defineCollection } from '../../resource/collection.ts';
import { OneOf, type Row, Timestamp } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { nullable } from '../fields.ts';

export const customDomains = defineCollection({
  name: 'customdomain',
  watched: true,
  title: 'Customdomain',
  tag: { title: 'Custom domains', description: 'Hosts of your own that the account is served at.' },
  permission: 'customdomains',
  permissions: { of: 'custom domains' },
  collection: 'customdomains',
  row: Type.Object({
    domain: Type.String({ description: 'Host name, in lower case and punycode' }),
    token: Type.String({ description: 'To be published as TXT record `_cardea-verification.<domain>`' }),
    status: OneOf(['PENDING', 'VERIFYING', 'ACTIVE', 'FAILED', 'DEGRADED']),
    attempts: Type.Number(),
    nextCheck: Type.Optional(Timestamp()),
    lastCheck: Type.Optional(Timestamp()),
    errorLog: Type.Optional(Type.String({ description: 'What was wrong at the last check' })),
    verifiedAt: Type.Optional(Timestamp()),
  }),
  stored: Type.Object({ retried_at: nullable(Timestamp()) }),
  defaults: () => ({ status: 'PENDING' as const, attempts: 0 }),
  filter: ['domain', 'status'],
  freeForm: ['metadata'],
  search: ['domain'],
  unique: [['domain']],
  texts: { domain: hostName },
  notYet: [
    {
      what: "Domains of a tenant's own",
      says: 'The claim is kept; nothing asks the DNS whether it is true, and no such domain is served yet.',
      in: ({ status }) => status !== 'ACTIVE',
    },
  ],
  indexes: [
    // Two accounts may claim a domain, but only one can serve it.
    { keys: { domain: 1 }, unique: true, partialFilterExpression: { status: 'ACTIVE' } },
    // Every request to a host that is not ours asks for it.
    { keys: { domain: 1, status: 1 } },
  ],
});

/** The account that serves a verified domain. The one lookup that no tenant scopes: it is what finds the tenant. */
export async function accountOfDomain(hostname: string): Promise<string | undefined> {
  const row = await customDomains.model
    .findOne({ domain: { $eq: hostname }, status: { $in: ['ACTIVE', 'DEGRADED'] } })
    .lean<{ account: string }>();
  return row?.account;
}

export type CustomDomain = Row<typeof customDomains.spec.row, NonNullable<typeof customDomains.spec.stored>>;

const RETRY_SECONDS = MINUTE;

/** A host name that the account may claim. @throws Fault `validation` */
function normalizeDomain(text: string, baseDomain: string): string {
  const refuse = (message: string): never => {
    throw new Fault('validation', `"domain" ${message}.`, { details: [{ path: '/domain', message }] });
  };
  if (text.includes('*')) refuse('may not be a wildcard');
  if (/[/\\@:?#]/.test(text)) refuse('must be a host name alone, without scheme, port or path');
  const domain = hostName.canonical(text) ?? '';
  if (!domain.includes('.')) refuse('must be a host name like auth.example.com');
  if (domain === baseDomain || domain.endsWith(`.${baseDomain}`)) refuse(`may not be ${baseDomain} or under it`);
  return domain;
}

type DomainInput = { domain: string; metadata?: Record<string, unknown> };

/**
 * @throws Fault `conflict` for a domain that the account has already, and in the same words for one that serves another:
 *   which of them has it is nobody else's business.
 */
export async function createCustomDomain(
  tenant: Tenant,
  input: DomainInput,
  baseDomain: string,
): Promise<CustomDomain> {
  checkMetadata('/metadata', input.metadata);
  const domain = normalizeDomain(input.domain, baseDomain);
  const taken = await customDomains.model.exists({ domain: { $eq: domain }, status: { $eq: 'ACTIVE' } });
  if (taken) throw new Fault('conflict', TAKEN, { details: { fields: ['domain'] } });
  return customDomains.create(tenant, { ...input, domain, token: mintToken(), nextCheck: now() });
}

const TAKEN = 'A customdomain with this domain already exists.';

/**
 * Has the domain checked again at once; one that serves goes on serving meanwhile.
 * @throws Fault `conflict` for an ACTIVE one, `too_many_requests` within a minute of the last retry; of N at once one goes through.
 */
export async function retryCustomDomain(tenant: Tenant, id: string): Promise<CustomDomain> {
  const current = await customDomains.get(tenant, id);
  if (current.status === 'ACTIVE') throw new Fault('conflict', 'The domain is verified and served already.');
  const patch = {
    status: current.status === 'DEGRADED' ? ('DEGRADED' as const) : ('VERIFYING' as const),
    attempts: 0,
    nextCheck: now(),
    retried_at: now(),
  };
  const rested = { $or: [{ retried_at: null }, { retried_at: { $lte: inSeconds(-RETRY_SECONDS) } }] };
  const retried = await customDomains.updateWhere(tenant, id, patch, { status: { $eq: current.status }, ...rested });
  if (retried) return retried;
  const { retried_at } = await customDomains.get(tenant, id);
  const waited = retried_at ? Date.now() - retried_at.getTime() : 0;
  throw new Fault('too_many_requests', 'A domain can be retried once a minute.', {
    retryAfterSeconds: Math.max(1, Math.ceil(RETRY_SECONDS - waited / 1000)),
  });
}
