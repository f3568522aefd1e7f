/** One engine instance per account, origin and revision, in an LRU; making one costs a third of a millisecond. */
import { LRUCache } from 'lru-cache';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { recordClientRefusal } from '../../auth/client-refusal.ts';
import { markClientUsed } from '../../domain/client/client-registration.ts';
import { SIGNING_ALGS } from '../../domain/key/signing-key.ts';
import { append } from '../../domain/trail/log.ts';
import type { Tenant } from '../../kernel/context.ts';
import { detectReplays } from '../client/client-assertion.ts';
import { type ClientExtras, clientMetadata } from '../client/client-metadata.ts';
import { applyClientRules, rememberClients } from '../client/client-rules.ts';
import { registerGrants } from '../grants/index.ts';
import { keepDeviceCodes } from '../request/device.ts';
import { limitPushes } from '../request/pushed-request.ts';
import { openBatch } from '../storage/batch.ts';
import { issueJwtAccessTokens } from '../token/access-token.ts';
import { addApiClaimsToIdTokens } from '../token/api-claims.ts';
import { chainRefreshTokens } from '../token/refresh.ts';
import { configure, PATHS, type ProviderOptions } from './configure.ts';
import { offerSigningAlgs } from './internals.ts';
import { withResponsePages } from './response-pages.ts';

export type ProviderFor = (tenant: Tenant) => Promise<Provider>;

/** @param onServerError is told what the engine is about to answer as `server_error`, and may answer otherwise. */
export function providers(
  options: ProviderOptions,
  onServerError: (ctx: KoaContextWithOIDC, error: Error) => void,
): ProviderFor {
  const cache = new LRUCache<string, Promise<Provider>>({ max: 1000 });

  const Engine = withResponsePages(options.renderResponse);

  /** Nothing that was about to be said is true: no code, no session. */
  async function failedToWrite(ctx: KoaContextWithOIDC, error: Error): Promise<void> {
    for (const header of ['location', 'set-cookie']) ctx.remove(header);
    const out = { error: 'server_error', error_description: 'what was asked for could not be stored' };
    ctx.status = 500;
    ctx.body = out;
    onServerError(ctx, error);
    if (ctx.path.startsWith(PATHS.authorization)) await options.renderError(ctx, out, error);
  }

  async function make(tenant: Tenant): Promise<Provider> {
    const provider = new Engine(tenant.origin, await configure(tenant, options));
    offerSigningAlgs(provider, SIGNING_ALGS);
    // The bridge has resolved host and scheme already and hands them over in these headers.
    provider.proxy = true;
    provider.use(async (ctx, next) => {
      const flush = openBatch(ctx, tenant);
      await next();
      await flush().catch((error: Error) => failedToWrite(ctx as KoaContextWithOIDC, error));
      // An app in a browser may know how long it has to wait.
      if (ctx.response.get('retry-after')) ctx.append('access-control-expose-headers', 'Retry-After');
      // Revocation answers with nothing at all; several clients parse whatever has a content type.
      if (ctx.path !== PATHS.revocation || ctx.status !== 200) return;
      ctx.body = null;
      ctx.status = 200;
    });
    issueJwtAccessTokens(provider, tenant);
    addApiClaimsToIdTokens(provider, tenant);
    applyClientRules(provider);
    rememberClients(provider, (id) => clientMetadata(tenant, id, options));
    detectReplays(provider, tenant);
    chainRefreshTokens(provider, tenant);
    keepDeviceCodes(provider, tenant);
    limitPushes(provider, tenant);
    registerGrants(provider, tenant, options);
    provider.on('server_error', onServerError);
    const refused = (ctx: KoaContextWithOIDC, error: { error?: string }) => {
      if (error.error !== 'invalid_client') return;
      const client = ctx.oidc.client?.clientId ?? ctx.oidc.params?.client_id;
      recordClientRefusal(tenant, client, ctx.ip).catch((failure) => onServerError(ctx, failure));
    };
    provider.on('grant.error', refused);
    provider.on('revocation.error', refused);
    provider.on('introspection.error', refused);
    provider.on('pushed_authorization_request.error', refused);
    provider.on('device_authorization.error', refused);
    const used = (ctx: KoaContextWithOIDC) => {
      const { client } = ctx.oidc;
      if (client && (client as ClientExtras).unused)
        markClientUsed(tenant, client.clientId).catch((failure) => onServerError(ctx, failure));
    };
    provider.on('authorization.success', used);
    provider.on('grant.success', used);
    provider.on('grant.success', (ctx) => {
      const { params, client, entities } = ctx.oidc;
      if (params?.grant_type !== 'client_credentials' || !client) return;
      const { aud } = entities.ClientCredentials ?? {};
      const audience = typeof aud === 'string' ? aud : undefined;
      options
        .onMachineLogin(tenant, { client: client.clientId, ip: ctx.ip, audience })
        ?.catch((failure) => onServerError(ctx, failure));
    });
    provider.on('grant.revoked', (ctx) => {
      const { RefreshToken: reused } = ctx.oidc.entities;
      if (ctx.oidc.route !== 'token' || !reused) return;
      append(tenant, {
        type: 'oauth.token.reused',
        status: 'failed',
        user: reused.accountId,
        client: reused.clientId,
        data: { kind: 'RefreshToken' },
      }).catch((error) => onServerError(ctx, error));
    });
    return provider;
  }

  return (tenant) => {
    const key = `${tenant.id} ${tenant.origin} ${tenant.account.revision}`;
    const known = cache.get(key);
    if (known) return known;
    const made = make(tenant);
    cache.set(key, made);
    // A failure is not remembered.
    made.catch(() => cache.delete(key));
    return made;
  };
}
