/** Addresses as they are compared and as they are sent. */

const UNRESERVED = /^[\w.~-]$/;

/** Percent-encoded as RFC 3986 §6.2.2.2 has it: what needs no escape has none, and the others are in capitals. */
const escapesOf = (text: string): string =>
  text.replace(/%[0-9a-f]{2}/gi, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return UNRESERVED.test(character) ? character : triplet.toUpperCase();
  });

/**
 * What two spellings of one URI have in common (RFC 3986 §6.2.2, §6.2.3): the case of scheme and host, a port that goes
 * without saying, an empty path, dot segments, escapes. To compare by, not to send; a text that is no URI is itself.
 */
export function uriKey(uri: string): string {
  // A parser that repairs what it reads would find an address in what is none.
  if (/[\s\\\p{Cc}]/u.test(uri)) return uri;
  const url = URL.parse(escapesOf(uri));
  return url ? escapesOf(url.href) : uri;
}

/** An address as it goes into a header: what ASCII does not have is percent-encoded as UTF-8 (RFC 3987 §3.1). */
export const asciiAddress = (address: string): string =>
  address.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent);
