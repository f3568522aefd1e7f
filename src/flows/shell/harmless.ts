/**
 * Data that strangers had a hand in, made safe to show: no address that a browser should not follow, no text that turns
 * the page around. By field name and in one place, so that a template cannot forget it.
 */
import { withoutControls } from '../../kernel/text/shown.ts';
import { letters } from './letters.ts';

/** Goes back to the app that sent it, to the letter; nobody reads it. */
const EXACT = 'fields';
const IMAGE = /^(?:logo|logoDark|icon|appLogo)$/;
const ADDRESS = /(?:^action|href|url|uri)$/i;
const NAME_LENGTH = 60;

/** A copy of the data, addresses that are none left out. */
export const harmless = <Data>(data: Data): Data => cleaned(data, '') as Data;

function cleaned(value: unknown, field: string): unknown {
  if (field === EXACT) return value;
  if (typeof value === 'string') {
    if (IMAGE.test(field)) return isImage(value) ? value : undefined;
    if (ADDRESS.test(field)) return isAddress(value) ? value : undefined;
    return field === 'appName' ? shortened(withoutControls(value)) : withoutControls(value);
  }
  if (Array.isArray(value)) return value.map((item) => cleaned(item, field));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, cleaned(inner, name)]));
}

/** The browser's own parser decides, so that `java\nscript:` and friends are read as the browser would read them. */
function isAddress(value: string): boolean {
  const url = URL.parse(value, 'https://page.invalid');
  return url !== null && ['https:', 'http:', 'mailto:'].includes(url.protocol);
}

function isImage(value: string): boolean {
  const url = URL.parse(value, 'https://page.invalid');
  return url?.protocol === 'https:' || /^data:image\/(?:png|jpeg|gif|webp|avif|svg\+xml)[;,]/i.test(value);
}

/** An app's name as far as it names: the rest of a long one would push away what the page is there to say. */
function shortened(name: string): string {
  const all = letters(name);
  if (all.length <= NAME_LENGTH) return name;
  return `${all.slice(0, NAME_LENGTH).join('').trimEnd()}…`;
}
