/** Any thrown value → Fault → the management API's JSON `{statusCode, code, message, details?}`. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DPOP_ALGS } from '../kernel/dpop.ts';
import { Fault } from '../kernel/fault.ts';
import { isUnavailable } from '../store/connect.ts';
import { resourceMetadata } from './protected-resource.ts';

type Thrown = {
  code?: string;
  statusCode?: number;
  validation?: { instancePath: string; message?: string; params?: Record<string, unknown>; keyword: string }[];
  validationContext?: string;
  message?: string;
};

/** Fastify's own refusals, by their code. */
const FASTIFY: Record<string, ConstructorParameters<typeof Fault>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'Send application/json.'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['payload_too_large'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['invalid_request', 'The request body is empty.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['invalid_request', 'The request body is not valid JSON.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['invalid_request', 'The Content-Length does not match the request body.'],
  FST_ERR_BAD_URL: ['invalid_request', 'The address is malformed.'],
  FST_ERR_MAX_PARAM_LENGTH: ['invalid_request', 'The address is malformed.'],
};

const PLACES: Record<string, string> = { body: '', querystring: '?', params: ':', headers: 'header ' };

function validationFault(error: Thrown): Fault {
  const place = PLACES[error.validationContext ?? 'body'] ?? '';
  const details = error.validation!.map(({ instancePath, message, params, keyword }) => {
    const property = params?.missingProperty ?? params?.additionalProperty;
    const path = `${place}${instancePath}${property === undefined ? '' : `/${String(property)}`}` || '/';
    const words =
      keyword === 'additionalProperties' ? 'is not known here' : keyword === 'required' ? 'is required' : message;
    const allowed = params?.allowedValues ? `: ${(params.allowedValues as unknown[]).join(', ')}` : '';
    return { path, message: `${words}${allowed}` };
  });
  const [first] = details;
  return new Fault('validation', `${first!.path} ${first!.message}.`, { details });
}

export function toFault(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const thrown = error as Thrown;
  if (thrown.validation) return validationFault(thrown);
  if (isUnavailable(error)) return new Fault('unavailable', undefined, { cause: error });
  const known = FASTIFY[thrown.code ?? ''];
  if (known) return new Fault(known[0], known[1], { cause: error });
  if (thrown.statusCode && thrown.statusCode >= 400 && thrown.statusCode < 500)
    return new Fault('invalid_request', undefined, { cause: error });
  return new Fault('internal', undefined, { cause: error });
}

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
  if (code !== 'insufficient_scope') return undefined;
  return ['error="insufficient_scope"', `scope="${(details as { missing: string }).missing}"`];
}

export function logFault(request: FastifyRequest, fault: Fault, error: unknown): void {
  if (fault.row.status >= 500) request.log.error({ err: error, code: fault.code }, 'request failed');
  else if (fault.detail) request.log.info({ code: fault.code, detail: fault.detail }, 'request refused');
}
