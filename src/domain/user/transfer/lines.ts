/** The lines of what is sent to us, one held at a time: counted as they come, so that what has no end is not kept. */
import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { Fault } from '../../../kernel/fault.ts';

type Limits = { lineBytes: number; bodyBytes: number };

const NEWLINE = 0x0a;
/** What some editors and exports begin with. */
const BYTE_ORDER_MARK = '\ufeff';

/**
 * A line that is not UTF-8 comes as undefined.
 * @throws Fault `payload_too_large` naming the line that is too long, or with which it all is too much.
 */
export async function* linesOf(body: Readable, { lineBytes, bodyBytes }: Limits): AsyncGenerator<string | undefined> {
  let [line, read, held] = [1, 0, 0];
  let parts: Buffer[] = [];
  const keep = (part: Buffer) => {
    held += part.length;
    if (held > lineBytes) throw new Fault('payload_too_large', `Line ${line} is longer than ${lineBytes} bytes.`);
    if (part.length > 0) parts.push(part);
  };
  const taken = () => {
    const bytes = Buffer.concat(parts);
    const text = isUtf8(bytes) ? bytes.toString() : undefined;
    const from = line === 1 && text?.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
    [parts, held, line] = [[], 0, line + 1];
    return text?.slice(from, text.endsWith('\r') ? -1 : undefined);
  };
  // Whoever is refused is to hear of it: the connection is not torn down with the stream.
  for await (const chunk of whole(body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)) {
    read += chunk.length;
    if (read > bodyBytes)
      throw new Fault('payload_too_large', `With line ${line} the body is over ${bodyBytes} bytes.`);
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      keep(chunk.subarray(from, end));
      yield taken();
      from = end + 1;
    }
    keep(chunk.subarray(from));
  }
  if (held > 0) yield taken();
}

/** Who hung up in the middle is nobody's failure. @throws Fault `invalid_request` for that. */
async function* whole(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* chunks;
  } catch (cause) {
    throw (cause as { code?: unknown }).code === 'ECONNRESET'
      ? new Fault('invalid_request', 'The body is cut short.', { cause })
      : cause;
  }
}
