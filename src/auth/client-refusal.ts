/** A client that failed to prove who it is leaves an audit row; a flood of them leaves a few. */
import { type Client, clients } from '../domain/client/client.ts';
import { append } from '../domain/trail/log.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { networkOf } from '../kernel/network.ts';
import { limiter } from '../store/limiter.ts';

const rows = limiter('client-refusal', 20, 15 * MINUTE);

/** @param client as the request named it: written down only when there is such a client. */
export async function recordClientRefusal(tenant: Tenant, client: unknown, ip: string): Promise<void> {
  if ((await rows.consume(`${tenant.id} ${networkOf(ip)}`)) !== null) return;
  const known = typeof client === 'string' ? await clients.find(tenant, client) : undefined;
  await append(tenant, {
    type: 'oauth.client.auth_failed',
    status: 'failed',
    client: known?.id,
    data: { reason: reasonOf(known), ip },
  });
}

function reasonOf(client: Client | undefined): string {
  if (!client) return 'unknown_client';
  return client.token_endpoint_auth_method === 'private_key_jwt' ? 'wrong_assertion' : 'wrong_secret';
}
