/**
 * Threads of their own for hashing, which would hold up signatures and answers in any other: as many as hash at once, made
 * when they are first needed, and lower in priority than all that answers.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { check, hash } from './hash-work.ts';

type Work = { hash: typeof hash; check: typeof check };
type Kind = keyof Work;
export type Task = { [K in Kind]: { kind: K } & Parameters<Work[K]>[0] }[Kind];
export type Answer = { done: ReturnType<Work[Kind]> } | { error: unknown };

/** Whoever was last at work first: its code is warm. */
const idle: Worker[] = [];

function start(): Worker {
  const worker = new Worker(new URL('./hashing-thread.ts', import.meta.url), {
    name: 'hashing',
    execArgv: [],
    env: {},
  });
  worker.unref();
  // One that ends while it has nothing to do answers nobody, and would end the process by an error that nobody hears.
  worker.on('error', () => {});
  worker.once('exit', () => {
    const at = idle.indexOf(worker);
    if (at >= 0) idle.splice(at, 1);
  });
  return worker;
}

/** The answer, or why there is none: a thread that ends by itself is not used again. */
async function answerOf(worker: Worker): Promise<Answer> {
  const over = new AbortController();
  const { signal } = over;
  try {
    const ended = once(worker, 'exit', { signal }).then(() => ({ error: new Error('a hashing thread ended') }));
    const [answer] = await Promise.race([once(worker, 'message', { signal }), ended.then((ending) => [ending])]);
    return answer;
  } finally {
    over.abort();
  }
}

/**
 * Does one piece of work in a thread that has nothing else to do, a new one where there is none: whoever calls sees to it
 * that they do not become too many. The process does not end while it is at work.
 */
export async function inThread<K extends Kind>(kind: K, task: Parameters<Work[K]>[0]): Promise<ReturnType<Work[K]>> {
  const worker = idle.pop() ?? start();
  worker.ref();
  worker.postMessage({ kind, ...task });
  const answer = await answerOf(worker);
  worker.unref();
  if ('error' in answer) {
    await worker.terminate();
    throw answer.error;
  }
  idle.push(worker);
  return answer.done as ReturnType<Work[K]>;
}
