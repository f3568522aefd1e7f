/** A rich authorization request (RFC 9396) in words for the person who decides: all of it, since any member may be the one that matters. */

import { type MessageKey, translator } from '../../look/words.ts';
import type { AuthorizationDetail } from '../../oidc/browser/interactions.ts';

export type RequestedDetail = { type: string; members: { label: string; values: string[] }[] };

/** §2.2, in the order in which people ask: what, to which data, of whom, where. Others follow under their own names. */
const COMMON = ['actions', 'privileges', 'datatypes', 'identifier', 'locations'] as const;

export function describeDetail({ type, ...members }: AuthorizationDetail, locale: string): RequestedDetail {
  const t = translator(locale);
  const common = COMMON.filter((name) => name in members).map((name) => ({
    label: t(`detail.${name}` as MessageKey),
    values: [members[name]].flat().map(String),
  }));
  const others = Object.entries(members).filter(([name]) => !COMMON.includes(name as never));
  return { type, members: [...common, ...others.flatMap(([name, value]) => flatten(titled(name), value))] };
}

/** `instructedAmount` and `instructed_amount` as people write it, and as lines break. */
const inWords = (name: string) =>
  name
    .replace(/_/g, ' ')
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, (_, end: string, start: string) => `${end} ${start.toLowerCase()}`);
const titled = (name: string) => inWords(name).replace(/^\p{Ll}/u, (first) => first.toUpperCase());

/** Nested members by the path to them: `Instructed amount › currency`. */
function flatten(label: string, value: unknown): RequestedDetail['members'] {
  if (typeof value !== 'object' || value === null) return [{ label, values: [String(value)] }];
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null))
    return [{ label, values: value.map(String) }];
  const entries = Object.entries(value);
  if (entries.length === 0) return [{ label, values: [] }];
  return entries.flatMap(([name, inner]) =>
    flatten(`${label} › ${Array.isArray(value) ? Number(name) + 1 : inWords(name)}`, inner),
  );
}
