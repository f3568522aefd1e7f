/** Where our clients differ from the engine's: which redirect one may use, and that every id token names its session. */
import type { Provider } from 'oidc-provider';
import type { ClientExtras } from './client-metadata.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]']);
const PORT = /^(http:\/\/(?:\[::1\]|[^/:?#]+)):\d+/;

/** RFC 8252 §7.3: the port of a loopback redirect is chosen at run time; everything else matches to the letter. */
export function redirectAllowed(registered: readonly string[], requested: string, native: boolean): boolean {
  if (registered.includes(requested)) return true;
  const url = URL.parse(requested);
  if (url?.protocol !== 'http:' || !(LOOPBACK.has(url.hostname) || (native && url.hostname === 'localhost')))
    return false;
  const anyPort = (uri: string) => uri.replace(PORT, '$1');
  return registered.some((uri) => anyPort(uri) === anyPort(requested));
}

export function applyClientRules(provider: Provider): void {
  Object.defineProperties(provider.Client.prototype, {
    redirectUriAllowed: {
      value(this: { redirectUris?: string[] } & ClientExtras, requested: string) {
        return redirectAllowed(this.redirectUris ?? [], requested, this.native ?? false);
      },
    },
    // OpenID Connect Session Management and both logout specifications build on `sid`.
    includeSid: { value: () => true },
  });
}
