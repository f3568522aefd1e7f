/** Host → Tenant, once per request; the only place in the server that makes one. */
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import { accountByHost, accountById } from '../domain/account/account.ts';
import { type AccountView, asTenant, type Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { wantsPage } from '../kernel/reader.ts';

/** The dot at the end of a name that is whole (RFC 3986 §3.2.2) is not part of it here. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(\.?)(?::\d{1,5})?$/;

/**
 * The host name that was asked for, in lower case. The port is checked for form only: the issuer's comes from the
 * configuration, so nothing that a client writes there ends up in a token or a link.
 * @throws Fault `invalid_request` for anything that is not a host (RFC 9110 §7.2).
 */
export const hostnameOf = (request: FastifyRequest): string => hostOf(request)[1]!;

/** Whether a person's browser is at a spelling of the host that is not the one of our pages and their cookies. */
export const isAside = (request: FastifyRequest): boolean =>
  hostOf(request)[2] === '.' && request.method === 'GET' && wantsPage(request);

function hostOf(request: FastifyRequest): RegExpExecArray {
  const header = request.headers.host?.toLowerCase() ?? '';
  const match = HOST.exec(header);
  if (!match || header.length > 260 || header.includes('..') || hostHeaders(request.raw.rawHeaders) > 1)
    throw new Fault('invalid_request', 'The Host header is malformed.');
  return match;
}

/** Node keeps the first of several; a proxy in front may have gone by the last. */
function hostHeaders(raw: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < raw.length; i += 2) if (raw[i]!.length === 4 && raw[i]!.toLowerCase() === 'host') count += 1;
  return count;
}

export function originOf(config: Config, hostname: string, localPort: number | undefined): string {
  const port = config.publicPort === undefined ? (localPort ?? config.port) : config.publicPort;
  const standard = config.publicScheme === 'https' ? 443 : 80;
  return `${config.publicScheme}://${hostname}${port === null || port === standard ? '' : `:${port}`}`;
}

/** @throws Fault `unknown_host` when no account is served there. */
export async function tenantOf(config: Config, request: FastifyRequest): Promise<Tenant> {
  const hostname = hostnameOf(request);
  const account = await accountByHost(hostname, config.baseDomain);
  if (!account) throw new Fault('unknown_host', `No account is served at ${hostname}.`);
  return asTenant(account, originOf(config, hostname, request.raw.socket.localPort));
}

/**
 * The account that a management call is about, at its own address: the `account_id` header's, else the host's. A missing
 * one is `null`, which the caller answers exactly like a foreign one.
 */
export async function targetOf(config: Config, request: FastifyRequest): Promise<Tenant | null> {
  const named = request.headers.account_id;
  if (named === undefined || named === '' || named === request.tenant.id) return request.tenant;
  const account: AccountView | null = typeof named === 'string' ? await accountById(named) : null;
  if (!account) return null;
  const hostname = account.root ? config.baseDomain : `${account.slug}.${config.baseDomain}`;
  return asTenant(account, originOf(config, hostname, request.raw.socket.localPort));
}
