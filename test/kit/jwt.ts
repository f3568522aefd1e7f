/** Tokens as an attacker writes them: any header, any claims, and a signature by whatever is at hand. */

/** A part of a compact serialization (RFC 7515 §7.1). */
export const encodePart = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

export function forge(header: object, claims: object, sign: (input: Buffer) => Buffer | string): string {
  const input = `${encodePart(header)}.${encodePart(claims)}`;
  const signature = sign(Buffer.from(input));
  return `${input}.${typeof signature === 'string' ? signature : signature.toString('base64url')}`;
}
