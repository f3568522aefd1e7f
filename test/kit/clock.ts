/** The one thing of a world that is fake, and only once it is moved: this process's Date. Timers stay real. */
import { mock } from 'node:test';

let moved = false;

export const clock = {
  advance({ seconds }: { seconds: number }): void {
    if (!moved) mock.timers.enable({ apis: ['Date'], now: Date.now() });
    moved = true;
    mock.timers.setTime(Date.now() + seconds * 1000);
  },
};

/** As tokens tell time (RFC 7519 §2, NumericDate), without the fraction. */
export const epochSeconds = (): number => Math.floor(Date.now() / 1000);
