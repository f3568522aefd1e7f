/** `redirect_to` at /authorize: a request that wants somebody logged in for a page of ours, and no client answered. */
import type { Tenant } from '../../kernel/context.ts';
import { loginHref } from '../browser/browser.ts';
import type { ProviderFor } from '../engine/providers.ts';

/** What a login for one of our own pages takes over from the request. */
const ABOUT_THE_LOGIN = ['prompt', 'max_age', 'login_hint', 'screen_hint', 'ui_locales', 'connection_id', 'connection'];

/**
 * Where a request with `redirect_to` goes on: to a login of our own pages that comes back to that path of this origin. No
 * client gets a code, so nothing of it is looked at but that it exists. `undefined` for an address of another origin, which
 * is ignored, and for a client that does not exist, which is the engine's to refuse.
 */
export async function loginOnly(
  providerFor: ProviderFor,
  tenant: Tenant,
  params: URLSearchParams,
): Promise<string | undefined> {
  const asked = params.get('redirect_to');
  const url = asked ? URL.parse(asked, tenant.origin) : null;
  if (!url || url.origin !== tenant.origin) return undefined;
  const client = await (await providerFor(tenant)).Client.find(params.get('client_id') ?? '');
  if (!client) return undefined;
  const extra = Object.fromEntries(
    ABOUT_THE_LOGIN.flatMap((name) => {
      const value = params.get(name);
      // Without a client there is nobody to be told that `none` failed.
      return value && value !== 'none' ? [[name, value]] : [];
    }),
  );
  return loginHref(tenant, `${url.pathname}${url.search}${url.hash}`, extra);
}
