/** Starts the real server as its own process with its embedded database on a directory, and knows when it is ready. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What `npm start` gives node: a small idle process. The image runs node as it is, for throughput. */
export const AS_STARTED = ['--max-semi-space-size=8'];
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/compile', import.meta.url));
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const PATIENCE_MS = 60_000;

export type Running = { pid: number; origin: string; stop(): Promise<void> };

/** Ends a child the ordinary way, and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** @param flags for node, before the program. */
export async function startCardea(dataDir: string, flags: string[] = []): Promise<Running> {
  const child = spawn(process.execPath, [...flags, MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      DATA_DIR: dataDir,
      LOG_LEVEL: 'warn',
      NODE_COMPILE_CACHE: COMPILE_CACHE,
    },
  });
  let output = '';
  const origin = await new Promise<string>((resolve, reject) => {
    const give = (chunk: Buffer) => {
      output += chunk;
      const ready = /Cardea is ready at (\S+)/.exec(output)?.[1];
      if (ready) resolve(ready);
    };
    child.stdout.on('data', give);
    child.stderr.on('data', give);
    child.once('exit', () => reject(new Error(`the server ended before it was ready:\n${output}`)));
    setTimeout(() => reject(new Error(`the server was not ready in time:\n${output}`)), PATIENCE_MS).unref();
  });
  return { pid: child.pid!, origin, stop: () => end(child) };
}
