/**
 * What a tenant publishes about itself: discovery (OpenID Connect Discovery §4, RFC 8414 §3) and its public keys (RFC 7517
 * §5), as bytes that are kept with the engine they describe. A change of the account has another engine, so none get old.
 */
import { createHash } from 'node:crypto';
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import { PATHS } from './configure.ts';
import { discoveryOf, publicKeysOf } from './internals.ts';

export const DISCOVERY_PATHS = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
const JSON_TYPE = 'application/json; charset=utf-8';
const KEYS_TYPE = 'application/jwk-set+json; charset=utf-8';

export type Published = { body: Buffer; etag: string; type: string };

/** A cache asks before it answers, each time: a key that was revoked is not kept alive by one. */
export const PUBLISHED_CACHING = 'no-cache';

const PUBLISHED: Readonly<Record<string, (provider: Provider) => Published>> = {
  ...Object.fromEntries(DISCOVERY_PATHS.map((path) => [path, (from: Provider) => bytes(discoveryOf(from), JSON_TYPE)])),
  [PATHS.jwks]: (from) => bytes(publicKeysOf(from), KEYS_TYPE),
};

function bytes(document: object, type: string): Published {
  const body = Buffer.from(JSON.stringify(document));
  return { body, etag: etagOf(body), type };
}

const etagOf = (body: Buffer | string): string =>
  `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;

const kept = new WeakMap<Provider, Map<string, Published>>();

export function publishedAt(provider: Provider, path: string): Published {
  const documents = kept.get(provider) ?? new Map<string, Published>();
  kept.set(provider, documents);
  const document = documents.get(path) ?? PUBLISHED[path]!(provider);
  documents.set(path, document);
  return document;
}

/** Whether the caller has it already (RFC 9110 §13.1.2); a proxy that compresses makes an ETag weak. */
export const isKnown = (ifNoneMatch: string | undefined, etag: string): boolean =>
  !!ifNoneMatch &&
  (ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag));

/** The same headers where the engine answers. */
export function validatePublished(ctx: KoaContextWithOIDC): void {
  if (!Object.hasOwn(PUBLISHED, ctx.path) || ctx.status !== 200) return;
  const etag = etagOf(JSON.stringify(ctx.body));
  ctx.set({ 'cache-control': PUBLISHED_CACHING, etag });
  if (isKnown(ctx.get('if-none-match'), etag)) ctx.status = 304;
}
