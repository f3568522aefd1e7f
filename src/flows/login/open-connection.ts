/** The connection whose passwords a flow's pages take: of those that its app may use the one that it asked for. */
import type { FastifyRequest } from 'fastify';
import { type Connection, connectionsFor, maySignUp } from '../../domain/connection/connection.ts';
import type { Flow } from '../../oidc/browser/interactions.ts';

/** @returns nothing where no password is taken; to sign up with, also where nobody may. */
export async function openConnection(
  { tenant }: FastifyRequest,
  { client, params }: Flow,
  act: 'log in' | 'sign up',
): Promise<Connection | undefined> {
  const usable = await connectionsFor(tenant, client.id, 'checkPassword');
  const wanted = params.connection_id ?? params.connection;
  const found = usable.find(({ id, connection_name }) => !wanted || id === wanted || connection_name === wanted);
  return found && (act === 'log in' || maySignUp(tenant, found)) ? found : undefined;
}
