/** Web servers of the tests: apps, issuers, receivers; each on a port of its own, and closed when the world ends. */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What ends with the world, last opened first. */
export const closers: (() => Promise<unknown>)[] = [];

/**
 * Its address is known before it has anything to say.
 * @param tls a key and its certificate, to speak https
 */
export async function listen(tls?: { key: string; cert: string }) {
  let listener: RequestListener = (_request, response) => void response.writeHead(503).end();
  const handle: RequestListener = (request, response) => listener(request, response);
  const server = tls ? createTlsServer(tls, handle) : createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    serve: (handler: RequestListener) => {
      listener = handler;
    },
  };
}
