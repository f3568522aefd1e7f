/**
 * GET /docs: the API reference as a page that works without a script, in development and in production. It holds no
 * secret: the account id is public through discovery. Made once for each host and kept compressed.
 */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gunzip, gzip } from 'node:zlib';
import { Eta } from 'eta';
import type { FastifyInstance } from 'fastify';
import { LRUCache } from 'lru-cache';
import { managementAudience, platformPermissions } from '../../domain/api/permission.ts';
import type { Tenant } from '../../kernel/context.ts';
import { withoutControls } from '../../kernel/text/shown.ts';
import { REFUSALS } from './openapi-document.ts';
import type { OpenApi } from './openapi-types.ts';
import type { Site } from './reference-examples.ts';
import { readable } from './reference-model.ts';

/** What the pages' room lends; app.ts hands it over, as http does not import flows. */
export type ReferenceOptions = {
  assetUrl(file: string): string;
  preferredEncoding(header: string | undefined): 'br' | 'gzip' | 'identity';
  /** The accent of a tenant's colour as a style sheet. */
  themeCss(primaryColor?: unknown): string;
  surfaces: Readonly<Record<'light' | 'dark', { page: string; card: string }>>;
};

type Rendered = { etag: string; policy: string; brotli: Buffer; gzip: Buffer };

const KEPT = 50;
const compress = { brotli: promisify(brotliCompress), gzip: promisify(gzip), gunzip: promisify(gunzip) };

const views = new Eta({
  views: fileURLToPath(new URL('../../../views', import.meta.url)),
  cache: true,
});

export function reference(app: FastifyInstance, options: ReferenceOptions): void {
  const rendered = new LRUCache<string, Promise<Rendered>>({ max: KEPT });

  app.get('/docs', { config: { access: 'public' }, schema: { hide: true } }, async (request, reply) => {
    const { tenant } = request;
    const key = JSON.stringify([tenant.origin, tenant.id, tenant.account.name, tenant.account.branding.primary_color]);
    let making = rendered.get(key);
    if (!making) {
      making = render(app.swagger() as unknown as OpenApi, tenant, options);
      rendered.set(key, making);
      making.catch(() => rendered.delete(key));
    }
    const page = await making;
    reply.headers({
      'content-type': 'text/html; charset=utf-8',
      'content-language': 'en',
      'content-security-policy': page.policy,
      'cache-control': 'no-cache',
      etag: page.etag,
      vary: 'accept-encoding',
      'x-frame-options': 'DENY',
      'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    });
    if (request.headers['if-none-match'] === page.etag) return reply.code(304).send();
    const encoding = options.preferredEncoding(request.headers['accept-encoding']);
    if (encoding === 'identity') return reply.send(await compress.gunzip(page.gzip));
    return reply.header('content-encoding', encoding).send(encoding === 'br' ? page.brotli : page.gzip);
  });
}

async function render(document: OpenApi, tenant: Tenant, options: ReferenceOptions): Promise<Rendered> {
  const site: Site = { origin: tenant.origin, account: tenant.id, audience: managementAudience(tenant.id) };
  const theme = options.themeCss(tenant.account.branding.primary_color);
  const html = views.render('reference/page', {
    ...options,
    site,
    theme,
    tenantName: withoutControls(tenant.account.name),
    version: document.info.version,
    groups: readable(document, site),
    refusals: [...REFUSALS],
    permissions: platformPermissions(),
    rich,
    pathOf,
  });
  const plain = Buffer.from(html);
  const [brotli, zipped] = await Promise.all([
    compress.brotli(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }),
    compress.gzip(plain),
  ]);
  return {
    etag: `W/"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
    policy: policyFor(theme),
    brotli,
    gzip: zipped,
  };
}

/** As strict as the hosted pages' (flows/shell/policy.ts); the page may also call the API that it documents. */
function policyFor(theme: string): string {
  return [
    "default-src 'none'",
    `style-src 'self' 'sha256-${createHash('sha256').update(theme).digest('base64')}'`,
    "script-src 'self'",
    "connect-src 'self'",
    "img-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);

/** A sentence of the document as HTML: escaped, and what stands between backticks as code. */
const rich = (text: string) => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');

/** A path as HTML that may break before each part, its parameters marked. */
const pathOf = (path: string) =>
  path
    .split('/')
    .map((part) => escaped(part).replace(/^\{.*\}$/, '<var>$&</var>'))
    .join('<wbr>/');
