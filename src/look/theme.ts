/**
 * From the one colour that a tenant picks to the accent variables of its pages, readable whatever was picked: light and
 * dark. Pure arithmetic; the neutral colours are views/assets/pages.css's, repeated in `SURFACES` to measure against.
 */
import { LRUCache } from 'lru-cache';

export type Rgb = readonly [red: number, green: number, blue: number];

/** Variables of one colour scheme, as `#rrggbb`. */
export type Accent = {
  /** Fill of the primary button. */
  accent: string;
  /** Text on `accent` and on `hover`: 4.5:1 or more. */
  onAccent: string;
  hover: string;
  /** Edge of the primary button, for fills too close to the background: 3:1 or more against both surfaces. */
  border: string;
  /** Links and other text in the accent's hue: 4.5:1 or more against both surfaces. */
  text: string;
  /** Focus ring: 3:1 or more against both surfaces. */
  focus: string;
};

/** Hawthorn leaf: the plant that Cardea hangs over doors. */
export const DEFAULT_ACCENT = '#1f5c4d';

/** `--page` and `--card` of pages.css; a test holds the two together. */
export const SURFACES = {
  light: { page: '#f6f4f0', card: '#ffffff' },
  dark: { page: '#141412', card: '#1d1c1a' },
} as const;

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];

type Accents = { light: Accent; dark: Accent };
/** Tenants have few colours, and a page asks for its own several times. */
const made = new LRUCache<number, Accents>({ max: 500 });

/** The accents for a tenant's colour; anything but `#rgb` or `#rrggbb` counts as none. */
export function accents(primaryColor?: unknown): Accents {
  const brand = parseColor(primaryColor) ?? parseColor(DEFAULT_ACCENT)!;
  const key = (brand[0] << 16) | (brand[1] << 8) | brand[2];
  const known = made.get(key) ?? { light: lightAccent(brand), dark: darkAccent(brand) };
  made.set(key, known);
  return known;
}

/** The accents and the page as a style sheet; safe inside <style>, as it is made of our own hexadecimal digits only. */
export function themeCss(primaryColor?: unknown, pageColor?: unknown): string {
  const { light, dark } = accents(primaryColor);
  const page = parseColor(pageColor);
  return (
    `:root{${declarations(light)}${page ? `;${surroundings(page)}` : ''}}` +
    `@media (prefers-color-scheme:dark){:root{${declarations(dark)}${page ? `;${surroundings(nightly(page))}` : ''}}}`
  );
}

/** What is around the card, and what is written there. */
function surroundings(page: Rgb): string {
  const text = contrast(page, WHITE) > contrast(page, BLACK) ? WHITE : BLACK;
  return `--page:${hex(page)};--page-text:${hex(text)};--page-muted:${hex(shiftUntil(mix(page, text, 0.6), text, [page], 4.5))}`;
}

/** The same colour when it is dark: so deep that white reads on it as on our own. */
const nightly = (page: Rgb): Rgb => {
  for (let step = 0; step < 64; step++) {
    const candidate = mix(page, BLACK, step / 64);
    if (contrast(candidate, WHITE) >= 15) return candidate;
  }
  return BLACK;
};

export function parseColor(input: unknown): Rgb | undefined {
  if (typeof input !== 'string') return undefined;
  const digits = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(input.trim())?.[1];
  if (!digits) return undefined;
  const full = digits.length === 3 ? digits.replace(/./g, '$&$&') : digits;
  const value = Number.parseInt(full, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** WCAG 2.2 contrast ratio, 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** A pale colour keeps its fill (a brand's yellow stays yellow) and is told from the page by its edge. */
function lightAccent(brand: Rgb): Accent {
  const behind = surfaces('light');
  const fill = isGrey(brand) ? liftGrey(brand, BLACK, behind) : brand;
  return finish(fill, behind, BLACK, 4.5);
}

/** A deep colour would drown in the dark, edge or not, so the fill itself is lifted; thin strokes need more light too. */
function darkAccent(brand: Rgb): Accent {
  const behind = surfaces('dark');
  const fill = isGrey(brand) ? liftGrey(brand, WHITE, behind) : shiftUntil(brand, WHITE, behind, 3);
  return finish(fill, behind, WHITE, 6);
}

/** Black brands turn white in the dark, and white ones black in the light: a middle grey would look switched off. */
function liftGrey(brand: Rgb, towards: Rgb, behind: Rgb[]): Rgb {
  const visible = behind.every((surface) => contrast(brand, surface) >= 3);
  return visible ? brand : shiftUntil(brand, towards, behind, 12);
}

function isGrey(color: Rgb): boolean {
  return Math.max(...color) - Math.min(...color) < 24;
}

function finish(picked: Rgb, behind: Rgb[], towards: Rgb, textRatio: number): Accent {
  const { fill, onAccent } = legible(picked);
  const edge = shiftUntil(fill, towards, behind, 3);
  return {
    accent: hex(fill),
    onAccent: hex(onAccent),
    // Away from the text's own colour, so that hovering never costs contrast.
    hover: hex(mix(fill, onAccent === WHITE ? BLACK : WHITE, 0.14)),
    border: hex(edge),
    text: hex(shiftUntil(fill, towards, behind, textRatio)),
    // The edge of a field in focus must not look like that of one that is wrong.
    focus: hex(isReddish(picked) ? towards : edge),
  };
}

/**
 * What is written on a fill: the better of black and white by perception (APCA, W3C silver draft), which by ratio alone
 * would be black on an orange or a mid blue that everybody reads in white. The ratio is kept too: where white lacks a
 * little of it the fill gives way, and where it lacks more black it is.
 */
function legible(picked: Rgb): { fill: Rgb; onAccent: Rgb } {
  const deepest = mix(picked, BLACK, DEEPENED);
  const isWhite = perceived(WHITE, picked) > perceived(BLACK, picked) && contrast(deepest, WHITE) >= RATIO;
  if (!isWhite)
    return contrast(picked, BLACK) >= RATIO ? { fill: picked, onAccent: BLACK } : { fill: picked, onAccent: WHITE };
  return { fill: shiftUntil(picked, BLACK, [WHITE], RATIO), onAccent: WHITE };
}
const RATIO = 4.5;
/** How much of itself a fill may give for white letters. */
const DEEPENED = 0.2;

/** Lightness contrast of APCA 0.1.9, 0 to about 108, whichever of the two is lighter. */
export function perceived(text: Rgb, behind: Rgb): number {
  const luma = (color: Rgb) => {
    const [red, green, blue] = color.map((channel) => (channel / 255) ** 2.4) as [number, number, number];
    const sum = 0.2126729 * red + 0.7151522 * green + 0.072175 * blue;
    // biome-ignore lint/suspicious/noApproximativeNumericConstant: APCA's own number, which is not the root of two
    return sum > 0.022 ? sum : sum + (0.022 - sum) ** 1.414;
  };
  const [ink, ground] = [luma(text), luma(behind)];
  const contrast = ground > ink ? ground ** 0.56 - ink ** 0.57 : ink ** 0.62 - ground ** 0.65;
  return Math.max(0, contrast * 114);
}

/** Whether a colour is of the reds that mean a mistake: by hue, and strong enough to have one. */
function isReddish([red, green, blue]: Rgb): boolean {
  const most = Math.max(red, green, blue);
  const range = most - Math.min(red, green, blue);
  if (most !== red || range < 60) return false;
  const hue = (60 * (green - blue)) / range;
  return hue > -25 && hue < 22;
}

/** The first of 64 steps from `color` to `towards` that has `ratio` against every colour behind it. */
function shiftUntil(color: Rgb, towards: Rgb, behind: Rgb[], ratio: number): Rgb {
  for (let step = 0; step < 64; step++) {
    const candidate = mix(color, towards, step / 64);
    if (behind.every((surface) => contrast(candidate, surface) >= ratio)) return candidate;
  }
  return towards;
}

function surfaces(scheme: keyof typeof SURFACES): Rgb[] {
  return Object.values(SURFACES[scheme]).map((color) => parseColor(color)!);
}

/** Rounded here, so that what is measured is what is sent. */
function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const channel = (index: 0 | 1 | 2) => Math.round(from[index] + (to[index] - from[index]) * share);
  return [channel(0), channel(1), channel(2)];
}

function luminance(color: Rgb): number {
  const [red, green, blue] = color.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function hex(color: Rgb): string {
  return `#${color.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

function declarations(accent: Accent): string {
  return [
    `--accent:${accent.accent}`,
    `--on-accent:${accent.onAccent}`,
    `--accent-hover:${accent.hover}`,
    `--accent-border:${accent.border}`,
    `--accent-text:${accent.text}`,
    `--focus:${accent.focus}`,
  ].join(';');
}
