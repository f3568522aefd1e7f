/** What clients are refused leaves audit rows: who failed to prove who they are, what was asked for in vain. */
import { type Client, clients } from '../domain/client/client.ts';
import { appendRefusal } from '../domain/trail/log.ts';
import { MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { siteOf } from '../kernel/network.ts';
import { localLimiter } from '../store/limiter.ts';

/** Written down only where there is such a client: the words of a request are anybody's. */
const known = async (tenant: Tenant, client: unknown): Promise<Client | undefined> =>
  typeof client === 'string' ? clients.recent(tenant, client) : undefined;

/** @param named as the request named it. */
export async function recordClientRefusal(tenant: Tenant, named: unknown, ip: string): Promise<void> {
  const client = await known(tenant, named);
  await appendRefusal(tenant, { type: 'oauth.client.auth_failed', client: client?.id, reason: reasonOf(client), ip });
}

function reasonOf(client: Client | undefined): string {
  if (!client) return 'unknown_client';
  return client.token_endpoint_auth_method === 'private_key_jwt' ? 'wrong_assertion' : 'wrong_secret';
}

/** A flood is refused without asking the database, and its record must not ask each time either: once a minute it counts. */
const floods = localLimiter('flood', 1, MINUTE);

/** Which door it was that did not open. */
type Door = 'authorize' | 'grant' | 'pushed_request' | 'device_code';

/** @param reason an error code; `message` says it in words of ours. */
export async function recordRequestRefusal(
  tenant: Tenant,
  door: Door,
  refused: {
    client: unknown;
    user?: string;
    reason: string;
    message?: string;
    ip: string;
    reference?: string;
    more?: Record<string, unknown>;
  },
): Promise<void> {
  const { client, message, ...rest } = refused;
  if (rest.reason === 'too_many_requests' && (await floods.consume(`${tenant.id} ${door} ${siteOf(rest.ip)}`)) !== null)
    return;
  await appendRefusal(tenant, {
    ...rest,
    type: `oauth.${door}.failed`,
    client: (await known(tenant, client))?.id,
    message: message?.slice(0, 300),
  });
}
