/**
 * Whether a password is one that others have used and lost: by a list that is here, so that it works without a network and
 * tells nobody; and, where the operator names a service, by a range of hashes asked of that (k-anonymity), which learns
 * neither the password nor its hash.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Asks an address for its text. @throws where there is no answer in time. */
export type AskRange = (address: string) => Promise<string>;
type Range = {
  /** What the first five digits of a SHA-1 are put after. */
  url: string;
  ask: AskRange;
  onError(error: unknown): void;
};

let range: Range | undefined;
/** Names the service to ask besides; as the process starts. */
export function useBreachedRange(service: Range | undefined): void {
  range = service;
}

/** How many bytes of a hash are kept: of honest passwords one in 87,000 is refused by mistake. */
export const PREFIX_BYTES = 4;

/** What of a password is in the list: case makes no other password of it for those who guess. */
export const prefixOf = (password: string): number =>
  createHash('sha256').update(password.normalize('NFKC').toLowerCase()).digest().readUIntBE(0, PREFIX_BYTES);

/** Prefixes one after the other, sorted; made by scripts/breached-passwords.ts. */
export const LIST = new URL('./breached-passwords.bin', import.meta.url);
let list: Buffer | undefined;

function isListed(password: string): boolean {
  list ??= readFileSync(LIST);
  const wanted = prefixOf(password);
  let [low, high] = [0, list.length / PREFIX_BYTES];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = list.readUIntBE(middle * PREFIX_BYTES, PREFIX_BYTES);
    if (found === wanted) return true;
    if (found < wanted) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** `false` where the service does not answer: it is away, and people are to get on. */
async function isInRange(password: string, { url, ask, onError }: Range): Promise<boolean> {
  const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
  try {
    const lines = (await ask(`${url}${hash.slice(0, 5)}`)).split(/\r?\n/);
    // Padding counts none.
    return lines.some((line) => line.startsWith(`${hash.slice(5)}:`) && Number(line.slice(36)) > 0);
  } catch (error) {
    onError(error);
    return false;
  }
}

export const isBreached = async (password: string): Promise<boolean> =>
  isListed(password) || (range !== undefined && (await isInRange(password, range)));
