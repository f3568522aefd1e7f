/**
 * How a row goes, by what the specs say: nothing may keep it; then those that refer to it go or forget it, then what ends
 * with it that is no row, then the row itself. Each step is one that can be repeated, so that a removal which a crash
 * stopped half-way is finished by asking for it again.
 */
import type { TObject } from 'typebox';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import type { Collection } from './collection.ts';
import type { Filter, Referred, Row } from './define.ts';
import { type AnyCollection, type AnyRow, type Dependent, dependentsOf } from './registry.ts';
import { isList, isNullable, schemaAt } from './storage.ts';

/**
 * Removes a row with everything that the specs say goes along.
 * @returns the row as it was.
 * @throws Fault `not_found`; `protected` where something keeps it.
 */
export async function removeRow<R extends TObject, S extends TObject>(
  collection: Collection<R, S>,
  tenant: Tenant,
  id: string,
): Promise<Row<R, S>> {
  const row = await collection.get(tenant, id);
  await checkRemovable(tenant, collection as AnyCollection, row as AnyRow);
  await collection.spec.protect?.(tenant, row);
  await endWith(tenant, collection as AnyCollection, row as AnyRow);
  await collection.remove(tenant, id);
  // What was made to refer to the row while it went: from now on nothing is (references.ts).
  await endWith(tenant, collection as AnyCollection, row as AnyRow);
  for (const { reference } of dependentsOf(collection.spec.name)) await reference.lost?.(tenant, row as Referred);
  return row;
}

/** @throws Fault `protected`, in the words of the reference that keeps the row. */
async function checkRemovable(tenant: Tenant, { spec }: AnyCollection, row: AnyRow): Promise<void> {
  for (const dependent of dependentsOf(spec.name)) {
    if (dependent.reference.gone !== 'refuse') continue;
    if (await dependent.collection.exists(tenant, { ...itself(tenant, dependent), ...refersTo(dependent, row) }))
      throw new Fault('protected', dependent.reference.why);
  }
}

/** Of the installation's own rows only the one that is the tenant has to do with its rows. */
const itself = ({ id }: Tenant, { collection }: Dependent): Filter =>
  collection.spec.scope === 'root' ? { _id: { $eq: id } } : {};

function condition({ reference }: Dependent, row: AnyRow): object {
  const value = reference.match ? reference.match(row as Referred) : row.id;
  return typeof value === 'object' ? (value as object) : { $eq: value };
}

function refersTo(dependent: Dependent, row: AnyRow): Filter {
  const { collection, field } = dependent;
  const is = condition(dependent, row);
  // One entry of the list is to meet all of a range.
  return { [field]: isList(schemaAt(collection.spec, field)) ? { $elemMatch: is } : is };
}

/** The change by which a row forgets what it refers to. */
export function forgetting(dependent: Dependent, row: AnyRow): Record<string, unknown> {
  const { collection, field } = dependent;
  const is = condition(dependent, row);
  const [list, ...inner] = field.split('.') as [string, ...string[]];
  if (inner.length && isList(schemaAt(collection.spec, list))) return { $pull: { [list]: { [inner.join('.')]: is } } };
  const schema = schemaAt(collection.spec, field);
  if (isList(schema)) return { $pull: { [field]: is } };
  return isNullable(schema) ? { $set: { [field]: null } } : { $unset: { [field]: 1 } };
}

/** Whether nothing but the rows themselves has to be thought of when some go. */
const standAlone = ({ spec }: AnyCollection): boolean => !spec.end && dependentsOf(spec.name).length === 0;

async function endWith(tenant: Tenant, collection: AnyCollection, row: AnyRow): Promise<void> {
  for (const dependent of dependentsOf(collection.spec.name)) {
    const { collection: theirs, reference } = dependent;
    const filter = refersTo(dependent, row);
    if (reference.gone === 'forget') await theirs.changeWhere(tenant, filter, forgetting(dependent, row));
    if (reference.gone !== 'remove') continue;
    if (!standAlone(theirs)) for (const one of await theirs.all(tenant, filter)) await endWith(tenant, theirs, one);
    await theirs.removeWhere(tenant, filter);
  }
  await collection.spec.end?.(tenant, row as never);
}
