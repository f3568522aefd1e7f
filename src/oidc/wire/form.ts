/** The wire's variants of a request, read as the one that the engine takes: a form, however it came. */

import type { FastifyRequest } from 'fastify';
import { secretParameters } from '../../domain/client/grant-type.ts';
import { Fault } from '../../kernel/fault.ts';
import { PATHS } from '../engine/configure.ts';

const BODY_LIMIT = 56 * 1024;

const isForm = (type: string) => type === 'application/x-www-form-urlencoded';

const contentType = ({ headers }: FastifyRequest): string =>
  (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();

/**
 * The parameters of a request at a machine endpoint: a form, a JSON object, or a query with nothing secret in it.
 * @throws Fault `invalid_request`, `unsupported_media_type`, `payload_too_large`
 */
export async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  const query = queryOf(request);
  for (const name of secretParameters('lasting')) {
    if (query.has(name))
      throw new Fault('invalid_request', `${name} must not be sent in the query string, where logs would keep it`);
  }
  if (request.method === 'GET') return query;
  const body = await readBody(request);
  const type = contentType(request);
  // Nothing at all is no body: many clients name a content type on a bare POST.
  if (body === '' || isForm(type)) return new URLSearchParams(body);
  if (type === 'application/json') return formOfJson(body);
  throw new Fault('unsupported_media_type', 'send application/x-www-form-urlencoded or application/json');
}

/** Longer, and browsers and proxies no longer carry it in an address. */
const LONGEST_QUERY = 8000;

/**
 * The parameters of an authorization request that came as a form. It goes on as a GET: browsers keep the session's cookie
 * from a post of another site where it is SameSite=Lax, and a reload of the login page posts nothing again.
 */
export async function readAuthorizationForm(request: FastifyRequest): Promise<URLSearchParams> {
  if (!isForm(contentType(request)))
    throw new Fault('unsupported_media_type', 'send application/x-www-form-urlencoded');
  return withinLimit(new URLSearchParams(await readBody(request)), 'payload_too_large');
}

/** @throws Fault `uri_too_long` where the same would be too long as a form. */
export const readAuthorizationQuery = (request: FastifyRequest): URLSearchParams =>
  withinLimit(queryOf(request), 'uri_too_long');

function withinLimit(params: URLSearchParams, code: 'payload_too_large' | 'uri_too_long'): URLSearchParams {
  if (params.toString().length <= LONGEST_QUERY) return params;
  throw new Fault(code, `push what is this long to ${PATHS.pushed_authorization_request} first`);
}

export const queryOf = ({ raw }: FastifyRequest): URLSearchParams => new URLSearchParams(splitAddress(raw.url)[1]);

/** A query may hold question marks of its own (RFC 3986 §3.4). */
function splitAddress(address = ''): [path: string, query: string] {
  const at = address.indexOf('?');
  return at < 0 ? [address, ''] : [address.slice(0, at), address.slice(at + 1)];
}

/** By events: an async iterator over the stream costs a tenth of a machine token. */
function readBody({ raw }: FastifyRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    raw.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > BODY_LIMIT) reject(new Fault('payload_too_large'));
      else chunks.push(chunk);
    });
    raw.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    // Who hung up in the middle is nobody's failure, and hears no answer.
    raw.on('error', (cause) => reject(new Fault('invalid_request', 'The request body is cut short.', { cause })));
  });
}

/** Parameters that may come several times (RFC 8707 §2), hence as an array. */
const LISTS = new Set(['resource', 'audience']);

/** A JSON object of strings as a form. */
function formOfJson(body: string): URLSearchParams {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw new Fault('invalid_request', 'the request body is not valid JSON');
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Fault('invalid_request', 'the request body must be a JSON object');
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(json)) {
    for (const item of LISTS.has(name) ? [value].flat() : [value]) {
      if (item === null || item === undefined) continue;
      if (typeof item === 'object') throw new Fault('invalid_request', `"${name.slice(0, 50)}" must be a string`);
      form.append(name, String(item));
    }
  }
  return form;
}

/* ——— as the engine takes it ——— */

/** The request as the engine would have received it had it come as a form POST. */
export function asFormPost({ raw }: FastifyRequest, form: URLSearchParams) {
  const body = Buffer.from(form.toString());
  const headers = {
    ...raw.headers,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': String(body.length),
  } as Record<string, string | string[] | undefined>;
  delete headers['transfer-encoding'];
  // What the engine reads of a request, and no more: a real stream around a body that is here already costs as much as routing.
  return {
    method: 'POST',
    url: splitAddress(raw.url)[0],
    headers,
    socket: raw.socket,
    connection: raw.socket,
    httpVersion: raw.httpVersion,
    httpVersionMajor: raw.httpVersionMajor,
    httpVersionMinor: raw.httpVersionMinor,
    complete: true,
    readable: true,
    async *iterator() {
      yield body;
    },
  };
}

/** An authorization request with the parameters that it comes down to; untouched where it came so. */
export function asAuthorizationRequest({ raw }: FastifyRequest, params: URLSearchParams): unknown {
  const [path, sent] = splitAddress(raw.url);
  const query = params.toString();
  if (query !== new URLSearchParams(sent).toString()) raw.url = `${path}?${query}`;
  return raw;
}
