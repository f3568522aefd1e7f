/** Who counts as one by the network's address, where something is limited by it. */
import { isIPv6 } from 'node:net';

/**
 * An IPv4 address as it is, an IPv6 one as the /64 that it is in: that is the least that one line is given, and whoever has
 * it has as many addresses as they like (RFC 6177 §2). Mapped IPv4 addresses (RFC 4291 §2.5.5.2) are IPv4.
 */
export function networkOf(ip: string | null): string {
  if (ip === null) return 'nowhere';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped || !isIPv6(ip)) return mapped ?? ip;
  // The URL parser spells every address in one way: lower case, no leading zeros, `::` for the longest run of zeros.
  const [head = '', tail] = new URL(`http://[${ip.replace(/%.*$/, '')}]/`).hostname.slice(1, -1).split('::');
  const groups = head ? head.split(':') : [];
  const rest = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length;
  return `${[...groups, ...Array<string>(zeros).fill('0'), ...rest].slice(0, 4).join(':')}::/64`;
}
