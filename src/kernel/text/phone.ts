/** Phone numbers, with the signs that people write between digits (RFC 3966 §5.1.1). */
import { identifier } from './kind.ts';

const LONGEST = 40;
const NUMBER = /^\+?[\d ()./-]+(;ext=\d{1,10})?$/;

/** In ASCII digits; the signs stay as they were written, since they say how to read the number. */
export const phoneNumber = identifier('a phone number', (text) => {
  const number = text.replace(/\p{Pd}/gu, '-').replace(/\s+/g, ' ');
  return number.length <= LONGEST && NUMBER.test(number) && /\d/.test(number) ? number : undefined;
});

/** ITU-T E.164: a plus, the country, up to fifteen digits; nothing that depends on where it is dialled. */
export const dialledNumber = identifier('a phone number with its country, as +34600123456', (text) => {
  const number = phoneNumber.canonical(text);
  const dialled = number?.startsWith('+') && !number.includes(';') ? `+${digitsOf(number)}` : '';
  return /^\+[1-9]\d{6,14}$/.test(dialled) ? dialled : undefined;
});

/** What is dialled: the digits alone. */
export const digitsOf = (text: string): string => text.replace(/\D/g, '');
