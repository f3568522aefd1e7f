/** Email addresses: one mailbox has one spelling, and none reads as two. */
import { hostName } from './host.ts';
import { identifier } from './kind.ts';

const LONGEST = 254;
const LONGEST_LOCAL_BYTES = 64;
/** RFC 5322 §3.2.3 `dot-atom-text`, with the letters of every script (RFC 6531 §3.3). What has to be quoted is none. */
const LOCAL = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;

/** In lower case, the domain in A-labels: so it is stored, shown, mailed and compared. */
export const emailAddress = identifier('an email address', (text) => {
  const [local = '', domain = '', ...more] = text.split('@');
  const host = hostName.canonical(domain);
  // A dot at the end of a domain is no part of an address (RFC 5321 §4.1.2).
  if (more.length > 0 || !LOCAL.test(local) || !host || domain.endsWith('.')) return undefined;
  const address = `${local}@${host}`;
  return Buffer.byteLength(local) <= LONGEST_LOCAL_BYTES && address.length <= LONGEST ? address : undefined;
});
