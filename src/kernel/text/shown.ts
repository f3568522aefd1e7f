/** Text that strangers had a hand in, as a page may show it. */

/**
 * Drops control characters, the marks that reverse text and those that cannot be seen, and piles of accents: a name must
 * not be able to rewrite its sentence, to look like another, or to draw over its neighbours.
 */
export function withoutControls(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, ' ')
      .replace(/[\u00ad\u061c\u200b\u200e\u200f\u2060-\u2064\ufeff]/g, '')
      .replace(/(\p{M}{4})\p{M}+/gu, '$1')
  );
}

/** Letters that are wide and empty: the fillers of Hangul. */
const EMPTY = /[\u115f\u1160\u3164\uffa0]/g;

/** The text, where there is something to read in it. */
export const readable = (text: string | undefined): string | undefined =>
  text !== undefined && /[\p{L}\p{N}]/u.test(text.replace(EMPTY, '')) ? text : undefined;
