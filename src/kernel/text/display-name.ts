/** What people and things are called, for people to read. */
import type { TextKind } from './kind.ts';

/** Control characters, and what turns the text after it around. Joiners stay: scripts and emoji need them. */
const UNREADABLE = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;

function canonical(text: string): string | undefined {
  const name = text.normalize('NFC').trim();
  return UNREADABLE.test(name) ? undefined : name;
}

/** As it was written, in NFC. */
export const displayName: TextKind = {
  what: 'a name: it holds characters that cannot be seen',
  canonical,
  typed: canonical,
};
