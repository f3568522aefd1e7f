/** A tenant's engine configuration, top to bottom like a contract: lifetimes, surfaces, policies, pages. */
import { type Configuration, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { LONGEST_TOKEN_SECONDS } from '../../domain/api/api.ts';
import { managementAudience } from '../../domain/api/permission.ts';
import { AUTH_METHODS } from '../../domain/client/client.ts';
import { CLIENT_ALGS } from '../../domain/client/client-keys.ts';
import { ACR_VALUES } from '../../domain/client/client-offer.ts';
import { accountKeys } from '../../domain/key/account-keys.ts';
import { SIGNING_ALGS, type SigningKey } from '../../domain/key/signing-key.ts';
import { DEVICE_CODE_SECONDS } from '../../domain/protocol/device-code.ts';
import { DAY, HOUR, MINUTE } from '../../kernel/clock.ts';
import type { Tenant } from '../../kernel/context.ts';
import { DPOP_ALGS } from '../../kernel/dpop.ts';
import { mac } from '../../kernel/secret/seal.ts';
import { refuseSilentGuest } from '../browser/guests.ts';
import { checkAssertion } from '../client/client-assertion.ts';
import { CLIENT_EXTRAS, type ClientExtras, ENDLESS_SECONDS } from '../client/client-metadata.ts';
import { originAllowed } from '../client/client-rules.ts';
import { fapiProfile } from '../client/fapi.ts';
import type { GrantOptions } from '../grants/grant-type.ts';
import { richAuthorizationRequests } from '../request/authorization-details.ts';
import { checkRequest, checkRequestObject } from '../request/authorization-request.ts';
import { checkConnection } from '../request/connection-hint.ts';
import { existingGrant } from '../request/consent.ts';
import { deviceFlow } from '../request/device.ts';
import { checkClaimsParameter, requireRequestedSubject } from '../request/requested-claims.ts';
import { defaultResource, resourceServer } from '../request/resource-server.ts';
import { reviewScope } from '../request/scope.ts';
import { adapterFor } from '../storage/adapter.ts';
import { mayBeRecent } from '../storage/freshness.ts';
import { SESSION_COOKIE, secondsLeft, sessionCookie } from '../storage/session.ts';
import { findAccount } from '../token/account.ts';
import { CLAIMS } from '../token/claims.ts';
import { mayIntrospect } from '../token/introspection.ts';
import { mayRefresh } from '../token/refresh.ts';
import { engineKey } from '../token/signing.ts';
import { readSigned } from '../wire/signed-parameters.ts';
import type { RenderResponse } from './response-pages.ts';

export type ProviderOptions = GrantOptions & {
  /** The built-in relying party of development. */
  playground: boolean;
  operatorClientId: string;
  operatorClientSecret: string;
  /** @returns a promise only where something is written. */
  onMachineLogin(tenant: Tenant, login: { client: string; ip: string; audience?: string }): Promise<void> | undefined;
  /** GETs what a client published: addresses that strangers wrote. */
  fetch(address: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Writes the answer to a request that cannot be sent back to a relying party. */
  renderError(
    ctx: KoaContextWithOIDC,
    out: { error: string; error_description?: string },
    error: Error,
  ): void | Promise<void>;
  /** Writes an authorization response that is a page. */
  renderResponse: RenderResponse;
};

export const PATHS = {
  authorization: '/authorize',
  token: '/oauth/token',
  userinfo: '/userinfo',
  jwks: '/.well-known/jwks.json',
  end_session: '/logout',
  revocation: '/oauth/revoke',
  introspection: '/oauth/introspect',
  registration: '/oidc/register',
  device_authorization: '/oauth/device/code',
  code_verification: '/activate',
  pushed_authorization_request: '/oauth/par',
};

const DEFAULT_ACCESS_TOKEN_SECONDS = DAY;

const extras = (client: unknown): ClientExtras => (client ?? {}) as ClientExtras;

export async function configure(tenant: Tenant, options: ProviderOptions): Promise<Configuration> {
  const { published, signers } = await accountKeys(tenant);
  const signing = Object.values(signers);
  const secure = tenant.origin.startsWith('https:');
  const flowCookie = { httpOnly: true, sameSite: 'lax', secure } as const;
  const policy = interactionPolicy.base();
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);
  requireRequestedSubject(policy);
  const { oauth } = tenant.account;
  const details = richAuthorizationRequests(tenant);

  return {
    adapter: adapterFor(tenant, options),
    // The engine signs with the first key that fits, so those that sign come first; every other one is published.
    jwks: { keys: [...new Set<SigningKey>([...signing, ...published])].map(engineKey) } as never,
    routes: PATHS,
    cookies: {
      names: { session: SESSION_COOKIE, interaction: 'cardea_flow', resume: 'cardea_resume' },
      long: sessionCookie(tenant),
      short: flowCookie,
      keys: [],
    },
    discovery: {
      management_audience: managementAudience(tenant.id),
      claim_types_supported: ['normal'],
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
      ui_locales_supported: tenant.account.enabled_locales,
      // RFC 8414 §2: without them a client takes it that only client_secret_basic will do.
      ...Object.fromEntries(
        ['introspection', 'revocation'].flatMap((endpoint) => [
          [`${endpoint}_endpoint_auth_methods_supported`, AUTH_METHODS],
          [`${endpoint}_endpoint_auth_signing_alg_values_supported`, CLIENT_ALGS],
        ]),
      ),
      // Served by registration.ts.
      ...(tenant.account.oauth.dynamic_registration !== 'off' && {
        registration_endpoint: `${tenant.origin}${PATHS.registration}`,
      }),
      ...(tenant.account.oauth.client_id_metadata_documents !== 'off' && {
        client_id_metadata_document_supported: true,
      }),
      // Each client but our own is told so by its metadata.
      ...(oauth.require_pushed_authorization_requests && { require_pushed_authorization_requests: true }),
    },

    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? DEFAULT_ACCESS_TOKEN_SECONDS,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? DEFAULT_ACCESS_TOKEN_SECONDS,
      AuthorizationCode: MINUTE,
      DeviceCode: DEVICE_CODE_SECONDS,
      IdToken: HOUR,
      Interaction: HOUR,
      Session: (_ctx, session) => secondsLeft(tenant, session),
      RefreshToken: (_ctx, _token, client) => extras(client).refresh_lifetime ?? 30 * DAY,
      // A grant outlives every token under it, and the session may get tokens to its last second.
      Grant: (_ctx, grant) =>
        Math.min(
          ENDLESS_SECONDS,
          Math.max(extras((grant as { client?: unknown }).client).refresh_lifetime ?? 0, LONGEST_TOKEN_SECONDS) +
            tenant.account.sessions.absolute_lifetime,
        ),
    },

    responseTypes: ['code'],
    pkce: { required: (_ctx, client) => client.clientAuthMethod === 'none' || fapiProfile(client) !== undefined },
    scopes: ['openid', 'offline_access'],
    claims: CLAIMS,
    acrValues: ACR_VALUES,
    subjectTypes: ['public'],
    clientAuthMethods: [...AUTH_METHODS],
    assertJwtClientAuthClaimsAndHeader: (ctx, claims, header) => checkAssertion(tenant, ctx, claims, header),
    clientDefaults: {
      id_token_signed_response_alg: 'RS256',
      ...(details.enabled && { authorization_details_types: Object.keys(details.types) }),
    },
    enabledJWA: {
      idTokenSigningAlgValues: [...SIGNING_ALGS],
      userinfoSigningAlgValues: [...SIGNING_ALGS],
      authorizationSigningAlgValues: [...SIGNING_ALGS],
      clientAuthSigningAlgValues: [...CLIENT_ALGS],
      requestObjectSigningAlgValues: [...CLIENT_ALGS],
      dPoPSigningAlgValues: [...DPOP_ALGS],
    },
    fetch: options.fetch,
    extraClientMetadata: { properties: [...CLIENT_EXTRAS] },
    // The engine's last word on a request before a page is shown.
    extraParams: {
      audience: async (ctx) => {
        checkRequest(tenant, ctx);
        refuseSilentGuest(ctx);
        await reviewScope(tenant, ctx);
      },
      // Which page comes first: `signup`, as with Auth0.
      screen_hint: () => {},
      connection_id: (_ctx, id, client) => checkConnection(tenant, client, { id }),
      connection: (_ctx, name, client) => checkConnection(tenant, client, { name }),
    },
    conformIdTokenClaims: false,
    allowOmittingSingleRegisteredRedirectUri: false,
    clockTolerance: 15,

    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' } as never,
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, identifier) => resourceServer(tenant, ctx, identifier, options.operatorClientId),
        // The audience given at /authorize holds for the token request too (RFC 8707 §2.2), as with Auth0.
        useGrantedResource: async () => true,
        defaultResource: async (_ctx, client, oneOf) =>
          (oneOf ?? (await defaultResource(tenant, client.clientId))) as never,
      },
      // Served by logout.ts; enabled here for client metadata and discovery.
      rpInitiatedLogout: { enabled: true },
      // For the same; the tokens go through the outbox.
      backchannelLogout: { enabled: true },
      userinfo: { enabled: true },
      fapi: { enabled: true, profile: (_ctx, client) => fapiProfile(client) },
      jwtUserinfo: { enabled: true },
      claimsParameter: { enabled: true, assertClaimsParameter: checkClaimsParameter },
      requestObjects: {
        enabled: oauth.request_objects,
        assertJwtClaimsAndHeader: async (ctx, claims, header) => {
          checkRequestObject(ctx, claims, header);
          await readSigned(tenant, ctx, claims);
        },
      },
      jwtResponseModes: { enabled: oauth.jwt_response_modes },
      richAuthorizationRequests: details as never,
      // A nonce (RFC 9449 §8) is offered with each answer and asked of those whose clock is wrong: the ids of proofs are
      // remembered, so that none works twice without one either. Every instance makes the same ones.
      dPoP: { enabled: true, nonceSecret: Buffer.from(mac('dpop nonce', tenant.id), 'base64url') },
      deviceFlow,
      webMessageResponseMode: { enabled: true, ack: 'individual-draft-01' },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
      introspection: { enabled: true, allowedPolicy: async (_ctx, client, token) => mayIntrospect(client, token) },
    },

    interactions: { policy, url: (_ctx, interaction) => `/flow/${interaction.uid}` },
    findAccount: (ctx, id) => findAccount(tenant, ctx, id, mayBeRecent(ctx)),
    loadExistingGrant: (ctx) => existingGrant(tenant, ctx),
    issueRefreshToken: (_ctx, client, source) => mayRefresh(tenant, client, source),
    // FAPI 2.0 Security Profile §5.3.2.1: a token that only one client can use gains nothing by it.
    rotateRefreshToken: ({ oidc }) => !extras(oidc.client).sender_constrained,
    clientBasedCORS: (_ctx, origin, client) => originAllowed(client, origin),
    renderError: (ctx, out, error) => options.renderError(ctx, out as never, error),
  };
}
