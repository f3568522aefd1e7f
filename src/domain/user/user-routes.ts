/** Users by the management API. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { offers } from '../../connections/registry.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { emailAddress } from '../../kernel/text/email.ts';
import { demand } from '../../kernel/text/kind.ts';
import { username as usernames } from '../../kernel/text/username.ts';
import { may, requireSight } from '../../resource/presentation.ts';
import type { Given } from '../../resource/request.ts';
import { mountResource } from '../../resource/routes.ts';
import { byUser, changedBy } from '../access/ceiling.ts';
import { type Connection, connections, connectionsFor } from '../connection/connection.ts';
import { admitWithLogin } from './claim.ts';
import { credentials, passwordFields } from './credential.ts';
import { admitUser } from './newcomer.ts';
import { MAX_PASSWORD_LENGTH } from './password-policy.ts';
import { type User, type UserInput, UserWrite, updateUser, users } from './user.ts';

/** By which addresses people log in, and whether they are theirs. */
const REACHES = ['email', 'email_verified', 'phone', 'phone_verified'] as const;

/** Who was suspended and is let in again gets back what they may do. */
const givesUser = (tenant: Tenant, patch: UserInput, current: User): Given =>
  changedBy(patch, current).some(
    (field) => (REACHES as readonly string[]).includes(field) || (field === 'suspended' && !patch.suspended),
  )
    ? byUser(tenant, current.id)
    : [];

const UserCreate = Type.Object(
  {
    ...UserWrite.properties,
    password: Type.Optional(
      Type.String({
        maxLength: MAX_PASSWORD_LENGTH,
        description:
          'Makes a credential as well, of the email and the username; needs `create:credentials` too. Never returned',
      }),
    ),
    connection: Type.Optional(
      Type.String({
        maxLength: 200,
        description: "Id or name of the database connection of the password; default: the account's default one",
      }),
    ),
  },
  { additionalProperties: false },
);
type NewUser = UserInput & { password?: string; connection?: string };

const refuse = (code: 'validation' | 'invalid_reference', path: string, message: string): never => {
  throw new Fault(code, `"${path.slice(1)}" ${message}.`, { details: [{ path, message }] });
};

/** @param named by id or name; default: the account's default one, else the oldest. */
async function databaseOf(tenant: Tenant, named: string | undefined): Promise<Connection | undefined> {
  if (named === undefined) return (await connectionsFor(tenant, undefined, 'checkPassword'))[0];
  const found =
    (await connections.find(tenant, named)) ?? (await connections.findOne(tenant, { connection_name: { $eq: named } }));
  if (found && offers(found.connection_type, 'checkPassword')) return found;
  return refuse('invalid_reference', '/connection', 'names no database connection');
}

/**
 * With a password the user has a credential, or nothing is made.
 * @throws Fault `email_taken` for an address that somebody logs in with at the connection, whether or not a password
 *   comes with it; `username_taken`; as `admitUser`, `passwordFields`.
 */
async function createByHand(
  tenant: Tenant,
  { password, connection: named, ...input }: NewUser,
  { actor }: FastifyRequest,
): Promise<User> {
  if (password !== undefined) requireSight(may(actor), 'create:credentials');
  else if (named !== undefined) refuse('validation', '/connection', 'goes with a password');
  const connection = await databaseOf(tenant, named);
  const email = input.email ? demand(emailAddress, input.email, '/email') : undefined;
  if (connection && email) await refuseTaken(tenant, connection, email);
  if (password === undefined) return admitUser(tenant, input, { vouched: true });
  if (!connection) return refuse('invalid_reference', '/connection', 'is needed: no database connection is enabled');
  const username = input.username ? demand(usernames, input.username, '/username') : undefined;
  if (!email && !username) refuse('validation', '/email', 'is required with a password, or a username');
  const identifiers = { ...(email && { email }), ...(username && { username }) };
  const fields = await passwordFields(tenant, connection, password);
  return admitWithLogin(tenant, input, { connection: connection.id, ...identifiers, ...fields }, { vouched: true });
}

async function refuseTaken(tenant: Tenant, { id }: Connection, email: string): Promise<void> {
  if (await credentials.exists(tenant, { connection: { $eq: id }, email: { $eq: email } }))
    throw new Fault('email_taken');
}

export function mount(app: FastifyInstance): void {
  mountResource(app, users, {
    create: { body: UserCreate, run: createByHand },
    update: { body: UserWrite, run: updateUser, gives: givesUser, weighs: ['suspended', ...REACHES] },
    remove: true,
  });
}
