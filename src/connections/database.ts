/** The account's own users: an identifier and a password that we keep a hash of. */
import { checkPassword } from '../kernel/secret/password.ts';
import { settings } from './settings.ts';
import type { PasswordStrategy, Strategy } from './strategy.ts';

export const database = {
  type: 'database',
  title: 'Database',
  settings: settings({}),
  secrets: [],

  async checkPassword(lookup, password, asker) {
    const credential = await lookup();
    const { right, fresh } = await checkPassword(asker, password, credential?.password_hash);
    if (right && credential) return { credential, user: credential.user, ...(fresh && { fresh }) };
    return credential?.password_hash ? { wrong: credential.user } : 'unknown';
  },
} as const satisfies Strategy & PasswordStrategy;
