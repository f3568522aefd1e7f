/** Any thrown value → Fault, whatever will render it, and the line that it leaves in the log. */
import type { FastifyRequest } from 'fastify';
import { Fault } from '../../kernel/fault.ts';
import { isUnavailable } from '../../store/connect.ts';

type Complaint = { instancePath: string; message?: string; params?: Record<string, unknown>; keyword: string };

type Thrown = {
  code?: string;
  statusCode?: number;
  validation?: Complaint[];
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

/** That a value which may be null is not, and that no alternative fits: what was wrong with it is said beside. */
const isNoReason = ({ keyword, params }: Complaint): boolean =>
  keyword === 'anyOf' || (keyword === 'type' && params?.type === 'null');

function validationFault(error: Thrown): Fault {
  const place = PLACES[error.validationContext ?? 'body'] ?? '';
  const reasons = error.validation!.filter((complaint) => !isNoReason(complaint));
  const details = (reasons.length ? reasons : error.validation!).map(({ instancePath, message, params, keyword }) => {
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

export function logFault(request: FastifyRequest, fault: Fault, error: unknown): void {
  // Too much at the moment is no failure, and a line with a stack for each of them would become one.
  const busy = fault.code === 'unavailable' && fault.detail;
  if (fault.row.status >= 500 && !busy) request.log.error({ err: error, code: fault.code }, 'request failed');
  else if (fault.detail) request.log.info({ code: fault.code, detail: fault.detail }, 'request refused');
}
