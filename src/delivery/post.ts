/** Posting to an address that a tenant configured, and what is told of it where nobody answered. */
import { refusal } from './channel.ts';

/** @returns the status. @throws when there was none. */
export type Post = (
  address: string,
  posted: { form: Record<string, string> } | { json: string; headers: Record<string, string> },
) => Promise<number>;

/** @throws Refusal in words that tell no more than the tenant may know. */
export const reached = (answer: Promise<number>, { final = false } = {}): Promise<number> =>
  answer.catch((error: unknown) => {
    throw refusal(reasonOf(error), { cause: error, final });
  });

/** Where a name led, and what was said there, is not for those who configured the address to learn. */
function reasonOf(error: unknown): string {
  const { name, code, message = '' } = (error ?? {}) as { name?: string; code?: string; message?: string };
  if (message.startsWith('refused')) return 'the address is not one that may be called';
  if (name === 'AbortError' || name === 'TimeoutError') return 'no answer in time';
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND' ? `no connection (${code})` : 'no connection';
}
