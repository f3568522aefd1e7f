/** A Fault as the management API says it: `{statusCode, code, message, details?}`, and what RFC 6750 wants in the headers. */
import type { FastifyReply } from 'fastify';
import { DPOP_ALGS } from '../../kernel/dpop.ts';
import type { Fault } from '../../kernel/fault.ts';
import { resourceMetadata } from '../protected-resource.ts';

const ALGS = `algs="${DPOP_ALGS.join(' ')}"`;
/** RFC 9449 §7.1: what was wrong with the proof, in the header too. */
const PROOF = ['error="invalid_dpop_proof"', ALGS];

export function sendFault(reply: FastifyReply, fault: Fault): FastifyReply {
  const { status } = fault.row;
  if (fault.retryAfterSeconds) reply.header('retry-after', String(fault.retryAfterSeconds));
  const [scheme, challenge] = fault.code === 'invalid_dpop_proof' ? ['DPoP', PROOF] : ['Bearer', challengeOf(fault)];
  if (challenge) {
    const { tenant } = reply.request;
    const parameters = tenant ? [...challenge, resourceMetadata(tenant)] : challenge;
    const first = [scheme, parameters.join(', ')].join(' ').trim();
    // RFC 9449 §7.2: whoever has shown nothing yet may choose.
    reply.header('www-authenticate', fault.code === 'unauthorized' ? `${first}, DPoP ${ALGS}` : first);
  }
  return reply
    .code(status)
    .header('cache-control', 'no-store')
    .send({
      statusCode: status,
      code: fault.code,
      message: fault.message,
      ...(fault.details !== undefined && { details: fault.details }),
    });
}

/** RFC 6750 §3: what was wrong with the token, in the header too. */
function challengeOf({ code, details }: Fault): string[] | undefined {
  if (code === 'unauthorized') return [];
  if (code === 'invalid_token') return ['error="invalid_token"'];
  // RFC 9470 §3: how old the next one may be.
  if (code === 'insufficient_user_authentication')
    return [`error="${code}"`, `max_age="${(details as { max_age: number }).max_age}"`];
  if (code !== 'insufficient_scope') return undefined;
  return ['error="insufficient_scope"', `scope="${(details as { missing: string }).missing}"`];
}
