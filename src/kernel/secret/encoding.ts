/** Bytes as text, to the letter: Node decodes leniently, and what it makes of a mistake would be another value than was meant. */

/** What a text says in its encoding, with or without padding; undefined for what is not in it. */
export function strictBytes(text: string, encoding: 'utf8' | 'hex' | 'base64'): Buffer | undefined {
  const bytes = Buffer.from(text, encoding);
  const given = encoding === 'hex' ? text.toLowerCase() : text;
  return unpadded(bytes.toString(encoding)) === unpadded(given) ? bytes : undefined;
}

const unpadded = (text: string): string => text.replace(/=+$/, '');

export const base64Of = (bytes: Buffer): string => unpadded(bytes.toString('base64'));
