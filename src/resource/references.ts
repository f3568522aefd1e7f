/** Whether what a row refers to is there, in its own account, and may be referred to. */
import type { TObject } from 'typebox';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { Collection, Filter } from './collection.ts';
import type { Reference, Referred, Row } from './define.ts';
import { checkMetadata } from './metadata.ts';
import { type AnyCollection, type AnyRow, collectionNamed } from './registry.ts';
import { forgetting } from './removal.ts';

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

/** What refers to a row, and the object that it stands in. */
type Found = { value: string; within: object };

/**
 * What is found at a path, lists taken apart, and the name that people know it by: that of the list, where it is in one.
 * `permissions.api` of `{permissions: [{api: 'a'}]}` is `a` at `permissions`.
 */
function valuesAt(input: object, path: string): { field: string; values: Found[] } {
  const names: string[] = [];
  let nodes: { value: unknown; within: object }[] = [{ value: input, within: input }];
  let inList = false;
  for (const step of path.split('.')) {
    if (!inList) names.push(step);
    const found = nodes.map(({ value: node }) => ({
      value: (node as Record<string, unknown> | null | undefined)?.[step],
      within: node as object,
    }));
    inList ||= found.some(({ value }) => Array.isArray(value));
    nodes = found.flatMap(({ value, within }) => [value].flat().map((one) => ({ value: one, within })));
  }
  return { field: names.join('/'), values: nodes.filter((node): node is Found => typeof node.value === 'string') };
}

async function check(tenant: Tenant, { to, find, accept }: Reference, field: string, values: Found[]): Promise<void> {
  const target = collectionNamed(to);
  const many = find
    ? undefined
    : await target.many(
        tenant,
        values.map(({ value }) => value),
      );
  for (const { value, within } of values) {
    const row = find ? await target.findOne(tenant, find(value, tenant)) : many!.get(value);
    if (!row) missingReference(field, value);
    accept?.(row as Referred, within);
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

/**
 * @param rest what is dear to make, or made of what the input refers to: asked for when that is there.
 * @throws Fault `validation`, `invalid_reference`; `conflict` naming the field that is taken.
 */
export async function createRow<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  tenant: Tenant,
  input: Partial<Row<R, S>>,
  rest?: () => Promise<Partial<Row<R, S>>>,
): Promise<Row<R, S>> {
  checkMetadata('/metadata', input.metadata);
  await checkReferences(collection, tenant, input);
  const row = await collection.create(tenant, { ...input, ...(await rest?.()) });
  await requireStill(collection, tenant, input, [row.id]);
  return row;
}

/**
 * Who went since took along what referred to it by then. A removal looks once more when it is through (removal.ts), so that
 * one of the two sees the other.
 * @param made ids of the new rows, which go again when what the input refers to is not there any more.
 */
export async function requireStill(
  collection: AnyCollection,
  tenant: Tenant,
  input: object,
  made: readonly string[],
): Promise<void> {
  await checkReferences(collection, tenant, input).catch(async (error: unknown) => {
    await collection.removeWhere(tenant, { _id: { $in: made } });
    throw error;
  });
}

/**
 * Changes only the fields given. What goes at the same moment is forgotten as if it went a moment later.
 * @param where what has to be so still when it is written.
 * @throws as `createRow`; Fault `not_found`, `changed_meanwhile` where it is not.
 */
export async function updateRow<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  tenant: Tenant,
  id: string,
  patch: Partial<Row<R, S>>,
  where: Filter = {},
): Promise<Row<R, S>> {
  checkMetadata('/metadata', patch.metadata);
  await checkReferences(collection, tenant, patch);
  const row = await collection.updateWhere(tenant, id, patch, where);
  if (!row) {
    await collection.get(tenant, id);
    throw new Fault('changed_meanwhile');
  }
  return (await forgetGone(collection, tenant, id, patch)) ? collection.get(tenant, id) : row;
}

/** @returns whether the row has forgotten anything. */
async function forgetGone(collection: AnyCollection, tenant: Tenant, id: string, patch: object): Promise<boolean> {
  let forgot = false;
  for (const [field, reference] of Object.entries<Reference>(collection.spec.references ?? {})) {
    if (reference.gone !== 'forget' || reference.match) continue;
    const ids = valuesAt(patch, field).values.map(({ value }) => value);
    const there = await collectionNamed(reference.to).many(tenant, ids);
    for (const gone of ids.filter((value) => !there.has(value))) {
      const change = forgetting({ collection, field, reference }, { id: gone } as AnyRow);
      await collection.changeWhere(tenant, { _id: { $eq: id } }, change);
      forgot = true;
    }
  }
  return forgot;
}
