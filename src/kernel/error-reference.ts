/** The way from the reference that an error page shows to what the log has of it. */

type Line = (about: object, message: string) => void;
type Shown = {
  method: string;
  routeOptions: { url?: string };
  log: { level: string; info: Line };
};

/** Writes the line that a page's reference leads to: at every level but `silent`, since people are told to mention it. */
export function logReference({ log, routeOptions, method }: Shown, code: string): void {
  const level = ['trace', 'debug'].includes(log.level) ? 'info' : (log.level as 'info');
  log[level]({ code, method, route: routeOptions.url }, 'an error page was shown');
}
