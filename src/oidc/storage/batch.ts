/**
 * Writes of one engine request, made together when it is over and before it is answered: a login ends with a grant, a
 * session, a code and the end of its flow, and one round trip is enough for them.
 */
import { clients, isDocumentId } from '../../domain/client/client.ts';
import { type Keyed, type ProtocolWrite, revokeGrant, writeProtocol } from '../../domain/protocol/protocol-row.ts';
import { users } from '../../domain/user/user.ts';
import type { Tenant } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import { PAGES, PLAYGROUND } from '../client/client-metadata.ts';
import { currentRequest } from '../engine/context.ts';

type Batch = { writes: ProtocolWrite[]; seen: Set<string> };
const open = new WeakMap<object, Batch>();

/** @returns how to write what has gathered; for the end of the request. */
export function openBatch(ctx: object, tenant: Tenant): () => Promise<void> {
  open.set(ctx, { writes: [], seen: new Set() });
  return async () => {
    const { writes = [] } = open.get(ctx) ?? {};
    open.delete(ctx);
    await store(tenant, writes);
  };
}

function current(): Batch | undefined {
  const request = currentRequest();
  return request && open.get(request);
}

async function store(tenant: Tenant, writes: readonly ProtocolWrite[]): Promise<void> {
  if (writes.length === 0) return;
  await writeProtocol(tenant, writes);
  await Promise.all(writes.filter(isNewGrant).map((grant) => confirm(tenant, grant)));
}

const isNewGrant = ({ kind, fields, as }: ProtocolWrite): boolean =>
  kind === 'Grant' && fields !== undefined && as !== 'seen';

const hasNoRow = (client: string): boolean => client === PAGES || client === PLAYGROUND || isDocumentId(client);

/**
 * A user or a client that went, or was suspended, while it was granted something did not find the grant to end it: so they
 * are looked at once more when it is there. Whoever is killed before that look has answered nobody: no code or token of
 * the grant is out, and a device that was let in by it is refused for its user's sake when it asks.
 * @throws Fault `login_over`
 */
async function confirm(tenant: Tenant, { token, fields }: ProtocolWrite): Promise<void> {
  const { user, client } = fields!;
  const [holder, known] = await Promise.all([
    user === undefined ? undefined : users.find(tenant, user),
    client === undefined || hasNoRow(client) || clients.find(tenant, client),
  ]);
  if (holder && !holder.suspended && known) return;
  await revokeGrant(tenant, token);
  throw new Fault('login_over');
}

/** What the request has read is replaced where it is written, unless it has ended since; what it has not read is new. */
export const noteSeen = (token: string): void => void current()?.seen.add(token);

/** With the others of the request, or at once where there is none. */
export async function write(tenant: Tenant, change: ProtocolWrite): Promise<void> {
  const batch = current();
  if (batch) batch.writes.push({ ...change, as: batch.seen.has(change.token) ? 'seen' : 'new' });
  else await store(tenant, [change]);
}

/** Makes what waits visible to a read: of a row that is among it, or of whatever `key` leaves open. */
export async function writeNow(tenant: Tenant, key?: Keyed): Promise<void> {
  const { writes = [] } = current() ?? {};
  const touched = writes.some(({ kind, token }) => !key || (kind === key.kind && token === key.token));
  if (!touched) return;
  const due = writes.splice(0);
  await store(tenant, due);
  for (const { token } of due) noteSeen(token);
}
