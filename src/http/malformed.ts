/**
 * What is no request, or too much of one: the framework gives up before there is anything that a route could be asked with.
 * It is answered in the form of every other failure, by what its first bytes say of who sent it.
 */
import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { Fault, type FaultCode } from '../kernel/fault.ts';

type Answer = (error: unknown, request: FastifyRequest, reply: FastifyReply) => unknown;
type ClientError = Error & { code?: string; rawPacket?: Buffer };
type Busy = Socket & { _httpMessage?: ServerResponse & { _headerSent?: boolean } };

/** Node's reasons for more than bad form. */
const FAULTS_OF: Record<string, FaultCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** As much as says who asks; what comes in one piece is no longer. */
const HEAD_BYTES = 64 * 1024;
/** Half of what all headers together may be: then it is the address that is too long. */
const LONG_LINE = 8 * 1024;

function isLongLine(packet: Buffer): boolean {
  const end = packet.indexOf('\n');
  return (end < 0 ? packet.length : end) > LONG_LINE;
}

function faultOf({ code = '', rawPacket = Buffer.alloc(0) }: ClientError): Fault {
  const known = FAULTS_OF[code] ?? 'invalid_request';
  return new Fault(known === 'headers_too_large' && isLongLine(rawPacket) ? 'uri_too_long' : known);
}

/** The request as far as it can be told from its bytes; nothing of it is believed. */
function requestOf(packet: Buffer, log: Logger): FastifyRequest {
  const head = packet.subarray(0, HEAD_BYTES).toString('latin1');
  const header = (name: string) => new RegExp(`^${name}:[ \\t]*([^\\r\\n]*)`, 'im').exec(head)?.[1];
  const told = {
    id: randomUUID(),
    method: /^[A-Z]+(?= )/.exec(head)?.[0] ?? '',
    url: '/',
    query: {},
    headers: { accept: header('accept'), 'accept-language': header('accept-language') },
    routeOptions: {},
    log,
  };
  return told as unknown as FastifyRequest;
}

/** A reply that is written by hand, since there is nothing of the framework's to write it. */
function written(request: FastifyRequest, socket: Socket) {
  let status = 500;
  const headers: Record<string, string> = {
    date: new Date().toUTCString(),
    connection: 'close',
    'x-request-id': request.id,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'content-type': 'application/json; charset=utf-8',
  };
  const reply = {
    request,
    code(given: number) {
      status = given;
      return reply;
    },
    header(name: string, value: string) {
      headers[name.toLowerCase()] = value;
      return reply;
    },
    headers(given: Record<string, string>) {
      for (const [name, value] of Object.entries(given)) reply.header(name, value);
      return reply;
    },
    send(payload: string | object) {
      const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
      reply.header('content-length', String(body.length));
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', ''].join('\r\n'));
      socket.write(body);
      return reply;
    },
  };
  return reply;
}

/** For the framework's `clientErrorHandler`. */
export const answerMalformed =
  (answer: Answer, log: Logger) =>
  (error: ClientError, socket: Busy): void => {
    // Nobody is there, or hears another answer already.
    if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?._headerSent) {
      socket.destroy();
      return;
    }
    // What was asked for before it on the same connection is answered first (RFC 9112 §9.3.2), or this would be its answer.
    const before = socket._httpMessage;
    if (before?.req.complete) {
      before.once('close', () => socket.destroySoon());
      return;
    }
    const request = requestOf(error.rawPacket ?? Buffer.alloc(0), log);
    answer(faultOf(error), request, written(request, socket) as unknown as FastifyReply);
    socket.destroySoon();
  };

/** What Node would answer by itself, with nothing: a proxy's request, and an expectation, which may be passed over (RFC 9110 §10.1.1). */
export function answerUnasked(server: Server, onError: (error: ClientError, socket: Busy) => void): void {
  server.on('connect', (_request: IncomingMessage, socket: Socket) => onError(new Error('no proxy'), socket));
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
    server.emit('request', request, response),
  );
}
