/** Any thrown value as OAuth's JSON: exactly `error` and `error_description` (RFC 6749 §5.2), and what goes with it in headers. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { logFault, toFault } from './fault.ts';

/** RFC 6749 §5.2: a description is printable ASCII without quote and backslash. */
const printable = (text: string): string => text.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, '?');

/**
 * @param more what a surface has besides: the `challenge` of its 401s (RFC 6750 §3), and codes of its own for some faults.
 */
export function answerOAuthError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  { challenge, codes = {} }: { challenge?: string; codes?: Record<string, string> } = {},
): FastifyReply {
  const fault = toFault(error);
  const { status, oauth = 'invalid_request' } = fault.row;
  logFault(request, fault, error);
  if (fault.retryAfterSeconds) reply.header('retry-after', String(fault.retryAfterSeconds));
  if (status === 401 && challenge) reply.header('www-authenticate', challenge);
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .send({ error: codes[fault.code] ?? oauth, error_description: printable(fault.message) });
}
