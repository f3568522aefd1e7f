/**
 * What users have allowed apps to do: one row per user and client, which grows with every "Allow" and ends with a
 * revocation. The engine's grants, one a login, are made from it; when somebody has to be asked is oidc/request/consent.ts's.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection, type Filter, type ListOptions, type Page } from '../../resource/collection.ts';
import { type Row, Timestamp } from '../../resource/define.ts';
import { mountResource } from '../../resource/routes.ts';
import { audienceOf, resourceOf } from '../api/audience.ts';
import { revokeClientOf } from '../protocol/protocol-row.ts';
import { append } from '../trail/log.ts';

const Words = (description: string) => Type.Array(Type.String(), { description });

const ConsentRow = Type.Object({
  user: Type.String({ description: 'Who allowed it; an id, or the User with `?expand=user`' }),
  client: Type.String({ description: 'What was allowed; an id, or the Client with `?expand=client`' }),
  scopes: Words('Scopes of OpenID Connect, `offline_access` among them'),
  claims: Words('Single claims that were asked for (OIDC Core §5.5)'),
  resources: Type.Optional(
    Type.Array(
      Type.Object({ resource: Type.String({ description: 'Identifier of an Api' }), scopes: Words('Its scopes') }),
      { description: "Scopes of the account's Apis" },
    ),
  ),
  destinations: Words('Where the browser was sent back to: hosts of web apps, schemes of native ones'),
  last_login_at: Type.Optional(Timestamp('When the client last got a login of the user, to the day')),
});

export const consents = defineCollection({
  name: 'grant',
  title: 'Grant',
  tag: { title: 'Grants', description: 'What users allowed apps to do: remembered until it is revoked.' },
  permission: 'grants',
  permissions: { of: 'what users allowed apps to do', verbs: ['read', 'delete'] },
  collection: 'consents',
  row: ConsentRow,
  stored: Type.Object({
    /** `<resource indicator of an Api> <scope>`, so that adding one is atomic; neither may contain a space. */
    permissions: Type.Array(Type.String()),
    /** Being revoked: counts as gone for everybody but who finishes it. */
    revoked_at: Type.Optional(Timestamp()),
  }),
  defaults: () => ({ scopes: [], claims: [], permissions: [], destinations: [] }),
  filter: ['user', 'client'],
  unique: [['user', 'client']],
  references: {
    user: { to: 'user', gone: 'remove', expand: true },
    client: { to: 'client', gone: 'remove', expand: true },
    // Another Api may come under the name of one that went.
    permissions: { to: 'api', gone: 'forget', match: ({ identifier }) => ofResource(resourceOf(identifier as string)) },
  },
  wire: ({ permissions }) => ({
    resources: Object.entries(byResource(permissions)).map(([resource, scopes]) => ({
      resource: audienceOf(resource),
      scopes,
    })),
  }),
});

/** What begins with the resource and a space, in a form that an index leads to; "!" is the next character. */
const ofResource = (resource: string) => ({ $gte: `${resource} `, $lt: `${resource}!` });

export type Consent = Row<typeof consents.spec.row, NonNullable<typeof consents.spec.stored>>;

/** What may be allowed: scopes and claims of OpenID Connect, and scopes by the identifier of their Api. */
export type Allowed = { scopes: readonly string[]; claims: readonly string[]; resources: Record<string, string[]> };

/** Whose consent, and to what. */
export type Parties = { user: string; client: string };

export const allowedBy = ({ scopes, claims, permissions }: Consent): Allowed => ({
  scopes,
  claims,
  resources: byResource(permissions),
});

function byResource(permissions: readonly string[]): Record<string, string[]> {
  const resources: Record<string, string[]> = {};
  for (const permission of permissions) {
    const [resource, scope] = permission.split(' ') as [string, string];
    resources[resource] = [...(resources[resource] ?? []), scope];
  }
  return resources;
}

/** How much was allowed. Only grows, so that two readings of one row are the same when their sizes are. */
export const sizeOf = ({ scopes, claims, permissions }: Consent): number =>
  scopes.length + claims.length + permissions.length;

const live = { revoked_at: null };
const between = ({ user, client }: Parties): Filter => ({ user: { $eq: user }, client: { $eq: client } });

export const consentOf = (tenant: Tenant, parties: Parties): Promise<Consent | undefined> =>
  consents.findOne(tenant, { ...between(parties), ...live });

/** Newest first; what is being revoked included, so that whoever sees it can have it finished. */
export const consentsOf = (tenant: Tenant, user: string, options: ListOptions): Promise<Page<Consent>> =>
  consents.list(tenant, options, { user: { $eq: user } });

/** Adds to what the user allows the client: one atomic write, so that of two tabs neither is forgotten. */
export async function addConsent(
  tenant: Tenant,
  parties: Parties,
  { scopes, claims, resources }: Allowed,
  destination?: string,
): Promise<void> {
  const permissions = Object.entries(resources).flatMap(([resource, own]) =>
    own.map((scope) => `${resource} ${scope}`),
  );
  const time = now();
  const change = {
    $addToSet: {
      scopes: { $each: scopes },
      claims: { $each: claims },
      permissions: { $each: permissions },
      destinations: { $each: destination ? [destination] : [] },
    },
    $set: { updatedAt: time },
    $setOnInsert: { _id: consents.mintId(), metadata: {}, createdAt: time },
  };
  for (;;) {
    try {
      const row = { account: { $eq: tenant.id }, ...between(parties), ...live };
      await consents.model.updateOne(row, change as never, { upsert: true });
      return;
    } catch (error) {
      if ((error as { code?: number }).code !== 11000) throw error;
      // Another tab inserted first, or a revocation stopped half-way, which is to be over before something new begins.
      const revoked = await consents.findOne(tenant, { ...between(parties), revoked_at: { $ne: null } });
      if (revoked) await revokeConsent(tenant, revoked.id);
    }
  }
}

/**
 * Notes a login that the consent allowed.
 * @returns the row as it is by now; undefined when it was revoked, and what was made from it has to go.
 */
export const noteLogin = (tenant: Tenant, { id }: Consent, destination?: string): Promise<Consent | undefined> =>
  consents.updateWhere(
    tenant,
    id,
    { last_login_at: now(), ...(destination !== undefined && { destinations: [destination] }) },
    live,
  );

/**
 * Ends what was allowed, with every grant, code and refresh token that came of it. Marked first and deleted last, so that
 * nothing is made from it meanwhile, and a revocation that a crash stopped can be repeated.
 * @param where narrows, e.g. to a user's own.
 * @returns undefined where there is nothing (any more).
 */
export async function revokeConsent(
  tenant: Tenant,
  id: string,
  where: Filter = {},
  by: Record<string, unknown> = {},
): Promise<Consent | undefined> {
  const row = await consents.updateWhere(tenant, id, { revoked_at: now() }, where);
  if (!row) return undefined;
  const { user, client } = row;
  await revokeClientOf(tenant, { user, client });
  // Of two at once one deletes the row, and leaves the trace.
  if (await consents.removeWhere(tenant, { _id: { $eq: id } }))
    await append(tenant, { type: 'oauth.consent.revoked', status: 'success', user, client, data: by });
  return row;
}

export function mount(app: FastifyInstance): void {
  mountResource(app, consents, {
    remove: async (tenant, id, { actor, from }) => {
      const revoked = await revokeConsent(tenant, id, {}, { actor: actor.id, actor_kind: actor.kind, ip: from.ip });
      if (!revoked) throw new Fault('not_found', 'Grant not found.');
      return revoked;
    },
  });
}
