/** What one setting is, and the forms of value that several have. The settings themselves are config.ts's. */
import { isIP } from 'node:net';

export type Reading = {
  production: boolean;
  /** Notes a fault; the start stops when all settings are read. */
  refuse(sentence: string): undefined;
};

export type Setting<V = unknown> = {
  name: string;
  /** What holds where nothing is set, in words or as the value. */
  fallback: string;
  about: string;
  /** What somebody who sets it would write; empty for what nobody should copy. */
  example: string;
  /** @param text trimmed, and undefined where it is empty or absent. */
  read(text: string | undefined, reading: Reading): V;
};
export const setting = <V>(record: Setting<V>): Setting<V> => record;

export function readPort(
  name: string,
  least: number,
  text: string | undefined,
  { refuse }: Reading,
): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) >= least && Number(text) <= 65_535) return Number(text);
  return refuse(`${name} is "${text}"; set it to a port number between ${least} and 65535.`);
}

export function oneOf<const T extends string>(
  name: string,
  values: readonly T[],
  text: string,
  { refuse }: Reading,
): T {
  if (!(values as readonly string[]).includes(text))
    refuse(`${name} is "${text}"; set it to one of ${values.join(', ')}.`);
  return text as T;
}

export const ON = ['1', 'true', 'on', 'yes'];
export const OFF = ['0', 'false', 'off', 'no'];
export function readSwitch(name: string, text: string | undefined, { refuse }: Reading): boolean | undefined {
  const word = text?.toLowerCase();
  if (word === undefined) return undefined;
  if (!ON.includes(word) && !OFF.includes(word)) return refuse(`${name} is "${word}"; set it to true or false.`);
  return ON.includes(word);
}

/** An address of the web that this server calls: with TLS, where it is not tried out. */
export function readWeb(name: string, text: string, { production, refuse }: Reading): string {
  const url = URL.parse(text);
  const secure = url?.protocol === 'https:' || (url?.protocol === 'http:' && !production);
  if (!secure || url.search || url.hash) refuse(`${name} must be an https address.`);
  return text;
}

/** An address, a network by its prefix, or one of the names that the framework has for some. */
export function isNetwork(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', prefix = '0', ...more] = text.split('/');
  const family = isIP(address);
  return family > 0 && more.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}

/** @returns nothing for a list that is none. */
export function secretsOf(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return [text];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((each) => typeof each === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}
