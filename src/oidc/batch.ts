/**
 * Writes of one engine request, made together when it is over and before it is answered: a login ends with a grant, a
 * session, a code and the end of its flow, and one round trip is enough for them.
 */
import { Provider } from 'oidc-provider';
import { type Keyed, type ProtocolWrite, writeProtocol } from '../domain/grant.ts';
import type { Tenant } from '../kernel/context.ts';

const open = new WeakMap<object, ProtocolWrite[]>();

/** @returns how to write what has gathered; for the end of the request. */
export function openBatch(ctx: object, tenant: Tenant): () => Promise<void> {
  open.set(ctx, []);
  return async () => {
    const writes = open.get(ctx) ?? [];
    open.delete(ctx);
    if (writes.length) await writeProtocol(tenant, writes);
  };
}

const current = (): ProtocolWrite[] | undefined => (Provider.ctx ? open.get(Provider.ctx) : undefined);

/** With the others of the request, or at once where there is none. */
export async function write(tenant: Tenant, change: ProtocolWrite): Promise<void> {
  const writes = current();
  if (writes) writes.push(change);
  else await writeProtocol(tenant, [change]);
}

/** Makes what waits visible to a read: of a row that is among it, or of whatever `key` leaves open. */
export async function writeNow(tenant: Tenant, key?: Keyed): Promise<void> {
  const writes = current();
  const touched = writes?.some(({ kind, token }) => !key || (kind === key.kind && token === key.token));
  if (touched) await writeProtocol(tenant, writes!.splice(0));
}
