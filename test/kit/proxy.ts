/** The way to the database, to be interrupted: between the server under test and its engine, as a network is. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** `refused`: nobody listens; `silent`: what is sent goes nowhere; `cut`: connections end in the middle of what is asked. */
export type Interruption = 'refused' | 'silent' | 'cut';

/** @param socketPath where the engine listens */
export async function databaseProxy(socketPath: string) {
  const pairs = new Set<[Socket, Socket]>();
  let way: 'open' | Interruption = 'open';
  const server = createServer((from) => {
    const to = connect(socketPath);
    const pair: [Socket, Socket] = [from, to];
    pairs.add(pair);
    from.on('data', (chunk) => {
      if (way === 'cut') from.destroy();
      else if (way !== 'silent') to.write(chunk);
    });
    to.on('data', (chunk) => way === 'silent' || from.write(chunk));
    for (const [one, other] of [pair, [to, from]] as const) {
      one.on('error', () => {});
      one.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const drop = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    url: `mongodb://127.0.0.1:${port}/?directConnection=true`,
    async interrupt(how: Interruption): Promise<void> {
      way = how;
      if (how !== 'refused') return;
      server.close();
      drop();
      await once(server, 'close');
    },
    async restore(): Promise<void> {
      const was = way;
      way = 'open';
      if (was === 'open') return;
      if (was === 'refused') await listen(port);
      // What went nowhere is not sent after all.
      else drop();
    },
    async close(): Promise<void> {
      server.close();
      drop();
    },
  };
}
