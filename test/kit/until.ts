/** Waiting for what happens by itself: until it is so, not for a time. */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

const PATIENCE_MS = 20_000;

/** The first answer that is something, asked for again and again. */
export async function until<T>(what: string, condition: () => T | Promise<T>): Promise<T> {
  // The clock of a world may stand or jump; this one cannot.
  for (const began = performance.now(); performance.now() - began < PATIENCE_MS; await setTimeout(10)) {
    const answer = await condition();
    if (answer) return answer;
  }
  return assert.fail(`waited ${PATIENCE_MS / 1000} s in vain until ${what}`);
}
