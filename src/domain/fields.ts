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

/** What is accepted as free-form metadata: keys the database can hold, 8 levels, 16 KB of JSON. */
export function checkMetadata(path: string, value: Record<string, unknown> | undefined): void {
  if (value === undefined) return;
  const refuse = (at: string, message: string): never => {
    throw new Fault('validation', `${at} ${message}.`, { details: [{ path: at, message }] });
  };
  const walk = (node: unknown, at: string, depth: number): void => {
    if (typeof node !== 'object' || node === null) return;
    if (depth > 8) refuse(at, 'is nested more than 8 levels deep');
    for (const [key, child] of Object.entries(node)) {
      if (key.startsWith('$') || key.includes('.') || key.includes('\0') || key === '__proto__')
        refuse(`${at}/${key}`, 'has a key that may not start with "$" or contain "."');
      walk(child, `${at}/${key}`, depth + 1);
    }
  };
  walk(value, path, 0);
  if (Buffer.byteLength(JSON.stringify(value)) > 16_384) refuse(path, 'is larger than 16 KB');
}

/** @throws Fault `invalid_reference` (422) naming the field whose target is not there. */
export function missingReference(field: string, id: string): never {
  throw new Fault('invalid_reference', `"${field}" refers to ${JSON.stringify(id)}, which does not exist.`, {
    details: [{ path: `/${field}`, message: 'does not exist' }],
  });
}
