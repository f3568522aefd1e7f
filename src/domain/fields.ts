/** Schemas of fields that several resources share, with the checks that JSON Schema can state. */
import Type, { type TSchema } from 'typebox';
import { Fault } from '../kernel/fault.ts';
import { WEB_URL } from '../kernel/text.ts';
import { Nullable } from '../resource/define.ts';

/** In any of its spellings; what is stored is the one (kernel/text/email.ts). */
export const Email = (description?: string) =>
  Type.String({ maxLength: 254, format: 'email', ...(description && { description }) });

/** As people type it, before what cannot be seen is dropped. */
export const TypedEmail = Type.String({ minLength: 1, maxLength: 254, description: 'Email address' });

/** An absolute http(s) URL. */
export const WebUrl = (description?: string) =>
  Type.String({
    maxLength: 2048,
    pattern: WEB_URL,
    ...(description && { description }),
  });

export const Name = (description?: string, maxLength = 200) =>
  Type.String({
    minLength: 1,
    maxLength,
    pattern: '\\S',
    ...(description && { description }),
  });

export const Text = (description?: string, maxLength = 2000) =>
  Type.String({ maxLength, ...(description && { description }) });

export const nullable = <T extends TSchema>(schema: T) => Type.Optional(Nullable(schema));

export const Reference = (kind: string, description?: string) =>
  Type.String({ maxLength: 100, description: description ?? `Id of a ${kind}` });

/** Whether a write failed because the field's value is another row's. */
export const isTaken = (error: unknown, field: string): boolean =>
  error instanceof Fault && error.code === 'conflict' && (error.details as { fields: string[] }).fields.includes(field);

/** One text in several languages, by language tag (BCP 47); `inLanguage` of look/words.ts finds a reader's. */
export const PerLanguage = (maxLength: number, description: string) =>
  Type.Unsafe<Record<string, string>>({
    type: 'object',
    propertyNames: { pattern: '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$' },
    additionalProperties: { type: 'string', minLength: 1, maxLength, pattern: '\\S' },
    maxProperties: 50,
    description,
  });
