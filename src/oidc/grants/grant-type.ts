/** What a grant of ours is made of, and what several of them share: where a request came from, how a refusal is said. */
import { errors } from 'oidc-provider';
import type { LoginPolicy } from '../../auth/conclude-login.ts';
import type { Capability } from '../../connections/strategy.ts';
import type { GrantTypeRecord } from '../../domain/client/grant-type.ts';
import { type Connection, connectionsFor } from '../../domain/connection/connection.ts';
import { type Origin, type Tenant, whenGone } from '../../kernel/context.ts';
import { Fault } from '../../kernel/fault.ts';
import type { ClientExtras } from '../client/client-metadata.ts';
import type { GrantContext } from '../engine/internals.ts';

export type GrantOptions = LoginPolicy & { production: boolean };

export type GrantType = GrantTypeRecord & {
  /**
   * Answers in `ctx.body`. Client authentication and the client's right to the grant have been checked. Without it, it is
   * one that the engine brings along.
   */
  handle?(ctx: GrantContext, tenant: Tenant, options: GrantOptions): Promise<void>;
};

export const fromOf = (ctx: GrantContext): Origin => ({
  ip: ctx.ip,
  userAgent: ctx.get('user-agent') || null,
  whenGone: whenGone(ctx.req.socket),
});

/** RFC 6749 §5.2: exactly `error` and `error_description`, with a status that the RFC leaves open. */
export function refusal(status: number, error: string, description: string): Error {
  const made = new errors.CustomOIDCProviderError(error, description);
  return Object.assign(made, { status, statusCode: status, expose: true });
}

/** @throws InvalidRequest naming the first parameter that is missing. */
export function need<N extends string>(ctx: GrantContext, ...names: N[]): Record<N, string> {
  const { params } = ctx.oidc;
  const missing = names.find((name) => !params[name]);
  if (missing) throw new errors.InvalidRequest(`missing required parameter ${missing}`);
  return params as Record<N, string>;
}

/** A password or a code typed into an app is for the tenant's own apps: there is no page that could ask for consent. */
export function onlyFirstParty(ctx: GrantContext): void {
  if (!(ctx.oidc.client as unknown as ClientExtras).first_party)
    throw new errors.UnauthorizedClient('only first-party clients may use this grant type');
}

/** RFC 6749 §5.2: what `invalid_grant` says is a 400. The password grant, whose contract is older, gives statuses of its own. */
const OF_GRANTS: Partial<Record<Fault['code'], number>> = { user_suspended: 400 };

/** Runs a step whose Faults have an OAuth form; `status` replaces theirs where the RFC wants another. */
export async function asGrant<T>(
  ctx: Pick<GrantContext, 'set'>,
  step: () => Promise<T>,
  status: Partial<Record<Fault['code'], number>> = OF_GRANTS,
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof Fault) || error.row.status === 500 || !error.row.oauth) throw error;
    if (error.retryAfterSeconds) ctx.set('retry-after', String(error.retryAfterSeconds));
    throw refusal(status[error.code] ?? error.row.status, error.row.oauth, error.message);
  }
}

/**
 * The connection that the request names (`connection`, or `realm` as Auth0 has it; id or name), else the client's first.
 * @param alias a name that stands for the first one.
 */
export async function connectionOf(
  ctx: GrantContext,
  tenant: Tenant,
  capability: Capability,
  alias?: string,
): Promise<Connection> {
  const { connection, realm } = ctx.oidc.params;
  const named = connection ?? realm;
  const wanted = named === alias ? undefined : named;
  const usable = await connectionsFor(tenant, ctx.oidc.client.clientId, capability);
  const found = wanted
    ? usable.find(({ id, connection_name }) => id === wanted || connection_name === wanted)
    : usable[0];
  if (!found) throw new errors.InvalidRequest('the client has no such connection');
  return found;
}
