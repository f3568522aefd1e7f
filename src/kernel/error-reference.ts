/** The way from the reference that an error page shows to what the log has of it. */

type Line = (about: object, message: string) => void;
type Shown = {
  method: string;
  routeOptions: { url?: string };
  log: { level: string; info: Line };
};

/** What whoever made the app wants to know; people who log in have no use for it. */
export type FailureCause = {
  /** Where trying again makes sense. */
  retryAfterSeconds?: number;
  error?: string;
  description?: string;
  /** The address to answer at, as it was sent; and those that the client has registered. */
  received?: string;
  registered?: readonly string[];
};

/** Writes the line that a page's reference leads to: at every level but `silent`, since people are told to mention it. */
/** @param cause for whoever has to mend it. */
export function logReference({ log, routeOptions, method }: Shown, code: string, cause?: object): void {
  const level = ['trace', 'debug'].includes(log.level) ? 'info' : (log.level as 'info');
  log[level]({ code, method, route: routeOptions.url, ...(cause && { cause }) }, 'an error page was shown');
}
