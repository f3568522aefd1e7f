/** A request of Fastify's handed to the engine, which answers it on the socket; and the way back from an engine's context. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Provider } from 'oidc-provider';
import type { ProviderFor } from '../engine/providers.ts';

const requests = new WeakMap<object, FastifyRequest>();
/** The request that an engine context came from: what its error pages need to know. */
export const requestOf = (raw: object): FastifyRequest => requests.get(raw)!;

type Callback = ReturnType<Provider['callback']>;
const callbacks = new WeakMap<Provider, Callback>();
/** The engine composes its middleware anew at each `callback()`; once is enough. */
function callbackOf(provider: Provider): Callback {
  const known = callbacks.get(provider);
  if (known) return known;
  const made = provider.callback();
  callbacks.set(provider, made);
  return made;
}

export type HandOver = (request: FastifyRequest, reply: FastifyReply, asEngineTakesIt?: unknown) => Promise<void>;

export const handingOver =
  (providerFor: ProviderFor): HandOver =>
  async (request, reply, asEngineTakesIt = request.raw) => {
    const provider = await providerFor(request.tenant);
    const raw = asEngineTakesIt as typeof request.raw;
    requests.set(raw, request);
    // The engine knows no HEAD; node keeps the body to itself, whatever is written (RFC 9110 §9.3.2).
    if (raw.method === 'HEAD') raw.method = 'GET';
    const [scheme, host] = request.tenant.origin.split('://') as [string, string];
    // The engine builds its URLs from these, and only from what we resolved.
    Object.assign(raw.headers, { host, 'x-forwarded-proto': scheme, 'x-forwarded-host': host });
    delete raw.headers['x-forwarded-port'];
    raw.headers['x-forwarded-for'] = request.ip;
    // RFC 9110 §11.4 has any number of spaces behind a scheme, the engine one.
    raw.headers.authorization &&= raw.headers.authorization.replace(/^(\S+) {2,}/, '$1 ');
    for (const [name, value] of Object.entries(reply.getHeaders()))
      if (value !== undefined) reply.raw.setHeader(name, value);
    reply.hijack();
    await callbackOf(provider)(raw, reply.raw);
  };
