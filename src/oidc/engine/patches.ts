/**
 * THE list of what is changed about the engine's models: which member, and why. Each line only puts a rule where the engine
 * asks for it; the rule itself is in the room that it belongs to. Upgrades break here first: patches.test.ts holds every
 * line against the engine that is installed.
 */
import type { AccessToken, Client, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { claimAssertion, refreshKeys } from '../client/client-assertion.ts';
import { type ClientExtras, type ClientSources, clientMetadata, isPreviousSecret } from '../client/client-metadata.ts';
import { grantAllowed, isOnDevice, redirectAllowed } from '../client/client-rules.ts';
import { keepDeviceCode } from '../request/device.ts';
import { limitPushes } from '../request/pushed-request.ts';
import { askedScopes } from '../request/resource-server.ts';
import { issueAccessToken, type TokenSource } from '../token/access-token.ts';
import { idTokenClaims } from '../token/api-claims.ts';
import { requireIdToken } from '../token/id-token.ts';
import { type Login, withIdentityScopes } from '../token/login-claims.ts';
import { refreshTokenId } from '../token/refresh.ts';
import {
  callerAddress,
  currentRequest,
  grantAtHand,
  grantTypeAskedFor,
  isSigned,
  refuseInTime,
  replacedToken,
} from './context.ts';

/** Called with the engine's object as `this`. */
type Member = (this: never, ...args: never[]) => unknown;

type Patched = { tenant: Tenant; options: ClientSources };

export type Patch = {
  /** From the Provider to what is replaced. */
  member: string;
  why: string;
  replace(original: Member, patched: Patched): Member;
};

type EngineToken = AccessToken & TokenSource & { scope?: string };
type IdToken = InstanceType<Provider['IdToken']> & { ctx?: KoaContextWithOIDC };
type Claims = { available: Record<string, unknown>; client: ClientExtras };
type DeviceCode = InstanceType<Provider['DeviceCode']> & Parameters<typeof keepDeviceCode>[2];

const signAccessTokens = (model: 'AccessToken' | 'ClientCredentials'): Patch => ({
  member: `${model}.prototype.getValueAndPayload`,
  why: 'access tokens are JWTs for every audience, and what has no payload is not stored',
  replace: (_original, { tenant }) =>
    async function (this: EngineToken) {
      const request = currentRequest();
      const { AuthorizationCode, RefreshToken } = request?.oidc.entities ?? {};
      const grant = grantAtHand();
      const permissions = this.scope;
      // What is answered beside the token is read from here too.
      if (this.accountId !== undefined && typeof this.aud === 'string')
        this.scope = withIdentityScopes(permissions, grant?.getOIDCScopeFiltered(new Set(askedScopes(request))));
      const terms = (this.resourceServer?.jwt?.sign ?? {}) as Pick<TokenSource, 'alg' | 'typ'>;
      const login = (AuthorizationCode ?? RefreshToken) as Login | undefined;
      const client = this.client as ClientExtras | undefined;
      return { value: await issueAccessToken(tenant, { ...pick(this), ...terms, permissions, login, grant, client }) };
    },
});

const pick = (token: EngineToken): TokenSource => {
  const { accountId, clientId, aud, expiration, scope, grantId, sid, jkt, rar, claims } = token;
  return { accountId, clientId, aud, expiration, scope, grantId, sid, jkt, rar, claims };
};

export const PATCHES: readonly Patch[] = [
  signAccessTokens('AccessToken'),
  signAccessTokens('ClientCredentials'),
  {
    member: 'IdToken.prototype.issue',
    why: 'an Api may want claims of its own in the id token beside its access token',
    replace: (issue, { tenant }) =>
      async function (this: IdToken, options: { use: string }) {
        const { AccessToken: token } = this.ctx?.oidc.entities ?? {};
        if (options.use === 'idtoken' && token?.accountId && typeof token.aud === 'string') {
          const claims = await idTokenClaims(tenant, { audience: token.aud, user: token.accountId });
          for (const [claim, value] of Object.entries(claims)) this.set(claim, value);
        }
        return issue.call(this as never, options as never);
      },
  },
  {
    member: 'Claims.prototype.result',
    why: 'a client may read the groups of its users under a name of its own choice, which no scope can list',
    replace: (result) =>
      async function (this: Claims) {
        const { name } = this.client.groups_claim ?? {};
        const claims = await result.call(this as never);
        // What is there was looked up for this client: token/account.ts.
        return name && Object.hasOwn(this.available, name)
          ? { ...(claims as object), [name]: this.available[name] }
          : claims;
      },
  },
  {
    member: 'IdToken.validate',
    why: 'as a hint the engine takes whatever is signed for the client, and an Api may have the name of one',
    replace: (validate) =>
      function (this: object, token: string, ...args: unknown[]) {
        requireIdToken(token);
        return validate.call(this as never, ...([token, ...args] as never[]));
      },
  },
  {
    member: 'RefreshToken.prototype.generateTokenId',
    why: 'the successor of a refresh token is computed from it',
    replace:
      (_original, { tenant }) =>
      () =>
        refreshTokenId(tenant, replacedToken()),
  },
  {
    member: 'DeviceCode.prototype.save',
    why: 'device codes are made and kept by domain/protocol/device-code.ts',
    replace: (_original, { tenant }) =>
      async function (this: DeviceCode) {
        const { deviceCode, userCode } = await keepDeviceCode(tenant, currentRequest()!, this);
        this.userCode = userCode;
        return deviceCode;
      },
  },
  {
    member: 'PushedAuthorizationRequest.prototype.save',
    why: 'anybody may push requests, so they are counted',
    replace: (save, { tenant }) =>
      async function (this: object, ...args: unknown[]) {
        await limitPushes(tenant, currentRequest()!);
        return save.apply(this as never, args as never);
      },
  },
  {
    member: 'ReplayDetection.unique',
    why: 'the engine looks before it writes, and two at once would both pass',
    replace:
      (_original, { tenant }) =>
      (issuer: string, jti: string, expiresAt: number) =>
        claimAssertion(tenant, { issuer, jti, expiresAt }),
  },
  {
    member: 'Client.find',
    why: "a client's metadata is serialised and hashed at every look-up; ours is the same object until it changes",
    replace(find, { tenant, options }) {
      const known = new WeakMap<object, Client>();
      return async function (this: object, id: unknown) {
        const metadata =
          typeof id === 'string' && id
            ? await clientMetadata(tenant, id, options, callerAddress).catch(refuseInTime)
            : undefined;
        if (!metadata) return undefined;
        const client = known.get(metadata) ?? ((await find.call(this as never, id as never)) as Client | undefined);
        if (!client) return undefined;
        known.set(metadata, client);
        if (client.jwksUri && isSigned()) await refreshKeys(client);
        return client;
      };
    },
  },
  {
    member: 'Client.Schema.prototype.redirectUris',
    // Agents and editors with a scheme of their own (RFC 8252 §7.1) do not say that they are native.
    why: 'redirects are checked when a client is written; here it happens at every look-up, by other rules',
    replace: () => () => {},
  },
  {
    member: 'Client.prototype.redirectUriAllowed',
    why: 'the port of a loopback redirect is chosen at run time',
    replace: () =>
      function (this: Client & ClientExtras, requested: string) {
        return redirectAllowed(this.redirectUris ?? [], requested, isOnDevice(this));
      },
  },
  {
    member: 'Client.prototype.grantTypeAllowed',
    why: 'a client without the right to a grant hears unauthorized_client, not invalid_request',
    replace: () =>
      function (this: { grantTypes: readonly string[] }, type: string) {
        return grantAllowed(this.grantTypes, type, grantTypeAskedFor());
      },
  },
  {
    member: 'Client.prototype.compareClientSecret',
    why: 'a secret that was rotated with an overlap is good beside the new one for a while',
    replace: (compare) =>
      function (this: ClientExtras, shown: string) {
        return compare.call(this as never, ...([shown] as never[])) || isPreviousSecret(this, shown);
      },
  },
  {
    member: 'Client.prototype.includeSid',
    why: 'OpenID Connect Session Management and both logout specifications build on `sid`',
    replace: () => () => true,
  },
];

/** What holds a member of the list, and its name there. */
export function placeOf(provider: Provider, member: string): { holder: Record<string, unknown>; name: string } {
  const path = member.split('.');
  const name = path.pop()!;
  const holder = path.reduce<unknown>((at, step) => (at as Record<string, unknown>)?.[step], provider);
  return { holder: holder as Record<string, unknown>, name };
}

export function applyPatches(provider: Provider, patched: Patched): void {
  for (const { member, replace } of PATCHES) {
    const { holder, name } = placeOf(provider, member);
    Object.defineProperty(holder, name, { value: replace(holder[name] as Member, patched) });
  }
}
