/** The parameters inside a signed request (RFC 9101), read as those that come in the open are. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { authorizationRequest, normalise } from './parameters.ts';

type Params = Record<string, unknown>;

/** As the engine puts claims into parameters: each value a string, a list of them several. */
function spoken(name: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (name === 'claims' && typeof value === 'object') return [JSON.stringify(value)];
  return [value].flat().map(String);
}

/**
 * Sees to it that the engine goes on with what the claims come down to. It has not verified them yet, and takes them for
 * parameters once it has: what it writes then is the value that was meant.
 */
export async function readSigned(tenant: Tenant, ctx: KoaContextWithOIDC, claims: object): Promise<void> {
  const params = ctx.oidc.params as Params;
  const names = Object.keys(params);
  const said = new URLSearchParams(
    names.flatMap((name) => spoken(name, (claims as Params)[name]).map((value) => [name, value])),
  );
  const meant = new URLSearchParams(said);
  normalise(meant);
  await authorizationRequest(meant, tenant);
  for (const name of names) {
    const values = meant.getAll(name);
    if (values.join('\n') !== said.getAll(name).join('\n'))
      writtenAs(params, name, values.length > 1 ? values : values[0]);
  }
}

/** The next value that is written under the name is this one; until then, and after that, it is a member like any other. */
function writtenAs(params: Params, name: string, value: unknown): void {
  const plain = { configurable: true, enumerable: true };
  const before = params[name];
  Object.defineProperty(params, name, {
    ...plain,
    get: () => before,
    set: () => Object.defineProperty(params, name, { ...plain, writable: true, value }),
  });
}
