/** Every management operation that the server documents, ready to be called: what the table tests walk. */
import assert from 'node:assert/strict';
import { assertRefused, call } from './http.ts';
import type { TenantHandle } from './tenant.ts';
import type { World } from './world.ts';

// biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document is walked, not typed
type Json = any;

export type Operation = {
  id: string;
  method: string;
  path: string;
  permission: string;
  parameters: string[];
  /** A body that the schema accepts, as far as a generator can know; undefined where there is none. */
  body: unknown;
  /** Names of what the body may have. */
  fields: string[];
};

const resolved = (schema: Json, document: Json): Json =>
  schema?.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)] : schema;

function sample(schema: Json, document: Json, name = ''): unknown {
  if (schema.$ref) return sample(resolved(schema, document), document, name);
  if (schema.anyOf ?? schema.oneOf) return sample((schema.anyOf ?? schema.oneOf)[0], document, name);
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'object':
      return Object.fromEntries(
        (schema.required ?? []).map((field: string) => [field, sample(schema.properties[field], document, field)]),
      );
    case 'array':
      return schema.minItems ? [sample(schema.items, document, name)] : [];
    case 'integer':
    case 'number':
      return schema.minimum ?? 1;
    case 'boolean':
      return true;
    default:
      if (/email|recipients/.test(name)) return 'sample@example.com';
      if (/url|uri|identifier/.test(name) || schema.format === 'uri') return 'https://sample.example.com';
      if (name === 'domain') return 'login.sample.example.com';
      if (name === 'code') return 'exports.onExecutePostLogin = async () => {};';
      if (name === 'password') return 'Sample-password-1';
      return 'sample';
  }
}

export async function operations(w: World): Promise<Operation[]> {
  const document = (await w.send(`${w.originOf()}/docs/json`)).body as Json;
  const found: Operation[] = [];
  for (const [path, methods] of Object.entries<Json>(document.paths)) {
    for (const [method, operation] of Object.entries<Json>(methods)) {
      const permission = operation['x-permission'];
      if (!permission) continue;
      const { schema } = operation.requestBody?.content['application/json'] ?? {};
      found.push({
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        permission,
        parameters: [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!),
        body: schema && sample(schema, document),
        fields: Object.keys(resolved(schema, document)?.properties ?? {}),
      });
    }
  }
  return found;
}

/** The path with its parameters filled in; ids of nothing unless `ids` knows better. */
export const fill = (path: string, ids: Record<string, string> = {}): string =>
  path.replace(/\{(\w+)\}/g, (_whole, name: string) => ids[name] ?? missingId(name));

const KINDS: Record<string, string> = { credentials_id: 'credentials', host: 'host', ticket_id: 'ticket' };
export const missingId = (parameter: string): string =>
  `${KINDS[parameter] ?? parameter.replace(/_id$/, '')}_${'0'.repeat(24)}`;

/** Each call is refused to a token that has another permission alone, naming the one it wants, and opened by that one. */
export async function assertPermissions(
  t: TenantHandle,
  other: string,
  calls: readonly (readonly [permission: string, method: string, path: string, body?: unknown])[],
): Promise<void> {
  const without = await t.token(other);
  for (const [permission, method, path, body] of calls) {
    assertRefused(await call(t.origin, without, method, path, body), 403, 'insufficient_scope', new RegExp(permission));
    const answer = await call(t.origin, await t.token(permission), method, path, body);
    assert.equal(answer.status, 200, answer.text);
  }
}
