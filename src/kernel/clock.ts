/** Now, and the durations that have a name. Tests move the process's Date; nothing here caches it. */

export const SECOND = 1;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const now = (): Date => new Date();
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);
export const inSeconds = (seconds: number): Date => new Date(Date.now() + seconds * 1000);
