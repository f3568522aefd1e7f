/** Whether what a row refers to is there, in its own account, and may be referred to. */
import type { TObject } from 'typebox';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { Collection } from './collection.ts';
import type { Reference, Referred, Row } from './define.ts';
import { checkMetadata } from './metadata.ts';
import { type AnyCollection, collectionNamed } from './registry.ts';

/** @throws Fault `invalid_reference` (422) naming the field whose target is not there. */
export function missingReference(field: string, id: string): never {
  throw new Fault('invalid_reference', `"${field}" refers to ${JSON.stringify(id)}, which does not exist.`, {
    details: [{ path: `/${field}`, message: 'does not exist' }],
  });
}

/** @throws Fault `invalid_reference` naming the field, for the first id that is not one of the tenant's. */
export async function requireRows(tenant: Tenant, to: string, ids: readonly string[], field: string): Promise<void> {
  const known = await collectionNamed(to).many(tenant, ids);
  for (const id of ids) if (!known.has(id)) missingReference(field, id);
}

/**
 * What is found at a path, lists taken apart, and the name that people know it by: that of the list, where it is in one.
 * `permissions.api` of `{permissions: [{api: 'a'}]}` is `a` at `permissions`.
 */
export function valuesAt(input: object, path: string): { field: string; values: string[] } {
  const names: string[] = [];
  let nodes: unknown[] = [input];
  let inList = false;
  for (const step of path.split('.')) {
    if (!inList) names.push(step);
    const found = nodes.map((node) => (node as Record<string, unknown> | null | undefined)?.[step]);
    inList ||= found.some(Array.isArray);
    nodes = found.flat();
  }
  return {
    field: names.join('/'),
    values: nodes.filter((value): value is string => typeof value === 'string'),
  };
}

async function check(tenant: Tenant, { to, find, accept }: Reference, field: string, values: string[]): Promise<void> {
  const target = collectionNamed(to);
  const many = find ? undefined : await target.many(tenant, values);
  for (const value of values) {
    const row = find ? await target.findOne(tenant, find(value, tenant)) : many!.get(value);
    if (!row) missingReference(field, value);
    accept?.(row as Referred);
  }
}

/**
 * What of an input refers to other rows.
 * @throws Fault `invalid_reference` (422) naming the field; whatever else the reference's `accept` has to say.
 */
export async function checkReferences({ spec }: AnyCollection, tenant: Tenant, input: object): Promise<void> {
  for (const [path, reference] of Object.entries<Reference>(spec.references ?? {})) {
    const { field, values } = valuesAt(input, path);
    if (values.length) await check(tenant, reference, field, values);
  }
}

/** @throws Fault `validation`, `invalid_reference`; `conflict` naming the field that is taken. */
export async function createRow<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  tenant: Tenant,
  input: Partial<Row<R, S>>,
): Promise<Row<R, S>> {
  checkMetadata('/metadata', input.metadata);
  await checkReferences(collection, tenant, input);
  const row = await collection.create(tenant, input);
  // Who went since took along what referred to it by then. A removal looks once more when it is through (removal.ts), so
  // that one of the two sees the other.
  await checkReferences(collection, tenant, input).catch(async (error: unknown) => {
    await collection.removeWhere(tenant, { _id: { $eq: row.id } });
    throw error;
  });
  return row;
}

/** Changes only the fields given. @throws as `createRow`; Fault `not_found`. */
export async function updateRow<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  tenant: Tenant,
  id: string,
  patch: Partial<Row<R, S>>,
): Promise<Row<R, S>> {
  checkMetadata('/metadata', patch.metadata);
  await checkReferences(collection, tenant, patch);
  return collection.update(tenant, id, patch);
}
