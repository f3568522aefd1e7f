/**
 * JSON Schema validators, all set up alike, for whatever comes from outside. One is compiled when something is first held
 * against it, and once for all schemas that read alike: a start compiles none of the hundreds that routes have.
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { Static, TSchema } from 'typebox';
import { emailAddress } from '../kernel/text/email.ts';

/** Tells whether a value fits; its `errors` say why not, until it is asked again. */
export type Validator<T = unknown> = ((value: unknown) => value is T) & { errors?: ErrorObject[] | null };

function setUp(options: Options) {
  const ajv = new Ajv({ allErrors: false, removeAdditional: false, strict: false, ...options });
  // Its default export is typed as the module around it.
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  ajv.addFormat('email', (text) => emailAddress.canonical(text) !== undefined);
  const compiled = new Map<string, ValidateFunction>();

  const compile = (schema: object): ValidateFunction => {
    const text = JSON.stringify(schema);
    const known = compiled.get(text) ?? ajv.compile(schema);
    compiled.set(text, known);
    return known;
  };
  return <T>(schema: object): Validator<T> => {
    let validate: ValidateFunction | undefined;
    const validator: Validator<T> = (value): value is T => {
      validate ??= compile(schema);
      const fits = validate(value);
      validator.errors = validate.errors;
      return fits;
    };
    return validator;
  };
}

// Values are looked at as they came. Without defaults: a field of a patch that was not sent is not to change.
const exact = setUp({ coerceTypes: false });
// What comes in an address is all text.
const coercing = setUp({ coerceTypes: 'array', useDefaults: true });

export const validatorOf = <S extends TSchema>(schema: S): Validator<Static<S>> => exact(schema);

/** For a part of a request, as Fastify asks for one. */
export const requestValidator = ({ schema, httpPart }: { schema: unknown; httpPart?: string }): Validator =>
  (httpPart === 'body' ? exact : coercing)(schema as object);
