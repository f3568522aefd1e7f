/** Rows as the wire has them: sealed fields opened or masked, ids inlined where that is asked for. */
import type { TObject } from 'typebox';
import { Fault } from '../kernel/fault.ts';
import type { Collection } from './collection.ts';
import { expandable, type Row } from './define.ts';
import { type AnyCollection, collectionNamed } from './registry.ts';
import type { Scope } from './scope.ts';
import { MASK } from './sealing.ts';

export type Wire = Record<string, unknown>;

/** The row as the wire has it; sealed fields are opened for a viewer who may see them and masked for others. */
export function toWire<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  row: Row<R, S>,
  may: (permission: string) => boolean,
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
export async function expandWire<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  scope: Scope,
  rows: readonly Row<R, S>[],
  paths: readonly string[],
  may: (permission: string) => boolean,
): Promise<Wire[]> {
  const wires = rows.map((row) => toWire(collection, row, may));
  for (const path of new Set(paths)) {
    const target = expansion(collection, path);
    const ids = wires.flatMap((wire) => wire[path] as string | string[]).filter((id) => typeof id === 'string');
    const found = await target.many(scope, ids);
    const inline = (id: string) => {
      const row = found.get(id);
      return row ? toWire(target, row, may) : id;
    };
    for (const wire of wires) {
      const value = wire[path];
      if (typeof value === 'string') wire[path] = inline(value);
      else if (Array.isArray(value)) wire[path] = value.map(inline);
    }
  }
  return wires;
}
