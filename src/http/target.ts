/**
 * What a request is for, in the one form that everything behind reads: a path and a query (RFC 9112 §3.2). A client may
 * write a whole address there, and whoever built addresses from that would believe the client about where it is.
 */
import type { IncomingMessage } from 'node:http';
import { Fault } from '../kernel/fault.ts';

const refused = new WeakMap<IncomingMessage, string>();

/** @throws Fault for what is answered nowhere: `not_found` for a path that there cannot be, `invalid_request` for what is none. */
export function checkTarget(raw: IncomingMessage): void {
  const target = refused.get(raw);
  if (target?.startsWith('/')) throw new Fault('not_found', 'There is nothing at this address.');
  if (target !== undefined) throw new Fault('invalid_request', 'The request target is not a path of this host.');
}

/** Path and query of the request's target; `/` for one that is to be refused, since what refuses it has an address too. */
export function originForm(raw: IncomingMessage & { originalUrl?: string }): string {
  const path = pathOf(raw.url ?? '', raw.headers.host);
  if (path === undefined) refused.set(raw, raw.url ?? '');
  // The framework keeps what was there before, and the engine would take that for the place where it is mounted.
  raw.originalUrl = undefined;
  return path ?? '/';
}

function pathOf(target: string, host: string | undefined): string | undefined {
  const [, authority, rest = target] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(target) ?? [];
  // §3.2.2: the target names the host. Proxies route by one of the two, so they have to agree.
  if (authority !== undefined && (authority === '' || authority.toLowerCase() !== host?.toLowerCase()))
    return undefined;
  const path = authority !== undefined && !rest.startsWith('/') ? `/${rest}` : rest;
  // Two slashes begin a host, where a path is read as an address.
  return /^\/(?![/\\])/.test(path) ? path : undefined;
}
