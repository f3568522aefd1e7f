/** Rows as an answer shows them to who asks: what they may see, and what they may have inlined. */
import type { FastifyRequest } from 'fastify';
import { type Actor, can } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { AnyCollection, AnyRow } from './registry.ts';
import './request.ts';
import { expandPaths } from './schemas.ts';
import { expandWire, expansion, type Wire } from './wire.ts';

export const may = (actor: Actor) => (permission: string) => can(actor, permission);

/** Expansion shows other resources' rows, so it needs the permission to read them too. */
export async function present(
  request: FastifyRequest,
  collection: AnyCollection,
  rows: readonly unknown[],
  expand?: string | string[],
): Promise<Wire[]> {
  const paths = expandPaths(expand);
  for (const path of paths) requireSight(may(request.actor), `read:${expansion(collection, path).spec.permission}`);
  return expandWire(collection, request.tenant, rows as AnyRow[], paths, may(request.actor));
}

/** @throws Fault `insufficient_scope` naming the permission that is missing. */
export function requireSight(see: (permission: string) => boolean, permission: string): void {
  if (!see(permission))
    throw new Fault('insufficient_scope', `The access token lacks the permission ${permission}.`, {
      details: { missing: permission },
    });
}
