/** Schemas of fields that several resources share, with the checks that JSON Schema can state. */
import Type, { type TSchema } from 'typebox';
import { Fault } from '../kernel/fault.ts';
import { Nullable } from '../resource/define.ts';

export const Email = (description?: string) =>
  Type.String({
    maxLength: 254,
    pattern: '^[^\\s@"<>(),:;\\[\\]\\\\]+@[^\\s@"<>(),:;\\[\\]\\\\]+$',
    ...(description && { description }),
  });

/** An absolute http(s) URL. */
export const WebUrl = (description?: string) =>
  Type.String({
    maxLength: 2048,
    pattern: '^https?://[^\\s\\\\#@/?]+([/?][^\\s\\\\]*)?$',
    ...(description && { description }),
  });

export const Name = (description?: string, maxLength = 200) =>
  Type.String({ minLength: 1, maxLength, pattern: '\\S', ...(description && { description }) });

export const Text = (description?: string, maxLength = 2000) =>
  Type.String({ maxLength, ...(description && { description }) });

export const nullable = <T extends TSchema>(schema: T) => Type.Optional(Nullable(schema));

export const Reference = (kind: string, description?: string) =>
  Type.String({ maxLength: 100, description: description ?? `Id of a ${kind}` });

/** The database driver takes an object with the second for one of its own types. */
const RESERVED_KEYS = new Set(['__proto__', '_bsontype']);

/** What is accepted as free-form metadata: keys the database can hold, 8 levels, 16 KB of JSON unless said otherwise. */
export function checkMetadata(
  path: string,
  value: Record<string, unknown> | undefined,
  { dots = false, kilobytes = 16 } = {},
): void {
  if (value === undefined) return;
  const refuse = (at: string, message: string): never => {
    throw new Fault('validation', `${at} ${message}.`, { details: [{ path: at, message }] });
  };
  const walk = (node: unknown, at: string, depth: number): void => {
    // 1e400 is JSON, and would come back as null.
    if (typeof node === 'number' && !Number.isFinite(node)) refuse(at, 'is a number too large to keep');
    if (typeof node !== 'object' || node === null) return;
    if (depth > 8) refuse(at, 'is nested more than 8 levels deep');
    for (const [key, child] of Object.entries(node)) {
      if (key.startsWith('$') || (key.includes('.') && !dots) || key.includes('\0'))
        refuse(`${at}/${key}`, `has a key that may not start with "$"${dots ? '' : ' or contain "."'}`);
      if (RESERVED_KEYS.has(key)) refuse(`${at}/${key}`, 'has a key that is reserved');
      walk(child, `${at}/${key}`, depth + 1);
    }
  };
  walk(value, path, 1);
  if (Buffer.byteLength(JSON.stringify(value)) > kilobytes * 1024) refuse(path, `is larger than ${kilobytes} KB`);
}

/** @throws Fault `invalid_reference` (422) naming the field whose target is not there. */
export function missingReference(field: string, id: string): never {
  throw new Fault('invalid_reference', `"${field}" refers to ${JSON.stringify(id)}, which does not exist.`, {
    details: [{ path: `/${field}`, message: 'does not exist' }],
  });
}

/** Whether a write failed because the field's value is another row's. */
export const isTaken = (error: unknown, field: string): boolean =>
  error instanceof Fault && error.code === 'conflict' && (error.details as { fields: string[] }).fields.includes(field);
