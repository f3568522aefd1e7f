/** Accounts at Google. */
import { clientSettings, settings } from './settings.ts';
import type { Strategy } from './strategy.ts';

export const googleOauth2 = {
  type: 'google_oauth2',
  title: 'Google',
  mark: 'google',
  settings: settings(clientSettings),
  secrets: ['client_secret'],
  hasDefaultCredentials: true,
} as const satisfies Strategy;
