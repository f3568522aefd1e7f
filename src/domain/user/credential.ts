/**
 * Credentials: the login identifiers and password of a user in one database connection. Checking a password here is
 * storage only; lockout, decoys and logging are auth/authenticate.ts's.
 */
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { type ConnectionType, offers } from '../../connections/registry.ts';
import { now } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { hashPassword } from '../../kernel/secret/password.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { compared } from '../../kernel/text/kind.ts';
import { username } from '../../kernel/text/username.ts';
import { defineCollection, type Filter } from '../../resource/collection.ts';
import { Metadata, type Referred, type Row, Timestamp } from '../../resource/define.ts';
import { wherePresent } from '../../resource/partial-index.ts';
import { present } from '../../resource/presentation.ts';
import { createRow } from '../../resource/references.ts';
import type { Gives } from '../../resource/request.ts';
import { mountResource } from '../../resource/routes.ts';
import { byUser } from '../access/ceiling.ts';
import { type Connection, connections } from '../connection/connection.ts';
import { Email, Reference, Text } from '../fields.ts';
import { vouchFor } from '../link/vouching.ts';
import { revokeUser, type Spared } from '../protocol/session-end.ts';
import { lifecycle } from '../trail/events.ts';
import { append } from '../trail/log.ts';
import { checkPassword, MAX_PASSWORD_LENGTH } from './password-policy.ts';

/** Where people log in by something that is kept here. */
function checkDatabase({ connection_type }: Referred): void {
  if (offers(connection_type as ConnectionType, 'checkPassword')) return;
  throw new Fault('invalid_reference', '"connection" is not a database connection.', {
    details: [{ path: '/connection', message: 'must be a database connection' }],
  });
}

export const credentials = defineCollection({
  name: 'credentials',
  title: 'Credential',
  tag: {
    title: 'Credentials',
    description: 'What a user logs in with at a database connection: email or username, and the password.',
  },
  permission: 'credentials',
  permissions: { of: 'login identifiers and passwords' },
  collection: 'credentials',
  row: Type.Object({
    connection: Type.String({ description: 'Database connection; inlined with `?expand=connection`' }),
    user: Type.String({ description: 'User; inlined with `?expand=user`' }),
    email: Type.Optional(Type.String({ description: 'Email login identifier (unique within the connection)' })),
    username: Type.Optional(Type.String({ description: 'Username login identifier (unique within the connection)' })),
  }),
  stored: Type.Object({
    password_hash: Type.Optional(Type.String()),
    password_changed_at: Type.Optional(Timestamp()),
    /** Since when a sign-up has it whose user is not written yet; see claim.ts. */
    unsettled_at: Type.Optional(Timestamp()),
  }),
  defaults: () => ({}),
  filter: ['email', 'username', 'user', 'connection'],
  freeForm: ['metadata'],
  search: ['email', 'username'],
  unique: [
    ['connection', 'email'],
    ['connection', 'username'],
  ],
  indexes: [{ keys: { unsettled_at: 1 }, ...wherePresent('unsettled_at') }],
  texts: { email: emailAddress, username },
  events: lifecycle<{ password_changed_at?: Date }>({
    changed: {
      'credential.password_changed': (before, after) =>
        before.password_changed_at?.getTime() !== after.password_changed_at?.getTime(),
    },
  }),
  references: {
    connection: { to: 'connection', gone: 'remove', expand: true, accept: checkDatabase },
    // First: nobody may log in to an account that is going.
    user: { to: 'user', gone: 'remove', first: true, expand: true },
  },
});

export type Credential = Row<typeof credentials.spec.row, NonNullable<typeof credentials.spec.stored>>;

type Identifiers = { email?: string; username?: string };

type CredentialInput = Identifiers & {
  user: string;
  connection: string;
  password?: string;
  metadata?: Record<string, unknown>;
};

/** Made by ourselves: under an id that something names already, or with what is stored of the password. */
type Prepared = { id?: string } & Partial<PasswordFields>;

/**
 * @throws Fault `conflict` when the identifier is taken in the connection, `password_policy` or `password_breached` for a weak
 *   password.
 */
export async function createCredential(tenant: Tenant, input: CredentialInput & Prepared): Promise<Credential> {
  const { user, connection, email, username, password, metadata, id, password_hash, password_changed_at } = input;
  return createRow(
    credentials,
    tenant,
    {
      user,
      connection,
      email,
      username,
      ...(metadata && { metadata }),
      ...(id && { id }),
      ...(password_hash && { password_hash, password_changed_at }),
    },
    async () => {
      if (!email && !username)
        throw new Fault('validation', 'One of "email" and "username" is required.', {
          details: [{ path: '/email', message: 'is required without a username' }],
        });
      if (password === undefined) return {};
      return passwordFields(tenant, await connections.get(tenant, connection), password);
    },
  );
}

/**
 * What is stored of a password.
 * @throws Fault `password_policy`, `password_breached`; `unavailable` when too many wait to have theirs hashed.
 */
export async function passwordFields(tenant: Tenant, connection: Connection, password: string) {
  await checkPassword(connection.password_policy, password);
  return { password_hash: await hashPassword({ tenant: tenant.id }, password), password_changed_at: now() };
}

type PasswordFields = Awaited<ReturnType<typeof passwordFields>>;

/** Replaces the password and ends the user's sessions and grants: whoever held the old password is out. */
async function setPassword(tenant: Tenant, id: string, password: string): Promise<Credential> {
  const credential = await credentials.get(tenant, id);
  const connection = await connections.get(tenant, credential.connection);
  const fields = await passwordFields(tenant, connection, password);
  const updated = await replacePassword(tenant, credential, fields, { initiated_by: 'admin' });
  if (!updated) throw new Fault('not_found', 'Credential not found.');
  return updated;
}

/**
 * As `setPassword` does, for whoever has shown that it is theirs to replace.
 * @param by who, for the audit trail; `spared` is the login that goes on.
 * @returns undefined where the credential is gone, or not as `where` says any more.
 */
export async function replacePassword(
  tenant: Tenant,
  { id, user, connection }: Credential,
  fields: PasswordFields,
  { spared, ...by }: { initiated_by: 'admin' | 'user'; spared?: Spared } & Record<string, unknown>,
  where: Filter = {},
): Promise<Credential | undefined> {
  const updated = await credentials.updateWhere(tenant, id, fields, where);
  if (!updated) return undefined;
  await revokeUser(tenant, user, spared);
  await append(tenant, {
    type: 'credential.password_changed',
    status: 'success',
    user,
    connection,
    data: { credential: id, ...by },
  });
  return updated;
}

/** Which password it is: another one has another. */
export const passwordChangeOf = ({ password_changed_at }: Credential): string =>
  password_changed_at?.toISOString() ?? 'none';

/** By email, else by username; a username holds no "@", so the two cannot be confused. */
export function findByIdentifier(
  tenant: Tenant,
  connection: string,
  identifier: string,
): Promise<Credential | undefined> {
  const email = compared(emailAddress, identifier);
  const match = email.includes('@') ? { email: { $eq: email } } : { username: { $eq: compared(username, identifier) } };
  return credentials.findOne(tenant, { connection: { $eq: connection }, ...match });
}

/** Whether a password that was just found right is still the credential's: looking takes a while. */
export const isCurrent = (tenant: Tenant, { id, password_changed_at }: Credential): Promise<boolean> =>
  credentials.exists(tenant, {
    _id: { $eq: id },
    password_hash: { $ne: null },
    password_changed_at: { $eq: password_changed_at ?? null },
  });

/** Stores a fresh hash of a password that has just been verified, unless it was changed meanwhile. */
export async function rehash(tenant: Tenant, credential: Credential, password_hash: string): Promise<void> {
  await credentials.updateWhere(
    tenant,
    credential.id,
    { password_hash },
    { password_hash: { $eq: credential.password_hash } },
  );
}

/** By an administrator, who vouches for it. */
async function setUp(tenant: Tenant, input: CredentialInput): Promise<Credential> {
  const credential = await createCredential(tenant, input);
  await vouchFor(tenant, credential.user, 'credentials', credential.id);
  return credential;
}

async function updateCredential(tenant: Tenant, id: string, patch: Identifiers): Promise<Credential> {
  return credentials.update(tenant, id, patch);
}

const givesOwner: Gives = async ({ tenant, params }) => {
  const credential = await credentials.find(tenant, (params as { credentials_id: string }).credentials_id);
  return credential ? byUser(tenant, credential.user) : [];
};

export function mount(app: FastifyInstance): void {
  mountResource(app, credentials, {
    create: {
      body: Type.Object(
        {
          user: Reference('User'),
          connection: Reference('Connection'),
          email: Type.Optional(Email()),
          username: Type.Optional(Text('Without white space and "@"; kept in lower case', 150)),
          password: Type.Optional(Type.String({ maxLength: MAX_PASSWORD_LENGTH, description: 'Never returned' })),
          metadata: Type.Optional(Metadata),
        },
        { additionalProperties: false },
      ),
      run: setUp,
      gives: (tenant, { user }: CredentialInput) => byUser(tenant, user),
    },
    update: {
      body: Type.Object(
        {
          email: Type.Optional(Email()),
          username: Type.Optional(Text('Without white space and "@"; kept in lower case', 150)),
        },
        { additionalProperties: false },
      ),
      run: updateCredential,
      gives: (tenant, _patch: Identifiers, { user }) => byUser(tenant, user),
    },
    remove: true,
  });

  app.post(
    '/credentials/:credentials_id/set-password',
    {
      config: { access: { permission: 'update:credentials', gives: givesOwner } },
      schema: {
        operationId: 'credentials/setPassword',
        tags: ['credentials'],
        summary: "Set a credential's password",
        description:
          "Replaces the password at once and signs the user out everywhere. The connection's password policy applies. The password is never returned.",
        security: [{ bearerAuth: [] }],
        params: Type.Object({ credentials_id: Type.String({ maxLength: 100 }) }),
        body: Type.Object(
          {
            password: Type.String({
              maxLength: MAX_PASSWORD_LENGTH,
              description: 'New plaintext password (hashed on write).',
            }),
          },
          { additionalProperties: false },
        ),
        response: { 200: Type.Ref('Credential') },
      },
    },
    async (request) => {
      const { credentials_id } = request.params as { credentials_id: string };
      const { password } = request.body as { password: string };
      const updated = await setPassword(request.tenant, credentials_id, password);
      return (await present(request, credentials, [updated]))[0];
    },
  );
}
