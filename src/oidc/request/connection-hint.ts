/** `connection_id` and the deprecated `connection` of an authorization request: which way to log in the app wants. */
import { type Client, errors } from 'oidc-provider';
import { connectionsFor } from '../../domain/connection/connection.ts';
import type { Tenant } from '../../kernel/context.ts';

/**
 * @throws InvalidRequest, which the app hears, naming the parameter, unless it names a connection that the client may use;
 * one that is disabled, of another tenant or nowhere is answered alike.
 */
export async function checkConnection(
  tenant: Tenant,
  client: Client | undefined,
  wanted: { id?: string } | { name?: string },
): Promise<void> {
  const [[kind, value] = []] = Object.entries(wanted);
  if (!value || !client) return;
  const usable = await connectionsFor(tenant, client.clientId);
  const isIt = usable.some(({ id, connection_name }) => id === value || (kind === 'name' && connection_name === value));
  if (isIt) return;
  const parameter = kind === 'id' ? 'connection_id' : 'connection';
  throw new errors.InvalidRequest(`${parameter} is not a connection that the client may use`);
}
