/**
 * Makes what a login is worth: a user's access, ID and refresh token for a client, or a browser session. It knows no request
 * of the engine, only what it is told, so the engine's grants and whatever else logs users in hand out the same by the same
 * rules: the user may log in, the client is the tenant's, the Api and the user's roles allow the scopes, and where somebody
 * has to be asked they were. That the user is who they say has been proven before.
 */
import type { Client, Provider, Session } from 'oidc-provider';
import { resourceOf } from '../domain/api/audience.ts';
import { bindGrant, findProtocolByUid, revokeGrant } from '../domain/protocol/protocol-row.ts';
import { type User, users } from '../domain/user/user.ts';
import { DAY, MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { PAGES } from './client/client-metadata.ts';
import type { ProviderFor } from './engine/providers.ts';
import { confirmConsent, requireConsent, widen } from './request/consent.ts';
import { acrOf } from './request/requested-claims.ts';
import { userServer } from './request/resource-server.ts';
import { writeNow } from './storage/batch.ts';
import { secondsLeft } from './storage/session.ts';
import { issueAccessToken } from './token/access-token.ts';
import { idTokenClaims } from './token/api-claims.ts';
import { isStandardScope, userClaims } from './token/claims.ts';
import { withIdentityScopes } from './token/login-claims.ts';
import { mayRefresh } from './token/refresh.ts';

export type Proven = {
  user: string;
  /** How (RFC 8176). */
  amr: string[];
  /** Unix time of the login in seconds. */
  authTime: number;
  /** Uid of the browser session that the proof was given in: tokens without offline access end with it. */
  session?: string;
};

export type Asked = Proven & {
  /** What the Api does not have, or the user's roles do not grant, is left out (RFC 6749 §3.3). */
  scopes: readonly string[];
  /** Identifier of the Api that the access token is for; without it, it is for userinfo. */
  audience?: string;
  /** What the tokens were given for, as a refresh token remembers it. */
  gty: string;
  /** Thumbprint of the key that the tokens are bound to (RFC 9449 §6.1). */
  jkt?: string;
  /** Added to this access token, not to those that a refresh token gets; ours win over them. */
  claims?: Record<string, unknown>;
  /** Of the access token, where the Api's own lifetime is not shorter. */
  lifetimeSeconds?: number;
};

export type Minted = {
  accessToken: string;
  tokenType: 'Bearer' | 'DPoP';
  /** Seconds. */
  expiresIn: number;
  /** What was granted. */
  scope?: string;
  /** With `openid`. */
  idToken?: string;
  /** With `offline_access`, where client and Api allow it. */
  refreshToken?: string;
};

export type MintedSession = {
  /** Value of the session's cookie. */
  id: string;
  uid: string;
  /** Seconds that it may be idle. */
  expiresIn: number;
};

/** For whoever has a tenant and no engine. */
export const minter = (providerFor: ProviderFor) => ({
  /**
   * @param asked without `client` the tokens are our own pages', which no app can use or renew.
   * @throws Fault as `mintTokens`; `invalid_request` for a client that the tenant does not have.
   */
  async tokens(tenant: Tenant, { client: id = PAGES, ...asked }: Asked & { client?: string }): Promise<Minted> {
    const provider = await providerFor(tenant);
    const client = await provider.Client.find(id);
    if (!client) throw new Fault('invalid_request', 'client_id is unknown');
    return mintTokens(tenant, { provider, client }, asked);
  },

  /** @throws Fault as `mintSession`. */
  session: async (tenant: Tenant, proven: Omit<Proven, 'session'>): Promise<MintedSession> =>
    mintSession(tenant, await providerFor(tenant), proven),
});

/**
 * What has to be stored is stored when this is done, or at the end of the engine's request that it is called in.
 * @throws Fault `user_suspended`, `login_over` for a user or a session that is gone, `invalid_target` for an audience that
 *   the account does not serve, `consent_required`.
 */
export async function mintTokens(
  tenant: Tenant,
  { provider, client }: { provider: Provider; client: Client },
  asked: Asked,
): Promise<Minted> {
  const { amr, authTime, jkt, gty } = asked;
  const user = await requireUser(tenant, asked.user);
  const canRefresh = client.grantTypeAllowed('refresh_token');
  const wanted = [...new Set(asked.scopes)].filter((scope) => canRefresh || scope !== 'offline_access');
  const resource = asked.audience === undefined ? undefined : resourceOf(asked.audience);
  const server = resource ? await userServer(tenant, resource, { user: user.id, asked: wanted }) : undefined;
  const identity = wanted.filter(isStandardScope);
  const permissions = wanted.filter((scope) => server?.scopes.includes(scope));
  const allowed = { scopes: identity, claims: [], resources: resource ? { [resource]: permissions } : {} };
  const consent = await requireConsent(tenant, client, user.id, allowed);

  const expiresIn = Math.min(server?.lifetimeSeconds ?? DAY, asked.lifetimeSeconds ?? Number.POSITIVE_INFINITY);
  const offline = identity.includes('offline_access');
  const grant = new provider.Grant({
    accountId: user.id,
    client,
    // Nothing refreshes it: the row need not outlive the access token that names it.
    ...(!offline && { expiresIn: expiresIn + MINUTE }),
  } as never);
  widen(grant, allowed);
  const grantId = await grant.save();
  // What may have ended meanwhile must find it.
  await writeNow(tenant);
  if (asked.session && !offline) await endWith(tenant, asked.session, grantId);
  await confirmConsent(tenant, consent, grant);

  const login = { authTime, amr, acr: acrOf(amr) };
  const scopes = new Set([...identity, ...permissions]);
  const scope = server ? withIdentityScopes(permissions.join(' '), identity.join(' ')) : identity.join(' ');
  return {
    accessToken: await issueAccessToken(tenant, {
      accountId: user.id,
      clientId: client.clientId,
      aud: server?.audience,
      alg: server?.alg,
      expiration: expiresIn,
      scope,
      permissions: permissions.join(' '),
      login,
      grantId,
      jkt,
      extra: asked.claims,
    }),
    tokenType: jkt ? 'DPoP' : 'Bearer',
    expiresIn,
    scope: scope || undefined,
    refreshToken: (await mayRefresh(tenant, client, { scopes, resource }))
      ? await new provider.RefreshToken({
          accountId: user.id,
          client,
          grantId,
          gty,
          ...login,
          scope: [...scopes].join(' '),
          resource,
          rotations: 0,
          // A client without a secret proves by the same key that it is the same (RFC 9449 §5).
          ...(jkt && client.clientAuthMethod === 'none' && { jkt }),
        } as never).save()
      : undefined,
    idToken: scopes.has('openid')
      ? await mintIdToken(tenant, { provider, client }, user, login, {
          scope: identity.join(' '),
          audience: server?.audience,
        })
      : undefined,
  };
}

async function mintIdToken(
  tenant: Tenant,
  { provider, client }: { provider: Provider; client: Client },
  user: User,
  { acr, amr, authTime }: { acr?: string; amr: string[]; authTime: number },
  { scope, audience }: { scope: string; audience?: string },
): Promise<string> {
  const token = new provider.IdToken({ ...userClaims(user), acr, amr, auth_time: authTime }, { client });
  Object.assign(token, { scope });
  const claims = audience ? await idTokenClaims(tenant, { audience, user: user.id }) : {};
  for (const [claim, value] of Object.entries(claims)) token.set(claim, value);
  return token.issue({ use: 'idtoken' });
}

/**
 * @param current a session of the same user, which goes on under an id that nobody has seen before.
 * @throws Fault `user_suspended`, `login_over` for a user who is gone.
 */
export async function mintSession(
  tenant: Tenant,
  provider: Provider,
  { user, amr, authTime }: Omit<Proven, 'session'>,
  current?: Session,
): Promise<MintedSession> {
  await requireUser(tenant, user);
  const session = current ?? new provider.Session();
  if (current) session.resetIdentifier();
  session.loginAccount({ accountId: user, amr, acr: acrOf(amr), loginTs: authTime });
  const expiresIn = secondsLeft(tenant, session);
  await session.save(expiresIn);
  return { id: session.jti, uid: session.uid, expiresIn };
}

async function requireUser(tenant: Tenant, id: string): Promise<User> {
  const user = await users.reread(tenant, id);
  if (!user || user.suspended) throw await endOfLogin(tenant, id);
  return user;
}

/** Why a user may not have tokens any more. */
export async function endOfLogin(tenant: Tenant, user: string): Promise<Fault> {
  return new Fault((await users.find(tenant, user))?.suspended ? 'user_suspended' : 'login_over');
}

async function endWith(tenant: Tenant, session: string, grantId: string): Promise<void> {
  await bindGrant(tenant, grantId, session);
  // It may have ended a moment ago, before there was anything to take along.
  if (await findProtocolByUid(tenant, 'Session', session)) return;
  await revokeGrant(tenant, grantId);
  throw new Fault('login_over');
}
