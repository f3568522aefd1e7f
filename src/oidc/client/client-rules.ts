/** Where our clients differ from the engine's: which redirect one may use, and that every id token names its session. */
import { errors, Provider } from 'oidc-provider';
import { refreshKeys } from './client-assertion.ts';
import type { ClientExtras } from './client-metadata.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
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

/** Whether the client may get tokens by this grant, whoever asks. */
export const mayUseGrant = (grantTypes: readonly string[] = [], type: string): boolean => grantTypes.includes(type);

/** CORS: the client's own origins, those of its redirects, and any while it names none. */
export function originAllowed(client: { redirectUris?: readonly string[] }, origin: string): boolean {
  if (origin === 'null') return false;
  const { web_origins: origins = [] } = client as ClientExtras;
  const redirects = (client.redirectUris ?? []).flatMap((uri) => URL.parse(uri)?.origin ?? []);
  return origins.length === 0 || origins.includes(origin) || redirects.includes(origin);
}

/**
 * The engine serialises and hashes a client's metadata at every look-up to see whether it changed; ours is the same object
 * until it does.
 */
export function rememberClients(provider: Provider, metadataOf: (id: string) => Promise<object | undefined>): void {
  const { Client } = provider;
  const find = Client.find.bind(Client);
  const known = new WeakMap<object, Awaited<ReturnType<typeof find>>>();
  Object.defineProperty(Client, 'find', {
    async value(id: unknown) {
      const metadata = typeof id === 'string' && id ? await metadataOf(id) : undefined;
      if (!metadata) return undefined;
      const client = known.get(metadata) ?? (await find(id as string));
      if (client) {
        known.set(metadata, client);
        if (client.jwksUri) await refreshKeys(client);
      }
      return client;
    },
  });
}

export function applyClientRules(provider: Provider): void {
  // Redirects are checked when a client is written (domain/client/client.ts). The engine checks again at every look-up, and knows
  // private-use schemes (RFC 8252 §7.1) for `native` clients only, which agents and editors do not say they are.
  const { Schema } = provider.Client as unknown as { Schema: { prototype: object } };
  Object.defineProperty(Schema.prototype, 'redirectUris', { value: () => {} });
  Object.defineProperties(provider.Client.prototype, {
    redirectUriAllowed: {
      value(this: { redirectUris?: string[] } & ClientExtras, requested: string) {
        return redirectAllowed(this.redirectUris ?? [], requested, this.native ?? false);
      },
    },
    grantTypeAllowed: {
      value(this: { grantTypes: string[] }, type: string) {
        if (mayUseGrant(this.grantTypes, type)) return true;
        // RFC 6749 §5.2 and RFC 8628 §3.2 have an error of their own for this; the engine answers invalid_request.
        const { route, params } = Provider.ctx?.oidc ?? {};
        if (type === (route === 'token' ? params?.grant_type : route === 'device_authorization' && DEVICE_CODE))
          throw new errors.UnauthorizedClient('the client may not use this grant type');
        return false;
      },
    },
    // OpenID Connect Session Management and both logout specifications build on `sid`.
    includeSid: { value: () => true },
  });
}
