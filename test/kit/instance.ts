/** A second instance of the server: a process of its own on the world's database, as a load balancer has several. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import mongoose from 'mongoose';
import { bearer } from './http.ts';
import { SECRET, type World } from './world.ts';

export type InstanceSetup = {
  MONGODB_URL: string;
  DATA_DIR: string;
  databaseName: string;
  publicPort: number;
  operator: World['operator'];
  bcryptCost: World['bcryptCost'];
  secrets: readonly [string, ...string[]];
};

type Sent = { status: number; headers: IncomingHttpHeaders; text: string };

/** Where the world's database is, for processes of their own. */
export function databaseUrl(): string {
  const [host] = mongoose.connection.getClient().options.hosts;
  return process.env.MONGODB_URL ?? `mongodb://${encodeURIComponent(host!.socketPath ?? '')}/?directConnection=true`;
}

export async function instance(w: World, secrets: readonly [string, ...string[]] = [SECRET]) {
  const setup: InstanceSetup = {
    MONGODB_URL: databaseUrl(),
    DATA_DIR: w.config.dataDir,
    databaseName: mongoose.connection.db!.databaseName,
    publicPort: w.port,
    operator: w.operator,
    bcryptCost: w.bcryptCost,
    secrets,
  };
  const child = fork(fileURLToPath(new URL('instance-server.ts', import.meta.url)), [JSON.stringify(setup)]);
  const ended = once(child, 'exit');
  const died = ended.then(([code]) => {
    throw new Error(`the instance ended with ${code}`);
  });
  died.catch(() => {});
  const answer = async () => (await Promise.race([once(child, 'message'), died]))[0] as number;
  const port = await answer();
  w.closers.push(async () => {
    child.kill('SIGTERM');
    await ended;
  });

  const to = (
    origin: string,
    method: string,
    path: string,
    { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
  ): Promise<Sent> =>
    new Promise((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port, path, method, headers: { host: new URL(origin).host, ...headers } },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });

  return {
    /** A form POST to a tenant's origin, by this instance. */
    post: (origin: string, path: string, form: Record<string, string>): Promise<Sent> =>
      to(origin, 'POST', path, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(form).toString(),
      }),
    /** A GET, with a token if there is one, by this instance. */
    get: (origin: string, path: string, token?: string): Promise<Sent> =>
      to(origin, 'GET', path, { headers: token === undefined ? {} : bearer(token) }),
    /** Its clock stands from now on, where this process's is. */
    async followClock(): Promise<void> {
      const moved = answer();
      child.send(Date.now());
      await moved;
    },
  };
}
