/**
 * Methods of an address: what a POST updates a PATCH does too, and a method that an address does not have is told from an
 * address that there is not.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify';
import { Fault } from '../kernel/fault.ts';

/** As the contract names them: `role/update`. */
const isUpdate = ({ method, schema }: RouteOptions): boolean =>
  method === 'POST' && /\/update$/.test((schema as { operationId?: string } | undefined)?.operationId ?? '');

/** In a scope of resources: whoever sends PATCH where others do means the same. Documented as POST. */
export function patchUpdates(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    if (isUpdate(route)) scope.route({ ...route, method: 'PATCH', schema: { ...route.schema, hide: true } as never });
  });
}

/** What a request that found no route is told: of an address that there is, which methods it has (RFC 9110 §15.5.6). */
export function refusals(app: FastifyInstance): (request: FastifyRequest, reply: FastifyReply) => Fault {
  const served: { pattern: RegExp; methods: Set<string> }[] = [];
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method, config }) => {
    if (!known.has(url)) {
      known.set(url, new Set());
      served.push({ pattern: patternOf(url), methods: known.get(url)! });
    }
    for (const one of [method].flat()) if (one !== 'OPTIONS' && !config?.refuses) known.get(url)!.add(one);
  });
  return ({ url }, reply) => {
    const path = url.split('?', 1)[0]!;
    const allowed = served.flatMap(({ pattern, methods }) => (pattern.test(path) ? [...methods] : []));
    if (allowed.length === 0) return new Fault('not_found', 'There is nothing at this address.');
    reply.header('allow', [...new Set(allowed)].sort().join(', '));
    return new Fault('method_not_allowed');
  };
}

const patternOf = (url: string): RegExp =>
  new RegExp(
    `^${url
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
      .join('/')}$`,
  );
