/** Which redirect a client may use: exactly a registered one, except for the port of a loopback address. */
import type { Provider } from 'oidc-provider';
import type { ClientExtras } from './client-metadata.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]']);

/** RFC 8252 §7.3: the port of a loopback redirect is chosen at run time; everything else matches to the letter. */
export function redirectAllowed(registered: readonly string[], requested: string, native: boolean): boolean {
  if (registered.includes(requested)) return true;
  if (!URL.canParse(requested)) return false;
  const { protocol, hostname, port } = new URL(requested);
  if (protocol !== 'http:' || !(LOOPBACK.has(hostname) || (native && hostname === 'localhost'))) return false;
  const withoutPort = (uri: string, of: string) => uri.replace(of ? `${hostname}:${of}` : hostname, hostname);
  return registered.some((uri) => {
    if (!URL.canParse(uri)) return false;
    const candidate = new URL(uri);
    return (
      candidate.protocol === protocol &&
      candidate.hostname === hostname &&
      withoutPort(uri, candidate.port) === withoutPort(requested, port)
    );
  });
}

export function allowRedirects(provider: Provider): void {
  Object.defineProperty(provider.Client.prototype, 'redirectUriAllowed', {
    value(this: { redirectUris?: string[] } & ClientExtras, requested: string) {
      return redirectAllowed(this.redirectUris ?? [], requested, this.native ?? false);
    },
  });
}
