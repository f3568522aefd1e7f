/** The short way to discovery and to the public keys, which every relying party asks for: bytes that are there already. */
import type { FastifyRequest } from 'fastify';
import type { ProviderFor } from '../engine/providers.ts';
import { isKnown, PUBLISHED_CACHING, publishedAt } from '../engine/published.ts';
import type { ShortAnswer } from './index.ts';

export async function published(
  { raw, headers, routeOptions, tenant }: FastifyRequest,
  _form: URLSearchParams,
  providerFor: ProviderFor,
): Promise<ShortAnswer | undefined> {
  if (raw.url !== routeOptions.url) return undefined;
  const { body, etag, type } = publishedAt(await providerFor(tenant), routeOptions.url!);
  const validated = {
    vary: 'Origin',
    'access-control-allow-origin': headers.origin || '*',
    'cache-control': PUBLISHED_CACHING,
    etag,
  };
  if (isKnown(headers['if-none-match'], etag)) return { status: 304, headers: validated };
  return { status: 200, headers: { ...validated, 'content-type': type }, body };
}
