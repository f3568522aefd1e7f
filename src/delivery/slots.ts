/** How much is sent at a time: by this process, of one account, to one receiver. A dead end holds up itself alone. */
const SLOTS = { total: 200, account: 12, to: 3 };

export function slots() {
  const accounts = new Map<string, number>();
  const receivers = new Map<string, number>();
  let taken = 0;
  return {
    areFree: () => taken < SLOTS.total,
    /** Who has to wait for one of theirs. */
    busy: () => ({ accounts: full(accounts, SLOTS.account), to: full(receivers, SLOTS.to) }),
    /** @returns how to give it back. */
    take({ account, to }: { account: string; to: string }): () => void {
      const count = (by: 1 | -1) => {
        taken += by;
        add(accounts, account, by);
        add(receivers, to, by);
      };
      count(1);
      return () => count(-1);
    },
  };
}

const full = (counts: Map<string, number>, limit: number): string[] =>
  [...counts].filter(([, count]) => count >= limit).map(([key]) => key);

function add(counts: Map<string, number>, key: string, by: 1 | -1): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next > 0) counts.set(key, next);
  else counts.delete(key);
}
