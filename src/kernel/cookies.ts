/**
 * Cookies of ours on the wire. Over TLS their names begin with `__Host-`, which a browser takes from this very host alone
 * (RFC 6265bis §4.1.3.2), so that no sibling domain can put one beside ours; inside they go by their bare names. Such a
 * cookie belongs to the whole host, so one that belonged to a flow's own path has the flow in its name.
 */
import type { IncomingMessage } from 'node:http';

const PREFIX = '__Host-';
const isOurs = (name: string): boolean => name.startsWith('cardea_');

/** Cookies of other flows than the request's, the eldest first, as browsers send them (RFC 6265 §5.4). */
const elsewhere = new WeakMap<object, string[]>();
/** Enough for eight logins that are open at once, few enough for a header. */
const FLOW_COOKIES = 16;

type Request = Pick<IncomingMessage, 'headers' | 'url'>;

const flowOf = (path = ''): string | undefined => /^\/[^/?]+\/([^/?]+)/.exec(path)?.[1];

/** Leaves in a request what may be believed: of ours, what came once and by the name that it was set by. */
export function believeCookies(request: Request, secure: boolean): void {
  const { cookie } = request.headers;
  if (cookie === undefined || !cookie.includes('cardea_')) return;
  const pairs = cookie.split(';').map((pair) => {
    const [name, value = ''] = pair.trim().split(/=(.*)/s) as [string, string?];
    return { name, value };
  });
  const others: string[] = [];
  const flow = flowOf(request.url);
  const believed = pairs.flatMap(({ name, value }) => {
    const [bare, of] = (secure && name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name).split('.') as [
      string,
      string?,
    ];
    if (!isOurs(bare)) return [`${name}=${value}`];
    // Of two of one name one is somebody else's, and nothing says which.
    if (pairs.filter((pair) => pair.name === name).length > 1) return [];
    if (secure && bare === name) return [];
    if (of !== undefined && of !== flow) {
      others.push(name);
      return [];
    }
    return [`${bare}=${value}`];
  });
  elsewhere.set(request, others);
  request.headers.cookie = believed.join('; ');
}

/** Lines of `Set-Cookie` as they go out over TLS; beyond so many open flows the eldest are forgotten. */
export function hostCookies(request: object, lines: readonly string[]): string[] {
  const out = lines.map(hostCookie);
  const [begun] = out.flatMap((line) => /^__Host-cardea_[^=.]+\.[^=]+(?==[^;])/.exec(line) ?? []);
  const others = begun === undefined ? [] : (elsewhere.get(request) ?? []);
  const tooMany = others.slice(0, Math.max(0, others.length - FLOW_COOKIES + 2));
  return [...out, ...tooMany.map((name) => `${name}=; path=/; expires=${new Date(0).toUTCString()}; secure; httponly`)];
}

function hostCookie(line: string): string {
  const [pair, ...attributes] = line.split(/;\s*/);
  const [name, value] = pair!.split(/=(.*)/s) as [string, string];
  if (!isOurs(name)) return line;
  const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice('path='.length);
  const flow = flowOf(path);
  const rest = attributes.filter((attribute) => !/^(?:path=|domain=|secure$)/i.test(attribute));
  return [`${PREFIX}${name}${flow ? `.${flow}` : ''}=${value}`, 'path=/', ...rest, 'secure'].join('; ');
}
