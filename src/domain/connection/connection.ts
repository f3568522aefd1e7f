/** Connections: where users of an account come from. Settings only; running one is connections/'s business. */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import {
  CONNECTION_TYPES,
  type ConnectionType,
  offers,
  perSetting,
  SECRETS,
  strategyOf,
} from '../../connections/registry.ts';
import type { Capability } from '../../connections/strategy.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { defineCollection } from '../../resource/collection.ts';
import { MapOf, Metadata, Nullable, OneOf, type Row } from '../../resource/define.ts';
import { checkMetadata } from '../../resource/metadata.ts';
import { checkReferences, createRow, updateRow } from '../../resource/references.ts';
import { mountResource } from '../../resource/routes.ts';
import { watched } from '../../store/changes.ts';
import { byEverybody, changedBy } from '../access/ceiling.ts';
import { Name, nullable } from '../fields.ts';
import { SYNC_NOT_YET } from '../not-yet.ts';
import { PasswordPolicy } from '../user/password-policy.ts';

/** What a connection's secrets are masked without. */
const SHOW_SECRETS = 'read:connection_keys';
const SyncPolicy = OneOf(['preserve_manual', 'always_sync']);
const StringMap = MapOf<string>(Type.String({ maxLength: 2000 }));
const Position = Type.Integer({
  minimum: 0,
  maximum: 1000,
  description: 'Where it stands on the login page: lower first; of equals the default connection, then the oldest',
});
const IdentifierFirst = Type.Boolean({
  description: 'With passwords: the login page asks who it is first, and for the password on a page of its own',
});
const settings = {
  ...perSetting(nullable),
  enabled: Type.Optional(Type.Boolean()),
  enabled_clients: nullable(
    Type.Array(Type.String({ maxLength: 100 }), { maxItems: 1000, description: 'null: every client' }),
  ),
  scope: Type.Optional(Type.Array(Type.String({ maxLength: 200 }), { maxItems: 100 })),
  authorize_params: Type.Optional(StringMap),
  claims_mapping: Type.Optional(StringMap),
  email_oauth_sync_policy: nullable(SyncPolicy),
  password_policy: nullable(PasswordPolicy),
  disable_signup: Type.Optional(Type.Boolean({ description: 'Turns public signup off' })),
  position: Type.Optional(Position),
  identifier_first: Type.Optional(IdentifierFirst),
  requires_username: Type.Optional(
    Type.Boolean({ description: 'Of a database: who signs up chooses a username besides the email' }),
  ),
  metadata: Type.Optional(Metadata),
};

export const connections = defineCollection({
  name: 'connection',
  title: 'Connection',
  tag: { title: 'Connections', description: 'The ways to log in: passwords, one-time codes, providers.' },
  permission: 'connections',
  permissions: { of: 'connections', more: { 'read:connection_keys': "See connections' client secrets" } },
  collection: 'connections',
  row: Type.Object({
    connection_name: Name(),
    connection_type: OneOf(CONNECTION_TYPES),
    ...perSetting((_schema, name) =>
      Nullable(
        Type.String(SECRETS.includes(name) ? { description: `Masked without the permission ${SHOW_SECRETS}` } : {}),
      ),
    ),
    enabled: Type.Boolean(),
    enabled_clients: Nullable(Type.Array(Type.String())),
    scope: Type.Array(Type.String()),
    authorize_params: StringMap,
    claims_mapping: Type.Optional(StringMap),
    is_using_default_credentials: Type.Boolean({ readOnly: true }),
    email_oauth_sync_policy: Type.Optional(SyncPolicy),
    password_policy: Type.Optional(PasswordPolicy),
    disable_signup: Type.Boolean(),
    position: Type.Optional(Position),
    identifier_first: Type.Optional(IdentifierFirst),
    requires_username: Type.Boolean(),
  }),
  sealed: Object.fromEntries(SECRETS.map((name) => [name, SHOW_SECRETS])),
  defaults: () => ({
    ...perSetting(() => null),
    enabled: true,
    enabled_clients: null,
    scope: [],
    authorize_params: {},
    is_using_default_credentials: false,
    disable_signup: false,
    requires_username: false,
  }),
  filter: ['connection_name', 'connection_type', 'enabled', 'issuer'],
  freeForm: ['metadata'],
  search: ['connection_name', 'connection_type'],
  unique: [['connection_name']],
  // A list that empties stays a list: what was for some clients is never for all of them.
  references: { enabled_clients: { to: 'client', gone: 'forget' } },
  watched: true,
  traced: true,
  notYet: [
    {
      what: 'Logging in through another provider: social and enterprise connections',
      says: 'Nobody logs in through a connection of this type yet; an oidc connection is there for token exchange.',
      field: 'connection_type',
      in: ({ connection_type }) => believes(connection_type as ConnectionType),
    },
    {
      what: '`scope` and `authorize_params` of a connection',
      says: 'What a provider is to be asked is kept; no provider is asked yet.',
      field: 'authorize_params',
      in: ({ scope, authorize_params }) =>
        ((scope ?? []) as unknown[]).length > 0 || Object.keys((authorize_params ?? {}) as object).length > 0,
    },
    { what: '`email_oauth_sync_policy` of a connection', says: SYNC_NOT_YET, field: 'email_oauth_sync_policy' },
  ],
  async protect(tenant, { id, enabled }) {
    if (enabled) await disable(tenant, id);
  },
});

export type Connection = Row<typeof connections.spec.row>;
type ConnectionInput = Partial<Omit<Connection, 'id' | 'account'>>;

function checkMaps(input: ConnectionInput): void {
  checkMetadata('/authorize_params', input.authorize_params);
  checkMetadata('/claims_mapping', input.claims_mapping);
}

const usesDefaults = (type: ConnectionType, clientId: string | null | undefined): boolean =>
  Boolean(strategyOf(type).hasDefaultCredentials) && !clientId;

export async function createConnection(tenant: Tenant, input: ConnectionInput): Promise<Connection> {
  checkMaps(input);
  return createRow(connections, tenant, {
    ...input,
    is_using_default_credentials: usesDefaults(input.connection_type!, input.client_id),
  });
}

async function updateConnection(tenant: Tenant, id: string, patch: ConnectionInput): Promise<Connection> {
  checkMaps(patch);
  await checkReferences(connections, tenant, patch);
  const current = await connections.get(tenant, id);
  if (patch.enabled === false && current.enabled) await disable(tenant, id);
  const clientId = patch.client_id === undefined ? current.client_id : patch.client_id;
  return updateRow(connections, tenant, id, {
    ...patch,
    is_using_default_credentials: usesDefaults(current.connection_type, clientId),
  });
}

/**
 * First, and looked around after: of two that go at once neither can miss that nothing would be left.
 * @throws Fault `protected` for the last enabled connection: nobody could log in.
 */
async function disable(tenant: Tenant, id: string): Promise<void> {
  await connections.update(tenant, id, { enabled: false });
  if (await connections.exists(tenant, { enabled: { $eq: true } })) return;
  await connections.update(tenant, id, { enabled: true });
  throw new Fault('protected', 'This is the last enabled connection. Enable another one first.');
}

const enabledOf = watched<Connection[]>(5000, ({ key }) => key);

/**
 * Connections that a client may use, the account's default first, then by age.
 * @param clientId without one those of every client.
 * @param capability of those that can do it.
 */
export async function connectionsFor(
  tenant: Tenant,
  clientId: string | undefined,
  capability?: Capability,
): Promise<Connection[]> {
  const enabled = await enabledOf.get(tenant.id, () => connections.all(tenant, { enabled: { $eq: true } }));
  const rank = (connection: Connection) => (connection.id === tenant.account.default_connection ? 0 : 1);
  return enabled
    .filter(({ enabled_clients }) => !clientId || enabled_clients === null || enabled_clients.includes(clientId))
    .filter(({ connection_type }) => capability === undefined || offers(connection_type, capability))
    .sort((a, b) => rank(a) - rank(b) || (a.id < b.id ? -1 : 1));
}

/** Whether strangers may make an account of theirs by it. */
export const maySignUp = ({ account }: Tenant, { disable_signup }: Connection): boolean =>
  !(account.disable_signup || disable_signup);

/** Whether somebody else says who comes through it: whoever sets it up could say that it is an administrator. */
const believes = (type: ConnectionType): boolean => !offers(type, 'checkPassword') && !offers(type, 'sendsCodes');

/** What does not change whom it believes. */
const OF_ITS_OWN = new Set([
  'connection_name',
  'password_policy',
  'disable_signup',
  'requires_username',
  'position',
  'identifier_first',
  'metadata',
]);

export function mount(app: FastifyInstance): void {
  const { connection_name, connection_type } = connections.spec.row.properties;
  mountResource(app, connections, {
    create: {
      body: Type.Object({ connection_name, connection_type, ...settings }, { additionalProperties: false }),
      run: createConnection,
      gives: (tenant, { connection_type }: ConnectionInput) => (believes(connection_type!) ? byEverybody(tenant) : []),
    },
    update: {
      body: Type.Object(
        { connection_name: Type.Optional(connection_name), ...settings },
        { additionalProperties: false },
      ),
      run: updateConnection,
      gives: (tenant, patch: ConnectionInput, current) => {
        const changed = changedBy(patch, current).some((field) => !OF_ITS_OWN.has(field));
        return changed && believes(current.connection_type) ? byEverybody(tenant) : [];
      },
    },
    remove: true,
  });
}
