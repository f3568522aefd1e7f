/** What a request's body and address may be: JSON that is UTF-8 to the byte, text that is text, values as the schemas say. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Fault } from '../kernel/fault.ts';
import { checkText } from '../kernel/text/plain.ts';
import { requestValidator } from '../resource/validation.ts';

/**
 * Answers are built field by field (toWire): their schemas are documentation. Given as factories because Fastify replaces
 * compilers that were merely set in every scope that adds a schema.
 */
export const compilersFactory = {
  buildValidator: () => requestValidator,
  buildSerializer: () => () => (data: unknown) => JSON.stringify(data),
};

export function parsing(app: FastifyInstance): void {
  parseJsonBytes(app);
  app.addHook('preValidation', async (request) => {
    // A streamed body is checked line by line by who reads it.
    if (!(request.body instanceof Readable)) checkText(request.body);
    checkText(request.query);
  });
}

/**
 * JSON that is UTF-8 to the byte: a lenient decoder would store something else than was sent. Nothing at all is no body,
 * since many clients name a content type on a bare POST or DELETE.
 */
function parseJsonBytes(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null, undefined);
    let text: string;
    try {
      text = utf8.decode(body);
    } catch (cause) {
      return done(new Fault('invalid_request', 'The request body is not UTF-8.', { cause }));
    }
    return parse(request, text, done);
  });
}
