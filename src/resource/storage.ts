/** TypeBox row → mongoose schema, with the indexes that the resource's lists and rules need. */
import mongoose, { type Schema } from 'mongoose';
import type { TObject, TSchema } from 'typebox';
import type { ResourceSpec } from './define.ts';
import { whereText } from './partial-index.ts';

type Loose = TSchema & { type?: string; format?: string; anyOf?: Loose[]; items?: Loose };

/** Whether null is a value of the field; where it is not, clearing the field leaves it out. */
export const allowsNull = (schema: Loose): boolean => schema.anyOf?.some(({ type }) => type === 'null') ?? false;

function storageType(schema: Loose): mongoose.SchemaDefinitionProperty {
  const concrete = schema.anyOf ? schema.anyOf.find((option) => option.type !== 'null') : schema;
  switch (concrete?.type) {
    case 'string':
      return concrete.format === 'date-time' ? Date : String;
    case 'boolean':
      return Boolean;
    case 'number':
    case 'integer':
      return Number;
    case 'array':
      return { type: [concrete.items?.type === 'string' ? String : mongoose.Schema.Types.Mixed], default: undefined };
    default:
      return mongoose.Schema.Types.Mixed;
  }
}

export function storageSchema(spec: ResourceSpec, scope: 'account' | 'root'): Schema {
  const definition: mongoose.SchemaDefinition = {
    _id: { type: String, required: true },
    ...(scope === 'account' && { account: { type: String, required: true } }),
    metadata: mongoose.Schema.Types.Mixed,
    createdAt: { type: Date, required: true },
    updatedAt: { type: Date, required: true },
    ...(spec.search && { _q: { type: [String], default: undefined } }),
  };
  const properties = { ...spec.row.properties, ...(spec.stored as TObject | undefined)?.properties };
  for (const [field, schema] of Object.entries(properties)) definition[field] = storageType(schema as Loose);

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

  const lead: Record<string, 1> = scope === 'account' ? { account: 1 } : {};
  if (scope === 'account') schema.index({ ...lead, _id: -1 });
  for (const field of spec.filter) {
    const unique = spec.unique?.some((group) => group.length === 1 && group[0] === field);
    if (!unique) schema.index({ ...lead, [field]: 1, _id: -1 });
  }
  const required = new Set(spec.row.required as string[] | undefined);
  for (const group of spec.unique ?? []) {
    const optional = group.filter((field) => !required.has(field));
    schema.index(
      { ...lead, ...Object.fromEntries(group.map((field) => [field, 1])) },
      { unique: true, ...(optional.length && whereText(...optional)) },
    );
  }
  if (spec.search) schema.index({ ...lead, _q: 1, _id: -1 });
  return schema;
}
