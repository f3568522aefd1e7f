/** Host names, as the DNS has them. */
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { identifier } from './kind.ts';

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** What the parser would read as the end of the name, or as something else than the name. */
const NO_NAME = /[\s/\\@:?#%[\]<>|^*]/;

/**
 * In A-labels (RFC 5891) and lower case, without a dot at the end. The URL parser maps it, which knows every spelling of an
 * IPv4 address: those are no names.
 */
export const hostName = identifier('a host name', (text) => {
  if (text === '' || NO_NAME.test(text)) return undefined;
  const name = domainToASCII(text.replace(/\.$/, ''));
  const labels = name.split('.');
  const wellFormed = name.length <= 253 && labels.every((label) => LABEL.test(label));
  return wellFormed && !isIP(name) && /[a-z]/.test(labels.at(-1)!) ? name : undefined;
});
