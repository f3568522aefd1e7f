/** What a client may: which redirects, from which origins, which grants. */
import { errors } from 'oidc-provider';
import { isDocumentId } from '../../domain/client/client.ts';
import type { ClientExtras } from './client-metadata.ts';

const LOOPBACK = new Set(['127.0.0.1', '[::1]']);

/**
 * Whether `localhost` is the loopback interface to it, as it is to programs on a user's device. Those keep no secret, and do
 * not all say that they are native; a server's `localhost` is its developer's, port and all.
 */
export const isOnDevice = ({ clientId, clientAuthMethod, native }: ClientExtras & App): boolean =>
  native || clientAuthMethod === 'none' || isDocumentId(clientId);

type App = { clientId: string; clientAuthMethod?: string };
const PORT = /^(http:\/\/(?:\[::1\]|[^/:?#]+)):\d+/;

/** RFC 8252 §7.3: the port of a loopback redirect is chosen at run time; everything else matches to the letter. */
export function redirectAllowed(registered: readonly string[], requested: string, onDevice: boolean): boolean {
  if (registered.includes(requested)) return true;
  const url = URL.parse(requested);
  if (url?.protocol !== 'http:' || !(LOOPBACK.has(url.hostname) || (onDevice && url.hostname === 'localhost')))
    return false;
  const anyPort = (uri: string) => uri.replace(PORT, '$1');
  return registered.some((uri) => anyPort(uri) === anyPort(requested));
}

/** Whether the client may get tokens by this grant, whoever asks. */
export const mayUseGrant = (grantTypes: readonly string[] = [], type: string): boolean => grantTypes.includes(type);

/** CORS: the client's own origins, those of its redirects, and any while it names none. */
export function originAllowed(client: { redirectUris?: readonly string[] }, origin: string): boolean {
  if (origin === 'null') return false;
  return (client as ClientExtras).web_origins?.length ? originNamed(client, origin) : true;
}

/** Whether a client has named the origin itself, as its own or that of a callback. */
export function originNamed(client: { redirectUris?: readonly string[] }, origin: string): boolean {
  if (origin === 'null') return false;
  const { web_origins: origins = [] } = client as ClientExtras;
  const redirects = (client.redirectUris ?? []).flatMap((uri) => URL.parse(uri)?.origin ?? []);
  return origins.includes(origin) || redirects.includes(origin);
}

/**
 * RFC 6749 §5.2 and RFC 8628 §3.2 have an error of their own for a client that asks for a grant that is not for it.
 * @throws UnauthorizedClient when it is the one `askedFor`.
 */
export function grantAllowed(held: readonly string[], type: string, askedFor: unknown): boolean {
  if (mayUseGrant(held, type)) return true;
  if (type === askedFor) throw new errors.UnauthorizedClient('the client may not use this grant type');
  return false;
}
