/** What a browser says of itself, in the two words by which people know it. It may say anything: to show, not to decide by. */

/** Absent where it names none that we know. */
export type AgentWords = { browser?: string; system?: string };

/** Kept of what a browser says of itself: nobody reads more. */
export const AGENT_LENGTH = 300;

/** The first that is found: most name those that they descend from, too. */
const BROWSERS: readonly (readonly [string, RegExp])[] = [
  ['Edge', /\bEdg(?:e|A|iOS)?\//],
  ['Opera', /\bOPR\/|\bOpera\b/],
  ['Samsung Internet', /\bSamsungBrowser\//],
  ['Vivaldi', /\bVivaldi\//],
  ['DuckDuckGo', /\bDuckDuckGo\/|\bDdg\//],
  ['Firefox', /\b(?:Firefox|FxiOS)\//],
  ['Chrome', /\b(?:Chrome|CriOS|HeadlessChrome|Chromium)\//],
  ['Safari', /\bVersion\/.*\bSafari\//],
];

const SYSTEMS: readonly (readonly [string, RegExp])[] = [
  ['iPhone', /\biPhone\b/],
  ['iPad', /\biPad\b/],
  ['Android', /\bAndroid\b/],
  ['Windows', /\bWindows\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['macOS', /\bMacintosh\b|\bMac OS X\b/],
  ['Linux', /\bLinux\b|\bX11\b/],
];

export function agentWords(agent: string | null | undefined): AgentWords {
  const said = (agent ?? '').slice(0, AGENT_LENGTH);
  const first = (names: typeof BROWSERS) => names.find(([, sign]) => sign.test(said))?.[0];
  return { browser: first(BROWSERS), system: first(SYSTEMS) };
}
