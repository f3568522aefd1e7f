/** Rows as the wire has them: sealed fields opened or masked, ids inlined where that is asked for. */
import type { TObject } from 'typebox';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { Collection } from './collection.ts';
import { expandable, type Row } from './define.ts';
import { type AnyCollection, type AnyRow, collectionNamed } from './registry.ts';
import type { Scope } from './scope.ts';
import { MASK } from './sealing.ts';

export type Wire = Record<string, unknown>;
/** Which permissions a viewer has. */
type Sight = (permission: string) => boolean;

/** The row as the wire has it; sealed fields are opened for a viewer who may see them and masked for others. */
export function toWire<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  row: Row<R, S>,
  may: Sight,
): Wire {
  const { spec } = collection;
  const source = row as unknown as Wire;
  const wire: Wire = { id: row.id };
  for (const field of Object.keys(spec.row.properties)) {
    const permission = spec.sealed?.[field];
    if (source[field] === undefined) continue;
    wire[field] =
      permission && source[field] !== null ? (may(permission) ? collection.reveal(row, field) : MASK) : source[field];
  }
  if (row.account !== undefined) wire.account = row.account;
  Object.assign(wire, spec.wire?.(row, may));
  return Object.assign(wire, { metadata: row.metadata ?? {}, createdAt: row.createdAt, updatedAt: row.updatedAt });
}

/** Of a row whose secrets give more than the viewer has, none is seen. */
async function sightOf({ spec }: AnyCollection, scope: Scope, row: AnyRow, may: Sight): Promise<Sight> {
  const opened = Object.values<string>(spec.sealed ?? {});
  if (!spec.secretsGive || !opened.some(may)) return may;
  for (const permission of await spec.secretsGive(scope as Tenant, row))
    if (!may(permission)) return (asked) => !opened.includes(asked) && may(asked);
  return may;
}

const wiresOf = (collection: AnyCollection, scope: Scope, rows: readonly AnyRow[], may: Sight): Promise<Wire[]> =>
  Promise.all(rows.map(async (row) => toWire(collection, row, await sightOf(collection, scope, row, may))));

/** The rows that a path inlines. @throws Fault `validation` for a path that the resource does not expand. */
export function expansion({ spec }: AnyCollection, path: string): AnyCollection {
  const paths = expandable(spec);
  if (Object.hasOwn(paths, path)) return collectionNamed(paths[path]!);
  throw new Fault('validation', `"expand" does not take "${path}".`, {
    details: [{ path: '?/expand', message: `must be one of ${Object.keys(paths).join(', ') || 'nothing'}` }],
  });
}

/**
 * Rows with the named id fields inlined: one query per path. An id whose row is gone, or is another tenant's, stays an id.
 * @throws Fault `validation` for a path that the resource does not expand.
 */
export async function expandWire(
  collection: AnyCollection,
  scope: Scope,
  rows: readonly AnyRow[],
  paths: readonly string[],
  may: Sight,
): Promise<Wire[]> {
  const wires = await wiresOf(collection, scope, rows, may);
  for (const path of new Set(paths)) {
    const target = expansion(collection, path);
    const ids = wires.flatMap((wire) => wire[path] as string | string[]).filter((id) => typeof id === 'string');
    const found = await target.many(scope, ids);
    const shown = await wiresOf(target, scope, [...found.values()], may);
    const byId = new Map(shown.map((wire) => [wire.id as string, wire]));
    const inline = (id: string) => byId.get(id) ?? id;
    for (const wire of wires) {
      const value = wire[path];
      if (typeof value === 'string') wire[path] = inline(value);
      else if (Array.isArray(value)) wire[path] = value.map(inline);
    }
  }
  return wires;
}
