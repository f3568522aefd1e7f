/**
 * What a client that nobody vouches for may be called. Its name is read at the head of the tenant's own pages, so it has
 * to be a name there: not a message, and not a way to reach somebody.
 */

const LONGEST = 60;

const RULES: readonly [broken: RegExp, fault: string][] = [
  [new RegExp(`^.{${LONGEST + 1}}`, 'su'), `is longer than ${LONGEST} letters`],
  // Joiners belong to emoji and to the scripts that need them; the rest cannot be seen, or turns the text around.
  [/[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/u, 'holds characters that cannot be seen'],
  [/\p{M}{4}/u, 'holds piles of accents'],
  [/^[^\p{L}\p{N}]*$/u, 'holds neither a letter nor a digit'],
  [/[a-z][\w+.-]*:\/\/|\bwww\.|[\p{L}\d]\.\p{L}{2,}[/?#]|\b(?:mailto|tel):/iu, 'holds an address'],
  [/[^\s@]@[^\s@]+\.\p{L}{2,}/u, 'holds an email address'],
  [/\p{Nd}(?:[\s()./+-]*\p{Nd}){6}/u, 'holds a phone number'],
  // After up to three letters a full stop makes an abbreviation: "Dr. Who", "St. Gallen", "Acme Inc. Sync".
  [/(?:\p{L}{4}|[\p{N})"'”»])\.\s+\S|(?:[!?:;…]|\.\.)\s+\S|[。！？：；]\s*\S/u, 'is more than one sentence'],
];

/** What keeps a text from being a name, as the end of a sentence about it; undefined for a name. */
export function nameFault(name: string): string | undefined {
  const spellings = [name, name.normalize('NFKC')];
  return RULES.find(([broken]) => spellings.some((spelling) => broken.test(spelling)))?.[1];
}

/** What stands where there is no name: the host, or the scheme, that it lives at. */
export function nameOfAddress(address: string | undefined): string {
  const url = URL.parse(address ?? '');
  if (!url) return 'Client';
  return /^https?:$/.test(url.protocol) ? url.host : url.protocol.slice(0, -1);
}
