/** The accent of a tenant: readable in any colour, in light and dark. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { accents, contrast, DEFAULT_ACCENT, parseColor, SURFACES, themeCss } from '../../src/look/theme.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const ratio = (a: string, b: string) => contrast(parseColor(a)!, parseColor(b)!);

test('any colour that a tenant picks stays readable, in light and dark', () => {
  const steps = Array.from({ length: 16 }, (_, step) => (step * 17).toString(16).padStart(2, '0'));
  for (const red of steps)
    for (const green of steps)
      for (const blue of steps) {
        const picked = `#${red}${green}${blue}`;
        for (const [scheme, accent] of Object.entries(accents(picked))) {
          const surfaces = Object.values(SURFACES[scheme as 'light' | 'dark']);
          const least = (color: string) => Math.min(...surfaces.map((surface) => ratio(color, surface)));
          const at = `${picked} ${scheme}`;
          assert.ok(ratio(accent.onAccent, accent.accent) >= 4.5, `button text of ${at}`);
          assert.ok(ratio(accent.onAccent, accent.hover) >= 4.5, `hovered button text of ${at}`);
          assert.ok(least(accent.border) >= 3, `button edge of ${at}`);
          assert.ok(least(accent.focus) >= 3, `focus ring of ${at}`);
          assert.ok(least(accent.text) >= 4.5, `link of ${at}`);
        }
      }
});

test('a readable colour is used as it is', () => {
  assert.equal(accents('#a3271b').light.accent, '#a3271b');
  assert.equal(accents('#FC0').light.accent, '#ffcc00');
});

test('a yellow stays yellow; a black brand turns white in the dark and a white one black in the light', () => {
  assert.equal(accents('#ffd400').light.accent, '#ffd400');
  assert.equal(accents('#111111').dark.onAccent, '#000000');
  assert.equal(accents('#fafafa').light.onAccent, '#ffffff');
});

test('anything but a hexadecimal colour is the default, and nothing of it reaches the style sheet', () => {
  const hostile = ['', 'red', '#12345', '#gggggg', 'rgb(1,2,3)', '#fff;}</style><script>', 'url(x)', 42, null, {}];
  for (const input of hostile) assert.equal(themeCss(input), themeCss(DEFAULT_ACCENT), String(input));
  assert.match(themeCss(), /^[-a-z0-9:;#{}@() ]+$/);
});

test('the neutral colours of pages.css have their contrast, and are the ones that the accent is computed against', () => {
  const [light, dark] = [...read('views/assets/pages.css').matchAll(/:root \{([^}]*)\}/g)].map(([, block]) =>
    Object.fromEntries([...block!.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value!])),
  );
  for (const [scheme, colors] of [
    ['light', light!],
    ['dark', dark!],
  ] as const) {
    assert.deepEqual({ page: colors.page, card: colors.card }, SURFACES[scheme]);
    for (const text of ['text', 'muted'])
      for (const behind of ['page', 'card', 'soft'])
        assert.ok(ratio(colors[text]!, colors[behind]!) >= 4.5, `${scheme}: ${text} on ${behind}`);
    assert.ok(ratio(colors.control!, colors.card!) >= 3, `${scheme}: edge of an input`);
    for (const behind of ['card', 'danger-soft'])
      assert.ok(ratio(colors.danger!, colors[behind]!) >= 4.5, `${scheme}: danger on ${behind}`);
  }
});
