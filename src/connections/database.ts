/** The account's own users: an identifier and a password that we keep a hash of. */
import { isCheap, verifyDecoy, verifyPassword } from '../kernel/secret/password.ts';
import { settings } from './settings.ts';
import type { PasswordStrategy, Strategy } from './strategy.ts';

export const database = {
  type: 'database',
  title: 'Database',
  settings: settings({}),
  secrets: [],

  async checkPassword(lookup, password, algorithm) {
    const credential = await lookup();
    if (!credential?.password_hash) {
      await verifyDecoy(password, algorithm);
      return 'unknown';
    }
    if (await verifyPassword(password, credential.password_hash)) return { credential, user: credential.user };
    if (isCheap(credential.password_hash)) await verifyDecoy(password, algorithm);
    return 'wrong';
  },
} as const satisfies Strategy & PasswordStrategy;
