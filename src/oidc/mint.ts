/**
 * Makes what a login is worth: a user's access, ID and refresh token for a client, or a browser session. It knows no request
 * of the engine, only what it is told, so the engine's grants and whatever else logs users in hand out the same by the same
 * rules: the user may log in, the client is the tenant's, the Api and the user's roles allow the scopes, and where somebody
 * has to be asked they were. That the user is who they say has been proven before.
 */
import type { Client, Provider, Session } from 'oidc-provider';
import { RESERVED_CLAIMS } from '../auth/token-exchange.ts';
import { resourceOf } from '../domain/api/audience.ts';
import { bindGrant, findProtocolByUid, revokeGrant } from '../domain/protocol/protocol-row.ts';
import { type User, users } from '../domain/user/user.ts';
import { DAY, MINUTE } from '../kernel/clock.ts';
import type { Tenant } from '../kernel/context.ts';
import { Fault } from '../kernel/fault.ts';
import { type ClientExtras, PAGES } from './client/client-metadata.ts';
import type { ProviderFor } from './engine/providers.ts';
import { confirmConsent, requireConsent, widen } from './request/consent.ts';
import { acrOf } from './request/requested-claims.ts';
import { userServer } from './request/resource-server.ts';
import { writeNow } from './storage/batch.ts';
import { secondsLeft } from './storage/session.ts';
import { issueAccessToken } from './token/access-token.ts';
import { isStandardScope } from './token/claims.ts';
import { mintIdToken } from './token/id-token.ts';
import { withIdentityScopes } from './token/login-claims.ts';
import { mintRefreshToken } from './token/refresh.ts';

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
  /** Added to this access token, not to those that a refresh token gets. What a token says of itself is left out. */
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
   * @param asked without `client` the tokens are our own pages', and nobody can renew them.
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

type For = { provider: Provider; client: Client };

/**
 * What has to be stored is stored when this is done, or at the end of the engine's request that it is called in.
 * @throws Fault `user_suspended`, `login_over` for a user or a session that is gone, `invalid_target` for an audience that
 *   the account does not serve, `consent_required`.
 */
export async function mintTokens(tenant: Tenant, to: For, asked: Asked): Promise<Minted> {
  const { authTime, amr, jkt } = asked;
  const user = await requireUser(tenant, asked.user);
  const granted = await allowedOf(tenant, to.client, asked);
  const { server, resource, identity, permissions } = granted;
  const expiresIn = Math.min(server?.lifetimeSeconds ?? DAY, asked.lifetimeSeconds ?? Number.POSITIVE_INFINITY);
  const grantId = await storeGrant(tenant, to, asked, granted, expiresIn);

  const login = { authTime, amr, acr: acrOf(amr) };
  const scope = server ? withIdentityScopes(permissions.join(' '), identity.join(' ')) : identity.join(' ');
  const accessToken = await issueAccessToken(tenant, {
    accountId: user.id,
    clientId: to.client.clientId,
    client: to.client as ClientExtras,
    aud: server?.audience,
    alg: server?.alg,
    typ: server?.typ,
    expiration: expiresIn,
    scope,
    permissions: permissions.join(' '),
    login,
    grantId,
    jkt,
    extra: Object.fromEntries(Object.entries(asked.claims ?? {}).filter(([name]) => !RESERVED_CLAIMS.has(name))),
  });
  return {
    accessToken,
    tokenType: jkt ? 'DPoP' : 'Bearer',
    expiresIn,
    scope: scope || undefined,
    refreshToken: await mintRefreshToken(tenant, to, {
      ...login,
      accountId: user.id,
      grantId,
      gty: asked.gty,
      scopes: new Set([...identity, ...permissions]),
      resource,
      jkt,
    }),
    idToken: identity.includes('openid')
      ? await mintIdToken(tenant, to, { user, ...login, scopes: identity, audience: server?.audience })
      : undefined,
  };
}

/** What of all that is asked for there is to give. */
type Granted = {
  /** Scopes about the user themself. */
  identity: string[];
  /** Scopes of the Api. */
  permissions: string[];
  resource?: string;
  server?: Awaited<ReturnType<typeof userServer>>;
};

async function allowedOf(tenant: Tenant, client: Client, { user, scopes, audience }: Asked): Promise<Granted> {
  const canRefresh = client.grantTypeAllowed('refresh_token');
  const asked = [...new Set(scopes)].filter((scope) => canRefresh || scope !== 'offline_access');
  const resource = audience === undefined ? undefined : resourceOf(audience);
  const server = resource ? await userServer(tenant, resource, { user, asked, client }) : undefined;
  return {
    identity: asked.filter(isStandardScope),
    permissions: asked.filter((scope) => server?.scopes.includes(scope)),
    resource,
    server,
  };
}

/** The row that tokens hang on, and go with. */
async function storeGrant(
  tenant: Tenant,
  { provider, client }: For,
  { user, session }: Asked,
  { identity, permissions, resource }: Granted,
  expiresIn: number,
): Promise<string> {
  const allowed = { scopes: identity, claims: [], resources: resource ? { [resource]: permissions } : {} };
  const consent = await requireConsent(tenant, client, user, allowed);
  const offline = identity.includes('offline_access');
  const grant = new provider.Grant({
    accountId: user,
    client,
    // Nothing refreshes it: the row need not outlive the access token that names it.
    ...(!offline && { expiresIn: expiresIn + MINUTE }),
  } as never);
  widen(grant, allowed);
  const grantId = await grant.save();
  // What may have ended meanwhile must find it.
  await writeNow(tenant);
  if (session && !offline) await endWith(tenant, session, grantId);
  await confirmConsent(tenant, consent, grant);
  return grantId;
}

async function endWith(tenant: Tenant, session: string, grantId: string): Promise<void> {
  await bindGrant(tenant, grantId, session);
  // It may have ended a moment ago, before there was anything to take along.
  if (await findProtocolByUid(tenant, 'Session', session)) return;
  await revokeGrant(tenant, grantId);
  throw new Fault('login_over');
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
