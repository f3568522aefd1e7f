/** Words as they are searched for, slugs and scopes; and what an address of the web looks like. */

/** An absolute http(s) URL, as a pattern of JSON Schema. */
export const WEB_URL = '^https?://[^\\s\\\\#@/?]+([/?][^\\s\\\\]*)?$';

/** Letters that Unicode does not take apart into a base and a mark, as people type them without the right keyboard. */
const PLAIN: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ħ: 'h',
  ı: 'i',
  ς: 'σ',
};

/** Lower case without diacritics, split at whatever is neither letter nor digit. */
export function foldWords(text: string): string[] {
  const folded = text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[ßæœøłđðþħıς]/g, (letter) => PLAIN[letter]!);
  return [...new Set(folded.split(/[^\p{L}\p{N}]+/u).filter(Boolean))];
}

/** A URL-safe name of at most `limit` characters; empty when nothing of the name survives. */
export const slugify = (name: string, limit = 48): string =>
  foldWords(name)
    .join('-')
    .replace(/[^a-z0-9-]/g, '')
    .replace(/^-+|-+$/g, '')
    .slice(0, limit)
    .replace(/-+$/, '');

/** The values of a scope, as RFC 6749 §3.3 writes them; none for what is no text. */
export const scopeWords = (scope: unknown): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
