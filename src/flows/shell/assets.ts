/**
 * Style sheets, scripts and marks of the pages: read and compressed once at start, named by their content, cached by
 * browsers for a year. A name with another hash is a 404, never a stale or a newer file.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';

type Asset = { type: string; plain: Buffer; brotli: Buffer; gzip: Buffer };

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};

const { byHashedName, hashedNames } = load(new URL('../../../views/assets/', import.meta.url));

/** The address of a file of views/assets, e.g. `pages.css` → `/assets/pages.1f0c….css`. */
export function assetUrl(file: string): string {
  const hashed = hashedNames.get(file);
  if (!hashed) throw new Error(`No such file in views/assets: ${file}`);
  return `/assets/${hashed}`;
}

/** Fastify plugin: GET /assets/:file. Tenant-less and public; register it before anything that needs a tenant. */
export async function assets(app: FastifyInstance): Promise<void> {
  app.get<{ Params: { file: string } }>(
    '/assets/:file',
    { config: { access: 'public' }, schema: { hide: true } },
    (request, reply) => {
      const asset = byHashedName.get(request.params.file);
      reply.header('x-content-type-options', 'nosniff');
      if (!asset) {
        return reply
          .code(404)
          .header('cache-control', 'no-store')
          .type('text/plain; charset=utf-8')
          .send('Not found\n');
      }
      reply
        .header('cache-control', 'public, max-age=31536000, immutable')
        .header('vary', 'accept-encoding')
        .header('cross-origin-resource-policy', 'same-origin')
        // An SVG opened on its own must not become a page of ours that runs things.
        .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'; sandbox")
        .type(asset.type);
      const encoding = preferredEncoding(request.headers['accept-encoding']);
      if (encoding === 'identity') return reply.send(asset.plain);
      return reply.header('content-encoding', encoding).send(encoding === 'br' ? asset.brotli : asset.gzip);
    },
  );
}

function load(folder: URL) {
  const byHashedName = new Map<string, Asset>();
  const hashedNames = new Map<string, string>();
  for (const name of readdirSync(folder)) {
    const extension = extname(name);
    const type = TYPES[extension];
    if (!type) continue;
    const plain = readFileSync(new URL(name, folder));
    const hash = createHash('sha256').update(plain).digest('hex').slice(0, 16);
    const hashed = `${name.slice(0, -extension.length)}.${hash}${extension}`;
    byHashedName.set(hashed, { type, plain, brotli: brotliCompressSync(plain), gzip: gzipSync(plain) });
    hashedNames.set(name, hashed);
  }
  return { byHashedName, hashedNames };
}

/** RFC 9110 §12.5.3, as far as it matters for files of a few kilobytes: the best of ours that was not refused. */
export function preferredEncoding(header: string | undefined): 'br' | 'gzip' | 'identity' {
  const accepted = (header ?? '').toLowerCase().split(',');
  const takes = (encoding: string) =>
    accepted.some((entry) => {
      const [name, quality] = entry.trim().split(/\s*;\s*q=/);
      return name === encoding && Number(quality ?? 1) > 0;
    });
  if (takes('br')) return 'br';
  return takes('gzip') ? 'gzip' : 'identity';
}
