/** Names to log in with. None holds an "@", so that a username is never taken for an email address. */
import { identifier } from './kind.ts';

const LONGEST = 150;

/** Compared without case. */
export const username = identifier('a username', (text) =>
  text.length > 0 && text.length <= LONGEST && !/[\s@]/.test(text) ? text : undefined,
);
