/**
 * Clients that register themselves (RFC 7591) and manage what they registered (RFC 7592): who may, how often, and the
 * trail that it leaves.
 */
import { type Client, clients, removeClient, updateClient } from '../domain/client/client.ts';
import { readMembers, tellMembers } from '../domain/client/client-members.ts';
import { createRegistered, findRegistered, isVerified } from '../domain/client/client-registration.ts';
import { isUsable, useInitialToken } from '../domain/client/initial-access-token.ts';
import { append, appendRefusal } from '../domain/trail/log.ts';
import { HOUR } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { sameSecret } from '../kernel/secret/random.ts';
import { limiter } from '../store/limiter.ts';
import { networkLimit } from './network-limit.ts';

/** Enough for everybody behind one address of an office or of a hosted agent, too few to fill a database with. */
const perAddress = networkLimit('client-registration', 60, HOUR);
const perClient = limiter('client-registration-update', 60, HOUR);

export type Wire = Record<string, unknown>;
type Asked = { bearer?: string; ip: string };

/** @throws Fault `not_found` where the account has registration turned off. */
function checkOffered(tenant: Tenant): void {
  if (tenant.account.oauth.dynamic_registration === 'off') throw new Fault('not_found');
}

/** The domain's own refusals are told in the RFC's words (§3.2.2). */
async function refusing<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Fault && error.code === 'validation')
      throw new Fault('invalid_client_metadata', error.message, { cause: error });
    throw error;
  }
}

/**
 * RFC 7591 §3. Each call makes another client; those that are never used go by themselves.
 * @throws Fault `not_found`, `too_many_requests`, `invalid_token`, `invalid_client_metadata`, `invalid_redirect_uri`.
 */
export async function registerClient(tenant: Tenant, wire: Wire, { bearer, ip }: Asked): Promise<Wire> {
  checkOffered(tenant);
  await perAddress.spend(tenant, ip);
  try {
    const closed = tenant.account.oauth.dynamic_registration === 'token';
    const refused = new Fault('invalid_token', 'An initial access token is needed, and this is none.');
    if (closed && !(bearer && (await isUsable(tenant, bearer)))) throw refused;
    const input = await refusing(() => readMembers(tenant, wire));
    // Last, so that what is refused for its content costs no use.
    if (closed && !(await useInitialToken(tenant, bearer!))) throw refused;
    const { client, token } = await createRegistered(tenant, input);
    await append(tenant, {
      type: 'oauth.client.register',
      status: 'success',
      client: client.id,
      data: { name: client.name, ip },
    });
    return answer(tenant, client, token);
  } catch (error) {
    if (error instanceof Fault && error.row.status < 500)
      await appendRefusal(tenant, {
        type: 'oauth.client.register',
        message: error.message.slice(0, 300),
        reason: error.code,
        ip,
      });
    throw error;
  }
}

function answer(tenant: Tenant, client: Client, token: string): Wire {
  const secret = client.token_endpoint_auth_method.startsWith('client_secret')
    ? { client_secret: clients.reveal(client, 'client_secret'), client_secret_expires_at: 0 }
    : {};
  return {
    client_id: client.id,
    ...secret,
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    ...tellMembers(tenant, client),
    registration_client_uri: `${tenant.origin}/oidc/register/${client.id}`,
    registration_access_token: token,
  };
}

/**
 * RFC 7592 §1.3, §3: an unknown client and a wrong token are alike. One that an administrator vouches for is nobody else's,
 * to read or to change: users are no longer warned of it. Its token ended with that, but for rows from before.
 */
async function own(tenant: Tenant, id: string, bearer: string | undefined): Promise<Client> {
  checkOffered(tenant);
  const client = bearer ? await findRegistered(tenant, id, bearer) : undefined;
  if (!client || isVerified(tenant, client)) throw notItsOwn();
  return client;
}

const notItsOwn = () =>
  new Fault('invalid_token', 'The registration access token is missing, wrong, or for another client.');

/** Still, when something is written: somebody may vouch for it, or rotate its secret, at the same moment. */
const asItsOwn = ({ registration_token }: Client) => ({ registration_token: { $eq: registration_token } });

function outOfItsHands(error: unknown): never {
  throw error instanceof Fault && error.code === 'changed_meanwhile' ? notItsOwn() : error;
}

export async function readRegistration(tenant: Tenant, id: string, { bearer }: Asked): Promise<Wire> {
  return answer(tenant, await own(tenant, id, bearer), bearer!);
}

/** RFC 7592 §2.2: must not be sent, because they are the server's to say. */
const SERVERS = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
];

/**
 * RFC 7592 §2.2: what is said replaces all that was. Secret and registration token stay, so that a client whose answer
 * gets lost can still come back.
 */
export async function updateRegistration(tenant: Tenant, id: string, wire: Wire, { bearer, ip }: Asked): Promise<Wire> {
  const client = await own(tenant, id, bearer);
  await perClient.spend(`${tenant.id} ${id}`);
  const servers = SERVERS.find((member) => wire[member] !== undefined);
  if (servers) throw new Fault('invalid_request', `${servers} must not be sent.`);
  if (wire.client_id !== id)
    throw new Fault('invalid_request', 'client_id must be sent, and be the one of the address.');
  const secret = clients.reveal(client, 'client_secret') ?? '';
  if (wire.client_secret !== undefined && !sameSecret(String(wire.client_secret), secret))
    throw new Fault('invalid_request', 'client_secret is not the one of the client.');
  const updated = await refusing(async () =>
    updateClient(tenant, id, await readMembers(tenant, wire, { current: client }), asItsOwn(client)),
  ).catch(outOfItsHands);
  await append(tenant, { type: 'oauth.client.update', status: 'success', client: id, data: { ip } });
  return answer(tenant, updated, bearer!);
}

/** RFC 7592 §2.3: the client goes with all its tokens and consents. */
export async function deleteRegistration(tenant: Tenant, id: string, { bearer, ip }: Asked): Promise<void> {
  const client = await own(tenant, id, bearer);
  const { registration_token } = client;
  // With its last word it lets go of itself: an administrator who vouches for it meanwhile keeps it.
  if (!(await clients.updateWhere(tenant, id, { registration_token }, asItsOwn(client)))) throw notItsOwn();
  await removeClient(tenant, id);
  await append(tenant, { type: 'oauth.client.delete', status: 'success', client: id, data: { ip } });
}
