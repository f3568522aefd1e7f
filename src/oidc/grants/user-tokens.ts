/** The answer of a grant to a user who proved who they are: what the request asks for, minted. */
import { errors } from 'oidc-provider';
import { audienceOf } from '../../domain/api/audience.ts';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import { buildTokenResponse, type GrantContext, type Proofs, useProofs } from '../engine/internals.ts';
import { endOfLogin, mintTokens, type Proven } from '../mint.ts';
import { defaultResource } from '../request/resource-server.ts';
import { defaultScope } from '../request/scope.ts';
import { asGrant } from './grant-type.ts';

type Wanted = { scope?: string; resource?: string };

/**
 * Answers with tokens for what the parameters `scope` and `resource` ask, or for what a request before this one asked.
 * @throws invalid_grant when the user is gone or suspended, invalid_target, consent_required.
 */
export async function issueUserTokens(
  ctx: GrantContext,
  tenant: Tenant,
  gty: string,
  proofs: Proofs,
  proven: Proven,
  wanted?: Wanted,
): Promise<void> {
  const { provider, client } = ctx.oidc;
  const { scope, resource } = wanted ?? (await askedOf(ctx, tenant));
  const jkt = await useProofs(ctx, proofs);
  const audience = resource && audienceOf(resource);
  const minted = await asGrant(ctx, () =>
    mintTokens(tenant, { provider, client }, { ...proven, gty, jkt, scopes: scopeWords(scope), audience }),
  );
  ctx.body = buildTokenResponse(provider, minted);
}

/** An audience that is asked for without a scope is asked for with all that it has for the user, as at /authorize. */
async function askedOf(ctx: GrantContext, tenant: Tenant): Promise<Wanted> {
  const { scope } = ctx.oidc.params;
  const resource = await targetOf(ctx, tenant);
  return { scope: scope || !resource ? scope : (await defaultScope(tenant, [resource])).join(' '), resource };
}

/** The resource that a request names, else the account's default. @throws InvalidTarget (RFC 8707 §2) */
export async function targetOf(ctx: GrantContext, tenant: Tenant): Promise<string | undefined> {
  const [resource, ...others] = [ctx.oidc.params.resource ?? []].flat();
  if (others.length) throw new errors.InvalidTarget('only one audience may be asked for');
  if (!resource) return defaultResource(tenant, ctx.oidc.client.clientId);
  if (!URL.canParse(resource)) throw new errors.InvalidTarget('resource indicator must be an absolute URI');
  if (resource.includes('#'))
    throw new errors.InvalidTarget('resource indicator must not contain a fragment component');
  return resource;
}

/** @throws invalid_grant for a user who may not have tokens any more. */
export const refuseUser = (ctx: GrantContext, tenant: Tenant, user: string): Promise<never> =>
  asGrant(ctx, async () => {
    throw await endOfLogin(tenant, user);
  });
