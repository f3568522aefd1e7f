/** Tokens of other issuers (RFC 8693): which of the account's connections trusts one, and what it says in our words. */
import { decodeJwt } from 'jose';
import { strategyOf } from '../connections/registry.ts';
import { secretParameters } from '../domain/client/grant-type.ts';
import { type Connection, connectionsFor } from '../domain/connection/connection.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';

export type ExternalSubject = { connection: Connection; sub: string; claims: Record<string, unknown> };

/** What nobody adds to a token: it says who issued it, for whom, and what it may do. */
export const RESERVED_CLAIMS = new Set([
  'iss',
  'aud',
  'sub',
  'exp',
  'iat',
  'client_id',
  'client',
  'account',
  'nbf',
  'jti',
  'scope',
  'act',
  'may_act',
  'cnf',
  'sid',
  'grant_id',
  'gty',
]);
const MAX_CLAIMS_BYTES = 8192;
const OUR_IDS = /^[a-z]+_[0-9a-f]{24}$/;

/** The issuer that a token names, unverified. @throws Fault `bad_subject_token` for what is no JWT with one. */
export function issuerOf(token: string): string {
  try {
    const { iss } = decodeJwt(token);
    if (typeof iss === 'string' && iss) return iss;
  } catch {
    // Falls through to the one answer for everything that cannot be read.
  }
  throw new Fault('bad_subject_token');
}

/**
 * @throws Fault `bad_subject_token` (malformed), `untrusted_issuer`, `refused_subject_token` (signature, audience, time),
 *   `upstream_failed` when the issuer's keys cannot be had.
 */
export async function verifyExternalToken(
  tenant: Tenant,
  client: string,
  token: string,
  options: { production: boolean },
): Promise<ExternalSubject> {
  const issuer = issuerOf(token);
  const { aud } = decodeJwt(token);
  const trusted = (await connectionsFor(tenant, client, 'verifyToken')).filter(
    (one) => one.issuer === issuer && one.jwks_url && one.client_id,
  );
  if (trusted.length === 0) throw new Fault('untrusted_issuer');
  const connection = trusted.find((one) => [aud].flat().includes(one.client_id!));
  if (!connection) throw new Fault('refused_subject_token');
  const settings = { id: connection.id, issuer, jwksUrl: connection.jwks_url!, audience: connection.client_id! };
  const claims = await strategyOf(connection.connection_type).verifyToken!(settings, token, options);
  if (claims === 'refused') throw new Fault('refused_subject_token');
  const { sub } = claims;
  // One of our ids would make the bearer that user (or client) wherever the token is read.
  if (typeof sub !== 'string' || !sub || sub.length > 255 || OUR_IDS.test(sub)) throw new Fault('bad_subject_token');
  return { connection, sub, claims };
}

/**
 * The claims that a connection's `claims_mapping` makes: name → `token.<claim>`, `request.<field>` or a quoted literal.
 * What is reserved, or leads nowhere, is left out.
 * @throws Fault `bad_subject_token` when they are too large for a token.
 */
export function mapClaims(
  mapping: Record<string, string> | undefined,
  token: Record<string, unknown>,
  request: Record<string, unknown>,
): Record<string, unknown> {
  const mapped = Object.fromEntries(
    Object.entries(mapping ?? {})
      .filter(([name]) => !RESERVED_CLAIMS.has(name))
      .map(([name, source]) => [name, readSource(source.trim(), token, request)])
      .filter(([, value]) => value !== undefined),
  );
  if (Buffer.byteLength(JSON.stringify(mapped)) > MAX_CLAIMS_BYTES) throw new Fault('bad_subject_token');
  return mapped;
}

function readSource(source: string, token: Record<string, unknown>, request: Record<string, unknown>): unknown {
  const literal = /^(["'])(.*)\1$/s.exec(source);
  if (literal) return literal[2];
  const [, from, path] = /^(token|request)\.(.+)$/s.exec(source) ?? [];
  if (!from || !path) return undefined;
  if (from === 'token') return at(token, path);
  return secretParameters().has(path) ? undefined : at(request, path);
}

/** A member by its whole name, else by a path of names: claim names hold dots, and so do paths. */
function at(object: Record<string, unknown>, path: string): unknown {
  if (Object.hasOwn(object, path)) return object[path];
  return path
    .split('.')
    .reduce<unknown>(
      (node, name) =>
        typeof node === 'object' && node !== null && Object.hasOwn(node, name)
          ? (node as Record<string, unknown>)[name]
          : undefined,
      object,
    );
}
