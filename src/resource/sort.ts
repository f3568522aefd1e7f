/**
 * The order of a list by one of its fields. Only what an index has in order can be asked for; a page starts where the one
 * before ended by the index alone, whatever comes and goes meanwhile.
 */
import mongoose from 'mongoose';
import { Fault } from '../kernel/fault.ts';
import type { Place } from './cursor.ts';
import type { Filter, ResourceSpec } from './define.ts';
import { ownerOf, type Scope } from './scope.ts';
import { isList, schemaAt } from './storage.ts';

type Keys = Record<string, 1 | -1>;
type Sorted = Pick<ResourceSpec, 'filter' | 'row' | 'stored' | 'scope' | 'unique'>;

/** The id has the time of creation. */
const BY_AGE = 'createdAt';

const isOrdered = (spec: Sorted, field: string): boolean => {
  const schema = schemaAt(spec, field) as { type?: string; anyOf?: { type?: string }[] };
  const types = (schema.anyOf ?? [schema]).flatMap(({ type }) => type ?? []);
  return !isList(schema as never) && types.some((type) => /^(string|number|integer)$/.test(type));
};

const isUnique = ({ unique }: Sorted, field: string): boolean =>
  unique?.some((group) => group.length === 1 && group[0] === field) ?? false;

/** Fields that a list can be sorted by: those that have an index to themselves and one value. */
export const sortable = (spec: Sorted): string[] => [
  BY_AGE,
  ...spec.filter.filter((field) => isOrdered(spec, field) && !(isUnique(spec, field) && !isRequired(spec, field))),
];

/** One that need not be there is in no index of uniqueness. */
const isRequired = ({ row }: Sorted, field: string): boolean =>
  (row.required as string[] | undefined)?.includes(field) ?? false;

export type Order = {
  /** As it was asked for; none for the order that lists have anyway. */
  by?: string;
  field: string;
  /** Of the rows, and of the index that has them so. */
  sort: Keys;
  hint: Keys;
  /** Where the index is entered and left. */
  bounds(after: Place | undefined): { min?: Filter; max?: Filter };
  /** The rows after a place, for where no index leads there. */
  after(place: Place): Filter;
};

/** @param asked a field, after a hyphen where the highest is wanted first. @throws Fault `validation` naming what there is. */
export function orderOf(spec: Sorted, scope: Scope, asked: string | undefined): Order {
  const descending = asked?.startsWith('-') ?? true;
  const field = asked?.replace(/^-/, '') ?? BY_AGE;
  if (!sortable(spec).includes(field)) {
    const message = `must be one of ${sortable(spec).join(', ')}, with a hyphen before it for the highest first`;
    throw new Fault('validation', `"sort" ${message}.`, { details: [{ path: '?/sort', message }] });
  }
  if (field === BY_AGE) return byAge(spec, descending ? -1 : 1);
  return byField(spec, scope, field, descending);
}

const lead = (spec: Sorted): Keys => (spec.scope === 'root' ? {} : { account: 1 });

function byAge(spec: Sorted, direction: 1 | -1): Order {
  return {
    ...(direction === 1 && { by: BY_AGE }),
    field: '_id',
    sort: { _id: direction },
    hint: spec.scope === 'root' ? { _id: 1 } : { account: 1, _id: -1 },
    bounds: () => ({}),
    after: ({ id }) => ({ _id: direction === 1 ? { $gt: id } : { $lt: id } }),
  };
}

function byField(spec: Sorted, scope: Scope, field: string, descending: boolean): Order {
  const alone = isUnique(spec, field);
  const [up, down] = descending ? ([-1, 1] as const) : ([1, -1] as const);
  const { MinKey, MaxKey } = mongoose.mongo;
  const account = (end: '' | '\0') => (spec.scope === 'root' ? {} : { account: ownerOf(spec, scope) + end });
  // The index has the ids of equal values from the highest down.
  const at = (value: unknown, id: unknown, end: '' | '\0' = '') => ({
    ...account(end),
    [field]: value,
    ...(!alone && { _id: id }),
  });
  const whole = {
    min: at(new MinKey(), new MaxKey()),
    max: spec.scope === 'root' ? at(new MaxKey(), new MinKey()) : at(new MinKey(), new MaxKey(), '\0'),
  };
  return {
    by: descending ? `-${field}` : field,
    field,
    sort: { ...(spec.scope !== 'root' && { account: up }), [field]: up, ...(!alone && { _id: down }) },
    hint: { ...lead(spec), [field]: 1, ...(!alone && { _id: -1 as const }) },
    bounds: (place) => (place ? { ...whole, [descending ? 'max' : 'min']: at(place.value ?? null, place.id) } : whole),
    after({ id, value = null }) {
      const same = { [field]: { $eq: value }, _id: descending ? { $gt: id } : { $lt: id } };
      if (descending) return value === null ? same : { $or: [{ [field]: { $lt: value } }, { [field]: null }, same] };
      return { $or: [{ [field]: value === null ? { $ne: null } : { $gt: value } }, same] };
    },
  };
}
