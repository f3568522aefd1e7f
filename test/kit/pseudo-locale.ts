/**
 * A language that nobody speaks: every word of the locale files in accented letters, half as long again, between marks, and
 * read from right to left. What a page says without marks was written into a template or a module.
 */
import { learn, type Words } from '../../src/look/words.ts';
import en from '../../views/locales/en.json' with { type: 'json' };

/** Mirrored, by the code that browsers and CLDR have for such a one. */
export const PSEUDO = 'ar-XB';

const ACCENTS: Record<string, string> = Object.fromEntries(
  [...'aáeéiíoóuúnñcçsšyýAÁEÉIÍOÓUÚNÑCÇSŠ'.matchAll(/(.)(.)/gu)].map(([, plain, accented]) => [plain, accented]),
);

/** Words as the language has them; what is filled in stays. */
export function pseudo(words: string): string {
  const accented = words.replace(/\{\{\w+\}\}|./gsu, (part) => ACCENTS[part] ?? part);
  const more = 'ö'.repeat(Math.ceil(words.replace(/\{\{\w+\}\}/g, '').length / 2));
  return `⟦${accented} ${more.replace(/.{7}/g, '$& ').trim()}⟧`;
}

/** Its plurals are those of Arabic, which has six forms where English has two. */
const formsOf = (key: string): string[] =>
  key.endsWith('_other') ? ['zero', 'two', 'few', 'many', 'other'].map((form) => key.replace(/other$/, form)) : [key];

learn(
  PSEUDO,
  Object.fromEntries(
    Object.entries(en).flatMap(([key, words]) => formsOf(key).map((form) => [form, pseudo(words)])),
  ) as Words,
);

/** What the attributes say that people see or hear. */
const SAID =
  /\s(?:aria-label|title|alt|placeholder|data-(?:other|kept|broken|working|refreshed|copied)[a-z-]*)="([^"]*)"/g;

/** What a page says that is between no marks; `known` are names and addresses, which are the same in every language. */
export function unmarked(html: string, known: RegExp): string[] {
  const body = html.replace(/<(style|script)[\s\S]*?<\/\1>|<!doctype html>/g, '');
  const texts = [...body.replace(/<[^>]*>/g, '\n').split('\n'), ...[...body.matchAll(SAID)].map(([, said]) => said!)];
  let joined = texts.map((text) => text.trim()).filter(Boolean);
  // Marks within marks: a value that was words itself.
  for (let before = ''; before !== joined.join(); ) {
    before = joined.join();
    joined = joined.map((text) => text.replace(/⟦[^⟦⟧]*⟧/g, ''));
  }
  return joined.map((text) => text.replace(known, '').trim()).filter((text) => /[\p{L}\p{N}]/u.test(text));
}
