/**
 * Telling whoever listens what is written. A spec names the events that its rows make; intents are prepared before the
 * write with a proof of it, and settled after: a crash between the two loses nothing and tells nothing that is not so.
 * Who listens is the announcer's business, which the domain hands in.
 */
import type { Tenant } from '../kernel/context.ts';
import type { Filter, ResourceSpec } from './define.ts';
import { type AnyCollection, type AnyRow, collectionNamed } from './registry.ts';
import { toWire, type Wire } from './wire.ts';

/** `proof` is what `isProven` takes. */
export type News = { event: string; payload: Wire; proof: string };

/** Whether the write at a position was made: as prepared, not at all, or with another outcome than was foreseen. */
export type Outcome = (position: number) => boolean | Wire;

export type Announcer = {
  /** Whether somebody of the account listens to one of these. Asked on every write: answers from memory. */
  wants(tenant: Tenant, events: readonly string[]): boolean | Promise<boolean>;
  /** Stores intents. @returns what settles them. */
  prepare(tenant: Tenant, news: readonly News[]): Promise<(outcome: Outcome) => Promise<void>>;
};

let announcer: Announcer | undefined;
export function announceBy(one: Announcer): void {
  announcer = one;
}

/** One write: of a row that comes, changes or goes. */
export type Write = { before?: AnyRow; after?: AnyRow; proof: string };

/** Whether anybody listens to what the writes of a resource may make. */
export const isHeard = async ({ events }: ResourceSpec, tenant: Tenant): Promise<boolean> =>
  events !== undefined && announcer !== undefined && (await announcer.wants(tenant, events.names));

/** @returns what settles the writes, given how each ended; nothing where nobody listens. */
export async function prepare(
  collection: AnyCollection,
  tenant: Tenant,
  writes: readonly Write[],
): Promise<((outcome: Outcome) => Promise<void>) | undefined> {
  const { events } = collection.spec as ResourceSpec;
  const made = writes.flatMap(({ before, after, proof }, write) =>
    (events?.of(before as never, after as never) ?? []).map((event) => ({
      event,
      write,
      proof,
      row: after ?? before!,
    })),
  );
  if (!announcer || made.length === 0) return undefined;
  if (!(await announcer.wants(tenant, [...new Set(made.map(({ event }) => event))]))) return undefined;
  const news = made.map(({ event, proof, row }) => ({ event, proof, payload: payloadOf(collection, row) }));
  const settle = await announcer.prepare(tenant, news);
  return (outcome) => settle((position) => outcome(made[position]!.write));
}

/** A row as the API shows it to somebody who may see no secret; what would be masked is left out. */
export function payloadOf(collection: AnyCollection, row: AnyRow): Wire {
  const wire = toWire(collection, row, () => false);
  for (const field of Object.keys(collection.spec.sealed ?? {})) delete wire[field];
  return wire;
}

/* ——— proofs ——— */

export const PROVEN = 'proven';
const HOW = ['there', 'gone', 'made'] as const;
export const proofOf = (how: (typeof HOW)[number], { name }: ResourceSpec, id: string, token = ''): string =>
  [how, name, id, token].join(' ').trim();

/** Names of the last changes of a row that were told: so many may come while one that was cut off is looked for. */
const MOST_TOLD = 10;
export const pushTold = (token: string) => ({ _told: { $each: [token], $slice: -MOST_TOLD } });

/** Whether the write was made that an intent was prepared for. */
export async function isProven(tenant: Tenant, proof: string): Promise<boolean> {
  const [how, name = '', id = '', token] = proof.split(' ');
  if (how === PROVEN) return true;
  if (!HOW.includes(how as never)) return false;
  const row: Filter = {
    _id: { $eq: id },
    account: { $eq: tenant.id },
    ...(how === 'made' && { _told: { $eq: token } }),
  };
  const found = (await collectionNamed(name).model.exists(row)) !== null;
  return how === 'gone' ? !found : found;
}
