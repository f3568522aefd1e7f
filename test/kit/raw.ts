/** A request by hand: what fetch would not send, or would give up on. */
import { connect } from 'node:net';

type Raw = { head: string[]; host: string | undefined; body?: string };

/** @returns what came before the connection ended; status NaN for nothing. */
export function raw(
  { port }: { port: number },
  { head, host, body = '' }: Raw,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(
        [...head, ...(host === undefined ? [] : [`Host: ${host}`]), 'Connection: close', '', body].join('\r\n'),
      );
    });
    let text = '';
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => (text ? undefined : reject(error)));
    socket.on('close', () => resolve({ status: Number(text.split(' ')[1]), text }));
  });
}

/** Sends as much, and hangs up. */
export const cut = ({ port }: { port: number }, { head, host, body = '' }: Raw): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write([...head, `Host: ${host}`, '', body].join('\r\n'), () => socket.destroy());
    });
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
