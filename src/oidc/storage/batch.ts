/**
 * Writes of one engine request, made together when it is over and before it is answered: a login ends with a grant, a
 * session, a code and the end of its flow, and one round trip is enough for them.
 */
import { type Keyed, type ProtocolWrite, writeProtocol } from '../../domain/protocol/protocol-row.ts';
import type { Tenant } from '../../kernel/context.ts';
import { currentRequest } from '../engine/context.ts';

type Batch = { writes: ProtocolWrite[]; seen: Set<string> };
const open = new WeakMap<object, Batch>();

/** @returns how to write what has gathered; for the end of the request. */
export function openBatch(ctx: object, tenant: Tenant): () => Promise<void> {
  open.set(ctx, { writes: [], seen: new Set() });
  return async () => {
    const { writes = [] } = open.get(ctx) ?? {};
    open.delete(ctx);
    if (writes.length) await writeProtocol(tenant, writes);
  };
}

function current(): Batch | undefined {
  const request = currentRequest();
  return request && open.get(request);
}

/** What the request has read is replaced where it is written, unless it has ended since; what it has not read is new. */
export const noteSeen = (token: string): void => void current()?.seen.add(token);

/** With the others of the request, or at once where there is none. */
export async function write(tenant: Tenant, change: ProtocolWrite): Promise<void> {
  const batch = current();
  if (batch) batch.writes.push({ ...change, as: batch.seen.has(change.token) ? 'seen' : 'new' });
  else await writeProtocol(tenant, [change]);
}

/** Makes what waits visible to a read: of a row that is among it, or of whatever `key` leaves open. */
export async function writeNow(tenant: Tenant, key?: Keyed): Promise<void> {
  const { writes = [] } = current() ?? {};
  const touched = writes.some(({ kind, token }) => !key || (kind === key.kind && token === key.token));
  if (!touched) return;
  const due = writes.splice(0);
  await writeProtocol(tenant, due);
  for (const { token } of due) noteSeen(token);
}
