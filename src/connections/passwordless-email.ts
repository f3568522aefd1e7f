/** Whoever reads the mail of an address is its user. What is mailed, and what it is worth, is auth/passwordless.ts's. */
import { settings } from './settings.ts';
import type { CodeStrategy, Strategy } from './strategy.ts';

export const passwordlessEmail = {
  type: 'passwordless_email',
  title: 'Email',
  settings: settings({}),
  secrets: [],
  sendsCodes: true,
} as const satisfies Strategy & CodeStrategy;
