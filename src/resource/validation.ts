/** JSON Schema validators, all set up alike, for whatever comes from outside. */
import { Ajv, type Options, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { Static, TSchema } from 'typebox';
import { emailAddress } from '../kernel/text/email.ts';

function setUp(options: Options): Ajv {
  const ajv = new Ajv({ allErrors: false, removeAdditional: false, strict: false, ...options });
  // Its default export is typed as the module around it.
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  ajv.addFormat('email', (text) => emailAddress.canonical(text) !== undefined);
  return ajv;
}

// Values are looked at as they came. Without defaults: a field of a patch that was not sent is not to change.
const exact = setUp({ coerceTypes: false });
// What comes in an address is all text.
const coercing = setUp({ coerceTypes: 'array', useDefaults: true });

/** Tells whether a value fits; its `errors` say why not, until it is asked again. */
export const validatorOf = <S extends TSchema>(schema: S): ValidateFunction<Static<S>> =>
  exact.compile<Static<S>>(schema);

/** For a part of a request, as Fastify asks for one. */
export const requestValidator = ({ schema, httpPart }: { schema: unknown; httpPart?: string }): ValidateFunction =>
  (httpPart === 'body' ? exact : coercing).compile(schema as object);
