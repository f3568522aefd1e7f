/** Runs jobs by the clock. What the jobs are is in index.ts. */

export type Job = {
  /** What it does, as the log tells of its failure. */
  name: string;
  everySeconds: number;
  run(): Promise<unknown>;
};

/**
 * Starts each job every so often, until stopped. None waits for another, and none is started again while it runs; one that
 * failed has its next turn.
 */
export function startJobs(jobs: readonly Job[], onFailure: (error: unknown, name: string) => void): () => void {
  const timers = jobs.map(({ name, everySeconds, run }) => {
    let running = false;
    const timer = setInterval(async () => {
      if (running) return;
      running = true;
      try {
        await run();
      } catch (error) {
        onFailure(error, name);
      } finally {
        running = false;
      }
    }, everySeconds * 1000);
    return timer.unref();
  });
  return () => {
    for (const timer of timers) clearInterval(timer);
  };
}
