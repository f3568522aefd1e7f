/**
 * Asking an address that a tenant configured, without lending it our place in the network (OWASP SSRF): https, no
 * redirects, little time, little data, and only to addresses of the public internet. The name is resolved once, and the
 * connection goes to what was checked.
 */
import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';

export type FetchLimits = { production: boolean; timeoutSeconds?: number; maxBytes?: number };

const subnets = (family: 'ipv4' | 'ipv6', list: readonly string[]): BlockList => {
  const blocked = new BlockList();
  for (const subnet of list) {
    const [net, prefix] = subnet.split('/') as [string, string];
    blocked.addSubnet(net, Number(prefix), family);
  }
  return blocked;
};

/** Whatever the IANA special-purpose registries do not call globally reachable. */
const SPECIAL4 = subnets('ipv4', [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]);
const GLOBAL6 = subnets('ipv6', ['2000::/3']);
/** Within the global range: documentation, and what stands for an IPv4 address (6to4, Teredo). */
const SPECIAL6 = subnets('ipv6', ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20']);
const LOOPBACK4 = subnets('ipv4', ['127.0.0.0/8']);

export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !SPECIAL4.check(address, 'ipv4');
  return isIP(address) === 6 && GLOBAL6.check(address, 'ipv6') && !SPECIAL6.check(address, 'ipv6');
}

const isLoopback = (address: string) => address === '::1' || (isIP(address) === 4 && LOOPBACK4.check(address, 'ipv4'));

/** Outside production the developer's own network is what there is; plain http stays on the machine even then. */
function isAllowed(address: string, { protocol }: URL, production: boolean): boolean {
  if (protocol === 'http:') return !production && isLoopback(address);
  return !production || isPublicAddress(address);
}

const refuse = (why: string): never => {
  throw new Error(`refused: ${why}`);
};

/** Answers every address of a name after checking all: one bad one among good ones is how rebinding looks. */
const checkedLookup =
  (url: URL, production: boolean): LookupFunction =>
  (hostname, options, done) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '', 4);
      const bad = found.find(({ address }) => !isAllowed(address, url, production));
      if (bad || !found[0]) return done(new Error(`refused: ${hostname} resolves to ${bad?.address}`), '', 4);
      if ((options as { all?: boolean }).all)
        return (done as unknown as (error: null, all: typeof found) => void)(null, found);
      done(null, found[0].address, found[0].family);
    });
  };

/** What is posted: a form, or JSON as it is signed, with headers of its own. */
export type Posted = { form: Record<string, string> } | { json: string; headers: Record<string, string> };
type Request = { method: 'GET' } | ({ method: 'POST' } & Posted);
type Answer = { status: number; body: Buffer; headers: IncomingHttpHeaders };

/**
 * GETs an address.
 * @throws Error for an address that is refused, and for an answer that is too slow, too large or not a 200 (the error's
 *   `status` tells which).
 */
export const safeFetch = async (address: string, limits: FetchLimits): Promise<Buffer> =>
  (await safeAnswer(address, limits)).body;

/**
 * The same with the answer's headers, for callers that keep it.
 * @throws Error as `safeFetch` does; its `status` tells which answer it was.
 */
export async function safeAnswer(address: string, limits: FetchLimits): Promise<Answer> {
  const answer = await exchange(address, { method: 'GET' }, limits);
  const { status } = answer;
  if (status !== 200) throw Object.assign(new Error(`answered ${status}`), { status });
  return answer;
}

/**
 * POSTs to an address.
 * @returns the status, whatever it is; the rest of the answer is not read.
 * @throws Error for an address that is refused, and for an answer that is too slow.
 */
export async function safePost(address: string, posted: Posted, limits: FetchLimits): Promise<number> {
  return (await exchange(address, { method: 'POST', ...posted }, limits)).status;
}

function contentOf(asked: Request): { body?: Buffer; headers: Record<string, string | number> } {
  if (asked.method === 'GET') return { headers: {} };
  const [type, text, headers] =
    'form' in asked
      ? ['application/x-www-form-urlencoded', new URLSearchParams(asked.form).toString(), {}]
      : ['application/json', asked.json, asked.headers];
  const body = Buffer.from(text);
  return { body, headers: { ...headers, 'content-type': type, 'content-length': body.length } };
}

async function exchange(address: string, asked: Request, limits: FetchLimits): Promise<Answer> {
  const { production, timeoutSeconds = 5, maxBytes = 262_144 } = limits;
  const url = URL.parse(address) ?? refuse('not an address');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && !production)) refuse('not https');
  if (url.username || url.password) refuse('a user name or password in the address');
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  // A literal is never looked up.
  if (isIP(literal) && !isAllowed(literal, url, production)) refuse(`the address ${literal}`);
  const { body, headers } = contentOf(asked);
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutSeconds * 1000);
    const outgoing = request(
      url,
      {
        method: asked.method,
        signal,
        agent: false,
        lookup: checkedLookup(url, production),
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'Cardea',
          ...headers,
        },
      },
      (response) => {
        response.on('error', reject);
        const status = response.statusCode ?? 0;
        if (asked.method === 'POST') {
          resolve({ status, body: Buffer.alloc(0), headers: response.headers });
          return void response.destroy();
        }
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxBytes) response.destroy(new Error(`answered more than ${maxBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on('end', () => resolve({ status, body: Buffer.concat(chunks), headers: response.headers }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
