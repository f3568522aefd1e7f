/**
 * Prints what the product's contract has and the document of our routes lacks: operations, answers, parameters, fields,
 * values. `node scripts/contract.ts [contract.json] [--strict]`; only `--strict` fails.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { OpenApi, Operation, Parameter, Schema } from '../src/http/docs/openapi-types.ts';
import { currentDocument } from './openapi.ts';

const DEFAULT = fileURLToPath(new URL('../../shared/contracts/faable.openapi.json', import.meta.url));

type Gap = { operation: string; lacks: string };

function gaps(contract: OpenApi, ours: OpenApi): Gap[] {
  return Object.entries(contract.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, wanted]) => {
      const operation = `${method.toUpperCase()} ${path}`;
      const served = ours.paths[path]?.[method];
      const lacks = served ? compare(contract, wanted, ours, served) : ['the operation'];
      return lacks.map((sentence) => ({ operation, lacks: sentence }));
    }),
  );
}

function compare(contract: OpenApi, wanted: Operation, ours: OpenApi, served: Operation): string[] {
  const lacks: string[] = [];
  if (wanted.operationId && wanted.operationId !== served.operationId)
    lacks.push(`operationId ${wanted.operationId} (is ${served.operationId})`);

  const known = (served.parameters ?? []).map((parameter) => resolve<Parameter>(ours, parameter));
  for (const { name, in: place, schema } of wanted.parameters ?? []) {
    const own = known.find((parameter) => parameter.name === name && parameter.in === place);
    if (own)
      lacks.push(...missing(contract, schema, ours, own.schema).map((rest) => `${place} parameter ${name}${rest}`));
    else lacks.push(`${place} parameter ${name}`);
  }

  const body = wanted.requestBody && schemaOf(wanted.requestBody);
  if (body) {
    const own = served.requestBody && schemaOf(served.requestBody);
    lacks.push(...missing(contract, body, ours, own).map((rest) => `request body ${rest}`));
  }

  for (const [status, answer] of Object.entries(wanted.responses)) {
    const schema = schemaOf(answer);
    const own = served.responses[status] && resolve(ours, served.responses[status]);
    if (schema) lacks.push(...missing(contract, schema, ours, own && schemaOf(own)).map((rest) => `${status} ${rest}`));
    // The contract writes an empty 200 where nothing was declared: redirects and pages.
    else if (!own && !Object.keys(served.responses).some((code) => /^[23]/.test(code))) lacks.push(`answer ${status}`);
  }
  return lacks;
}

const schemaOf = (holder: { content?: Record<string, { schema?: Schema }> }): Schema | undefined =>
  holder.content?.['application/json']?.schema;

function resolve<T extends object>(document: OpenApi, node: T): T {
  const pointer = (node as { $ref?: string }).$ref;
  if (!pointer) return node;
  const target = pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
  return resolve(document, target as T);
}

const hasFields = ({ properties }: Schema): boolean => Object.keys(properties ?? {}).length > 0;

/** The alternatives that a schema is made of: itself, or what its combinators hold. */
function parts(document: OpenApi, schema: Schema | undefined): Schema[] {
  if (!schema) return [];
  const own = resolve(document, schema);
  const inner = [...(own.anyOf ?? []), ...(own.oneOf ?? []), ...(own.allOf ?? [])];
  return [own, ...inner.flatMap((part) => parts(document, part))];
}

/** Fields (`.name`, `[]` for items) and enum values (`=value`) that ours does not have. */
function missing(contract: OpenApi, schema: Schema, ours: OpenApi, own: Schema | undefined, depth = 0): string[] {
  if (depth > 8) return [];
  const theirs = parts(contract, schema);
  const mine = parts(ours, own);
  const open = mine.some((part) => !part.type && !part.anyOf && !part.allOf && !part.oneOf && !part.properties);
  if (depth > 0 && !open && theirs.some(hasFields) && !mine.some(hasFields)) return [' as an object'];
  const lacks: string[] = [];

  const values = (list: Schema[]) => list.flatMap((part) => part.enum ?? []).filter((value) => value !== null);
  const narrowed = values(mine);
  if (narrowed.length)
    for (const value of values(theirs)) if (!narrowed.includes(value)) lacks.push(`=${JSON.stringify(value)}`);

  const fields = new Map<string, Schema[]>();
  for (const part of mine)
    for (const [name, field] of Object.entries(part.properties ?? {}))
      fields.set(name, [...(fields.get(name) ?? []), field]);
  for (const part of theirs) {
    for (const [name, field] of Object.entries(part.properties ?? {})) {
      const found = fields.get(name);
      if (found)
        lacks.push(...missing(contract, field, ours, { anyOf: found }, depth + 1).map((rest) => `.${name}${rest}`));
      else if (!open) lacks.push(`.${name}`);
    }
    const items = mine.find((candidate) => candidate.items)?.items;
    if (part.items) {
      if (items) lacks.push(...missing(contract, part.items, ours, items, depth + 1).map((rest) => `[]${rest}`));
      else if (!open) lacks.push('[]');
    }
  }
  return [...new Set(lacks)];
}

async function main(): Promise<void> {
  const [path = DEFAULT] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
  if (!existsSync(path)) {
    console.log(`No contract at ${path}; nothing to compare.`);
    return;
  }
  const contract = JSON.parse(readFileSync(path, 'utf8')) as OpenApi;
  const { document } = await currentDocument();
  const found = gaps(contract, document);
  const absent = found.filter(({ lacks }) => lacks === 'the operation');
  const partial = Object.groupBy(
    found.filter((gap) => !absent.includes(gap)),
    ({ operation }) => operation,
  );
  if (absent.length) console.log(`Operations that are not served (${absent.length})`);
  for (const { operation } of absent) console.log(`  ${operation}`);
  for (const [operation, list] of Object.entries(partial)) {
    console.log(operation);
    for (const { lacks } of list!) console.log(`  lacks ${lacks}`);
  }
  const total = Object.values(contract.paths).flatMap((item) => Object.keys(item)).length;
  console.log(`${total - absent.length} of ${total} operations are served; ${found.length} gaps.`);
  if (process.argv.includes('--strict') && found.length) process.exitCode = 1;
}

if (import.meta.main) await main();
