/** Phone numbers, with the signs that people write between digits (RFC 3966 §5.1.1). */
import { identifier } from './kind.ts';

const LONGEST = 40;
const NUMBER = /^\+?[\d ()./-]+(;ext=\d{1,10})?$/;

/** In ASCII digits; the signs stay as they were written, since they say how to read the number. */
export const phoneNumber = identifier('a phone number', (text) => {
  const number = text.replace(/\p{Pd}/gu, '-').replace(/\s+/g, ' ');
  return number.length <= LONGEST && NUMBER.test(number) && /\d/.test(number) ? number : undefined;
});

/** What is dialled: the digits alone. */
export const digitsOf = (text: string): string => text.replace(/\D/g, '');
