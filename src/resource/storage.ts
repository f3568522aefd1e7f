/** TypeBox row → mongoose schema, with every index that the spec asks for. */
import mongoose, { type Schema } from 'mongoose';
import type { TObject, TSchema } from 'typebox';
import type { ResourceSpec } from './define.ts';
import { membersAt } from './json-members.ts';
import { whereText } from './partial-index.ts';

type Loose = TSchema & { type?: string; format?: string; anyOf?: Loose[]; items?: Loose; properties?: Fields };
type Fields = Record<string, Loose>;

/** Whether null is a value of the field; where it is not, clearing the field leaves it out. */
export const isNullable = (schema: TSchema): boolean =>
  (schema as Loose).anyOf?.some(({ type }) => type === 'null') ?? false;

const concrete = (schema: Loose): Loose | undefined =>
  schema.anyOf ? schema.anyOf.find((option) => option.type !== 'null') : schema;

export const isList = (schema: TSchema): boolean => concrete(schema as Loose)?.type === 'array';

/** The fields of a row, stored-only ones included. */
export const fieldsOf = ({ row, stored }: Pick<ResourceSpec, 'row' | 'stored'>): Record<string, TSchema> => ({
  ...row.properties,
  ...(stored as TObject | undefined)?.properties,
});

/** The schema at a path, through objects and the objects of lists. @throws Error for a path that leads nowhere. */
export function schemaAt(spec: Pick<ResourceSpec, 'row' | 'stored'>, path: string): TSchema {
  let fields = fieldsOf(spec) as Fields;
  let found: Loose | undefined;
  for (const step of path.split('.')) {
    found = fields[step];
    if (!found) throw new Error(`there is no field ${path}`);
    const inner = concrete(found);
    fields = (inner?.items ?? inner)?.properties ?? {};
  }
  return found!;
}

function storageType(schema: Loose): mongoose.SchemaDefinitionProperty {
  const { type, format, items } = concrete(schema) ?? {};
  switch (type) {
    case 'string':
      return format === 'date-time' ? Date : String;
    case 'boolean':
      return Boolean;
    case 'number':
    case 'integer':
      return Number;
    case 'array':
      return { type: [items?.type === 'string' ? String : mongoose.Schema.Types.Mixed], default: undefined };
    default:
      return mongoose.Schema.Types.Mixed;
  }
}

export function storageSchema(spec: ResourceSpec): Schema {
  const definition: mongoose.SchemaDefinition = {
    _id: { type: String, required: true },
    ...(spec.scope !== 'root' && { account: { type: String, required: true } }),
    metadata: mongoose.Schema.Types.Mixed,
    createdAt: { type: Date, required: true },
    updatedAt: { type: Date, required: true },
    ...(spec.search && { _q: { type: [String], default: undefined } }),
    ...(spec.freeForm && { _m: mongoose.Schema.Types.Mixed }),
    ...(spec.events && { _told: { type: [String], default: undefined } }),
  };
  for (const [field, schema] of Object.entries(fieldsOf(spec))) definition[field] = storageType(schema as Loose);

  const schema = new mongoose.Schema(definition, {
    collection: spec.collection,
    strict: 'throw',
    strictQuery: 'throw',
    versionKey: false,
    minimize: false,
    timestamps: false,
    id: false,
    autoIndex: false,
  });
  for (const [keys, options] of indexesOf(spec)) schema.index(keys, options);
  return schema;
}

type Keys = Record<string, 1 | -1>;

function indexesOf(spec: ResourceSpec): [Keys, mongoose.IndexOptions][] {
  const lead: Keys = spec.scope === 'root' ? {} : { account: 1 };
  const required = new Set(spec.row.required as string[] | undefined);
  const alone = new Set(spec.unique?.flatMap((group) => (group.length === 1 ? group : [])));
  const indexes: [Keys, mongoose.IndexOptions][] = [];
  if (spec.scope !== 'root') indexes.push([{ ...lead, _id: -1 }, {}]);
  for (const field of spec.filter) if (!alone.has(field)) indexes.push([{ ...lead, [field]: 1, _id: -1 }, {}]);
  for (const group of spec.unique ?? []) {
    const optional = group.filter((field) => !required.has(field));
    const keys = { ...lead, ...Object.fromEntries(group.map((field) => [field, 1 as const])) };
    indexes.push([keys, { unique: true, ...(optional.length && whereText(...optional)) }]);
  }
  if (spec.search) indexes.push([{ ...lead, _q: 1, _id: -1 }, {}]);
  for (const field of spec.freeForm ?? []) indexes.push([{ ...lead, [membersAt(field)]: 1, _id: -1 }, {}]);
  for (const { keys, ...options } of spec.indexes ?? []) indexes.push([keys, options]);
  // What refers to a row that goes is found by the field.
  const whole = indexes.filter(([, { partialFilterExpression }]) => !partialFilterExpression);
  const leads = new Set(whole.map(([keys]) => Object.keys(keys)[1]));
  for (const [field, { gone }] of Object.entries(spec.references ?? {}))
    if (gone !== 'keep' && spec.scope !== 'root' && !leads.has(field)) indexes.push([{ ...lead, [field]: 1 }, {}]);
  if (spec.expires) indexes.push([{ [spec.expires]: 1 }, {}]);
  return indexes;
}
