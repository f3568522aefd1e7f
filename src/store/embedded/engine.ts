/**
 * Owns the embedded engine's process: starts it, gives it one address for life, brings it back when it dies, and ends it.
 * What runs inside is host.ts; which C library it runs under is loader.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { HostReport } from './host.ts';
import { loaderCommand } from './loader.ts';

/** The part of a pino logger that the store uses. */
export type Log = Record<'info' | 'warn' | 'error', (context: object, message: string) => void>;

/** Says to people why they are waiting. */
export type Tell = (sentence: string) => void;

export type Engine = {
  /** Stays the same when the engine is restarted. */
  readonly uri: string;
  close(): Promise<void>;
};

const HOST = fileURLToPath(new URL('host.ts', import.meta.url));
/** A little more than the child gives itself. */
const STOP_MS = 3_000;
/** An engine that lived this long did not die of its data: it is restarted without delay. */
const STABLE_MS = 10_000;

/**
 * Opens `<dataDir>/mongo`, creating both.
 * @throws Error with one sentence for the operator when another process holds the data or the machine cannot run the engine.
 */
export async function startEngine(dataDir: string, log: Log, tell?: Tell): Promise<Engine> {
  const data = resolve(dataDir, 'mongo');
  const record = resolve(dataDir, 'engine-sockets');
  await mkdir(resolve(dataDir), { recursive: true, mode: 0o700 });
  const [program = process.execPath, ...prefix] = [...(await loaderCommand(tell)), process.execPath];
  // 0700: the engine knows no passwords, so its socket must be this user's alone.
  const scratch = await mkdtemp(join(socketRoot(), 'cardea-'));
  const address = join(scratch, 'db.sock');
  let child: ChildProcess;
  let closing = false;
  let delayMs = 0;

  try {
    await launch();
  } catch (error) {
    await discard(scratch);
    throw error;
  }
  await replaceRecord(record, scratch);

  return {
    uri: `mongodb://${encodeURIComponent(address)}/?directConnection=true`,
    async close() {
      closing = true;
      await stop(child);
      await discard(scratch);
      await discard(record);
    },
  };

  /** Resolves when the engine answers at the stable address; from then on a death starts another. */
  async function launch(): Promise<void> {
    const startedAt = Date.now();
    const started = spawn(program, [...prefix, HOST, data, scratch], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Only what it needs: the engine has no business with our secrets, nor with our NODE_OPTIONS.
      env: { PATH: process.env.PATH, LANG: process.env.LANG, TZ: process.env.TZ, TMPDIR: scratch },
    });
    child = started;
    let stderr = '';
    started.stderr?.on('data', (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-2_000);
    });
    const ended = new Promise<void>((done) => {
      started.once('exit', () => done());
      started.once('error', () => done());
    });

    try {
      const words = await Promise.race([once(started, 'message').then(([said]) => said as HostReport), ended]);
      if (!words) throw new Error(`The embedded database did not start: ${stderr.trim() || 'its process ended'}.`);
      if ('failed' in words) throw new Error(explain(words, resolve(dataDir)));
      // connect(2) follows the link, and rename is atomic: the driver never sees an address that is not there.
      await rm(`${address}.next`, { force: true });
      await symlink(words.socket, `${address}.next`);
      await rename(`${address}.next`, address);
    } catch (error) {
      await stop(started);
      throw error;
    }

    ended.then(() => {
      if (closing) return;
      if (Date.now() - startedAt > STABLE_MS) delayMs = 0;
      log.warn({ code: started.exitCode, signal: started.signalCode, stderr }, 'the embedded database ended by itself');
      return revive();
    });
  }

  async function revive(): Promise<void> {
    while (!closing) {
      await sleep(delayMs, undefined, { ref: false });
      delayMs = Math.min(delayMs * 2 || 50, 5_000);
      if (closing) return;
      try {
        await launch();
        return log.info({}, 'the embedded database is back');
      } catch (error) {
        if (!closing) log.error({ err: error }, 'the embedded database did not come back');
      }
    }
  }
}

function explain(words: Extract<HostReport, { failed: string }>, dataDir: string): string {
  if (words.failed === 'in_use') {
    return `Another process is using the data in ${dataDir}: stop it, choose another data directory, or set MONGODB_URL.`;
  }
  if (words.failed === 'unsupported') {
    return `The embedded database does not run here (${words.message}): set MONGODB_URL to a MongoDB server.`;
  }
  return `The embedded database did not open the data in ${dataDir}: ${words.message}`;
}

/** Closing the pipe is the request to end; also what the child sees when this process dies. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  if (child.connected) child.disconnect();
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(killer);
}

/**
 * When server and engine were killed together nobody removed their socket folder. Whoever opened the data since then
 * knows that its last holder is gone.
 */
async function replaceRecord(record: string, scratch: string): Promise<void> {
  const previous = await readFile(record, 'utf8').catch(() => '');
  const ours = dirname(previous) === dirname(scratch) && /^cardea-\w{6}$/.test(basename(previous));
  if (ours) await discard(previous);
  await writeFile(record, scratch, { mode: 0o600 });
}

async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch(() => {});
}

/** A socket's path has 103 bytes at most (macOS), of which folder and file names below this root take 51. */
function socketRoot(): string {
  return Buffer.byteLength(tmpdir()) <= 52 ? tmpdir() : '/tmp';
}
