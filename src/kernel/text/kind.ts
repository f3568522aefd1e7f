/**
 * What a kind of text is: its one spelling, and what is none. Values are made canonical first and judged then, since what
 * is folded after it was judged may have become something else: two addresses, somebody else's name.
 */
import { Fault } from '../fault.ts';

export type TextKind = {
  /** After "is not": `an email address`. */
  what: string;
  /** The one spelling; undefined for what is none of the kind. Repeating it changes nothing. */
  canonical(text: string): string | undefined;
  /** As people type or paste it: what cannot be seen does not count. */
  typed(text: string): string | undefined;
};

/** What nobody sees, and what turns text around (`\p{Cf}`; fillers and selectors that show nothing). */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
/** Control characters, halves of characters, private ones. */
const UNSPEAKABLE = /[\p{Cc}\p{Cs}\p{Co}]/u;

export const isVisible = (text: string): boolean => text.search(INVISIBLE) === -1 && !UNSPEAKABLE.test(text);

/** Unicode NFKC without case, outer white space gone. */
export function folded(text: string): string {
  const once = text.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
  return once === text ? once : folded(once);
}

/** A kind that names somebody or something: compared as it is kept, without case. */
export function identifier(what: string, judge: TextKind['canonical']): TextKind {
  const canonical = (text: string) => (isVisible(text.trim()) ? judge(folded(text)) : undefined);
  return { what, canonical, typed: (text) => canonical(text.replace(INVISIBLE, '')) };
}

/** What to look for, whatever was typed: what is none of the kind finds only what was kept before it was judged. */
export const compared = (kind: TextKind, text: string): string =>
  kind.typed(text) ?? folded(text.replace(INVISIBLE, ''));

/** @throws Fault `validation` naming the field. */
export function demand(kind: TextKind, text: string, path: string): string {
  const found = kind.canonical(text);
  if (found !== undefined) return found;
  const message = `is not ${kind.what}`;
  throw new Fault('validation', `"${path.slice(1)}" ${message}.`, { details: [{ path, message }] });
}
