/** The wire contract as a judge: whether an answer is what an operation of test/contract/faable.openapi.json says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import type { OpenApi } from '../../src/http/docs/openapi-types.ts';
import type { Answer } from './http.ts';

export const contract = JSON.parse(
  readFileSync(new URL('../contract/faable.openapi.json', import.meta.url), 'utf8'),
) as OpenApi;

/** A string whose default is null may be null (contracts/faable.md, "Readings"). */
function nullDefaults(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return;
  const node = schema as Record<string, unknown>;
  if (node.type === 'string' && node.default === null) node.nullable = true;
  for (const child of Object.values(node)) nullDefaults(child);
}
nullDefaults(contract);
const ajv = new Ajv({ strict: false, allErrors: true });
(addFormats as unknown as (ajv: Ajv) => void)(ajv);
ajv.addSchema(contract as never, 'contract');

const escaped = (key: string) => encodeURIComponent(key.replace(/~/g, '~0').replace(/\//g, '~1'));
const validators = new Map<string, ValidateFunction>();

function validatorOf(operationId: string, status: number): ValidateFunction {
  const key = `${operationId} ${status}`;
  const known = validators.get(key);
  if (known) return known;
  for (const [path, item] of Object.entries(contract.paths))
    for (const [method, operation] of Object.entries(item)) {
      if (operation.operationId !== operationId) continue;
      assert.ok(operation.responses[status], `the contract has no ${status} of ${operationId}`);
      const pointer = ['paths', path, method, 'responses', String(status), 'content', 'application/json', 'schema'];
      const validate = ajv.compile({ $ref: `contract#/${pointer.map(escaped).join('/')}` });
      validators.set(key, validate);
      return validate;
    }
  throw new Error(`the contract has no operation ${operationId}`);
}

/** Asserts status and body of a success, and answers the body. */
export function agreed<T>(operationId: string, answer: Answer<T>, status = 200): T {
  assert.equal(answer.status, status, answer.text.slice(0, 500));
  const validate = validatorOf(operationId, status);
  assert.ok(validate(answer.body), `${operationId}: ${ajv.errorsText(validate.errors)}\n${answer.text.slice(0, 500)}`);
  return answer.body;
}
