/** Who counts as one by the network's address, where something is limited by it. */
import { isIPv6 } from 'node:net';

/** An IPv4 address without the prefix that maps it into IPv6 (RFC 4291 §2.5.5.2), or the eight groups of an IPv6 one. */
function partsOf(ip: string): string | string[] {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped || !isIPv6(ip)) return mapped ?? ip;
  // The URL parser spells every address in one way: lower case, no leading zeros, `::` for the longest run of zeros.
  const [head = '', tail] = new URL(`http://[${ip.replace(/%.*$/, '')}]/`).hostname.slice(1, -1).split('::');
  const groups = head ? head.split(':') : [];
  const rest = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length;
  return [...groups, ...Array<string>(zeros).fill('0'), ...rest];
}

function prefixOf(groups: string[], bits: 48 | 56 | 64): string {
  const kept = groups.slice(0, 4);
  if (bits === 48) kept.pop();
  if (bits === 56) kept[3] = (Number.parseInt(kept[3]!, 16) & 0xff00).toString(16);
  return `${kept.join(':')}::/${bits}`;
}

/**
 * An IPv4 address as it is, an IPv6 one as the /64 that it is in: that is the least that one line is given, and whoever has
 * it has as many addresses as they like (RFC 6177 §2).
 */
export function networkOf(ip: string | null): string {
  if (ip === null) return 'nowhere';
  const parts = partsOf(ip);
  return typeof parts === 'string' ? parts : prefixOf(parts, 64);
}

/** What one party may have at the most: an IPv4 address, and the /48 of a site (RFC 6177 §2). */
export function siteOf(ip: string | null): string {
  if (ip === null) return 'nowhere';
  const parts = partsOf(ip);
  return typeof parts === 'string' ? parts : prefixOf(parts, 48);
}

/** A network, and how many times what its narrowest part may do all of it may. */
export type Counted = { network: string; times: number };

/** The networks that an address counts in, the narrowest first. Homes are given a /56, sites a /48; a /24 is many people's. */
export function networksOf(ip: string | null): Counted[] {
  if (ip === null) return [{ network: 'nowhere', times: 1 }];
  const parts = partsOf(ip);
  if (typeof parts === 'string')
    return [
      { network: parts, times: 1 },
      { network: `${parts.slice(0, parts.lastIndexOf('.'))}.0/24`, times: 8 },
    ];
  return [
    { network: prefixOf(parts, 64), times: 1 },
    { network: prefixOf(parts, 56), times: 4 },
    { network: prefixOf(parts, 48), times: 16 },
  ];
}

/** About where an address is, for people to read: `203.0.113.…`, `2001:db8:1:…`. */
export function roughly(ip: string | null | undefined): string | undefined {
  if (!ip) return undefined;
  const parts = partsOf(ip);
  return typeof parts === 'string' ? `${parts.slice(0, parts.lastIndexOf('.'))}.…` : `${parts.slice(0, 3).join(':')}:…`;
}
