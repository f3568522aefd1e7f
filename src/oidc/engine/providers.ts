/** One engine instance per account, origin and revision, in an LRU; making one costs a third of a millisecond. */
import { LRUCache } from 'lru-cache';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { SIGNING_ALGS } from '../../domain/key/signing-key.ts';
import type { Tenant } from '../../kernel/context.ts';
import { registerGrants } from '../grants/index.ts';
import { reviewAnswers } from './answers.ts';
import { configure, type ProviderOptions } from './configure.ts';
import { listen } from './events.ts';
import { offerSigningAlgs } from './internals.ts';
import { applyPatches } from './patches.ts';
import { withResponsePages } from './response-pages.ts';

export type ProviderFor = (tenant: Tenant) => Promise<Provider>;

/** @param onServerError is told what the engine is about to answer as `server_error`, and may answer otherwise. */
export function providers(
  options: ProviderOptions,
  onServerError: (ctx: KoaContextWithOIDC, error: Error) => void,
): ProviderFor {
  const cache = new LRUCache<string, Promise<Provider>>({ max: 1000 });
  const Engine = withResponsePages(options.renderResponse);

  async function make(tenant: Tenant): Promise<Provider> {
    const provider = new Engine(tenant.origin, await configure(tenant, options));
    // The bridge has resolved host and scheme already and hands them over in these headers.
    provider.proxy = true;
    provider.on('server_error', onServerError);
    offerSigningAlgs(provider, SIGNING_ALGS);
    applyPatches(provider, { tenant, options });
    registerGrants(provider, tenant, options);
    reviewAnswers(provider, tenant, options, onServerError);
    listen(provider, tenant, options, onServerError);
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
