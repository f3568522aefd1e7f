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

/** Scripts that put no space between words, so that a name may begin anywhere. */
const UNSPACED =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** A number with the signs that people write between its digits. */
const NUMBER = /^\+?[\d\s()./-]*$/;

/** What a text is found by, and how much of it: words whole first, then what they end with. */
const [SHORTEST_END, MOST_ENDS_OF_WORD, MOST_TOKENS] = [3, 30, 250];

/**
 * Tokens by whose beginning a row is found, whatever part of a word is typed: the words, and their ends. Bounded, since each
 * is an entry of an index: of long texts the ends of the last words are left out.
 */
export function searchTokens(texts: readonly string[]): string[] {
  const tokens = new Set<string>();
  const words = texts.flatMap((text) => {
    const digits = NUMBER.test(text) ? text.replace(/\D/g, '') : '';
    return digits.length > SHORTEST_END ? [...foldWords(text), digits] : foldWords(text);
  });
  for (const word of words) tokens.add(word);
  for (const word of words)
    for (const end of endsOf(word)) {
      if (tokens.size >= MOST_TOKENS) return [...tokens];
      tokens.add(end);
    }
  return [...tokens];
}

function endsOf(word: string): string[] {
  const letters = [...word].slice(0, 2 * MOST_ENDS_OF_WORD);
  const ends = letters.slice(1, 1 + MOST_ENDS_OF_WORD).map((_letter, index) => letters.slice(index + 1));
  return ends.filter((end) => end.length >= SHORTEST_END || UNSPACED.test(end[0]!)).map((end) => end.join(''));
}

/**
 * A URL-safe name of at most `limit` characters: Latin letters lose their marks, what is of another script is left out.
 * Empty when nothing of the name survives.
 */
export const slugify = (name: string, limit = 48): string =>
  foldWords(name)
    .map((word) => word.replace(/[^a-z0-9]/g, ''))
    .filter(Boolean)
    .join('-')
    .slice(0, limit)
    .replace(/-+$/, '');

/** The values of a scope, as RFC 6749 §3.3 writes them; none for what is no text. */
export const scopeWords = (scope: unknown): string[] =>
  typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
