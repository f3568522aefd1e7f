/** Tokens for a user who proved who they are to a grant: a row for what is granted, and what the engine makes of it. */
import { errors, type Grant } from 'oidc-provider';
import { bindGrant, findProtocolByUid, revokeGrant } from '../../domain/protocol/protocol-row.ts';
import { users } from '../../domain/user/user.ts';
import { DAY, MINUTE } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { scopeWords } from '../../kernel/text.ts';
import {
  applyRefreshTokenBindings,
  bindToProofs,
  buildTokenResponse,
  type GrantContext,
  type Proofs,
  resolveAndApplyResource,
  resolveRequestedResources,
  shouldIssueRefreshToken,
} from '../engine/internals.ts';
import { confirmConsent, requireConsent, widen } from '../request/consent.ts';
import { acrOf } from '../request/requested-claims.ts';
import { writeNow } from '../storage/batch.ts';
import { findAccount } from '../token/claims.ts';
import { refusal } from './grant-type.ts';

export type Proven = {
  user: string;
  /** How (RFC 8176). */
  amr: string[];
  /** Unix time of the login in seconds. */
  authTime: number;
  /** Uid of the browser session that the proof was given in: tokens without offline access end with it. */
  session?: string;
};

/** What tokens are made from; a refresh token remembers it. */
type Source = Proven & { grantId: string; gty: string; scope: string; scopes: Set<string>; resource?: string };

const words = (scope: string | undefined): string[] => [...new Set(scopeWords(scope))];

/**
 * Answers with tokens for what the parameters `scope` and `resource` ask. Scopes that the Api does not have, or that the
 * user's roles do not grant, are dropped as in every other grant (RFC 6749 §3.3: the answer says what was granted).
 * @throws invalid_grant when the user is gone (400) or suspended (403), invalid_target, consent_required.
 */
export async function issueUserTokens(
  ctx: GrantContext,
  tenant: Tenant,
  gty: string,
  proofs: Proofs,
  proven: Proven,
): Promise<void> {
  const { oidc } = ctx;
  await loadAccount(ctx, tenant, proven.user);
  if (!oidc.client.grantTypeAllowed('refresh_token'))
    oidc.params.scope = words(oidc.params.scope)
      .filter((scope) => scope !== 'offline_access')
      .join(' ');
  // After the account: what an Api with roles allows depends on who asks.
  await resolveRequestedResources(oidc.provider, ctx);
  const servers = Object.entries(oidc.resourceServers);
  if (servers.length > 1) throw new errors.InvalidTarget('only one audience may be asked for');
  const consent = await requireConsent(tenant, ctx);

  const [[resource, server] = []] = servers;
  const asked = words(oidc.params.scope);
  const oidcScopes = asked.filter((scope) => oidc.requestParamOIDCScopes.has(scope));
  const resourceScopes = server ? asked.filter((scope) => server.scopes.has(scope)) : [];
  const scopes = new Set([...oidcScopes, ...resourceScopes]);

  const grant = new oidc.provider.Grant({
    accountId: proven.user,
    clientId: oidc.client.clientId,
    // Nothing refreshes it: the row need not outlive the access token that names it.
    ...(!scopes.has('offline_access') && { expiresIn: (server?.accessTokenTTL ?? DAY) + MINUTE }),
  } as ConstructorParameters<typeof oidc.provider.Grant>[0]);
  widen(grant, { scopes: oidcScopes, claims: [], resources: resource ? { [resource]: resourceScopes } : {} });
  const grantId = await grant.save();
  // What may have ended meanwhile must find it.
  await writeNow(tenant);
  if (proven.session && !scopes.has('offline_access')) await endWith(tenant, proven.session, grantId);
  await confirmConsent(tenant, consent, grant);
  oidc.entity('Grant', grant);
  await issue(ctx, { ...proven, grantId, gty, scope: [...scopes].join(' '), scopes, resource }, grant, proofs);
}

async function endWith(tenant: Tenant, session: string, grantId: string): Promise<void> {
  await bindGrant(tenant, grantId, session);
  // It may have ended a moment ago, before there was anything to take along.
  if (await findProtocolByUid(tenant, 'Session', session)) return;
  await revokeGrant(tenant, grantId);
  throw refusal(400, 'invalid_grant', 'the login is not valid any more');
}

async function loadAccount(ctx: GrantContext, tenant: Tenant, user: string): Promise<void> {
  const account = await findAccount(tenant, user);
  if (!account) return refuseUser(tenant, user);
  ctx.oidc.entity('Account', account);
}

/** @throws invalid_grant for a user who may not have tokens any more. */
export async function refuseUser(tenant: Tenant, user: string): Promise<never> {
  throw (await users.find(tenant, user))?.suspended
    ? refusal(403, 'invalid_grant', 'user is suspended')
    : refusal(400, 'invalid_grant', 'the login is not valid any more');
}

async function issue(ctx: GrantContext, source: Source, grant: Grant, proofs: Proofs): Promise<void> {
  const { provider, client } = ctx.oidc;
  const { user: accountId, grantId, gty, amr, authTime, scope, resource } = source;

  // RFC 9068 §2.2.1.
  const extra = { auth_time: authTime, ...(amr.length && { amr }) };
  const access = new provider.AccessToken({ accountId, client, grantId, gty, extra });
  await bindToProofs(ctx, proofs, access);
  await resolveAndApplyResource(
    provider,
    ctx,
    { ...source, resourceIndicators: new Set([resource]) } as never,
    access,
    grant,
  );
  ctx.oidc.entity('AccessToken', access);
  const accessToken = await access.save();

  let refreshToken: string | undefined;
  if (await shouldIssueRefreshToken(provider, ctx, source)) {
    const refresh = new provider.RefreshToken({
      accountId,
      acr: acrOf(amr),
      client,
      grantId,
      gty,
      amr,
      authTime,
      scope,
      resource,
      rotations: 0,
    });
    await applyRefreshTokenBindings(provider, ctx, access, refresh);
    ctx.oidc.entity('RefreshToken', refresh);
    refreshToken = await refresh.save();
  }

  ctx.body = buildTokenResponse(provider, {
    accessToken,
    expiresIn: access.expiration,
    idToken: source.scopes.has('openid') ? await idToken(ctx, source, grant) : undefined,
    refreshToken,
    scope: access.scope || undefined,
    tokenType: access.tokenType,
  });
}

async function idToken(ctx: GrantContext, { amr, authTime, scopes }: Source, grant: Grant): Promise<string> {
  const account = ctx.oidc.account!;
  const scope = grant.getOIDCScopeFiltered(scopes);
  const claims = await account.claims('id_token', scope, {}, []);
  const token = new ctx.oidc.provider.IdToken(
    { ...claims, sub: account.accountId, acr: acrOf(amr), amr, auth_time: authTime },
    { ctx },
  ) as InstanceType<typeof ctx.oidc.provider.IdToken> & { scope?: string };
  token.scope = scope;
  return token.issue({ use: 'idtoken' });
}
