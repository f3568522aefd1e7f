/** The account's own users: an identifier and a password that we keep a hash of. */
import { verifyDecoy, verifyPassword } from '../kernel/secret/password.ts';
import { settings } from './settings.ts';
import type { PasswordStrategy, Strategy } from './strategy.ts';

export const database = {
  type: 'database',
  title: 'Database',
  settings: settings({}),
  secrets: [],

  async checkPassword(lookup, password) {
    const credential = await lookup();
    if (!credential?.password_hash) {
      await verifyDecoy(password);
      return 'unknown';
    }
    const right = await verifyPassword(password, credential.password_hash);
    return right ? { credential, user: credential.user } : 'wrong';
  },
} as const satisfies Strategy & PasswordStrategy;
