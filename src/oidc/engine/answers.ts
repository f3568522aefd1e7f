/** What every answer of the engine goes through on its way out: writes that have waited, and headers that apps read. */
import type { KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Tenant } from '../../kernel/context.ts';
import { hostCookies } from '../../kernel/cookies.ts';
import { Fault } from '../../kernel/fault.ts';
import { openBatch } from '../storage/batch.ts';
import { PATHS, type ProviderOptions } from './configure.ts';
import { shareAnswer } from './cors.ts';
import { validatePublished } from './published.ts';

type OnServerError = (ctx: KoaContextWithOIDC, error: Error) => void;

/** As http/server.ts does with the answers that are not the engine's. */
function nameCookies({ req, response }: KoaContextWithOIDC, { origin }: Tenant): void {
  const set = [response.get('set-cookie')].flat().filter(Boolean);
  if (set.length && origin.startsWith('https:')) response.set('set-cookie', hostCookies(req, set));
}

export function reviewAnswers(
  provider: Provider,
  tenant: Tenant,
  { renderError }: ProviderOptions,
  onServerError: OnServerError,
): void {
  /** Nothing that was about to be said is true: no code, no session. A Fault says why. */
  async function failedToWrite(ctx: KoaContextWithOIDC, error: Error): Promise<void> {
    for (const header of ['location', 'set-cookie']) ctx.remove(header);
    const refused = error instanceof Fault && error.row.status < 500;
    const out = refused
      ? { error: error.row.oauth ?? 'invalid_request', error_description: error.message }
      : { error: 'server_error', error_description: 'what was asked for could not be stored' };
    ctx.status = refused ? error.row.status : 500;
    ctx.body = out;
    if (!refused) onServerError(ctx, error);
    if (ctx.path.startsWith(PATHS.authorization)) await renderError(ctx, out, error);
  }

  provider.use(async (ctx, next) => {
    const flush = openBatch(ctx, tenant);
    await next();
    await flush().catch((error: Error) => failedToWrite(ctx as KoaContextWithOIDC, error));
    shareAnswer(ctx as KoaContextWithOIDC);
    validatePublished(ctx as KoaContextWithOIDC);
    nameCookies(ctx as KoaContextWithOIDC, tenant);
    // Revocation answers with nothing at all; several clients parse whatever has a content type.
    if (ctx.path !== PATHS.revocation || ctx.status !== 200) return;
    ctx.body = null;
    ctx.status = 200;
  });
}
