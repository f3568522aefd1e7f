/** The accent of a tenant: readable in any colour, in light and dark. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { accents, contrast, DEFAULT_ACCENT, parseColor, perceived, SURFACES, themeCss } from '../../src/look/theme.ts';

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

test('letters on a button are black or white by what is read better, not by ratio alone', () => {
  const { light } = accents('#ffa94d');
  assert.equal(light.onAccent, '#000000', 'an orange so light that white would need another colour');
  for (const picked of ['#e8490c', '#0d8ce0', '#e03131']) {
    const { accent, onAccent } = accents(picked).light;
    assert.ok(
      perceived(parseColor('#fff')!, parseColor(picked)!) > perceived(parseColor('#000')!, parseColor(picked)!),
    );
    assert.equal(onAccent, '#ffffff', picked);
    assert.ok(ratio(accent, picked) < 1.6, `${picked} stays what it is: ${accent}`);
  }
  // The reference implementation's own examples (apca-w3 0.1.9).
  assert.ok(Math.abs(perceived(parseColor('#888')!, parseColor('#fff')!) - 63.056) < 2.8);
  assert.ok(Math.abs(perceived(parseColor('#000')!, parseColor('#aaa')!) - 58.146) < 2.8);
});

test('the ring of a red brand is not the edge of a field that is wrong', () => {
  for (const picked of ['#e03131', '#a3271b', '#ff0033'])
    for (const { focus } of Object.values(accents(picked))) assert.match(focus, /^#(?:0{6}|f{6})$/, picked);
  for (const picked of ['#1f5c4d', '#ff9900', '#cc00aa', '#553333']) {
    const { focus, border } = accents(picked).light;
    assert.equal(focus, border, picked);
  }
});

test('a page may have any colour: what stands on it is read, by day and by night', () => {
  for (const picked of ['#ffffff', '#000000', '#808080', '#ff0033', '#ffd400', '#123456']) {
    const found = [...themeCss(undefined, picked).matchAll(/--page:(\S{7});--page-text:(\S{7});--page-muted:(\S{7})/g)];
    assert.equal(found.length, 2);
    for (const [, page, text, muted] of found) {
      assert.ok(ratio(page!, text!) >= 4.5, `${picked}: ${text} on ${page}`);
      assert.ok(ratio(page!, muted!) >= 4.5, `${picked}: ${muted} on ${page}`);
    }
    assert.equal(found[0]![1], picked);
    assert.ok(ratio(found[1]![1]!, '#ffffff') >= 15);
  }
  assert.equal(themeCss('#123456', 'red;}'), themeCss('#123456'));
});
