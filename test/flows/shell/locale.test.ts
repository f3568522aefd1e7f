/** The words of the pages: the same in every language, each of them shown, and which language a visitor reads. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { pages } from '../../../src/flows/index.ts';
import { localeLinks, scopePermission } from '../../../src/flows/shell/locale.ts';
import { available, duration, negotiateLocale, translator } from '../../../src/look/words.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('locale', () => {
  const files = available.map((locale) => ({
    locale,
    words: JSON.parse(read(`views/locales/${locale}.json`)) as Record<string, string>,
  }));
  const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

  test('every language has the same keys, none of them empty, with the same placeholders', () => {
    const [english, ...others] = files;
    for (const { locale, words } of files)
      for (const [key, text] of Object.entries(words)) assert.ok(text.trim(), `${locale}: ${key}`);
    for (const { locale, words } of others) {
      assert.deepEqual(Object.keys(words).sort(), Object.keys(english!.words).sort(), locale);
      for (const [key, text] of Object.entries(words))
        assert.deepEqual(placeholders(text), placeholders(english!.words[key]!), `${locale}: ${key}`);
    }
  });

  test('the words are in the reader’s terms: no exclamation marks, no "please", no protocol', () => {
    for (const { locale, words } of files)
      for (const [key, text] of Object.entries(words)) {
        if (/^(playground|landing\.dev)\./.test(key)) continue;
        assert.doesNotMatch(
          text,
          /[!¡]|please|por favor|invalid|session|tenant(?!}})|OIDC|OAuth|error\b/i,
          `${locale}: ${key}`,
        );
      }
  });

  test('an explicit choice beats the browser, which beats the tenant’s default', () => {
    assert.equal(negotiateLocale({ lang: 'es', uiLocales: 'en', acceptLanguage: 'en' }), 'es');
    assert.equal(negotiateLocale({ uiLocales: 'fr-CA es-MX en', acceptLanguage: 'en' }), 'es');
    assert.equal(negotiateLocale({ acceptLanguage: 'de, en;q=0.3, es-419;q=0.8, *;q=0.1' }), 'es');
    assert.equal(negotiateLocale({ acceptLanguage: 'fr', enabled: ['es', 'en'] }), 'es');
    assert.equal(negotiateLocale({}), 'en');
  });

  test('a language that the tenant has not enabled is not given, and nonsense is ignored', () => {
    assert.equal(negotiateLocale({ lang: 'es', acceptLanguage: 'es', enabled: ['en'] }), 'en');
    assert.equal(negotiateLocale({ enabled: ['tlh', 'xx'] }), 'en');
    assert.equal(negotiateLocale({ lang: '../../etc', uiLocales: '; DROP', acceptLanguage: ';q=x,,es;q=0' }), 'en');
    assert.equal(negotiateLocale({ lang: '__proto__', acceptLanguage: 'constructor' }), 'en');
  });

  test('a wait is told in the words of the language, and never shorter than it is', () => {
    assert.deepEqual(
      [1, 59, 60, 61, 7199, 7200, 86_000].map((seconds) => duration('en', seconds)),
      ['1 second', '59 seconds', '1 minute', '2 minutes', '120 minutes', '2 hours', '24 hours'],
    );
    assert.deepEqual([duration('es', 60), duration('es', 300)], ['1 minuto', '5 minutos']);
  });

  test('a value cannot smuggle in another message', () => {
    const t = translator('en');
    assert.equal(t('login.heading', { app: '$t(login.submit) {{app}}' }), 'Log in to $t(login.submit) {{app}}');
  });

  test('a right-to-left name inside a sentence is isolated', () => {
    assert.equal(translator('en')('login.heading', { app: 'طلبات' }), 'Log in to \u2068طلبات\u2069');
  });

  test('the language menu keeps the rest of the address', () => {
    assert.deepEqual(
      localeLinks('/login?flow=1&lang=en', ['es', 'en']).map(({ href, label }) => [href, label]),
      [
        ['/login?flow=1&lang=es', 'Español'],
        ['/login?flow=1&lang=en', 'English'],
      ],
    );
    assert.equal(localeLinks('//evil.example/x')[0]!.href, '/x?lang=en');
  });

  test('the standard scopes are sentences', () => {
    assert.equal(scopePermission('email', 'es'), 'Ver tu correo electrónico');
    assert.equal(scopePermission('orders:read', 'en'), undefined);
    assert.equal(scopePermission('__proto__', 'en'), undefined);
  });
});

describe('words', () => {
  const words = JSON.parse(read('views/locales/en.json')) as Record<string, string>;
  const keys = [...new Set(Object.keys(words).map((key) => key.replace(/_(?:one|other)$/, '')))];
  const begins = (key: string, prefix: string) => key === prefix || key.startsWith(`${prefix}.`);
  /** The keys that a template or a module names, whole or with parts that are filled in. */
  const named = (source: string): RegExp[] =>
    [...source.matchAll(/'([a-z_]+(?:\.[a-z_0-9]+)+)'|`([a-z_]+\.(?:[a-z_0-9.]|\$\{[^}]*\})+)`/g)]
      .map(([, whole, filled]) => (whole ?? filled)!)
      .filter((key) => !/\.(?:js|css|svg)$/.test(key))
      .map((key) => new RegExp(`^${key.replace(/\./g, '\\.').replace(/\$\{[^}]*\}/g, '[a-z_]+')}$`));
  /** A template with all that it includes. */
  const template = (path: string): string => {
    const source = read(path);
    const parts = [...source.matchAll(/(?:include|layout)\('\/([a-z/-]+)'/g)].map(([, part]) => `views/${part}.eta`);
    return [source, ...parts.map(template)].join('\n');
  };
  /** Those of the layout, which every page has; and of what is sent. */
  const SHARED = ['footer', 'language', 'mail', 'sms'];

  test('a page shows words that are there, and that it says are its', () => {
    for (const { name, words: own } of pages)
      for (const pattern of named(template(`views/pages/${name}.eta`))) {
        const found = keys.filter((key) => pattern.test(key));
        assert.ok(found.length > 0, `${name}: there are no words for ${pattern}`);
        const isOwn = found.some((key) => [...own, ...SHARED].some((prefix) => begins(key, prefix)));
        assert.ok(isOwn, `${name}: ${found} are not among its words`);
      }
  });

  test('no word is left that nothing shows, and none that is no page’s', () => {
    const sources = globSync(['src/flows/**/*.ts', 'src/domain/{mail,message}/*.ts', 'views/**/*.{eta,liquid}'])
      .map(read)
      .join('\n');
    const shown = named(sources);
    const declared = [...SHARED, ...pages.flatMap(({ words: own }) => own)];
    const unused = keys.filter((key) => key !== 'language' && !shown.some((pattern) => pattern.test(key)));
    assert.deepEqual(unused, []);
    assert.deepEqual(
      keys.filter((key) => !declared.some((prefix) => begins(key, prefix))),
      [],
    );
  });
});
