/** What runs in a thread of hashing-threads.ts: one piece of work after another, behind whatever else wants the processor. */
import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { basename } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { check, hash } from './hash-work.ts';
import type { Answer, Task } from './hashing-threads.ts';

/** How much nicer than the process: under load the thread keeps about a tenth of a processor. */
const NICER = 10;

/** Linux alone has a priority for each thread; elsewhere, and where it is forbidden, all are equal. */
function stepBack(): void {
  try {
    const thread = Number(basename(readlinkSync('/proc/thread-self')));
    setPriority(thread, Math.min(getPriority() + NICER, constants.priority.PRIORITY_LOW));
  } catch {
    // It hashes all the same, and its neighbours wait as they would for any other work.
  }
}

stepBack();
parentPort!.on('message', (task: Task) => {
  let answer: Answer;
  try {
    answer = { done: task.kind === 'hash' ? hash(task) : check(task) };
  } catch (error) {
    answer = { error };
  }
  parentPort!.postMessage(answer);
});
